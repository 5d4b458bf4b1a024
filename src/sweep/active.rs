//! One sweep at a time may write a table.

use tenantseal_core::keys::KeyTable;

use super::error::SweepError;
use super::ledger::{ActiveEntry, Ledger, Place};
use super::plan::SweepPlan;
use super::swept::SweepReport;

impl SweepReport {
    /// What a planned sweep has done so far.
    ///
    /// # Errors
    ///
    /// When the ledger has no such sweep, or does not answer.
    pub async fn of(ledger: &dyn KeyTable, sweep: &str) -> Result<Self, SweepError> {
        Self::read(Ledger(ledger), sweep).await
    }
}

impl SweepPlan {
    /// The plan of a sweep.
    ///
    /// # Errors
    ///
    /// When the ledger has no such sweep, or does not answer.
    pub async fn read(ledger: &dyn KeyTable, sweep: &str) -> Result<Self, SweepError> {
        Ledger(ledger).plan(sweep).await?.ok_or_else(|| SweepError::Unknown(sweep.to_owned()))
    }

    /// Stops a sweep: its workers end the pages that they have in hand, and another sweep may write the table.
    ///
    /// # Errors
    ///
    /// When the ledger has no such sweep, or does not answer.
    pub async fn stop(ledger: &dyn KeyTable, sweep: &str) -> Result<(), SweepError> {
        let plan = set_stopped(Ledger(ledger), sweep, true).await?;
        if plan.writes() {
            free(Ledger(ledger), &plan).await?;
        }
        Ok(())
    }

    /// Lets a stopped sweep go on: start its workers again afterwards.
    ///
    /// # Errors
    ///
    /// [`SweepError::Busy`] when another sweep writes the table by now.
    pub async fn resume(ledger: &dyn KeyTable, sweep: &str) -> Result<(), SweepError> {
        let ledger = Ledger(ledger);
        let plan = ledger.plan(sweep).await?.ok_or_else(|| SweepError::Unknown(sweep.to_owned()))?;
        if plan.writes() {
            take(ledger, &plan).await?;
        }
        set_stopped(ledger, sweep, false).await.map(drop)
    }
}

async fn set_stopped(ledger: Ledger<'_>, sweep: &str, is_stopped: bool) -> Result<SweepPlan, SweepError> {
    let place = Place::plan(sweep);
    loop {
        let sound = ledger.plan(sweep).await?.ok_or_else(|| SweepError::Unknown(sweep.to_owned()))?;
        let mut stored = ledger.read::<SweepPlan>(&place).await?;
        if stored.value.as_ref() != Some(&sound) {
            continue;
        }
        let plan = SweepPlan { is_stopped, ..sound };
        if ledger.swap(&place, &mut stored, plan.clone()).await? {
            return Ok(plan);
        }
    }
}

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
