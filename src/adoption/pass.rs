//! The ledger's entry of a sealing pass, without which an adoption is not closed.
//!
//! It is not signed: whoever can write the ledger can end an adoption too early, which makes plaintext unreadable and
//! reveals nothing.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tenantseal_core::format::{LeaveStage, LeaveTerms};
use tenantseal_core::keys::{CountedTable, KeyTableError, Swap};
use tenantseal_core::tenant::TenantId;

use super::FENCE;

/// A sealing pass over all items of a tenant in a table, which has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// The leave under which it began.
    serial: u32,
    /// Seconds since 1970.
    began: u64,
    ended: u64,
    /// How many items it has left plain.
    failed: u64,
}

/// Why it is not known that all of a tenant's items are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPassed {
    /// No sealing pass was recorded since the items are written sealed.
    #[error("no sealing pass has ended since its items are written sealed: run `tenantseal sweep migrate`")]
    None,
    /// The pass began before the fence, when another process could still write plaintext.
    #[error("the sealing pass began within 15 minutes of `seal`, when plaintext could still be written: run it again")]
    TooEarly,
    /// The pass has left items plain.
    #[error(
        "the sealing pass has left {0} items as they were: look at each in its report, then run `sweep migrate --accept`, \
         which seals all plaintext that it finds, whoever wrote it"
    )]
    Failed(u64),
}

impl Pass {
    pub(super) fn new(serial: u32, began: SystemTime, ended: SystemTime, failed: u64) -> Self {
        Self { serial, began: seconds(began), ended: seconds(ended), failed }
    }

    /// The latest pass, if there is an entry that this release can read.
    pub(super) async fn read(
        ledger: &CountedTable,
        tenant: &TenantId,
        table: &str,
    ) -> Result<Option<Self>, KeyTableError> {
        let stored = ledger.get(tenant, &entry(table)).await?;
        Ok(stored.and_then(|stored| serde_json::from_slice(&stored).ok()))
    }

    /// Stores it in place of what is there. Returns whether nobody else stored one meanwhile.
    pub(super) async fn write(
        &self,
        ledger: &CountedTable,
        tenant: &TenantId,
        table: &str,
    ) -> Result<bool, KeyTableError> {
        let entry = entry(table);
        let before = ledger.get(tenant, &entry).await?;
        let record = serde_json::to_vec(self).unwrap_or_default();
        Ok(match ledger.compare_and_swap(tenant, &entry, before.as_deref(), &record).await? {
            Swap::Stored => true,
            Swap::Found(found) => found.as_ref() == Some(&record),
            _ => false,
        })
    }

    /// Whether it proves that all items are sealed under a leave with these terms.
    pub(super) fn check(pass: Option<&Self>, terms: &LeaveTerms) -> Result<(), NotPassed> {
        match pass.filter(|pass| pass.serial == terms.serial && terms.stage == LeaveStage::Sealing) {
            None => Err(NotPassed::None),
            Some(pass) if pass.began < u64::from(terms.issued) + FENCE.as_secs() => Err(NotPassed::TooEarly),
            Some(Self { failed, .. }) if *failed > 0 => Err(NotPassed::Failed(*failed)),
            Some(_) => Ok(()),
        }
    }
}

fn entry(table: &str) -> String {
    format!("pass#{table}")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
