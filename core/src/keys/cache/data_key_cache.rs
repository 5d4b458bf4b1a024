//! The data keys cache for one tenant, and the leases under which they may be used.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::crypto::DataKeyId;
use crate::envelope::VerifiedDataKey;
use crate::format::KekId;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::lease::{Lease, Terms};
use crate::keys::cache::pins::{Pinned, Pins};
use crate::telemetry::Dropped;

/// Which of the configured contexts has the pairs of new records.
pub const CURRENT_CONTEXT: usize = 0;

#[derive(Debug)]
pub(crate) struct DataKeyCache {
    /// The most data keys.
    share: usize,
    since: Moment,
    current: Option<Current>,
    pins: Pins,
    opened: HashMap<(usize, DataKeyId), Opened>,
    leases: Vec<Lease>,
    next_lease: u64,
}

/// The key that seals a tenant's new items.
#[derive(Debug, Clone)]
struct Current {
    key: Arc<VerifiedDataKey>,
    lease: u64,
    born: Moment,
}

impl Current {
    /// Whether it may still seal, by its age and by what it has sealed.
    fn seals(&self, terms: &Terms, outage: Option<Moment>, now: Moment) -> bool {
        terms.seal(self.born, outage, now) && !self.key.is_used_up(terms.seals)
    }
}

/// A key that was verified.
#[derive(Debug)]
struct Opened {
    key: Arc<VerifiedDataKey>,
    lease: u64,
    /// Milliseconds since the tenant came.
    used: AtomicU64,
}

/// How KMS has allowed a lease again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewal {
    pub(crate) begun: Moment,
    /// Whether the configured alias was asked.
    pub(crate) by_alias: bool,
}

/// A key in the cache.
pub(crate) enum Lookup {
    /// It may be used; and whether the refresher seems to be gone.
    Usable(Arc<VerifiedDataKey>, bool),
    /// Its lease is over.
    Over { key: Arc<VerifiedDataKey>, lease: u64 },
}

impl DataKeyCache {
    pub(crate) fn new(share: usize, now: Moment) -> Self {
        Self {
            share,
            since: now,
            current: None,
            pins: Pins::default(),
            opened: HashMap::new(),
            leases: Vec::new(),
            next_lease: 0,
        }
    }

    /// How many data keys there are.
    pub(crate) fn len(&self) -> usize {
        self.opened.len()
    }

    /// How many data keys would take as much memory.
    pub(crate) fn weight(&self) -> usize {
        let is_opened = |key: &VerifiedDataKey| self.opened.contains_key(&(CURRENT_CONTEXT, key.record().key_id));
        self.len() + self.pins.weight(is_opened)
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) -> Dropped {
        let keys = self.len();
        let Self { current, pins, opened, leases, share: _, since: _, next_lease: _ } = self;
        *current = None;
        opened.clear();
        leases.clear();
        Dropped { keys, tokens: pins.clear() }
    }

    fn lease(&self, id: u64) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.id == id)
    }

    /// The key that seals, when it may; and whether the refresher seems to be gone.
    pub(crate) fn sealing(
        &self,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<(Arc<VerifiedDataKey>, bool)> {
        let current = self.current.as_ref().filter(|current| current.seals(terms, outage, now))?;
        let lease = self.lease(current.lease)?;
        let allowed = lease.aliased.is_some_and(|begun| terms.allow(begun, outage, now));
        allowed.then(|| (Arc::clone(&current.key), lease.touch(true, now, terms)))
    }

    /// The key that would seal if its lease were renewed, and since when its rotation counts: it may be dropped meanwhile.
    pub(crate) fn to_renew(&self, terms: &Terms, now: Moment) -> Option<(Arc<VerifiedDataKey>, Moment)> {
        let current = self.current.as_ref().filter(|current| current.seals(terms, None, now))?;
        Some((Arc::clone(&current.key), current.born))
    }

    /// The key of this id, whose record may be another than the one that is asked for.
    pub(crate) fn opening(
        &self,
        context: usize,
        key_id: DataKeyId,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<Lookup> {
        let opened = self.opened.get(&(context, key_id))?;
        let tick = self.tick(now);
        if opened.used.load(Ordering::Relaxed) != tick {
            opened.used.store(tick, Ordering::Relaxed);
        }
        self.looked_up(&opened.key, opened.lease, terms, outage, now)
    }

    /// The key pinned to a token, of those that `may` seal.
    pub(crate) fn pinned(&self, token: &str, now: Moment, may: impl Fn(&VerifiedDataKey) -> bool) -> Option<Pinned> {
        self.pins.get(token, now, may).cloned()
    }

    pub(crate) fn look_up_pinned(
        &self,
        pinned: &Pinned,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<Lookup> {
        self.looked_up(&pinned.key, pinned.lease, terms, outage, now)
    }

    fn looked_up(
        &self,
        key: &Arc<VerifiedDataKey>,
        lease: u64,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<Lookup> {
        let lease = self.lease(lease)?;
        Some(match terms.allow(lease.begun, outage, now) {
            true => Lookup::Usable(Arc::clone(key), lease.touch(false, now, terms)),
            false => Lookup::Over { key: Arc::clone(key), lease: lease.id },
        })
    }

    /// Remembers that `key` seals what has this token; gives how many older tokens were forgotten for it. None when this is not the key
    /// that seals now.
    pub(crate) fn pin(&mut self, token: &str, key: &Arc<VerifiedDataKey>, now: Moment) -> Option<usize> {
        let current = self.current.as_ref().filter(|current| Arc::ptr_eq(&current.key, key))?;
        let pinned = Pinned { key: Arc::clone(key), lease: current.lease };
        Some(self.pins.insert(token, pinned, now))
    }

    /// Forgets a token; gives to how many keys it was pinned.
    pub(crate) fn unpin(&mut self, token: &str) -> usize {
        self.pins.remove(token)
    }

    /// Drops the tokens whose time is over, and with them the keys that nothing else needs.
    pub(crate) fn prune(&mut self, now: Moment) {
        self.pins.prune(now);
    }

    /// How long until there is something to [`prune`](Self::prune).
    pub(crate) fn pins_end_in(&self, now: Moment) -> Option<Duration> {
        self.pins.end_in(now)
    }

    /// KMS has just answered with a key of `kek`; gives the lease's id.
    pub(crate) fn renew(&mut self, context: usize, kek: &KekId, renewal: Renewal, terms: &Terms) -> u64 {
        let Renewal { begun, by_alias } = renewal;
        let known = self.leases.iter().position(|lease| lease.context == context && lease.kek.is_same_key(kek));
        let at = known.unwrap_or_else(|| {
            self.leases.push(Lease::new(self.next_lease, context, kek.clone(), begun, terms));
            self.next_lease += 1;
            self.leases.len() - 1
        });
        self.leases[at].renew(begun, by_alias, terms);
        self.leases[at].id
    }

    /// Takes in a key under a lease; the least recently used of this tenant make room. Gives how many.
    pub(crate) fn insert(&mut self, context: usize, key: &Arc<VerifiedDataKey>, lease: u64, now: Moment) -> usize {
        let before = self.len();
        let slot = (context, key.record().key_id);
        while self.opened.len() >= self.share && !self.opened.contains_key(&slot) {
            let least = self.opened.iter().min_by_key(|(_, opened)| opened.used.load(Ordering::Relaxed));
            let Some(least) = least.map(|(slot, _)| *slot) else { break };
            self.opened.remove(&least);
        }
        let evicted = before - self.len();
        let used = AtomicU64::new(self.tick(now));
        self.opened.insert(slot, Opened { key: Arc::clone(key), lease, used });
        evicted
    }

    /// From now on new items are sealed with this key. KeyRequest for the present one again does not put off its rotation.
    pub(crate) fn seal_with(&mut self, key: &Arc<VerifiedDataKey>, lease: u64, asked: Moment) {
        let present = self.current.as_ref().filter(|current| Arc::ptr_eq(&current.key, key));
        let born = present.map_or(asked, |current| current.born);
        self.current = Some(Current { key: Arc::clone(key), lease, born });
    }

    /// Seals from now on with a key that has opened something already, if the configured alias vouches for it.
    pub(crate) fn seal_with_opened(
        &mut self,
        context: usize,
        key_id: DataKeyId,
        stored: &[u8],
        born: Moment,
        usable: impl Fn(Moment) -> bool,
    ) -> Option<Arc<VerifiedDataKey>> {
        let opened = self.opened.get(&(context, key_id)).filter(|opened| opened.key.stored_record() == stored)?;
        let (key, lease) = (Arc::clone(&opened.key), opened.lease);
        self.lease(lease)?.aliased.filter(|begun| usable(*begun))?;
        self.seal_with(&key, lease, born);
        Some(key)
    }

    /// A key by which a lease can be renewed, and its context.
    pub(crate) fn of_lease(&self, id: u64) -> Option<(usize, Arc<VerifiedDataKey>)> {
        let lease = self.lease(id)?;
        let current = self.current.as_ref().filter(|current| current.lease == id).map(|current| &current.key);
        let opened = || self.opened.values().find(|opened| opened.lease == id).map(|opened| &opened.key);
        let key = current.or_else(opened).or_else(|| self.pins.of_lease(id))?;
        Some((lease.context, Arc::clone(key)))
    }

    /// New items need another key: the configured alias does not vouch for this one any more.
    pub(crate) fn seal_no_more(&mut self) {
        let Some(current) = self.current.take() else { return };
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.id == current.lease) {
            lease.aliased = None;
        }
    }

    /// The lease of the key that seals.
    pub(crate) fn sealing_lease(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.lease)
    }

    /// Whether the key with this record has sealed here as much as it may.
    pub(crate) fn is_used_up(&self, key_id: DataKeyId, stored: &[u8], terms: &Terms) -> bool {
        let current = self.current.as_ref().map(|current| &current.key);
        let opened = self.opened.get(&(CURRENT_CONTEXT, key_id)).map(|opened| &opened.key);
        current.into_iter().chain(opened).any(|key| key.stored_record() == stored && key.is_used_up(terms.seals))
    }

    pub(crate) fn seals_with(&self, key: &Arc<VerifiedDataKey>) -> bool {
        self.current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.key, key))
    }

    /// Whether the keys of a lease may be used.
    pub(crate) fn is_allowed(&self, id: u64, terms: &Terms, now: Moment) -> bool {
        self.lease(id).is_some_and(|lease| terms.allow(lease.begun, None, now))
    }

    /// A lease by which the configured alias can be tried: its id, whether the key that seals is under it, and when that alias was
    /// last asked with success.
    pub(crate) fn own_lease(&self, kek: Option<&KekId>) -> Option<(u64, bool, Moment)> {
        let sealing = self.current.as_ref().and_then(|current| self.lease(current.lease));
        let of_kek = || self.leases.iter().find(|lease| kek.is_some_and(|kek| lease.kek.is_same_key(kek)));
        let lease = sealing.or_else(of_kek)?;
        Some((lease.id, sealing.is_some(), lease.aliased.unwrap_or(lease.begun)))
    }

    pub(crate) fn leases(&self) -> &[Lease] {
        &self.leases
    }

    pub(crate) fn leases_mut(&mut self) -> &mut [Lease] {
        &mut self.leases
    }

    /// Drops the leases that `keep` does not keep, and with them their keys, at once.
    pub(crate) fn retain_leases(&mut self, keep: impl Fn(&Lease) -> bool) -> Dropped {
        let (before, keys, mut tokens) = (self.leases.len(), self.len(), 0);
        self.leases.retain(keep);
        if self.leases.len() != before {
            let Self { leases, current, pins, opened, .. } = self;
            let is_there = |id| leases.iter().any(|lease| lease.id == id);
            opened.retain(|_, opened| is_there(opened.lease));
            tokens = pins.retain_leases(is_there);
            if current.as_ref().is_some_and(|current| !is_there(current.lease)) {
                *current = None;
            }
        }
        Dropped { keys: keys - self.len(), tokens }
    }

    fn tick(&self, now: Moment) -> u64 {
        u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}
