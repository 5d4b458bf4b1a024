//! Under which data key something with an idempotency token was sealed first: a repetition is sealed under the same.
//!
//! Of a token its hash is kept, with those of other tokens that came in the same minute for the same key. A batch goes as a whole, so
//! nothing has to be written for time to pass. Two tokens of one hash would share a key of the same tenant, which harms nobody.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::envelope::VerifiedDataKey;
use crate::keys::cache::clock::Moment;

/// DynamoDB takes a repeated ClientRequestToken for the same request for ten minutes (API reference, TransactWriteItems).
const PINNED: Duration = Duration::from_secs(600);
/// Tokens are in one batch when they come within so much time, so each stays for that much longer at most.
const TOGETHER: Duration = Duration::from_secs(60);
/// The most tokens of a batch: as many as a hash set takes that has 8,192 places.
const BATCH: usize = 7_168;
/// The most tokens of a tenant: 95 a second for ten minutes.
const TOKENS: usize = 8 * BATCH;
/// The most batches of a tenant, each of which may hold a key. Ten minutes make eleven.
const BATCHES: usize = 32;
/// So many tokens take about as much memory as one data key with what belongs to it.
const PER_KEY: usize = 256;

/// The tokens of one tenant, and the keys that they need. What was pinned first is in front.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    batches: VecDeque<Batch>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Batch {
    pinned: Pinned,
    begun: Moment,
    tokens: HashSet<u64>,
}

/// A key that a repetition needs.
#[derive(Debug, Clone)]
pub(crate) struct Pinned {
    pub(crate) key: Arc<VerifiedDataKey>,
    pub(crate) lease: u64,
}

impl Pins {
    /// The first key pinned to a token of those that `may` be used.
    pub(crate) fn get(&self, token: &str, now: Moment, may: impl Fn(&VerifiedDataKey) -> bool) -> Option<&Pinned> {
        // Most requests have no token, and most tenants none that was used.
        if self.batches.is_empty() {
            return None;
        }
        let token = self.hasher.hash_one(token);
        let has = |batch: &&Batch| !batch.is_over(now) && batch.tokens.contains(&token) && may(&batch.pinned.key);
        self.batches.iter().find(has).map(|batch| &batch.pinned)
    }

    /// Pins a token to a key. The oldest make room when there are too many; gives how many were forgotten.
    pub(crate) fn insert(&mut self, token: &str, pinned: Pinned, now: Moment) -> usize {
        self.prune(now);
        let token = self.hasher.hash_one(token);
        match self.batches.back_mut().filter(|batch| batch.takes(&pinned, now)) {
            Some(batch) => batch.tokens.insert(token),
            None => {
                self.batches.push_back(Batch { pinned, begun: now, tokens: HashSet::from([token]) });
                true
            }
        };
        let mut forgotten = 0;
        while self.len() > TOKENS || self.batches.len() > BATCHES {
            let Some(oldest) = self.batches.pop_front() else { break };
            forgotten += oldest.tokens.len();
        }
        forgotten
    }

    /// Forgets a token whose key cannot be used any more; gives to how many keys it was pinned.
    pub(crate) fn remove(&mut self, token: &str) -> usize {
        let token = self.hasher.hash_one(token);
        self.batches.iter_mut().filter_map(|batch| batch.tokens.remove(&token).then_some(())).count()
    }

    /// Drops those whose time is over.
    pub(crate) fn prune(&mut self, now: Moment) {
        self.batches.retain(|batch| !batch.is_over(now));
    }

    /// Drops those whose lease `keep` does not keep; gives how many tokens were forgotten.
    pub(crate) fn retain_leases(&mut self, keep: impl Fn(u64) -> bool) -> usize {
        let before = self.len();
        self.batches.retain(|batch| keep(batch.pinned.lease));
        before - self.len()
    }

    /// Drops all; gives how many tokens were forgotten.
    pub(crate) fn clear(&mut self) -> usize {
        let count = self.len();
        self.batches.clear();
        count
    }

    /// How long until the first of them is over.
    pub(crate) fn end_in(&self, now: Moment) -> Option<Duration> {
        let ends = self.batches.iter().map(|batch| (PINNED + TOGETHER).saturating_sub(now.since(batch.begun)));
        ends.min()
    }

    /// A key under this lease.
    pub(crate) fn of_lease(&self, lease: u64) -> Option<&Arc<VerifiedDataKey>> {
        self.batches.iter().find(|batch| batch.pinned.lease == lease).map(|batch| &batch.pinned.key)
    }

    /// How many data keys would take as much memory, those among them that `is_counted` says are counted elsewhere left out.
    pub(crate) fn weight(&self, is_counted: impl Fn(&VerifiedDataKey) -> bool) -> usize {
        let mut keys: Vec<&Arc<VerifiedDataKey>> = self.batches.iter().map(|batch| &batch.pinned.key).collect();
        keys.dedup_by(|one, other| Arc::ptr_eq(one, other));
        keys.into_iter().filter(|key| !is_counted(key)).count() + self.len() / PER_KEY
    }

    fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.tokens.len()).sum()
    }
}

impl Batch {
    fn is_over(&self, now: Moment) -> bool {
        now.since(self.begun) >= PINNED + TOGETHER
    }

    /// Whether a token that comes now belongs here.
    fn takes(&self, pinned: &Pinned, now: Moment) -> bool {
        let same = Arc::ptr_eq(&self.pinned.key, &pinned.key) && self.pinned.lease == pinned.lease;
        same && self.tokens.len() < BATCH && now.since(self.begun) < TOGETHER
    }
}
