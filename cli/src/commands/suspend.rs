//! `suspend`, `resume` and `cancel-offboard`: change a tenant's state.

use clap::Args;
use tenantseal::TenantId;
use tenantseal_tenants::{Entry, Error, Operation, Tenants};

use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Result};
use crate::output::{GOOD, Output};
use crate::settings::Settings;

/// Disable a tenant's keys: none of its items can be opened until they are enabled again.
///
/// Running services use cached data keys until their leases end (15 minutes unless configured).
#[derive(Debug, Args)]
pub(crate) struct Suspend {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
}

/// Enable a suspended tenant's keys again.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
}

/// Cancel the deletion of an offboarded tenant's keys; `resume` then enables them.
#[derive(Debug, Args)]
pub(crate) struct CancelOffboard {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
}

impl Suspend {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant } = &self;
        let change = Change {
            tenant,
            operation: Operation::Suspend,
            what: format!("disable every key of {tenant}"),
            confirm: Some(format!("This takes {tenant} out of service: its keys are disabled.")),
        };
        change.run(settings, output, async |tenants| tenants.suspend(tenant).await).await
    }
}

impl Resume {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant } = &self;
        let what = format!("enable every key of {tenant}");
        let change = Change { tenant, operation: Operation::Resume, what, confirm: None };
        change.run(settings, output, async |tenants| tenants.resume(tenant).await).await
    }
}

impl CancelOffboard {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant } = &self;
        let what = format!("cancel the deletion of every key of {tenant}, which stay disabled");
        let change = Change { tenant, operation: Operation::CancelOffboarding, what, confirm: None };
        change.run(settings, output, async |tenants| tenants.cancel_offboard(tenant).await).await
    }
}

/// One of the 3 operations.
struct Change<'a> {
    tenant: &'a TenantId,
    operation: Operation,
    /// The action, after "would".
    what: String,
    /// The question that asks for confirmation.
    confirm: Option<String>,
}

impl Change<'_> {
    async fn run(
        self,
        settings: &Settings,
        output: &Output,
        act: impl AsyncFnOnce(&Tenants) -> Result<Entry, Error>,
    ) -> Result<Exit> {
        let Self { tenant, operation, what, confirm } = self;
        let tenants = settings.tenants(&aws::operator(settings).await, None)?;
        tenants.check(tenant, operation).await?;
        if output.is_dry_run() {
            return output.print_dry_run(&[what]);
        }
        if let Some(question) = confirm {
            output.confirm(&question, tenant.as_str()).await?;
        }
        let progress = output.progress(format!("{operation} {tenant}"));
        let entry = act(&tenants).await?;
        drop(progress);
        output.answer(format_args!("{GOOD}✓{GOOD:#} {} {}", entry.tenant, entry.state), &entry)?;
        Ok(Exit::Done)
    }
}
