//! The state of one tenant. It shares nothing with other tenants, so no tenant waits for another's lock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::crypto::LookupKeyId;
use crate::keys::KeyServiceError;
use crate::keys::cache::circuit::Admission;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::DataKeyCache;
use crate::keys::cache::fetches::{KeyFetches, LookupKeyFetches};
use crate::keys::cache::key_health::KeyHealth;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::rejected_records::RejectedRecords;
use crate::keys::cache::single_flight::DetachedLimit;
use crate::keys::config::Limits;
use crate::keys::outcome::UnwrapError;
use crate::telemetry::{self, Dropped, Eviction};
use crate::tenant::TenantId;

/// One tenant's data keys, its fetches in flight, and the health of its KEK.
#[derive(Debug)]
pub(crate) struct TenantKeys {
    pub(crate) tenant: TenantId,
    pub(crate) fetches: KeyFetches,
    /// Made when they are needed: most tenants have no lookups.
    lookup_fetches: OnceLock<LookupKeyFetches>,
    detached: DetachedLimit,
    /// The tenant's slots among the calls in flight.
    calls: Semaphore,
    /// The tenant's place in the queue for a global permit: one per tenant, so no tenant's calls queue behind all calls
    /// of another.
    pub(crate) queue: Semaphore,
    /// Wakes the calls that wait for the end of a probe.
    pub(crate) probe_ended: Notify,
    /// Never held across an await, and no user code runs under it.
    state: RwLock<State>,
    /// The data keys cached, for the global bound.
    weight: AtomicU32,
    /// Counts the tenant's handles.
    live: Arc<()>,
    since: Moment,
    /// The last second after `since` in which the tenant's keys were reported as used to the global bound.
    used: AtomicU64,
    entry: LiveEntry,
}

#[derive(Debug)]
pub(crate) struct State {
    /// How often the tenant was evicted: the result of a call that began earlier is not used.
    pub(crate) epoch: u64,
    pub(crate) cache: DataKeyCache,
    pub(crate) health: KeyHealth,
    pub(crate) rejected: RejectedRecords,
    pub(crate) refresher: Refresher,
    /// The ids of the lookup keys that this process has used, by number; they outlive evictions.
    pub(crate) lookup_ids: Vec<(u16, LookupKeyId)>,
}

/// The current refresher, and since when it runs.
#[derive(Debug, Default)]
pub(crate) struct Refresher {
    pub(crate) number: u64,
    pub(crate) started: Option<Moment>,
}

/// When a call to KMS began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallStart {
    pub(crate) at: Moment,
    pub(crate) epoch: u64,
}

/// Permission for one call; ends the probe when dropped.
pub(crate) struct CallPermit<'a> {
    keys: &'a TenantKeys,
    pub(crate) start: CallStart,
    pub(crate) is_probe: bool,
}

/// The one request that tests whether a refused tenant is back; others are refused meanwhile. Ends when the request
/// ends.
pub(crate) struct RecoveryProbe<'a>(&'a TenantKeys);

impl TenantKeys {
    pub(crate) fn new(entry: LiveEntry, limits: &Limits, detached: DetachedLimit, now: Moment) -> Self {
        let state = State {
            epoch: 0,
            cache: DataKeyCache::new(limits.data_keys_per_tenant, now),
            health: KeyHealth::new(now),
            rejected: RejectedRecords::new(now),
            refresher: Refresher::default(),
            lookup_ids: Vec::new(),
        };
        Self {
            tenant: entry.tenant.clone(),
            fetches: KeyFetches::new(detached.clone()),
            lookup_fetches: OnceLock::new(),
            detached,
            calls: Semaphore::new(limits.calls_per_tenant),
            queue: Semaphore::new(1),
            probe_ended: Notify::new(),
            state: RwLock::new(state),
            weight: AtomicU32::new(0),
            live: Arc::default(),
            since: now,
            used: AtomicU64::new(0),
            entry,
        }
    }

    /// The shared state, while somebody holds it.
    pub(crate) fn upgrade(&self) -> Option<Arc<Self>> {
        self.entry.me.upgrade()
    }

    /// The fetches of its lookup keys in flight.
    pub(crate) fn lookup_fetches(&self) -> &LookupKeyFetches {
        self.lookup_fetches.get_or_init(|| LookupKeyFetches::new(self.detached.clone()))
    }

    /// Poisoning is ignored: nothing in here panics, and a panic elsewhere changes nothing here.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the tenant's slots among the calls in flight.
    pub(crate) async fn acquire_slot(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.calls.acquire().await.ok()
    }

    /// How much of the cache's capacity the tenant uses.
    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Updates the weight. Returns whether it changed.
    pub(crate) fn weigh(&self) -> bool {
        let weight = u32::try_from(self.read().cache.weight()).unwrap_or(u32::MAX);
        self.weight.swap(weight, Ordering::Relaxed) != weight
    }

    /// Marks the keys as used. Returns whether this is their first use in this second.
    pub(crate) fn mark_used(&self, now: Moment) -> bool {
        let second = now.since(self.since).as_secs();
        let is_new = self.used.load(Ordering::Relaxed) != second;
        if is_new {
            self.used.store(second, Ordering::Relaxed);
        }
        is_new
    }

    /// Counts a handle while it lives: the tenant's keys are then kept valid in the background.
    pub(crate) fn count_handle(&self) -> Arc<()> {
        Arc::clone(&self.live)
    }

    pub(crate) fn has_handles(&self) -> bool {
        Arc::strong_count(&self.live) > 1
    }

    /// Drops all data keys. They are zeroized with the last operation that uses them.
    pub(crate) fn evict(&self, why: Eviction) {
        let evicted = self.write().evict();
        telemetry::record_eviction(&self.tenant, evicted, why);
    }

    /// Admits a request that needs KMS. A refused tenant is refused at once, except for the one request that tests
    /// whether it is back.
    pub(crate) fn admit_request(&self, now: Moment) -> Result<Option<RecoveryProbe<'_>>, KeyServiceError> {
        if !self.read().health.is_refused() {
            return Ok(None);
        }
        let entered = self.write().health.admit_request(now);
        match entered {
            Ok(is_probe) => Ok(is_probe.then_some(RecoveryProbe(self))),
            Err(refusal) => {
                telemetry::record_cached_refusal();
                Err(refusal)
            }
        }
    }

    /// Admits a call; `None` while a probe is running. `own` calls name the tenant's alias; the circuit is theirs.
    pub(crate) fn admit_call(
        &self,
        operation: &'static str,
        own: bool,
        now: Moment,
    ) -> Result<Option<CallPermit<'_>>, KeyServiceError> {
        let mut state = self.write();
        let admission = state.health.admit_call(&self.tenant, operation, own, now)?;
        let start = CallStart { at: now, epoch: state.epoch };
        let permit = CallPermit { keys: self, start, is_probe: admission == Admission::Probe };
        Ok(Some(permit).filter(|_| admission != Admission::Wait))
    }

    /// Whether to repeat a call whose refusal would cost cached keys. Takes a retry token.
    pub(crate) fn allow_confirmation(&self, now: Moment) -> bool {
        let mut state = self.write();
        state.cache.len() > 0 && state.health.may_retry(now)
    }

    /// The result of a key record that was rejected lately.
    pub(crate) fn find_rejection(&self, record: &(usize, [u8; 32]), now: Moment) -> Option<UnwrapError> {
        self.read().rejected.get(record, now)
    }

    /// Drops expired data keys.
    pub(crate) fn drop_expired(&self, now: Moment, terms: &Terms) {
        let lapsed = self.write().drop_expired(now, terms);
        telemetry::record_eviction(&self.tenant, lapsed, Eviction::Expired);
    }
}

impl State {
    /// Drops all data keys.
    pub(crate) fn evict(&mut self) -> Dropped {
        self.epoch += 1;
        self.cache.clear()
    }

    /// Drops what is no longer usable, outage or not.
    fn drop_expired(&mut self, now: Moment, terms: &Terms) -> Dropped {
        self.cache.prune(now);
        self.cache.retain_leases(|lease| now.since(lease.granted) < terms.revalidation + terms.grace)
    }
}

impl Drop for RecoveryProbe<'_> {
    fn drop(&mut self) {
        self.0.write().health.end_recovery_probe();
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.keys.write().health.end_probe();
            self.keys.probe_ended.notify_waiters();
        }
    }
}

/// Nothing waits under this lock, and no lookup takes it.
pub(crate) type LiveTenants = Mutex<HashMap<TenantId, Weak<TenantKeys>>>;

/// Lists a tenant's state among the live ones until it is dropped.
pub(crate) struct LiveEntry {
    pub(crate) live_tenants: Arc<LiveTenants>,
    pub(crate) tenant: TenantId,
    pub(crate) me: Weak<TenantKeys>,
}

impl Drop for LiveEntry {
    fn drop(&mut self) {
        let mut live_tenants = lock(&self.live_tenants);
        // The tenant may have a new state by now.
        if let Entry::Occupied(entry) = live_tenants.entry(self.tenant.clone())
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
        // Give the memory back after a peak.
        if live_tenants.capacity() > 1_000 && live_tenants.len() < live_tenants.capacity() / 4 {
            let twice = 2 * live_tenants.len();
            live_tenants.shrink_to(twice);
        }
    }
}

/// Shows no other entry: a tenant's `Debug` must not name another tenant.
impl fmt::Debug for LiveEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveEntry({})", self.tenant)
    }
}

/// A panic leaves nothing half-changed here.
pub(crate) fn lock(live_tenants: &LiveTenants) -> MutexGuard<'_, HashMap<TenantId, Weak<TenantKeys>>> {
    live_tenants.lock().unwrap_or_else(PoisonError::into_inner)
}
