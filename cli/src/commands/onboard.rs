//! `onboard`: creates keys, aliases and entries for tenants.

use clap::Args;
use futures_util::{StreamExt, stream};
use tenantseal::TenantId;
use tenantseal_tenants::{Entry, Operation, Tenants};

use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::{GOOD, Output};
use crate::settings::Settings;
use crate::visible::Visible;

/// Concurrent onboardings. KMS's rate for new keys is the limit, not this.
const AT_ONCE: usize = 8;

/// Create keys, aliases and registry entries for tenants.
///
/// Safe to interrupt and run again: it continues where it stopped. A complete tenant stays unchanged, and a tenant that
/// lacks a replica gets it. If the tenant's alias points to a key that was made for the tenant, that key is adopted.
#[derive(Debug, Args)]
pub(crate) struct Onboard {
    #[arg(required = true, value_parser = tenant)]
    tenants: Vec<TenantId>,
    /// Another Region with a replica of the key (repeat it)
    #[arg(long = "replica", value_name = "REGION")]
    replicas: Vec<String>,
    /// Use the shared key of this pool
    #[arg(long, value_parser = tenant, conflicts_with_all = ["replicas", "as_pool"])]
    pool: Option<TenantId>,
    /// Create a pool: a key that tenants share
    #[arg(long)]
    as_pool: bool,
    /// Wait until KMS accepts the tenant's own session; this assumes the role as a service does
    #[arg(long)]
    wait: bool,
}

impl Onboard {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let operator = aws::operator(settings).await;
        let service = if self.wait { Some(aws::service(settings).await) } else { None };
        let handle = settings.tenants(&operator, service.as_ref())?;
        if output.is_dry_run() {
            return self.rehearse(&handle, output).await;
        }
        let progress = output.progress_of(self.tenants.len() as u64, "onboarding");
        let one = |tenant: &TenantId| {
            let mut onboard = handle.onboard(tenant).replicas(&self.replicas);
            if let Some(pool) = &self.pool {
                onboard = onboard.in_pool(pool);
            } else if self.as_pool {
                onboard = onboard.create_pool();
            }
            async move { onboard.await }
        };
        let mut all = stream::iter(self.tenants.iter().map(one)).buffered(AT_ONCE);
        let mut first_failure: Option<Failure> = None;
        while let Some(result) = all.next().await {
            match result {
                Ok(entry) => {
                    progress.step(format!("{} onboarded", entry.tenant));
                    progress.suspend(|| output.answer(summary(&entry), &entry))?;
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    // The last failure ends the command; earlier ones are reported as they occur.
                    if let Some(earlier) = first_failure.replace(failure) {
                        progress.suspend(|| output.failure(&earlier));
                    }
                }
            }
        }
        first_failure.map_or(Ok(Exit::Done), Err)
    }

    async fn rehearse(&self, handle: &Tenants, output: &Output) -> Result<Exit> {
        let mut steps = Vec::new();
        for tenant in &self.tenants {
            let known = handle.check(tenant, Operation::Onboard).await?;
            if let Some(pool) = &self.pool {
                handle.check_pool(pool, tenant).await?;
            }
            let alias = handle.tenancy().alias(tenant);
            steps.push(match (known.filter(|entry| entry.pending.is_none()), &self.pool) {
                (Some(entry), _) if !entry.generations.is_empty() => {
                    let missing = self.replicas.iter().filter(|region| !entry.regions.contains(region));
                    match missing.cloned().collect::<Vec<_>>() {
                        missing if missing.is_empty() => format!("leave {tenant} as it is: {}", entry.state),
                        missing => format!("add replicas of the key of {tenant} in {}", missing.join(", ")),
                    }
                }
                (_, Some(pool)) => format!("put {alias} on the key of pool {pool} for {tenant}"),
                _ => format!(
                    "create a key for {tenant} in {} (+$1 a month), {alias} and an alias of the key's own",
                    handle.region()
                ),
            });
        }
        output.print_dry_run(&steps)
    }
}

fn summary(entry: &Entry) -> String {
    let Entry { tenant, state, alias, .. } = entry;
    let key = entry.current().map_or_else(String::new, |current| format!(" → {}", current.key));
    format!("{GOOD}✓{GOOD:#} {tenant} {state}  {}{key}", Visible(alias))
}
