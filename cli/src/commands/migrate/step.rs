//! One step of an adoption, for some tenants or for all.

use std::time::Duration;

use clap::{ArgGroup, Args};
use tenantseal::TenantId;
use tenantseal::adoption::{Adoption, AdoptionError, AdoptionStatus};

use super::described::{describe, exit, failure, to_json};
use crate::args::{pair, tenant};
use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::locked::{Locked, LockedTable};
use crate::output::Output;
use crate::service;
use crate::settings::Settings;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The tenants and the table of a step.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").args(["tenants", "all"]).required(true)))]
pub(crate) struct Step {
    #[command(flatten)]
    table: LockedTable,
    /// An attribute that the services adopt (repeat it); `open` needs each. Later steps go by the leave
    #[arg(long = "attribute", value_name = "NAME")]
    attributes: Vec<String>,
    /// A tenant (repeat it)
    #[arg(long = "tenant", value_name = "TENANT", value_parser = tenant)]
    tenants: Vec<TenantId>,
    /// The active tenants of the registry
    #[arg(long)]
    all: bool,
    /// A static pair of the services' encryption context (repeat it)
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
}

/// Let tenants' items be plaintext.
#[derive(Debug, Args)]
pub(crate) struct Open {
    #[command(flatten)]
    pub(super) step: Step,
    /// Also for a tenant whose adoption is closed: plaintext is accepted again, whoever wrote it
    #[arg(long)]
    pub(super) again: bool,
    /// How many days the leave lasts
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=90))]
    pub(super) days: u32,
}

/// What is done with each tenant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Open { again: bool, days: u32 },
    Seal,
    Back,
    Close,
    Status,
}

impl Step {
    pub(super) async fn run(self, action: Action, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { table, attributes, tenants, all, context } = self;
        let locked = table.read()?;
        let tenants = if all { service::active_tenants(settings).await? } else { tenants };
        if matches!(action, Action::Open { .. }) && attributes.is_empty() {
            // What was always encrypted would become what anybody may plant.
            return Err(Failure::usage("which attributes are adopted?")
                .help("give --attribute for each that the services adopt, and for no other"));
        }
        let attributes = adopted(&locked, attributes)?;
        let what = action.describe(locked.schema.name(), &tenants, &attributes);
        if output.is_dry_run() && !matches!(action, Action::Status) {
            return output.print_dry_run(&[what]);
        }
        // Services may not write leaves.
        let ledger = settings.ledger_table(&aws::operator(settings).await)?;
        let config = aws::service(settings).await;
        aws::region(&config)?;
        let builder = service::builder(settings, &config, &locked, context)?.makes_no_lookup_keys();
        let builder = builder.ledger(ledger).adopt(locked.schema.name(), attributes);
        let seal = service::build(builder, &config)?;
        let adoption = seal.adoption(locked.schema.name()).map_err(|error| failure(&error))?;
        if let Some(question) = action.question(locked.schema.name(), &tenants) {
            output.confirm(&question, locked.schema.name()).await?;
        }
        let progress = output.progress_of(tenants.len() as u64, what);
        let mut outcomes = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            progress.step(tenant.to_string());
            outcomes.push((tenant.clone(), action.take(&adoption, &tenant).await));
        }
        drop(progress);
        if let ([(_, Err(error))], false) = (&outcomes[..], all) {
            return Err(failure(error));
        }
        match output.is_json() {
            true => outcomes.iter().try_for_each(|outcome| output.answer("", &to_json(outcome)))?,
            false => output.print(describe(&outcomes))?,
        }
        Ok(exit(&outcomes))
    }
}

impl Action {
    async fn take(self, adoption: &Adoption<'_>, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        match self {
            Self::Open { again, days } => {
                let adoption = adoption.clone().lasting(DAY * days);
                if again { adoption.open_again(tenant).await } else { adoption.open(tenant).await }
            }
            Self::Seal => adoption.seal(tenant).await,
            Self::Back => adoption.back(tenant).await,
            Self::Close => adoption.close(tenant).await,
            Self::Status => adoption.status(tenant).await,
        }
    }

    /// The action, after "would".
    fn describe(self, table: &str, tenants: &[TenantId], attributes: &[String]) -> String {
        let of = match tenants {
            [tenant] => format!("{tenant} in {table}"),
            tenants => format!("{} tenants in {table}", tenants.len()),
        };
        match self {
            Self::Open { .. } => format!("let {} be plaintext for {of}", attributes.join(", ")),
            Self::Seal => format!("have items written sealed for {of}"),
            Self::Back => format!("have items written as plaintext again for {of}"),
            Self::Close => format!("refuse plaintext of {of}"),
            Self::Status => format!("read the leaves of {of}"),
        }
    }

    /// What the operator confirms with the table's name.
    fn question(self, table: &str, tenants: &[TenantId]) -> Option<String> {
        let of = match tenants {
            [tenant] => format!("{tenant}'s items"),
            tenants => format!("The items of {} tenants", tenants.len()),
        };
        match self {
            Self::Seal => Some(format!(
                "{of} in {table} will be written sealed. A process that does not adopt the table would read ciphertext, \
                 and write plaintext that is refused later."
            )),
            Self::Open { again: true, .. } => {
                Some(format!("{of} in {table} may be plaintext again, whoever wrote it."))
            }
            _ => None,
        }
    }
}

/// The adopted attributes: those that are named, or all that can be.
pub(crate) fn adopted(locked: &Locked, named: Vec<String>) -> Result<Vec<String>> {
    if !named.is_empty() {
        return Ok(named);
    }
    let has_lookup = |name: &str| {
        locked.schema.lookups().iter().any(|lookup| lookup.parts().iter().any(|part| part.attribute() == name))
    };
    let encrypted = locked.schema.attributes().filter(|(_, protection)| !protection.is_plain());
    let all: Vec<_> = encrypted.map(|(name, _)| name.to_owned()).filter(|name| !has_lookup(name)).collect();
    match all.is_empty() {
        true => {
            Err(Failure::usage(format!("table `{}` has no encrypted attribute without a lookup", locked.schema.name())))
        }
        false => Ok(all),
    }
}
