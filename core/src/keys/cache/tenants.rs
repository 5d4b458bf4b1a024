//! The states of all tenants: one per tenant, bounded by data keys, and by number where there are none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::keys::cache::clock::Moment;
use crate::keys::cache::single_flight::DetachedLimit;
use crate::keys::cache::tenant_state::{LiveEntry, LiveTenants, TenantKeys, lock};
use crate::keys::config::Limits;
use crate::telemetry::Eviction;
use crate::tenant::TenantId;

/// The most states without data keys that are kept although nobody holds them; the least recently used go first. They
/// remember, for example, that a tenant is refused. Requests for invented tenants evict only these.
const MAX_EMPTY: u64 = 10_000;
/// The most detached work, in total and per tenant.
const MAX_DETACHED: usize = 2_000;
const MAX_DETACHED_PER_TENANT: usize = 8;

/// The states of all tenants. Whoever holds a tenant's state needs nothing of this to look up its data keys.
pub(crate) struct TenantMap {
    /// Every state that somebody holds, evicted or not, so that a revocation reaches all handles and fetches of a
    /// tenant.
    live_tenants: Arc<LiveTenants>,
    /// The states with data keys. The keys lie in the states, so that an eviction drops them at once: moka drops
    /// evicted values lazily.
    filled: Cache<TenantId, Arc<TenantKeys>>,
    /// States without data keys that remember something.
    empty: Cache<TenantId, Arc<TenantKeys>>,
    detached: DetachedLimit,
    limits: Limits,
}

impl TenantMap {
    pub(crate) fn new(limits: Limits) -> Self {
        let filled = Cache::builder()
            .max_capacity(limits.data_keys)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, keys: &Arc<TenantKeys>| keys.weight())
            .eviction_listener(|_, keys: Arc<TenantKeys>, cause| {
                // Other causes are updates of the weight.
                if cause == RemovalCause::Size {
                    // moka never calls a listener again that panicked.
                    let _ = catch_unwind(AssertUnwindSafe(|| keys.evict(Eviction::Capacity)));
                }
            })
            .build();
        let empty = Cache::builder().max_capacity(MAX_EMPTY).eviction_policy(EvictionPolicy::lru()).build();
        Self { live_tenants: Arc::default(), filled, empty, detached: DetachedLimit::new(MAX_DETACHED), limits }
    }

    /// The tenant's state; created when there is none.
    pub(crate) fn get(&self, tenant: &TenantId, now: Moment) -> Arc<TenantKeys> {
        if let Some(keys) = self.filled.get(tenant).or_else(|| self.empty.get(tenant)) {
            return keys;
        }
        let mut live_tenants = lock(&self.live_tenants);
        if let Some(keys) = live_tenants.get(tenant).and_then(Weak::upgrade) {
            return keys;
        }
        let keys = Arc::new_cyclic(|me| {
            let entry =
                LiveEntry { live_tenants: Arc::clone(&self.live_tenants), tenant: tenant.clone(), me: Weak::clone(me) };
            TenantKeys::new(entry, &self.limits, self.detached.share(MAX_DETACHED_PER_TENANT), now)
        });
        live_tenants.insert(tenant.clone(), Arc::downgrade(&keys));
        keys
    }

    /// Keeps a tenant's state also when nobody holds it and it has no data keys.
    pub(crate) fn remember(&self, keys: &TenantKeys) {
        let known = self.filled.contains_key(&keys.tenant) || self.empty.contains_key(&keys.tenant);
        if let Some(keys) = keys.upgrade().filter(|_| !known) {
            self.empty.insert(keys.tenant.clone(), keys);
        }
    }

    /// The tenant's state, when somebody holds it.
    pub(crate) fn find_live(&self, tenant: &TenantId) -> Option<Arc<TenantKeys>> {
        lock(&self.live_tenants).get(tenant).and_then(Weak::upgrade)
    }

    /// Updates the weight of a changed state, also of one that was evicted and filled again. A state without data keys
    /// weighs nothing.
    pub(crate) fn weigh(&self, keys: &TenantKeys) {
        let (has_changed, is_filled) = (keys.weigh(), self.filled.contains_key(&keys.tenant));
        if keys.weight() == 0 {
            if is_filled {
                self.filled.invalidate(&keys.tenant);
                self.remember(keys);
            }
        } else if let Some(keys) = keys.upgrade().filter(|_| has_changed || !is_filled) {
            self.empty.invalidate(&keys.tenant);
            self.filled.insert(keys.tenant.clone(), keys);
        }
    }

    /// Marks a tenant's data keys as recently used. Once per second is enough: a lookup costs less than this.
    pub(crate) fn touch(&self, keys: &TenantKeys, now: Moment) {
        if keys.mark_used(now) && self.filled.get(&keys.tenant).is_none() {
            self.weigh(keys);
        }
    }
}
