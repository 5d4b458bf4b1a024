//! Pins an idempotency token to the data key that sealed its first request, so that a repetition is sealed under the
//! same key.
//!
//! Only a hash of each token is stored, in a batch with other tokens of the same minute and key. A batch expires as a
//! whole, so nothing is written as time passes. Two tokens with one hash share a key of the same tenant, which is
//! harmless.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::envelope::VerifiedDataKey;
use crate::keys::cache::clock::Moment;

/// DynamoDB treats a repeated ClientRequestToken as the same request for 10 minutes (API reference,
/// TransactWriteItems).
const PIN_LIFETIME: Duration = Duration::from_secs(600);
/// Tokens that arrive within this time share a batch, so a token stays at most this much longer.
const BATCH_WINDOW: Duration = Duration::from_secs(60);
/// The most tokens of a batch: what a hash set with 8,192 slots holds.
const MAX_BATCH: usize = 7_168;
/// The most tokens of a tenant: 95 per second for 10 minutes.
const MAX_TOKENS: usize = 8 * MAX_BATCH;
/// The most batches of a tenant; each may hold a data key. 10 minutes make 11.
const MAX_BATCHES: usize = 32;
/// This many tokens use about as much memory as one data key with its bookkeeping.
const TOKENS_PER_KEY: usize = 256;

/// One tenant's tokens and the data keys that they need, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    batches: VecDeque<Batch>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Batch {
    pinned: PinnedKey,
    begun: Moment,
    tokens: HashSet<u64>,
}

/// A data key that a repetition needs.
#[derive(Debug, Clone)]
pub(crate) struct PinnedKey {
    pub(crate) key: Arc<VerifiedDataKey>,
    pub(crate) lease: u64,
}

impl Pins {
    /// The first data key pinned to a token, among those that `may` be used.
    pub(crate) fn get(&self, token: &str, now: Moment, may: impl Fn(&VerifiedDataKey) -> bool) -> Option<&PinnedKey> {
        // Most requests have no token, and most tenants never used one.
        if self.batches.is_empty() {
            return None;
        }
        let token = self.hasher.hash_one(token);
        let has = |batch: &&Batch| !batch.is_expired(now) && batch.tokens.contains(&token) && may(&batch.pinned.key);
        self.batches.iter().find(has).map(|batch| &batch.pinned)
    }

    /// Pins a token to a data key, and drops the oldest tokens when there are too many. Returns how many were dropped.
    pub(crate) fn insert(&mut self, token: &str, pinned: PinnedKey, now: Moment) -> usize {
        self.prune(now);
        let token = self.hasher.hash_one(token);
        match self.batches.back_mut().filter(|batch| batch.accepts(&pinned, now)) {
            Some(batch) => batch.tokens.insert(token),
            None => {
                self.batches.push_back(Batch { pinned, begun: now, tokens: HashSet::from([token]) });
                true
            }
        };
        let mut forgotten = 0;
        while self.len() > MAX_TOKENS || self.batches.len() > MAX_BATCHES {
            let Some(oldest) = self.batches.pop_front() else { break };
            forgotten += oldest.tokens.len();
        }
        forgotten
    }

    /// Unpins a token whose data key is no longer usable. Returns how many keys it was pinned to.
    pub(crate) fn remove(&mut self, token: &str) -> usize {
        let token = self.hasher.hash_one(token);
        self.batches.iter_mut().filter_map(|batch| batch.tokens.remove(&token).then_some(())).count()
    }

    /// Drops expired tokens.
    pub(crate) fn prune(&mut self, now: Moment) {
        self.batches.retain(|batch| !batch.is_expired(now));
    }

    /// Drops the tokens whose lease `keep` rejects. Returns how many were dropped.
    pub(crate) fn retain_leases(&mut self, keep: impl Fn(u64) -> bool) -> usize {
        let before = self.len();
        self.batches.retain(|batch| keep(batch.pinned.lease));
        before - self.len()
    }

    /// Drops all tokens. Returns how many.
    pub(crate) fn clear(&mut self) -> usize {
        let count = self.len();
        self.batches.clear();
        count
    }

    /// The time until the first batch expires.
    pub(crate) fn next_expiry(&self, now: Moment) -> Option<Duration> {
        let ends =
            self.batches.iter().map(|batch| (PIN_LIFETIME + BATCH_WINDOW).saturating_sub(now.since(batch.begun)));
        ends.min()
    }

    /// A data key under this lease.
    pub(crate) fn key_for_lease(&self, lease: u64) -> Option<&Arc<VerifiedDataKey>> {
        self.batches.iter().find(|batch| batch.pinned.lease == lease).map(|batch| &batch.pinned.key)
    }

    /// The memory in use, in data keys. Keys that `is_counted` says are counted elsewhere are left out.
    pub(crate) fn weight(&self, is_counted: impl Fn(&VerifiedDataKey) -> bool) -> usize {
        let mut keys: Vec<&Arc<VerifiedDataKey>> = self.batches.iter().map(|batch| &batch.pinned.key).collect();
        keys.dedup_by(|one, other| Arc::ptr_eq(one, other));
        keys.into_iter().filter(|key| !is_counted(key)).count() + self.len() / TOKENS_PER_KEY
    }

    fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.tokens.len()).sum()
    }
}

impl Batch {
    fn is_expired(&self, now: Moment) -> bool {
        now.since(self.begun) >= PIN_LIFETIME + BATCH_WINDOW
    }

    /// Whether a token that arrives now belongs to this batch.
    fn accepts(&self, pinned: &PinnedKey, now: Moment) -> bool {
        let same = Arc::ptr_eq(&self.pinned.key, &pinned.key) && self.pinned.lease == pinned.lease;
        same && self.tokens.len() < MAX_BATCH && now.since(self.begun) < BATCH_WINDOW
    }
}
