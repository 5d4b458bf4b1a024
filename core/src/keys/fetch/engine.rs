//! The data keys of all tenants in memory: bounded, one flight per key, and used for no longer than KMS has allowed.
//!
//! Two clocks: `rotation` is how long one data key seals new items, `revalidation` how long any data key is used before KMS is asked
//! again; longer, by `grace`, only while KMS cannot be asked. Each counts from the beginning of the request, on the monotonic and on
//! the wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::context::StaticPairs;
use crate::envelope::OpenFault;
use crate::keys::cache::clock::Clock;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::cache::tenants::States;
use crate::keys::fetch::call::Retries;
use crate::keys::fetch::handle::TenantHandle;
use crate::keys::table::{KeyTableError, SharedKeys};
use crate::keys::{KeyService, KeyServiceError};
use crate::telemetry::Eviction;
use crate::tenant::TenantId;
use crate::time::SharedTimeSource;

/// How the cache is set up.
#[derive(Debug)]
pub struct DataKeysConfig {
    pub service: Arc<dyn KeyService>,
    pub time: SharedTimeSource,
    /// The fleet's keys, when it shares them.
    pub shared: Option<SharedKeys>,
    /// The pairs of new records, then those of former ones that still open.
    pub contexts: Vec<StaticPairs>,
    pub terms: Terms,
    /// How long an alias that never worked in this process may be new.
    pub onboarding: Duration,
    pub limits: Limits,
    pub retries: Retries,
}

/// What all tenants share, and what one may have of it.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Data keys in memory.
    pub data_keys: u64,
    pub data_keys_per_tenant: usize,
    /// Calls to KMS and STS in flight.
    pub calls: usize,
    pub calls_per_tenant: usize,
}

/// Data keys by tenant, asked for once and kept for a while.
pub struct DataKeys(Arc<Inner>);

pub struct Inner {
    pub service: Arc<dyn KeyService>,
    pub clock: Clock,
    pub shared: Option<SharedKeys>,
    pub contexts: Vec<StaticPairs>,
    pub terms: Terms,
    pub onboarding: Duration,
    pub retries: Retries,
    pub calls: Semaphore,
    pub states: States,
}

impl DataKeys {
    pub fn new(config: DataKeysConfig) -> Self {
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
    pub fn of(&self, tenant: &TenantId) -> TenantHandle {
        TenantHandle::new(&self.0, self.0.states.get(tenant, self.0.clock.now()))
    }

    /// Forgets everything of a tenant, the key service's credentials included, whoever holds it. What a request that is under way
    /// brings later is not used.
    pub async fn revoke(&self, tenant: &TenantId) {
        if let Some(keys) = self.0.states.living(tenant) {
            keys.evict(Eviction::ByHand);
            self.0.states.weigh(&keys);
        }
        self.0.service.forget(tenant).await;
    }
}

impl Inner {
    /// Follows each change of what is held for a tenant: counts it, and has somebody look after it.
    pub fn taken_in(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        self.states.weigh(keys);
        self.keep(keys);
    }
}

/// Why the keys for an answer could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpeningKeyError {
    /// What an item stores in this attribute does not open, and will not.
    #[error("attribute `{attribute}` does not open: {fault}")]
    Open {
        /// The attribute.
        attribute: String,
        /// What is wrong with it.
        fault: OpenFault,
    },
    #[error(transparent)]
    Key(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Why a data key that seals could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
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
