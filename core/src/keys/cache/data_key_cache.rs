//! Caches one tenant's data keys, and the leases under which they may be used.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::crypto::DataKeyId;
use crate::envelope::VerifiedDataKey;
use crate::format::KekId;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::lease::{Lease, Terms};
use crate::keys::cache::lookup_key::{LookupKeySlots, LookupSlot, TenantLookupKey};
use crate::keys::cache::pins::{PinnedKey, Pins};
use crate::telemetry::Dropped;

/// The index of the configured context whose pairs new key records get.
pub const CURRENT_CONTEXT: usize = 0;

#[derive(Debug)]
pub(crate) struct DataKeyCache {
    /// The most data keys cached.
    capacity: usize,
    created: Moment,
    current: Option<SealingKey>,
    pins: Pins,
    opened: HashMap<(usize, DataKeyId), OpeningKey>,
    /// Apart from `opened`: an item that names the data key of a lookup key must not open.
    lookups: LookupKeySlots,
    leases: Vec<Lease>,
    next_lease: u64,
}

/// The data key that seals a tenant's new items.
#[derive(Debug, Clone)]
struct SealingKey {
    key: Arc<VerifiedDataKey>,
    lease: u64,
    rotation_start: Moment,
}

impl SealingKey {
    /// Whether it may still seal, by its age and by how much it has sealed.
    fn may_seal(&self, terms: &Terms, outage: Option<Moment>, now: Moment) -> bool {
        terms.seal(self.rotation_start, outage, now) && !self.key.is_used_up(terms.seals)
    }
}

/// A verified data key.
#[derive(Debug)]
struct OpeningKey {
    key: Arc<VerifiedDataKey>,
    lease: u64,
    /// When it was last used, in milliseconds since the cache was created.
    used: AtomicU64,
}

/// One answer of KMS that renews a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeaseRenewal {
    pub(crate) granted: Moment,
    /// Whether the call named the tenant's alias.
    pub(crate) by_alias: bool,
}

/// A cached key.
pub(crate) enum CachedKey<K = VerifiedDataKey> {
    /// The key may be used. The flag says whether the refresher seems to be gone.
    Usable(Arc<K>, bool),
    /// The key's lease has expired.
    Expired { key: Arc<K>, lease: u64 },
}

/// A data key with which a lease can be renewed.
pub(crate) struct LeasedKey {
    /// The index of its context.
    pub(crate) context: usize,
    /// Whether it wraps a lookup key, and so has the pair `purpose` in its context.
    pub(crate) for_lookups: bool,
    pub(crate) key: Arc<VerifiedDataKey>,
}

impl DataKeyCache {
    pub(crate) fn new(capacity: usize, now: Moment) -> Self {
        Self {
            capacity,
            created: now,
            current: None,
            pins: Pins::default(),
            opened: HashMap::new(),
            lookups: LookupKeySlots::default(),
            leases: Vec::new(),
            next_lease: 0,
        }
    }

    /// The number of data keys, those of lookup keys included.
    pub(crate) fn len(&self) -> usize {
        self.opened.len() + self.lookups.len()
    }

    /// The memory in use, in data keys: idempotency tokens and the keys that they alone need count too.
    pub(crate) fn weight(&self) -> usize {
        let is_opened = |key: &VerifiedDataKey| self.opened.contains_key(&(CURRENT_CONTEXT, key.record().key_id));
        self.len() + self.pins.weight(is_opened)
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) -> Dropped {
        let keys = self.len();
        let Self { current, pins, opened, lookups, leases, capacity: _, created: _, next_lease: _ } = self;
        *current = None;
        opened.clear();
        lookups.clear();
        leases.clear();
        Dropped { keys, tokens: pins.clear() }
    }

    fn lease(&self, id: u64) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.id == id)
    }

    /// The data key that may seal now, and whether the refresher seems to be gone.
    pub(crate) fn sealing_key(
        &self,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<(Arc<VerifiedDataKey>, bool)> {
        let current = self.current.as_ref().filter(|current| current.may_seal(terms, outage, now))?;
        let lease = self.lease(current.lease)?;
        let allowed = lease.granted_by_alias.is_some_and(|granted| terms.allow(granted, outage, now));
        allowed.then(|| (Arc::clone(&current.key), lease.touch(true, now, terms)))
    }

    /// The data key that would seal again if its lease were renewed, and the start of its rotation period. The cache
    /// may drop the key meanwhile.
    pub(crate) fn renewable_sealing_key(&self, terms: &Terms, now: Moment) -> Option<(Arc<VerifiedDataKey>, Moment)> {
        let current = self.current.as_ref().filter(|current| current.may_seal(terms, None, now))?;
        Some((Arc::clone(&current.key), current.rotation_start))
    }

    /// The data key with this id. Its key record may differ from the requested one.
    pub(crate) fn opening_key(
        &self,
        context: usize,
        key_id: DataKeyId,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<CachedKey> {
        let opened = self.opened.get(&(context, key_id))?;
        let tick = self.tick(now);
        if opened.used.load(Ordering::Relaxed) != tick {
            opened.used.store(tick, Ordering::Relaxed);
        }
        self.look_up(&opened.key, opened.lease, terms, outage, now)
    }

    /// The data key pinned to an idempotency token, among those that `may` seal.
    pub(crate) fn find_pinned(
        &self,
        token: &str,
        now: Moment,
        may: impl Fn(&VerifiedDataKey) -> bool,
    ) -> Option<PinnedKey> {
        self.pins.get(token, now, may).cloned()
    }

    pub(crate) fn look_up_pinned(
        &self,
        pinned: &PinnedKey,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<CachedKey> {
        self.look_up(&pinned.key, pinned.lease, terms, outage, now)
    }

    /// The lookup key of this number.
    pub(crate) fn lookup_key(
        &self,
        number: u16,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<CachedKey<TenantLookupKey>> {
        let slot = self.lookups.get(number)?;
        self.look_up(&slot.key, slot.lease, terms, outage, now)
    }

    /// The same, if its lease allows its use, and without counting as a use.
    pub(crate) fn peek_lookup_key(
        &self,
        number: u16,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<&Arc<TenantLookupKey>> {
        let slot = self.lookups.get(number)?;
        let lease = self.lease(slot.lease)?;
        terms.allow(lease.granted, outage, now).then_some(&slot.key)
    }

    /// What is cached of the lookup key of this number.
    pub(crate) fn lookup_slot(&self, number: u16) -> Option<&LookupSlot> {
        self.lookups.get(number)
    }

    pub(crate) fn lookup_slot_mut(&mut self, number: u16) -> Option<&mut LookupSlot> {
        self.lookups.get_mut(number)
    }

    /// Caches a lookup key under a lease, in place of one of its number.
    pub(crate) fn insert_lookup_key(&mut self, slot: LookupSlot) {
        self.lookups.insert(slot);
    }

    /// Drops the lookup key of this number. Returns how many that are.
    pub(crate) fn remove_lookup_key(&mut self, number: u16) -> usize {
        self.lookups.remove(number)
    }

    fn look_up<K>(
        &self,
        key: &Arc<K>,
        lease: u64,
        terms: &Terms,
        outage: Option<Moment>,
        now: Moment,
    ) -> Option<CachedKey<K>> {
        let lease = self.lease(lease)?;
        Some(match terms.allow(lease.granted, outage, now) {
            true => CachedKey::Usable(Arc::clone(key), lease.touch(false, now, terms)),
            false => CachedKey::Expired { key: Arc::clone(key), lease: lease.id },
        })
    }

    /// Pins an idempotency token to `key`. Returns how many older tokens were dropped for it, or `None` when `key` is
    /// not the current sealing key.
    pub(crate) fn pin(&mut self, token: &str, key: &Arc<VerifiedDataKey>, now: Moment) -> Option<usize> {
        let current = self.current.as_ref().filter(|current| Arc::ptr_eq(&current.key, key))?;
        let pinned = PinnedKey { key: Arc::clone(key), lease: current.lease };
        Some(self.pins.insert(token, pinned, now))
    }

    /// Unpins a token. Returns how many data keys it was pinned to.
    pub(crate) fn unpin(&mut self, token: &str) -> usize {
        self.pins.remove(token)
    }

    /// Drops expired tokens, and the data keys that nothing else needs.
    pub(crate) fn prune(&mut self, now: Moment) {
        self.pins.prune(now);
    }

    /// The time until [`prune`](Self::prune) has something to drop.
    pub(crate) fn next_pin_expiry(&self, now: Moment) -> Option<Duration> {
        self.pins.next_expiry(now)
    }

    /// Renews the lease of `kek` after an answer of KMS, and creates the lease if needed. Returns its id.
    pub(crate) fn renew(&mut self, context: usize, kek: &KekId, renewal: LeaseRenewal, terms: &Terms) -> u64 {
        let LeaseRenewal { granted, by_alias } = renewal;
        let known = self.leases.iter().position(|lease| lease.context == context && lease.kek.is_same_key(kek));
        let at = known.unwrap_or_else(|| {
            self.leases.push(Lease::new(self.next_lease, context, kek.clone(), granted, terms));
            self.next_lease += 1;
            self.leases.len() - 1
        });
        self.leases[at].renew(granted, by_alias, terms);
        self.leases[at].id
    }

    /// Caches a data key under a lease, and evicts this tenant's least recently used keys if needed. Returns how many
    /// were evicted.
    pub(crate) fn insert(&mut self, context: usize, key: &Arc<VerifiedDataKey>, lease: u64, now: Moment) -> usize {
        let before = self.opened.len();
        let slot = (context, key.record().key_id);
        while self.opened.len() >= self.capacity && !self.opened.contains_key(&slot) {
            let least = self.opened.iter().min_by_key(|(_, opened)| opened.used.load(Ordering::Relaxed));
            let Some(least) = least.map(|(slot, _)| *slot) else { break };
            self.opened.remove(&least);
        }
        let evicted = before - self.opened.len();
        let used = AtomicU64::new(self.tick(now));
        self.opened.insert(slot, OpeningKey { key: Arc::clone(key), lease, used });
        evicted
    }

    /// Makes `key` the sealing key. Setting the current key again does not postpone its rotation.
    pub(crate) fn seal_with(&mut self, key: &Arc<VerifiedDataKey>, lease: u64, asked: Moment) {
        let present = self.current.as_ref().filter(|current| Arc::ptr_eq(&current.key, key));
        let rotation_start = present.map_or(asked, |current| current.rotation_start);
        self.current = Some(SealingKey { key: Arc::clone(key), lease, rotation_start });
    }

    /// Makes a data key that has already opened something the sealing key, if the tenant's alias confirms its KEK.
    pub(crate) fn seal_with_opened(
        &mut self,
        context: usize,
        key_id: DataKeyId,
        stored: &[u8],
        rotation_start: Moment,
        usable: impl Fn(Moment) -> bool,
    ) -> Option<Arc<VerifiedDataKey>> {
        let opened = self.opened.get(&(context, key_id)).filter(|opened| opened.key.stored_record() == stored)?;
        let (key, lease) = (Arc::clone(&opened.key), opened.lease);
        self.lease(lease)?.granted_by_alias.filter(|granted| usable(*granted))?;
        self.seal_with(&key, lease, rotation_start);
        Some(key)
    }

    /// A data key with which the lease can be renewed.
    pub(crate) fn key_for_lease(&self, id: u64) -> Option<LeasedKey> {
        let context = self.lease(id)?.context;
        let current = self.current.as_ref().filter(|current| current.lease == id).map(|current| &current.key);
        let opened = || self.opened.values().find(|opened| opened.lease == id).map(|opened| &opened.key);
        match current.or_else(opened).or_else(|| self.pins.key_for_lease(id)) {
            Some(key) => Some(LeasedKey { context, for_lookups: false, key: Arc::clone(key) }),
            None => {
                let key = self.lookups.data_key_for_lease(id)?;
                Some(LeasedKey { context, for_lookups: true, key: Arc::clone(key) })
            }
        }
    }

    /// Stops sealing with the current key: the tenant's alias no longer confirms it.
    pub(crate) fn stop_sealing(&mut self) {
        let Some(current) = self.current.take() else { return };
        if let Some(lease) = self.leases.iter_mut().find(|lease| lease.id == current.lease) {
            lease.granted_by_alias = None;
        }
    }

    /// The lease of the sealing key.
    pub(crate) fn sealing_lease(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.lease)
    }

    /// Whether the data key with this key record has reached its limit of seals in this process.
    pub(crate) fn is_used_up(&self, key_id: DataKeyId, stored: &[u8], terms: &Terms) -> bool {
        let current = self.current.as_ref().map(|current| &current.key);
        let opened = self.opened.get(&(CURRENT_CONTEXT, key_id)).map(|opened| &opened.key);
        current.into_iter().chain(opened).any(|key| key.stored_record() == stored && key.is_used_up(terms.seals))
    }

    pub(crate) fn seals_with(&self, key: &Arc<VerifiedDataKey>) -> bool {
        self.current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.key, key))
    }

    /// Whether the lease has not expired.
    pub(crate) fn is_allowed(&self, id: u64, terms: &Terms, now: Moment) -> bool {
        self.lease(id).is_some_and(|lease| terms.allow(lease.granted, None, now))
    }

    /// A lease with which the tenant's alias can be tested: its id, whether the sealing key is under it, and when the
    /// alias last answered for it.
    pub(crate) fn own_lease(&self, kek: Option<&KekId>) -> Option<(u64, bool, Moment)> {
        let sealing = self.current.as_ref().and_then(|current| self.lease(current.lease));
        let of_kek = || self.leases.iter().find(|lease| kek.is_some_and(|kek| lease.kek.is_same_key(kek)));
        let lease = sealing.or_else(of_kek)?;
        Some((lease.id, sealing.is_some(), lease.granted_by_alias.unwrap_or(lease.granted)))
    }

    pub(crate) fn leases(&self) -> &[Lease] {
        &self.leases
    }

    pub(crate) fn leases_mut(&mut self) -> &mut [Lease] {
        &mut self.leases
    }

    /// Drops at once the leases that `keep` rejects, and their data keys.
    pub(crate) fn retain_leases(&mut self, keep: impl Fn(&Lease) -> bool) -> Dropped {
        let (before, keys, mut tokens) = (self.leases.len(), self.len(), 0);
        self.leases.retain(keep);
        if self.leases.len() != before {
            let Self { leases, current, pins, opened, lookups, .. } = self;
            let is_there = |id| leases.iter().any(|lease| lease.id == id);
            opened.retain(|_, opened| is_there(opened.lease));
            lookups.retain_leases(is_there);
            tokens = pins.retain_leases(is_there);
            if current.as_ref().is_some_and(|current| !is_there(current.lease)) {
                *current = None;
            }
        }
        Dropped { keys: keys - self.len(), tokens }
    }

    fn tick(&self, now: Moment) -> u64 {
        u64::try_from(now.since(self.created).as_millis()).unwrap_or(u64::MAX)
    }
}
