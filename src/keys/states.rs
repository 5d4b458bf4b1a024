//! The states of all tenants: one of each at a time, bounded by the data keys in them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::clock::Moment;
use super::data_keys::Limits;
use super::tenant::TenantKeys;
use crate::sight::Eviction;
use crate::tenant::TenantId;

/// What is kept for tenants. Who holds a tenant's state needs nothing of this to look up its keys.
pub(super) struct States {
    /// Every state that somebody holds, evicted or not: so a revocation reaches all handles and flights of a tenant.
    living: Arc<Living>,
    /// Which states may have keys. These are in the states, so that they go when they are told to: moka drops what it evicted lazily.
    filled: Cache<TenantId, Arc<TenantKeys>>,
    limits: Limits,
}

/// Nobody waits under this lock, and no look-up takes it.
type Living = Mutex<HashMap<TenantId, Weak<TenantKeys>>>;

impl States {
    pub(super) fn new(limits: Limits) -> Self {
        let filled = Cache::builder()
            .max_capacity(limits.data_keys)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, keys: &Arc<TenantKeys>| keys.weight())
            .eviction_listener(|_, keys: Arc<TenantKeys>, cause| {
                // Replaced by itself when it was weighed anew.
                if cause != RemovalCause::Replaced {
                    // moka calls a listener that panics never again.
                    let _ = catch_unwind(AssertUnwindSafe(|| keys.evict(Eviction::Capacity)));
                }
            })
            .build();
        Self { living: Arc::default(), filled, limits }
    }

    /// The tenant's state, made when there is none.
    pub(super) fn get(&self, tenant: &TenantId, now: Moment) -> Arc<TenantKeys> {
        if let Some(keys) = self.filled.get(tenant) {
            return keys;
        }
        let keys = {
            let mut living = lock(&self.living);
            match living.get(tenant).and_then(Weak::upgrade) {
                Some(keys) => keys,
                None => {
                    let listed = Listed { living: Arc::clone(&self.living), tenant: tenant.clone() };
                    let Limits { data_keys_per_tenant, calls_per_tenant, .. } = self.limits;
                    let keys = Arc::new(TenantKeys::new(listed, calls_per_tenant, data_keys_per_tenant, now));
                    living.insert(tenant.clone(), Arc::downgrade(&keys));
                    keys
                }
            }
        };
        self.filled.insert(tenant.clone(), Arc::clone(&keys));
        keys
    }

    /// The tenant's state, when somebody holds it.
    pub(super) fn living(&self, tenant: &TenantId) -> Option<Arc<TenantKeys>> {
        lock(&self.living).get(tenant).and_then(Weak::upgrade)
    }

    /// Weighs a state that has changed, also one that was evicted and is filled again.
    pub(super) fn weigh(&self, keys: &Arc<TenantKeys>) {
        if keys.weigh() || !self.filled.contains_key(&keys.tenant) {
            self.filled.insert(keys.tenant.clone(), Arc::clone(keys));
        }
    }

    /// Says that a tenant's keys are used. Once a second will do: a look-up costs less than this.
    pub(super) fn used(&self, keys: &TenantKeys, now: Moment) {
        if keys.is_used_again(now) {
            let _ = self.filled.get(&keys.tenant);
        }
    }
}

/// That a state is on the list of those that live, until it is dropped.
pub(super) struct Listed {
    living: Arc<Living>,
    pub(super) tenant: TenantId,
}

impl Drop for Listed {
    fn drop(&mut self) {
        // The tenant may have another state by now.
        if let Entry::Occupied(listed) = lock(&self.living).entry(self.tenant.clone())
            && listed.get().strong_count() == 0
        {
            listed.remove();
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
fn lock(living: &Living) -> MutexGuard<'_, HashMap<TenantId, Weak<TenantKeys>>> {
    living.lock().unwrap_or_else(PoisonError::into_inner)
}
