//! The states of all tenants: one of each at a time, bounded by the data keys in them, and in number where there are none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::keys::cache::clock::Moment;
use crate::keys::cache::single_flight::Allowance;
use crate::keys::cache::tenant_state::{Listed, Living, TenantKeys, lock};
use crate::keys::config::Limits;
use crate::telemetry::Eviction;
use crate::tenant::TenantId;

/// The most states without keys that are kept although nobody holds them; the least recently used go first. What is known of a tenant that is
/// refused, say, is in them. Whoever invents tenants pushes out these alone.
const EMPTY: u64 = 10_000;
/// The most work that goes on although nobody waits for it, and how much of it is one tenant's.
const LEFT: usize = 2_000;
const LEFT_PER_TENANT: usize = 8;

/// What is kept for tenants. Who holds a tenant's state needs nothing of this to look up its keys.
pub(crate) struct TenantMap {
    /// Every state that somebody holds, evicted or not: so a revocation reaches all handles and flights of a tenant.
    living: Arc<Living>,
    /// Which states have keys. These are in the states, so that they go when they are told to: moka drops what it evicted lazily.
    filled: Cache<TenantId, Arc<TenantKeys>>,
    /// TenantMap that have none, and know something all the same.
    empty: Cache<TenantId, Arc<TenantKeys>>,
    left: Allowance,
    limits: Limits,
}

impl TenantMap {
    pub(crate) fn new(limits: Limits) -> Self {
        let filled = Cache::builder()
            .max_capacity(limits.data_keys)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, keys: &Arc<TenantKeys>| keys.weight())
            .eviction_listener(|_, keys: Arc<TenantKeys>, cause| {
                // Else it was weighed anew.
                if cause == RemovalCause::Size {
                    // moka calls a listener that panics never again.
                    let _ = catch_unwind(AssertUnwindSafe(|| keys.evict(Eviction::Capacity)));
                }
            })
            .build();
        let empty = Cache::builder().max_capacity(EMPTY).eviction_policy(EvictionPolicy::lru()).build();
        Self { living: Arc::default(), filled, empty, left: Allowance::new(LEFT), limits }
    }

    /// The tenant's state, made when there is none.
    pub(crate) fn get(&self, tenant: &TenantId, now: Moment) -> Arc<TenantKeys> {
        if let Some(keys) = self.filled.get(tenant).or_else(|| self.empty.get(tenant)) {
            return keys;
        }
        let mut living = lock(&self.living);
        if let Some(keys) = living.get(tenant).and_then(Weak::upgrade) {
            return keys;
        }
        let keys = Arc::new_cyclic(|me| {
            let listed = Listed { living: Arc::clone(&self.living), tenant: tenant.clone(), me: Weak::clone(me) };
            TenantKeys::new(listed, &self.limits, self.left.share(LEFT_PER_TENANT), now)
        });
        living.insert(tenant.clone(), Arc::downgrade(&keys));
        keys
    }

    /// Keeps what is known of a tenant, also when nobody holds its state and it has no keys.
    pub(crate) fn remember(&self, keys: &TenantKeys) {
        let known = self.filled.contains_key(&keys.tenant) || self.empty.contains_key(&keys.tenant);
        if let Some(keys) = keys.me().filter(|_| !known) {
            self.empty.insert(keys.tenant.clone(), keys);
        }
    }

    /// The tenant's state, when somebody holds it.
    pub(crate) fn living(&self, tenant: &TenantId) -> Option<Arc<TenantKeys>> {
        lock(&self.living).get(tenant).and_then(Weak::upgrade)
    }

    /// Weighs a state that has changed, also one that was evicted and is filled again. What has no key weighs nothing.
    pub(crate) fn weigh(&self, keys: &TenantKeys) {
        let (has_changed, is_filled) = (keys.weigh(), self.filled.contains_key(&keys.tenant));
        if keys.weight() == 0 {
            if is_filled {
                self.filled.invalidate(&keys.tenant);
                self.remember(keys);
            }
        } else if let Some(keys) = keys.me().filter(|_| has_changed || !is_filled) {
            self.empty.invalidate(&keys.tenant);
            self.filled.insert(keys.tenant.clone(), keys);
        }
    }

    /// Says that a tenant's keys are used. Once a second will do: a look-up costs less than this.
    pub(crate) fn used(&self, keys: &TenantKeys, now: Moment) {
        if keys.is_used_again(now) && self.filled.get(&keys.tenant).is_none() {
            self.weigh(keys);
        }
    }
}
