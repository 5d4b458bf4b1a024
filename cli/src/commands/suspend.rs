//! `suspend`, `resume` and `cancel-offboard`: between a tenant's states.

use clap::Args;
use tenantseal::TenantId;
use tenantseal::tenants::{Entry, Operation};

use crate::args::tenant;
use crate::aws;
use crate::errors::{Exit, Result};
use crate::output::{GOOD, Output};
use crate::settings::Settings;

/// Disable a tenant's keys: nothing of it can be opened until they are enabled again.
///
/// Data keys in the memory of running services serve on until their lease ends (15 minutes unless configured).
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

/// Keep the keys of an offboarded tenant, disabled: `resume` brings it back.
#[derive(Debug, Args)]
pub(crate) struct CancelOffboard {
    #[arg(value_parser = tenant)]
    tenant: TenantId,
}

impl Suspend {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant } = &self;
        let tenants = settings.tenants(&aws::operator(settings).await, None)?;
        tenants.check(tenant, Operation::Suspend).await?;
        if output.is_dry_run() {
            return output.would(&[format!("disable every key of {tenant}")]);
        }
        output.confirm(&format!("This takes {tenant} out of service: its keys are disabled."), tenant.as_str()).await?;
        let progress = output.progress(format!("suspending {tenant}"));
        let entry = tenants.suspend(tenant).await?;
        drop(progress);
        told(&entry, output)
    }
}

impl Resume {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant } = &self;
        let tenants = settings.tenants(&aws::operator(settings).await, None)?;
        if output.is_dry_run() {
            tenants.check(tenant, Operation::Resume).await?;
            return output.would(&[format!("enable every key of {tenant}")]);
        }
        let progress = output.progress(format!("resuming {tenant}"));
        let entry = tenants.resume(tenant).await?;
        drop(progress);
        told(&entry, output)
    }
}

impl CancelOffboard {
    pub(crate) async fn run(self, settings: &Settings, output: &Output) -> Result<Exit> {
        let Self { tenant } = &self;
        let tenants = settings.tenants(&aws::operator(settings).await, None)?;
        if output.is_dry_run() {
            tenants.check(tenant, Operation::CancelOffboarding).await?;
            return output.would(&[format!("cancel the deletion of every key of {tenant}, which stay disabled")]);
        }
        let progress = output.progress(format!("keeping the keys of {tenant}"));
        let entry = tenants.cancel_offboard(tenant).await?;
        drop(progress);
        told(&entry, output)
    }
}

fn told(entry: &Entry, output: &Output) -> Result<Exit> {
    output.answer(format_args!("{GOOD}✓{GOOD:#} {} {}", entry.tenant, entry.state), entry)?;
    Ok(Exit::Done)
}
