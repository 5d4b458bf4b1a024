//! One sweep at a time may write a table.

use super::error::SweepError;
use super::ledger::{ActiveEntry, Ledger, Place};
use super::plan::SweepPlan;

/// Lets this sweep write the table, unless another one may.
pub(super) async fn take(ledger: Ledger<'_>, plan: &SweepPlan) -> Result<(), SweepError> {
    let place = Place::active(&plan.physical);
    loop {
        let mut stored = ledger.active(&plan.physical).await?;
        match stored.value.as_ref().and_then(|entry| entry.sweep.clone()) {
            Some(sweep) if sweep == plan.id => return Ok(()),
            Some(sweep) => return Err(SweepError::Busy { sweep }),
            None => {
                if ledger.swap(&place, &mut stored, ActiveEntry { sweep: Some(plan.id.clone()) }).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// Lets another sweep write the table, if this one may now.
pub(super) async fn free(ledger: Ledger<'_>, plan: &SweepPlan) -> Result<(), SweepError> {
    let place = Place::active(&plan.physical);
    let mut stored = ledger.active(&plan.physical).await?;
    if stored.value.as_ref().and_then(|entry| entry.sweep.as_ref()) == Some(&plan.id) {
        // Should somebody else have changed it meanwhile, it is not this sweep's any more.
        ledger.swap(&place, &mut stored, ActiveEntry::default()).await?;
    }
    Ok(())
}
