//! What is kept for one tenant: nothing of it is shared with another, so no tenant waits for another's lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::KeyServiceError;
use super::circuit::Admission;
use super::clock::Moment;
use super::data_keys::Limits;
use super::flight::{Flights, Unwrapping};
use super::held::Held;
use super::lease::Terms;
use super::refused::Refused;
use super::shares::Allowance;
use super::standing::Standing;
use super::states::Listed;
use crate::sight::{self, Dropped, Eviction};
use crate::tenant::TenantId;

/// One tenant's keys, what is on its way, and what is known of its KMS key.
#[derive(Debug)]
pub(super) struct TenantKeys {
    pub(super) tenant: TenantId,
    pub(super) flights: Flights,
    /// The tenant's places among the calls in flight.
    calls: Semaphore,
    /// Its place in the queue for turns: with one for each tenant, no tenant's calls wait behind all those of another.
    pub(super) queue: Semaphore,
    /// Wakes who waits for what a probe finds.
    pub(super) probed: Notify,
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
pub(super) struct State {
    /// How often the tenant was evicted: what was begun before is not used.
    pub(super) epoch: u64,
    pub(super) held: Held,
    pub(super) standing: Standing,
    pub(super) refused: Refused,
    pub(super) keeper: Keeper,
}

/// Which keeper is at work, and since when.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pub(super) number: u64,
    pub(super) started: Option<Moment>,
}

/// When a request to KMS was begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) at: Moment,
    pub(super) epoch: u64,
}

/// A call that may be made; ends a probe when it is dropped.
pub(super) struct Admitted<'a> {
    keys: &'a TenantKeys,
    pub(super) begun: Begun,
    pub(super) is_probe: bool,
}

/// Asks whether a tenant that was refused is back; who else comes meanwhile is refused. Ends with the request that it is.
pub(super) struct Probing<'a>(&'a TenantKeys);

impl TenantKeys {
    pub(super) fn new(listed: Listed, limits: &Limits, left: Allowance, now: Moment) -> Self {
        let state = State {
            epoch: 0,
            held: Held::new(limits.data_keys_per_tenant, now),
            standing: Standing::new(now),
            refused: Refused::new(now),
            keeper: Keeper::default(),
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
    pub(super) fn me(&self) -> Option<Arc<Self>> {
        self.listed.me.upgrade()
    }

    /// A half-changed state cannot be: nothing in here panics, and a panic elsewhere changes nothing here.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the tenant's places among the calls in flight.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.calls.acquire().await.ok()
    }

    /// How much of the cache's capacity it takes.
    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Counts again; whether that changed anything.
    pub(super) fn weigh(&self) -> bool {
        let weight = u32::try_from(self.read().held.weight()).unwrap_or(u32::MAX);
        self.weight.swap(weight, Ordering::Relaxed) != weight
    }

    /// Whether its keys were not used before in this second.
    pub(super) fn is_used_again(&self, now: Moment) -> bool {
        let second = now.since(self.since).as_secs();
        let is_new = self.used.load(Ordering::Relaxed) != second;
        if is_new {
            self.used.store(second, Ordering::Relaxed);
        }
        is_new
    }

    /// Keeps the tenant's keys valid in the background while it lives.
    pub(super) fn live(&self) -> Arc<()> {
        Arc::clone(&self.live)
    }

    pub(super) fn is_live(&self) -> bool {
        Arc::strong_count(&self.live) > 1
    }

    /// Drops all keys. They are zeroized with the last operation that uses them.
    pub(super) fn evict(&self, why: Eviction) {
        let evicted = self.write().evict();
        sight::evicted(&self.tenant, evicted, why);
    }

    /// Whether a request may ask for keys now. A tenant that was refused is refused at once, but for the one request that asks whether it is
    /// back.
    pub(super) fn enter(&self, now: Moment) -> Result<Option<Probing<'_>>, KeyServiceError> {
        if !self.read().standing.is_refused() {
            return Ok(None);
        }
        let entered = self.write().standing.enter(now);
        match entered {
            Ok(is_probe) => Ok(is_probe.then_some(Probing(self))),
            Err(refusal) => {
                sight::refused_from_memory();
                Err(refusal)
            }
        }
    }

    /// Whether a call may be made now; none while a probe is under way. `own` calls name the configured alias; the circuit is theirs.
    pub(super) fn admit(
        &self,
        operation: &'static str,
        own: bool,
        now: Moment,
    ) -> Result<Option<Admitted<'_>>, KeyServiceError> {
        let mut state = self.write();
        let admission = state.standing.admit(&self.tenant, operation, own, now)?;
        let begun = Begun { at: now, epoch: state.epoch };
        let admitted = Admitted { keys: self, begun, is_probe: admission == Admission::Probe };
        Ok(Some(admitted).filter(|_| admission != Admission::Wait))
    }

    /// Whether a refusal would cost keys, and may be asked for once more.
    pub(super) fn may_reconsider(&self, now: Moment) -> bool {
        let mut state = self.write();
        state.held.len() > 0 && state.standing.may_retry(now)
    }

    /// What became of a record lately.
    pub(super) fn refused(&self, record: &(usize, [u8; 32]), now: Moment) -> Option<Unwrapping> {
        self.read().refused.get(record, now)
    }

    /// Drops what is over.
    pub(super) fn settle(&self, now: Moment, terms: &Terms) {
        let lapsed = self.write().settle(now, terms);
        sight::evicted(&self.tenant, lapsed, Eviction::Lapsed);
    }
}

impl State {
    /// Drops all keys.
    pub(super) fn evict(&mut self) -> Dropped {
        self.epoch += 1;
        self.held.clear()
    }

    /// Drops what cannot be used any more, outage or not.
    fn settle(&mut self, now: Moment, terms: &Terms) -> Dropped {
        self.held.prune(now);
        self.held.retain_leases(|lease| now.since(lease.begun) < terms.revalidation + terms.grace)
    }
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.write().standing.left();
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.keys.write().standing.probed();
            self.keys.probed.notify_waiters();
        }
    }
}
