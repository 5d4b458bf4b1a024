//! Segments in hand: taken, renewed and given back by compare-and-swap.
//!
//! A lease saves work and nothing else: what keeps writes right is the rule in `rewrite.rs`. Clocks of machines differ,
//! so a lease has lapsed when a worker has seen it unchanged for a minute of its own. Only one that ended long ago is
//! believed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::ledger::{Ledger, Place, SegmentEntry, Stored};
use super::ledger_error::LedgerError;
use super::position::Position;
use super::report::Tally;

/// How long a segment is in the hands of a worker that says nothing.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// By how much clocks of machines differ at most: AWS takes no requests of those that differ by more.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// The segments of a sweep, as one worker sees them.
#[derive(Debug)]
pub(super) struct Segments<'a> {
    pub(super) ledger: Ledger<'a>,
    pub(super) sweep: &'a str,
    pub(super) count: usize,
    pub(super) owner: String,
    pub(super) lease: Duration,
    pub(super) seen: Mutex<Seen>,
}

/// What this worker knows.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where it looks next for one that is free.
    next: usize,
    done: BTreeSet<usize>,
    in_hand: BTreeSet<usize>,
    /// Those that others have in hand: what the entry said, and since when it has been the same.
    others: BTreeMap<usize, (u64, u64, Instant)>,
}

/// A segment that this worker has in hand.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) number: usize,
    stored: Stored<SegmentEntry>,
}

/// Those that are not done and that others have in hand: the number and the fence, and until when.
pub(super) type Foreign = BTreeSet<(usize, u64, u64)>;

impl Held {
    pub(super) fn position(&self) -> Position {
        self.stored.value.as_ref().map_or(Position::Start, |entry| entry.position.clone())
    }
}

impl Segments<'_> {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to look first.
    pub(super) fn begin_at(&self, number: usize) {
        self.seen().next = number;
    }

    /// How often a worker says something while it has a page in hand.
    pub(super) fn renews_after(&self) -> Duration {
        self.lease / 3
    }

    /// Whether nobody has this segment in hand.
    fn is_free(&self, number: usize, entry: &SegmentEntry) -> bool {
        let (mut seen, now) = (self.seen(), Instant::now());
        let (fence, until) = (entry.fence, entry.until);
        if until.saturating_add(millis(SKEW)) < unix_millis() {
            return true;
        }
        let same = seen.others.get(&number).filter(|same| (same.0, same.1) == (fence, until)).copied();
        let (.., since) = *seen.others.entry(number).insert_entry(same.unwrap_or((fence, until, now))).get();
        now.duration_since(since) > self.lease
    }

    fn place(&self, number: usize) -> Place {
        Place::segment(self.sweep, number)
    }

    /// Takes a segment that is free. Otherwise returns those that others have in hand.
    pub(super) async fn take(&self) -> Result<Result<Held, Foreign>, LedgerError> {
        let (first, mut foreign) = (self.seen().next, Foreign::new());
        for number in (0..self.count).map(|step| (first + step) % self.count) {
            if !self.reserve(number) {
                continue;
            }
            // Should this future be dropped here, so is the worker: nobody else asks for the reservation.
            match self.take_one(number, &mut foreign).await {
                Ok(Some(held)) => {
                    self.seen().next = (number + 1) % self.count;
                    return Ok(Ok(held));
                }
                Ok(None) => drop(self.seen().in_hand.remove(&number)),
                Err(error) => {
                    self.seen().in_hand.remove(&number);
                    return Err(error);
                }
            }
        }
        Ok(Err(foreign))
    }

    fn reserve(&self, number: usize) -> bool {
        let mut seen = self.seen();
        !seen.done.contains(&number) && seen.in_hand.insert(number)
    }

    async fn take_one(&self, number: usize, foreign: &mut Foreign) -> Result<Option<Held>, LedgerError> {
        let mut stored = self.ledger.segment(self.sweep, number).await?;
        let entry = stored.value.take().unwrap_or_default();
        if entry.position == Position::Done {
            self.seen().done.insert(number);
            return Ok(None);
        }
        if !self.is_free(number, &entry) {
            foreign.insert((number, entry.fence, entry.until));
            return Ok(None);
        }
        let fence = entry.fence.saturating_add(1);
        let taken = SegmentEntry { owner: self.owner.clone(), fence, until: self.until(), ..entry };
        match self.ledger.swap(&self.place(number), &mut stored, taken).await? {
            true => Ok(Some(Held { number, stored })),
            false => {
                foreign.insert((number, fence, 0));
                Ok(None)
            }
        }
    }

    fn until(&self) -> u64 {
        unix_millis().saturating_add(millis(self.lease))
    }

    /// Says that the page in hand takes longer. Returns whether the segment is still this worker's.
    pub(super) async fn renew(&self, held: &mut Held) -> Result<bool, LedgerError> {
        let until = self.until();
        self.change(held, |entry| entry.until = until).await
    }

    /// Stores what a page has done, after its writes were acknowledged. Returns whether the segment is still this
    /// worker's, which goes on with it if `keep`.
    pub(super) async fn checkpoint(
        &self,
        held: &mut Held,
        position: Position,
        tally: Tally,
        keep: bool,
    ) -> Result<bool, LedgerError> {
        let until = if keep { self.until() } else { 0 };
        self.change(held, |entry| {
            entry.position = position;
            entry.until = until;
            entry.tally.add(tally);
        })
        .await
    }

    async fn change(&self, held: &mut Held, change: impl FnOnce(&mut SegmentEntry)) -> Result<bool, LedgerError> {
        let mut entry = held.stored.value.clone().unwrap_or_default();
        change(&mut entry);
        self.ledger.swap(&self.place(held.number), &mut held.stored, entry.trimmed()).await
    }

    /// Gives a segment back, so that others need not wait. It is theirs in a minute anyway.
    pub(super) async fn give_back(&self, mut held: Held) {
        let _ = self.change(&mut held, |entry| entry.until = 0).await;
        self.let_go(&held);
    }

    /// It is done, given back, or someone else's.
    pub(super) fn let_go(&self, held: &Held) {
        let mut seen = self.seen();
        seen.in_hand.remove(&held.number);
        if held.position() == Position::Done {
            seen.done.insert(held.number);
        }
    }

    /// Whether all segments are known to be done.
    pub(super) fn are_done(&self) -> bool {
        self.seen().done.len() == self.count
    }
}

fn unix_millis() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
