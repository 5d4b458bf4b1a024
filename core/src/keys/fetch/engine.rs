//! The data keys of all tenants in memory: bounded, one flight per key, and used for no longer than KMS has allowed.
//!
//! Two clocks: `rotation` is how long one data key seals new items, `revalidation` how long any data key is used before KMS is asked
//! again; longer, by `grace`, only while KMS cannot be asked. Each counts from the beginning of the request, on the monotonic and on
//! the wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_async::time::SharedTimeSource;
use tokio::sync::Semaphore;

use super::asking::Retries;
use super::clock::Clock;
use super::handle::TenantHandle;
use super::lease::Terms;
use super::states::States;
use super::table::{KeyTableError, SharedKeys};
use super::tenant::TenantKeys;
use super::{KeyService, KeyServiceError};
use crate::context::StaticPairs;
use crate::item::OpenError;
use crate::sight::Eviction;
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
    pub(super) states: States,
}

impl DataKeys {
    pub(crate) fn new(config: DataKeysConfig) -> Self {
        let DataKeysConfig { service, time, shared, contexts, terms, onboarding, limits, retries } = config;
        Self(Arc::new(Inner {
            service,
            clock: Clock::new(time),
            shared,
            contexts,
            terms,
            onboarding,
            retries,
            calls: Semaphore::new(limits.calls),
            states: States::new(limits),
        }))
    }

    /// The way to one tenant's keys.
    pub(crate) fn of(&self, tenant: &TenantId) -> TenantHandle {
        TenantHandle::new(&self.0, self.0.states.get(tenant, self.0.clock.now()))
    }

    /// Forgets everything of a tenant, the key service's credentials included, whoever holds it. What a request that is under way
    /// brings later is not used.
    pub(crate) async fn revoke(&self, tenant: &TenantId) {
        if let Some(keys) = self.0.states.living(tenant) {
            keys.evict(Eviction::ByHand);
            self.0.states.weigh(&keys);
        }
        self.0.service.forget(tenant).await;
    }
}

impl Inner {
    /// Follows each change of what is held for a tenant: counts it, and has somebody look after it.
    pub(super) fn taken_in(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        self.states.weigh(keys);
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
