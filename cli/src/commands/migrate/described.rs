//! How far tenants are, for people and for machines.

use std::time::SystemTime;

use serde_json::{Value, json};
use tenantseal::TenantId;
use tenantseal::adoption::{AdoptionError, AdoptionStage, AdoptionStatus};

use crate::errors::{Exit, Failure};
use crate::output::{BAD, DIM, GOOD, date, table};
use crate::visible::Visible;

/// What became of one tenant.
pub(super) type Outcome = (TenantId, Result<AdoptionStatus, AdoptionError>);

/// A table of all tenants, and why some were left as they are.
pub(super) fn describe(outcomes: &[Outcome]) -> String {
    let mut rows = vec![["tenant", "stage", "expires", "next"].map(str::to_owned).to_vec()];
    let mut failures = String::new();
    for (tenant, outcome) in outcomes {
        match outcome {
            Ok(status) => rows.push(vec![
                tenant.to_string(),
                stage(status).to_owned(),
                status.expires().filter(|_| status.is_in_force()).map_or_else(String::new, date),
                next(status),
            ]),
            Err(error) => failures += &format!("{BAD}✗{BAD:#} {}\n", Visible(error.to_string())),
        }
    }
    let plain = outcomes.iter().filter(|(_, outcome)| outcome.as_ref().is_ok_and(AdoptionStatus::is_in_force)).count();
    let sum = match (plain, failures.is_empty()) {
        (0, true) => format!("{GOOD}✓{GOOD:#} none of these tenants has a leave\n"),
        (plain, _) => format!("{DIM}{plain} of {} tenants have a leave{DIM:#}\n", outcomes.len()),
    };
    table(&rows) + &failures + &sum
}

fn stage(status: &AdoptionStatus) -> &'static str {
    match status.stage() {
        AdoptionStage::None => "no leave",
        AdoptionStage::Closed => "closed",
        AdoptionStage::Plain | AdoptionStage::Sealing if !status.is_in_force() => "expired",
        AdoptionStage::Plain => "written plain",
        AdoptionStage::Sealing => "written sealed",
    }
}

/// What the operator does next.
fn next(status: &AdoptionStatus) -> String {
    match (status.stage(), status.may_close(), status.fence()) {
        (AdoptionStage::Plain, ..) => "deploy `adopt` everywhere, then seal".to_owned(),
        (AdoptionStage::Sealing, Ok(()), _) => "close".to_owned(),
        (AdoptionStage::Sealing, Err(_), Some(fence)) if fence > SystemTime::now() => {
            format!("sweep after {}, then close", date(fence))
        }
        (AdoptionStage::Sealing, ..) => "sweep, then close".to_owned(),
        (AdoptionStage::None | AdoptionStage::Closed, ..) => String::new(),
    }
}

/// One line of JSON per tenant.
pub(super) fn to_json((tenant, outcome): &Outcome) -> Value {
    match outcome {
        Ok(status) => {
            let mut told = serde_json::to_value(status).unwrap_or_default();
            if let Some(told) = told.as_object_mut() {
                told.insert("may_close".to_owned(), status.may_close().is_ok().into());
                told.insert("fence".to_owned(), status.fence().map_or(Value::Null, |fence| date(fence).into()));
            }
            told
        }
        Err(error) => json!({ "tenant": tenant, "error": error.to_string() }),
    }
}

/// The exit code, which says whether the same command is worth another attempt.
pub(super) fn exit(outcomes: &[Outcome]) -> Exit {
    let failures = || outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err());
    match failures().next() {
        None => Exit::Done,
        Some(_) if failures().all(AdoptionError::is_retryable) => Exit::Unreachable,
        Some(_) if failures().any(AdoptionError::is_integrity) => Exit::Findings,
        Some(_) => Exit::Refused,
    }
}

/// The failure of a command that names a single tenant.
pub(super) fn failure(error: &AdoptionError) -> Failure {
    match error {
        AdoptionError::Ledger(error) => error.clone().into(),
        error if error.is_retryable() => Failure::new(Exit::Unreachable, error.to_string()),
        error if error.is_integrity() => Failure::new(Exit::Findings, error.to_string()),
        AdoptionError::Lasting => Failure::usage(error.to_string()),
        error => Failure::new(Exit::Refused, error.to_string()),
    }
}
