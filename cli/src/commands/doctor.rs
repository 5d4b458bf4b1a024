//! `doctor`: checks the set-up, and proves that one tenant's session cannot use another tenant's key.

mod access;
mod check;
mod documents;
mod isolation;
mod keys;

use std::collections::HashMap;

use clap::Args;
use serde_json::{Value, json};
use tenantseal::TenantId;
use tenantseal::keys::{Policy, Tenancy};

use self::check::{Change, Checklist, Report, Tally};
use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Result};
use crate::output::Output;
use crate::sessions::Sessions;
use crate::settings::Settings;

/// Check the set-up, and prove that one tenant's session cannot use another tenant's key.
///
/// Nothing is changed. The keys are looked at with the operator's credentials (--profile), sessions are made with those of a
/// service (--service-profile). What must be refused is tried with DryRun; one data key per tenant is really made, and thrown
/// away, so that there is something to decrypt.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The tenants to check. Isolation is proven between the first two
    #[arg(required = true, value_parser = tenant)]
    tenants: Vec<TenantId>,
    /// Profile of a service that assumes the role [default: as --profile]
    #[arg(long, value_name = "PROFILE")]
    service_profile: Option<String>,
}

/// What the checks look at.
#[derive(Debug)]
struct Patient {
    tenancy: Tenancy,
    region: String,
    operator: aws_config::SdkConfig,
    /// Who assumes the role, for the trust policy.
    service_arn: String,
    sessions: Sessions,
    /// What the keys' checks found, for those that follow.
    found: HashMap<TenantId, Found>,
}

/// A tenant's key as its administrator sees it.
#[derive(Debug, Clone, Default)]
struct Found {
    key_id: String,
    /// What would make its policy the generated one.
    key_policy: Vec<Change>,
}

impl Patient {
    fn found(&self, tenant: &TenantId) -> Found {
        self.found.get(tenant).cloned().unwrap_or_default()
    }
}

impl Doctor {
    pub(crate) async fn run(self, mut settings: Settings, output: &Output) -> Result<Exit> {
        settings.service_profile = self.service_profile.or(settings.service_profile);
        let tenancy = settings.tenancy()?;
        let operator = aws::operator(&settings).await;
        let region = aws::region(&operator)?;
        let service = aws::service(&settings).await;
        let mut report = Report::new(output.progress("looking"));

        let service_arn = access::callers(&mut report, &tenancy, &operator, &service).await?;
        let sessions = Sessions::new(service, tenancy.clone())?;
        let mut patient = Patient { tenancy, region, operator, service_arn, sessions, found: HashMap::new() };
        // The checks, in the order in which their findings should be mended. A new kind of check is one more line here.
        access::role(&mut report, &patient, &self.tenants[0]).await?;
        for tenant in &self.tenants {
            keys::tenant(&mut report, &mut patient, tenant).await?;
        }
        match &self.tenants[..] {
            [a, b, ..] if a != b => {
                isolation::between(&mut report, &patient, a, b).await?;
                isolation::between(&mut report, &patient, b, a).await?;
            }
            _ => output.say("Isolation is proven between two tenants: name a second one."),
        }

        let checks = report.into_checks();
        let tally = Tally::of(&checks);
        output
            .answer(Checklist(&checks), &json!({ "healthy": tally.failed == 0, "tally": tally, "checks": checks }))?;
        Ok(if tally.failed == 0 { Exit::Done } else { Exit::Findings })
    }
}

/// A policy of the library as JSON.
fn document(policy: &Policy) -> Value {
    serde_json::from_str(&policy.to_string()).unwrap_or_default()
}
