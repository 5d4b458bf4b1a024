//! The leaves under which a sealing sweep works: waits for their fences, and records in the end that it has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use tenantseal_core::tenant::TenantId;
use tokio::time::sleep;

use super::error::SweepError;
use super::ledger::Ledger;
use super::plan::{SweepAction, SweepPlan};
use super::swept::SweepReport;
use crate::adoption::{AdoptionError, AdoptionStage};
use crate::tenant_seal::TenantSeal;

/// The leaves of tenants whose items are being sealed, once their fences have passed.
pub(super) async fn leaves(
    seal: &TenantSeal,
    table: &str,
    tenants: &BTreeSet<TenantId>,
    waits: bool,
) -> Result<BTreeMap<TenantId, u32>, SweepError> {
    let adoption = seal.adoption(table)?;
    loop {
        let (mut serials, mut fence) = (BTreeMap::new(), SystemTime::UNIX_EPOCH);
        for tenant in tenants {
            let status = adoption.status(tenant).await?;
            if status.stage() != AdoptionStage::Sealing || !status.is_in_force() {
                return Err(SweepError::NotSealing { tenant: tenant.clone() });
            }
            fence = fence.max(status.fence().unwrap_or(SystemTime::UNIX_EPOCH));
            serials.insert(tenant.clone(), status.serial());
        }
        // By the clock of the configuration, as the leaves are issued by.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seal.unix_now().into());
        match fence.duration_since(now) {
            Ok(wait) if waits && !wait.is_zero() => sleep(wait).await,
            _ => return Ok(serials),
        }
    }
}

/// Records that the sweep has passed over each of its tenants, which is what an adoption is closed by.
///
/// What keeps one tenant from it, such as a suspension, does not concern the others: the first such error is returned
/// after all were tried.
pub(super) async fn record(seal: &TenantSeal, ledger: Ledger<'_>, plan: &SweepPlan) -> Result<(), SweepError> {
    let SweepAction::Migrate { serials, .. } = &plan.action else { return Ok(()) };
    let adoption = seal.adoption(&plan.table)?;
    let report = SweepReport::read(ledger, &plan.id).await?;
    // The ledger may have been written by others since: what is not done there has not passed.
    if !report.is_complete() {
        return Ok(());
    }
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(plan.created);
    let mut first = None;
    for (at, (tenant, serial)) in serials.iter().enumerate() {
        let status = match adoption.status(tenant).await {
            Ok(status) => status,
            Err(error) => {
                first.get_or_insert(error);
                continue;
            }
        };
        if status.serial() != *serial {
            // Another leave came meanwhile, under which this pass proves nothing.
            continue;
        }
        let failed = match plan.by_tenant {
            true => match ledger.segment(&plan.id, at).await?.value {
                Some(entry) => entry.tally.listed(),
                None => continue,
            },
            false => report.listed(),
        };
        match adoption.record_pass(tenant, &status, began, failed).await {
            // By another worker, which has found the same.
            Ok(()) | Err(AdoptionError::Changed { .. }) => {}
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    first.map_or(Ok(()), |error| Err(error.into()))
}
