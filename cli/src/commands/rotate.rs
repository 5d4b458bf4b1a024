//! `rotate`: new key material, or a new key.

use clap::Args;
use tenantseal::TenantId;
use tenantseal_tenants::{KekDetails, Operation, Rotated, Tenants, Tier};

use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Failure, Result};
use crate::output::{GOOD, Output};
use crate::settings::Settings;

/// Rotate a tenant's key. Without an option, say how it is rotated now, and change nothing.
///
/// Stored items need not be rewritten. Each of the first two rotations of a key adds $1 a month and Region; a new key
/// adds $1, and the old one stays for what it has sealed.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
    /// Have KMS rotate it automatically every DAYS days, 90 to 2,560
    #[arg(long, value_name = "DAYS", group = "how", value_parser = clap::value_parser!(u32).range(90..=2_560))]
    every: Option<u32>,
    /// Have KMS rotate it now
    #[arg(long, group = "how")]
    on_demand: bool,
    /// Put a new key of the tenant's own behind the alias
    #[arg(long, group = "how")]
    new_key: bool,
    /// Another Region with a replica of the new key (repeat it)
    #[arg(long = "replica", value_name = "REGION", requires = "new_key")]
    replicas: Vec<String>,
    /// Move the tenant to the shared key of a pool
    #[arg(long, value_name = "POOL", value_parser = tenant, group = "how")]
    to_pool: Option<TenantId>,
    /// Test whether the aliases of a new key have taken effect by assuming the role as a service does, instead of
    /// waiting five minutes
    #[arg(long)]
    wait: bool,
}

impl Rotate {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant, every, on_demand, new_key, replicas, to_pool, wait } = self;
        let operator = aws::operator(settings).await;
        let service = if wait { Some(aws::service(settings).await) } else { None };
        let tenants = settings.tenants(&operator, service.as_ref())?;
        if every.is_none() && !on_demand && !new_key && to_pool.is_none() {
            return Err(how(&tenants, &tenant).await?);
        }
        let (operation, what) = match &to_pool {
            Some(pool) => (
                Operation::Rekey,
                format!("move {tenant} to the key of pool {pool}; items sealed under its own key open as before"),
            ),
            None if new_key => (
                Operation::Rekey,
                format!("put a new key behind {} (+$1 a month); the old one stays", tenants.tenancy().alias(&tenant)),
            ),
            None if on_demand => (
                Operation::Rotate,
                format!("have KMS rotate the key of {tenant} now (+$1 a month for each of its first two rotations)"),
            ),
            None => {
                let days = every.unwrap_or_default();
                (Operation::Rotate, format!("have KMS rotate the key of {tenant} every {days} days"))
            }
        };
        if output.is_dry_run() {
            tenants.check(&tenant, operation).await?;
            if let Some(pool) = &to_pool {
                tenants.check_pool(pool, &tenant).await?;
            }
            return output.print_dry_run(&[what]);
        }
        let waiting =
            if operation == Operation::Rekey && !wait { ", then waiting five minutes for its aliases" } else { "" };
        let progress = output.progress(format!("rotating {tenant}{waiting}"));
        let rotate = tenants.rotate(&tenant);
        let rotated = match (to_pool, every) {
            (Some(pool), _) => tenants.move_to(&tenant, Tier::Shared { pool }).await,
            (None, Some(days)) => rotate.every_days(days).await,
            (None, None) if new_key => rotate.new_key().replicas(replicas).await,
            (None, None) => rotate.on_demand().await,
        }?;
        drop(progress);
        let Rotated { entry, cost, .. } = &rotated;
        let key = entry.current().map_or_else(String::new, |current| current.key.to_string());
        output.answer(format_args!("{GOOD}✓{GOOD:#} {tenant} {}  {key}\n  {cost}", entry.state), &rotated)?;
        Ok(Exit::Done)
    }
}

/// Refuses a rotation that does not say how: it would otherwise change a period that somebody has chosen.
async fn how(tenants: &Tenants, tenant: &TenantId) -> Result<Failure> {
    tenants.check(tenant, Operation::Rotate).await?;
    let shown = tenants.show(tenant).await?;
    let current = shown.entry.current().map(|generation| generation.number);
    let is_current = |key: &&KekDetails| Some(key.generation) == current && key.rotations.is_some();
    let now = match shown.keys.iter().find(is_current) {
        Some(KekDetails { rotation_days: Some(days), rotations: Some(times), .. }) => {
            format!("KMS rotates its key every {days} days, {times} times so far")
        }
        Some(KekDetails { rotation_days: None, .. }) => "KMS does not rotate its key automatically".to_owned(),
        _ => format!("`tenantseal show {tenant}` says what is known of its key"),
    };
    let help = "`--every DAYS` has KMS rotate it that often, `--on-demand` rotates it now, `--new-key` puts a new key \
                behind its alias, `--to-pool POOL` moves it to a pool's key";
    Ok(Failure::usage(format!("say how to rotate {tenant}: {now}")).help(help))
}
