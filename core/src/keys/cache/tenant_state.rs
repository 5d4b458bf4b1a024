//! What is kept for one tenant: nothing of it is shared with another, so no tenant waits for another's lock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::keys::KeyServiceError;
use crate::keys::cache::circuit::Admission;
use crate::keys::cache::clock::Moment;
use crate::keys::cache::data_key_cache::DataKeyCache;
use crate::keys::cache::fetches::Flights;
use crate::keys::cache::key_health::KeyHealth;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::rejected_records::RejectedRecords;
use crate::keys::cache::single_flight::Allowance;
use crate::keys::config::Limits;
use crate::keys::outcome::Unwrapping;
use crate::telemetry::{self, Dropped, Eviction};
use crate::tenant::TenantId;

/// One tenant's keys, what is on its way, and what is known of its KMS key.
#[derive(Debug)]
pub(crate) struct TenantKeys {
    pub(crate) tenant: TenantId,
    pub(crate) flights: Flights,
    /// The tenant's places among the calls in flight.
    calls: Semaphore,
    /// Its place in the queue for turns: with one for each tenant, no tenant's calls wait behind all those of another.
    pub(crate) queue: Semaphore,
    /// Wakes who waits for what a probe finds.
    pub(crate) probed: Notify,
    /// Never held over an await, and nothing of a user runs under it.
    state: RwLock<State>,
    /// How many data keys are held, for the global bound.
    weight: AtomicU32,
    /// The handles, which are counted.
    live: Arc<()>,
    since: Moment,
    /// In which second after `since` its keys were used last, as far as the bound over all tenants was told.
    used: AtomicU64,
    listed: Listed,
}

#[derive(Debug)]
pub(crate) struct State {
    /// How often the tenant was evicted: what was begun before is not used.
    pub(crate) epoch: u64,
    pub(crate) cache: DataKeyCache,
    pub(crate) health: KeyHealth,
    pub(crate) refused: RejectedRecords,
    pub(crate) refresher: Refresher,
}

/// Which refresher is at work, and since when.
#[derive(Debug, Default)]
pub(crate) struct Refresher {
    pub(crate) number: u64,
    pub(crate) started: Option<Moment>,
}

/// When a request to KMS was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) at: Moment,
    pub(crate) epoch: u64,
}

/// A call that may be made; ends a probe when it is dropped.
pub(crate) struct Admitted<'a> {
    keys: &'a TenantKeys,
    pub(crate) begun: Begun,
    pub(crate) is_probe: bool,
}

/// Asks whether a tenant that was refused is back; who else comes meanwhile is refused. Ends with the request that it is.
pub(crate) struct Probing<'a>(&'a TenantKeys);

impl TenantKeys {
    pub(crate) fn new(listed: Listed, limits: &Limits, left: Allowance, now: Moment) -> Self {
        let state = State {
            epoch: 0,
            cache: DataKeyCache::new(limits.data_keys_per_tenant, now),
            health: KeyHealth::new(now),
            refused: RejectedRecords::new(now),
            refresher: Refresher::default(),
        };
        Self {
            tenant: listed.tenant.clone(),
            flights: Flights::new(left),
            calls: Semaphore::new(limits.calls_per_tenant),
            queue: Semaphore::new(1),
            probed: Notify::new(),
            state: RwLock::new(state),
            weight: AtomicU32::new(0),
            live: Arc::default(),
            since: now,
            used: AtomicU64::new(0),
            listed,
        }
    }

    /// Itself, while somebody holds it.
    pub(crate) fn me(&self) -> Option<Arc<Self>> {
        self.listed.me.upgrade()
    }

    /// A half-changed state cannot be: nothing in here panics, and a panic elsewhere changes nothing here.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the tenant's places among the calls in flight.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.calls.acquire().await.ok()
    }

    /// How much of the cache's capacity it takes.
    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Counts again; whether that changed anything.
    pub(crate) fn weigh(&self) -> bool {
        let weight = u32::try_from(self.read().cache.weight()).unwrap_or(u32::MAX);
        self.weight.swap(weight, Ordering::Relaxed) != weight
    }

    /// Whether its keys were not used before in this second.
    pub(crate) fn is_used_again(&self, now: Moment) -> bool {
        let second = now.since(self.since).as_secs();
        let is_new = self.used.load(Ordering::Relaxed) != second;
        if is_new {
            self.used.store(second, Ordering::Relaxed);
        }
        is_new
    }

    /// Keeps the tenant's keys valid in the background while it lives.
    pub(crate) fn live(&self) -> Arc<()> {
        Arc::clone(&self.live)
    }

    pub(crate) fn is_live(&self) -> bool {
        Arc::strong_count(&self.live) > 1
    }

    /// Drops all keys. They are zeroized with the last operation that uses them.
    pub(crate) fn evict(&self, why: Eviction) {
        let evicted = self.write().evict();
        telemetry::evicted(&self.tenant, evicted, why);
    }

    /// Whether a request may ask for keys now. A tenant that was refused is refused at once, but for the one request that asks whether it is
    /// back.
    pub(crate) fn enter(&self, now: Moment) -> Result<Option<Probing<'_>>, KeyServiceError> {
        if !self.read().health.is_refused() {
            return Ok(None);
        }
        let entered = self.write().health.enter(now);
        match entered {
            Ok(is_probe) => Ok(is_probe.then_some(Probing(self))),
            Err(refusal) => {
                telemetry::refused_from_memory();
                Err(refusal)
            }
        }
    }

    /// Whether a call may be made now; none while a probe is under way. `own` calls name the configured alias; the circuit is theirs.
    pub(crate) fn admit(
        &self,
        operation: &'static str,
        own: bool,
        now: Moment,
    ) -> Result<Option<Admitted<'_>>, KeyServiceError> {
        let mut state = self.write();
        let admission = state.health.admit(&self.tenant, operation, own, now)?;
        let begun = Begun { at: now, epoch: state.epoch };
        let admitted = Admitted { keys: self, begun, is_probe: admission == Admission::Probe };
        Ok(Some(admitted).filter(|_| admission != Admission::Wait))
    }

    /// Whether a refusal would cost keys, and may be asked for once more.
    pub(crate) fn may_reconsider(&self, now: Moment) -> bool {
        let mut state = self.write();
        state.cache.len() > 0 && state.health.may_retry(now)
    }

    /// What became of a record lately.
    pub(crate) fn refused(&self, record: &(usize, [u8; 32]), now: Moment) -> Option<Unwrapping> {
        self.read().refused.get(record, now)
    }

    /// Drops what is over.
    pub(crate) fn settle(&self, now: Moment, terms: &Terms) {
        let lapsed = self.write().settle(now, terms);
        telemetry::evicted(&self.tenant, lapsed, Eviction::Lapsed);
    }
}

impl State {
    /// Drops all keys.
    pub(crate) fn evict(&mut self) -> Dropped {
        self.epoch += 1;
        self.cache.clear()
    }

    /// Drops what cannot be used any more, outage or not.
    fn settle(&mut self, now: Moment, terms: &Terms) -> Dropped {
        self.cache.prune(now);
        self.cache.retain_leases(|lease| now.since(lease.begun) < terms.revalidation + terms.grace)
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.write().health.left();
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.keys.write().health.probed();
            self.keys.probed.notify_waiters();
        }
    }
}

/// Nobody waits under this lock, and no look-up takes it.
pub(crate) type Living = Mutex<HashMap<TenantId, Weak<TenantKeys>>>;

/// That a state is on the list of those that live, until it is dropped.
pub(crate) struct Listed {
    pub(crate) living: Arc<Living>,
    pub(crate) tenant: TenantId,
    pub(crate) me: Weak<TenantKeys>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut living = lock(&self.living);
        // The tenant may have another state by now.
        if let Entry::Occupied(listed) = living.entry(self.tenant.clone())
            && listed.get().strong_count() == 0
        {
            listed.remove();
        }
        // After a crowd has gone, its room goes too.
        if living.capacity() > 1_000 && living.len() < living.capacity() / 4 {
            let twice = 2 * living.len();
            living.shrink_to(twice);
        }
    }
}

/// Says nothing of the list: a tenant's `Debug` must not name another.
impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listed({})", self.tenant)
    }
}

/// Nothing in here is half done when someone panics.
pub(crate) fn lock(living: &Living) -> MutexGuard<'_, HashMap<TenantId, Weak<TenantKeys>>> {
    living.lock().unwrap_or_else(PoisonError::into_inner)
}
