//! `doctor`: checks the setup, and proves that one tenant's session cannot use another tenant's key.

mod access;
mod check;
mod documents;
mod isolation;
mod key_table;
mod keys;
mod lookup_keys;
mod setup;

use std::collections::HashMap;

use clap::Args;
use serde_json::json;
use tenantseal::TenantId;
use tenantseal_tenants::{State, Tenants, Tier};

use self::check::{Checklist, Counts, Report};
use self::setup::Setup;
use crate::args::{InheritedTags, tenant};
use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::Output;
use crate::sessions::Sessions;
use crate::settings::Settings;

/// Check the setup, and prove that one tenant's session cannot use another tenant's key.
///
/// Nothing is changed. The operator's credentials (--profile) read the keys; a service's credentials
/// (--service-profile) open sessions. Calls that must be refused use DryRun. One data key per tenant is really created
/// and discarded, so that there is something to decrypt.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The tenants to check; isolation is proven between the first two [default: two active ones of the registry]
    #[arg(value_parser = tenant)]
    tenants: Vec<TenantId>,
    #[command(flatten)]
    inherited: InheritedTags,
}

impl Doctor {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let settings = &settings.with_inherited_tags(self.inherited.inherited_tags);
        let tenancy = settings.tenancy()?;
        let operator = aws::operator(settings).await;
        let region = aws::region(&operator)?;
        let service = aws::service(settings).await;
        let registry = settings.tenants(&operator, None)?;
        let mut report = Report::new(output.progress("looking"));

        let service_arn = access::check_callers(&mut report, &tenancy, &operator, &service).await?;
        let sessions = Sessions::new(service.clone(), tenancy.clone())?;
        let tenants = if self.tenants.is_empty() { two_active_tenants(&registry).await? } else { self.tenants };
        let mut setup = Setup {
            tenancy,
            scope: settings.scope(),
            region,
            operator,
            registry,
            service_arn,
            sessions,
            findings: HashMap::new(),
        };
        // Checks run in the order in which their findings should be fixed. A new kind of check is one more line here.
        access::check_role(&mut report, &setup, &tenants[0]).await?;
        if let Some(name) = &settings.key_table {
            key_table::check(&mut report, &service, &setup.service_arn, name).await?;
        }
        for tenant in &tenants {
            keys::check_tenant(&mut report, &mut setup, tenant).await?;
            if let Some(table) = &settings.key_table {
                lookup_keys::check_tenant(&mut report, &setup, &service, tenant, table).await?;
            }
        }
        let two = match &tenants[..] {
            [a, b, ..] if a != b => Some((a, b)),
            _ => None,
        };
        if let Some((a, b)) = two {
            isolation::check_isolation(&mut report, &setup, a, b).await?;
            isolation::check_isolation(&mut report, &setup, b, a).await?;
        }

        let checks = report.into_checks();
        if two.is_none() {
            output.say("Isolation is proven between two tenants: name a second.");
        }
        let counts = Counts::from_checks(&checks);
        output
            .answer(Checklist(&checks), &json!({ "healthy": counts.failed == 0, "tally": counts, "checks": checks }))?;
        Ok(if counts.failed == 0 { Exit::Done } else { Exit::Findings })
    }
}

/// Finds 2 active tenants in the registry.
async fn two_active_tenants(registry: &Tenants) -> Result<Vec<TenantId>> {
    let mut page = registry.list(None, 100).await?;
    page.entries.retain(|entry| entry.state == State::Active && entry.tier != Tier::Pool);
    let tenants: Vec<_> = page.entries.into_iter().map(|entry| entry.tenant).take(2).collect();
    if tenants.is_empty() {
        return Err(
            Failure::new(Exit::NotFound, "there is no active tenant in the registry").help("onboard two, or name two")
        );
    }
    Ok(tenants)
}
