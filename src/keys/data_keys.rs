//! The data keys of all tenants in memory: bounded, one flight per key, and used for no longer than KMS has allowed.
//!
//! Two clocks: `rotation` is how long one data key seals new items, `revalidation` how long any data key is used before KMS is asked
//! again; longer, by `grace`, only while KMS cannot be asked. Each counts from the beginning of the request, on the monotonic and on
//! the wall clock.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::asking::Retries;
use super::clock::Clock;
use super::lease::Terms;
use super::table::{KeyTableError, SharedKeys};
use super::tenant::{LiveHandle, TenantKeys};
use super::{KeyService, KeyServiceError};
use crate::audit::Purpose;
use crate::context::StaticPairs;
use crate::item::{KeyRing, NeededKey, OpenError, UnwrappedKey};
use crate::schema::RecordPlace;
use crate::sight::{self, Eviction};
use crate::tenant::TenantId;

/// How the cache is set up.
#[derive(Debug)]
pub(crate) struct DataKeysConfig {
    pub(crate) service: Arc<dyn KeyService>,
    pub(crate) time: SharedTimeSource,
    /// The fleet's keys, when it shares them.
    pub(crate) shared: Option<SharedKeys>,
    /// The pairs of new records, then those of former ones that still open.
    pub(crate) contexts: Vec<StaticPairs>,
    pub(crate) terms: Terms,
    /// How long an alias that never worked in this process may be new.
    pub(crate) onboarding: Duration,
    pub(crate) limits: Limits,
    pub(crate) retries: Retries,
}

/// What all tenants share, and what one may have of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Data keys in memory.
    pub(crate) data_keys: u64,
    pub(crate) data_keys_per_tenant: usize,
    /// Calls to KMS and STS in flight.
    pub(crate) calls: usize,
    pub(crate) calls_per_tenant: usize,
}

/// Data keys by tenant, asked for once and kept for a while.
///
/// Whatever uses a data key got it from one of this type's functions.
pub(crate) struct DataKeys(Arc<Inner>);

pub(super) struct Inner {
    pub(super) service: Arc<dyn KeyService>,
    pub(super) clock: Clock,
    pub(super) shared: Option<SharedKeys>,
    pub(super) contexts: Vec<StaticPairs>,
    pub(super) terms: Terms,
    pub(super) onboarding: Duration,
    pub(super) retries: Retries,
    pub(super) calls: Semaphore,
    limits: Limits,
    /// The keys themselves are in here, so that they go when they are told to: moka drops what it evicted lazily.
    tenants: Cache<TenantId, Arc<TenantKeys>>,
}

impl DataKeys {
    pub(crate) fn new(config: DataKeysConfig) -> Self {
        let DataKeysConfig { service, time, shared, contexts, terms, onboarding, limits, retries } = config;
        let tenants = Cache::builder()
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
        Self(Arc::new(Inner {
            service,
            clock: Clock::new(time),
            shared,
            contexts,
            terms,
            onboarding,
            retries,
            calls: Semaphore::new(limits.calls),
            limits,
            tenants,
        }))
    }

    /// The key under which the tenant's new items are sealed whose key record lies in `place`; with an idempotency `token`, the one that was current when the token
    /// was first seen, for ten minutes.
    pub(crate) async fn sealing_key(
        &self,
        tenant: &TenantId,
        token: Option<&str>,
        place: RecordPlace,
    ) -> Result<Arc<UnwrappedKey>, KeyError> {
        if let Some(token) = token {
            return self.0.sealing_pinned(&self.0.tenant(tenant), token, place).await;
        }
        match self.warm_sealing_key(tenant, place) {
            Some(key) => Ok(key),
            None => self.0.sealing(&self.0.tenant(tenant), place).await,
        }
    }

    /// The same without a token, when nothing has to be waited for.
    pub(crate) fn warm_sealing_key(&self, tenant: &TenantId, place: RecordPlace) -> Option<Arc<UnwrappedKey>> {
        let key = self.0.sealing_now(&self.0.tenants.get(tenant)?, place)?;
        sight::hit(tenant, Purpose::Seal, 1);
        Some(key)
    }

    /// The keys that open items which name them so, each asked for once and all at the same time.
    pub(crate) async fn opening_keys(
        &self,
        tenant: &TenantId,
        needed: Vec<NeededKey>,
    ) -> Result<KeyRing, OpeningKeyError> {
        match self.warm_opening_keys(tenant, &needed) {
            Some(keys) => Ok(keys),
            None => self.0.opening(&self.0.tenant(tenant), needed).await,
        }
    }

    /// The same, when nothing has to be waited for.
    pub(crate) fn warm_opening_keys(&self, tenant: &TenantId, needed: &[NeededKey]) -> Option<KeyRing> {
        let keys = self.0.tenants.get(tenant)?;
        let warm = |needed: &NeededKey| Some((needed.stored.clone(), self.0.verified(&keys, needed.stored.as_ref())?));
        let found = needed.iter().map(warm).collect::<Option<_>>()?;
        sight::hit(tenant, Purpose::Open, needed.len());
        Some(KeyRing::new(found))
    }

    /// Forgets everything of a tenant, the key service's credentials included. What a request that is under way brings later is
    /// not used.
    pub(crate) async fn revoke(&self, tenant: &TenantId) {
        if let Some(keys) = self.0.tenants.get(tenant) {
            keys.evict(Eviction::ByHand);
        }
        self.0.service.forget(tenant).await;
    }

    /// As long as it lives, the tenant's sealing key is kept valid in the background.
    pub(crate) fn live_handle(&self, tenant: &TenantId) -> LiveHandle {
        self.0.tenant(tenant).handle()
    }
}

impl Inner {
    fn tenant(&self, tenant: &TenantId) -> Arc<TenantKeys> {
        self.tenants.get(tenant).unwrap_or_else(|| {
            self.tenants.get_with_by_ref(tenant, || {
                let Limits { data_keys_per_tenant, calls_per_tenant, .. } = self.limits;
                Arc::new(TenantKeys::new(tenant.clone(), calls_per_tenant, data_keys_per_tenant, self.clock.now()))
            })
        })
    }

    /// Follows each change of what is held for a tenant: counts it, and has somebody look after it.
    pub(super) fn taken_in(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        if keys.weigh() {
            // Unless the tenant's place was taken by another meanwhile.
            self.tenants.entry_by_ref(&keys.tenant).and_compute_with(|there| match there {
                Some(there) if Arc::ptr_eq(there.value(), keys) => Op::Put(Arc::clone(keys)),
                _ => Op::Nop,
            });
        }
        self.keep(keys);
    }
}

/// Why the keys for an answer could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum OpeningKeyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Key(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Why a data key that seals could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Says nothing of what is in the caches: a tenant's `Debug` must not name another.
impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKeys(..)")
    }
}
