//! The steps of a write with claims, one after the other, until it is settled.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::plan::{ClaimWrite, Stored};
use crate::error::{Cancelled, Error, ItemRef, Reason};
use crate::item::Item;

/// How often a write begins, at most. Each time another writer has changed the item or the claim in between.
pub(super) const TRIES: u32 = 8;

/// What became of a transaction.
pub(crate) enum Sent {
    Done,
    /// DynamoDB canceled it: nothing is written.
    Cancelled {
        /// The reason of each action: first those of the caller, then those on claims.
        reasons: Vec<Option<Reason>>,
        /// The writes of claims that it had.
        claims: Vec<ClaimWrite>,
        /// What the caller is told if that is final.
        error: Error,
    },
}

/// Whose claim it is that a write could not take.
pub(crate) enum Holder {
    /// Nobody's any more, or the item's own.
    Free,
    /// This item's, which has the token.
    Item(ItemRef),
    /// The item with this primary key does not have the token.
    Stale(Item),
}

/// The steps of one write. Each is one request, or several reads.
pub(crate) trait Steps {
    /// What is stored before each action.
    fn read(&mut self) -> impl Future<Output = Result<Vec<Stored>, Error>> + Send;

    /// Whether the caller's action has a condition of its own, which can fail although nothing else has changed.
    fn is_conditional(&self, action: usize) -> bool;

    /// The transaction, with the writes of claims that go with it.
    fn send(&mut self, stored: &[Stored], left: &BTreeSet<String>) -> impl Future<Output = Result<Sent, Error>> + Send;

    /// Whose a claim is that could not be taken.
    fn holder(&mut self, write: &ClaimWrite) -> impl Future<Output = Result<Holder, Error>> + Send;

    /// Deletes a claim while this item has it, and has not got the token.
    fn release(&mut self, write: &ClaimWrite, holder: &Item) -> impl Future<Output = Result<(), Error>> + Send;

    /// Waits before it begins anew; `tries` times it has begun.
    fn pause(&mut self, tries: u32) -> impl Future<Output = ()> + Send;
}

/// Carries out a write. When it is dropped between two steps, at most a stale claim has been released.
pub(crate) async fn write(steps: &mut impl Steps) -> Result<(), Error> {
    let mut left = BTreeSet::new();
    let mut refused: Option<(Vec<Stored>, Vec<usize>, Error)> = None;
    for tries in 1..=TRIES {
        let stored = steps.read().await?;
        // An item that is as it was when its action failed has failed the caller's condition. Without one, others have
        // changed its token and changed it back meanwhile.
        if let Some((before, failed, error)) = refused.take()
            && failed.iter().any(|at| steps.is_conditional(*at) && before[*at] == stored[*at])
        {
            return Err(error);
        }
        let Sent::Cancelled { reasons, claims, error } = steps.send(&stored, &left).await? else { return Ok(()) };
        let (own, of_claims) = reasons.split_at(stored.len().min(reasons.len()));
        let is_failed = |reason: &Option<Reason>| matches!(reason, Some(Reason::ConditionFailed | Reason::Conflict));
        let failed: Vec<_> = own.iter().enumerate().filter(|(_, reason)| is_failed(reason)).map(|(at, _)| at).collect();
        if !failed.is_empty() {
            if failed.iter().any(|at| !stored[*at].is_read()) {
                return Err(error);
            }
            refused = Some((stored, failed, error));
            continue;
        }
        let lost: Vec<_> = claims.iter().zip(of_claims).filter(|(_, reason)| is_failed(reason)).collect();
        if lost.is_empty() {
            let is_passing = |reason: &Reason| *reason == Reason::TransactionConflict;
            if !reasons.iter().flatten().all(is_passing) || reasons.iter().flatten().next().is_none() {
                return Err(error);
            }
            steps.pause(tries).await;
        }
        for (write, _) in lost {
            if write.to.is_none() {
                left.insert(write.entry.clone());
                continue;
            }
            match steps.holder(write).await? {
                Holder::Free => {}
                Holder::Item(item) => return Err(Error::not_unique(write.spot.lookup(), item)),
                Holder::Stale(item) => steps.release(write, &item).await?,
            }
        }
    }
    Err(Error::Cancelled(Cancelled::new(vec![Some(Reason::TransactionConflict)])))
}
