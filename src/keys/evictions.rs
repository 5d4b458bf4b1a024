//! Who was evicted when: so that a key that is on its way does not come back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::tenant::TenantId;

/// When tenants were evicted, for as long as a key from before could still be used.
#[derive(Default)]
pub(super) struct Evictions {
    /// Spares every look-up the lock as long as nothing was ever evicted.
    any: AtomicBool,
    latest: Mutex<HashMap<TenantId, Instant>>,
}

impl Evictions {
    /// Nothing that was begun before now may be used for this tenant any more.
    pub(super) fn record(&self, tenant: &TenantId, max_age: Duration) {
        let now = Instant::now();
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|_, at| now.duration_since(*at) <= max_age);
        latest.insert(tenant.clone(), now);
        self.any.store(true, Ordering::Release);
    }

    /// Whether what was begun then may still be used.
    pub(super) fn allow(&self, tenant: &TenantId, begun: Instant) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return true;
        }
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.get(tenant).is_none_or(|at| begun > *at)
    }
}
