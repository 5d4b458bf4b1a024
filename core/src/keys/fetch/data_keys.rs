//! All tenants' data keys in memory: bounded, fetched by one caller at a time, and used no longer than KMS has allowed.
//!
//! Two periods apply: `rotation` is how long one data key seals new items, and `revalidation` is how long any data key
//! is used before KMS is asked again. Only while KMS is unavailable are they extended, by `grace`. Each counts from the
//! beginning of the request, on the monotonic and on the wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::context::StaticPairs;
use crate::keys::KeyService;
use crate::keys::cache::clock::Clock;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::tenants::TenantMap;
use crate::keys::config::{Limits, Retries};
use crate::keys::declared_lookups::DeclaredLookups;
use crate::keys::fetch::engine::Engine;
use crate::keys::fetch::handle::TenantHandle;
use crate::keys::fetch::shared_keys::SharedKeys;
use crate::telemetry::Eviction;
use crate::tenant::TenantId;
use crate::time::SharedTimeSource;

/// The configuration of [`DataKeys`].
#[derive(Debug)]
pub struct DataKeysConfig {
    pub(crate) service: Arc<dyn KeyService>,
    pub(crate) time: SharedTimeSource,
    /// The data keys that the fleet shares, if it does.
    pub(crate) shared: Option<SharedKeys>,
    /// The pairs of new key records, then those of former ones that still open.
    pub(crate) contexts: Vec<StaticPairs>,
    /// The lookups of all tables.
    pub(crate) lookups: DeclaredLookups,
    /// Whether this process makes lookup keys that are not there.
    pub(crate) makes_lookup_keys: bool,
    pub(crate) terms: Terms,
    /// How long an alias that never worked in this process may be new.
    pub(crate) onboarding: Duration,
    pub(crate) limits: Limits,
    pub(crate) retries: Retries,
}

/// Fetches tenants' data keys and caches them.
pub struct DataKeys(Arc<Engine>);

impl DataKeys {
    pub fn new(config: DataKeysConfig) -> Self {
        let DataKeysConfig {
            service,
            time,
            shared,
            contexts,
            lookups,
            makes_lookup_keys,
            terms,
            onboarding,
            limits,
            retries,
        } = config;
        Self(Arc::new(Engine {
            service,
            clock: Clock::new(time),
            shared,
            contexts,
            lookups: Arc::new(lookups),
            makes_lookup_keys,
            terms,
            onboarding,
            retries,
            calls: Semaphore::new(limits.calls),
            tenants: TenantMap::new(limits),
        }))
    }

    /// The handle to one tenant's data keys.
    pub fn for_tenant(&self, tenant: &TenantId) -> TenantHandle {
        TenantHandle::new(&self.0, self.0.tenants.get(tenant, self.0.clock.now()))
    }

    /// Drops everything of a tenant, including the key service's credentials, from all handles. The result of a request
    /// in flight is not used.
    pub async fn revoke(&self, tenant: &TenantId) {
        if let Some(keys) = self.0.tenants.find_live(tenant) {
            keys.evict(Eviction::ByHand);
            self.0.tenants.weigh(&keys);
        }
        self.0.service.forget(tenant).await;
    }
}

/// Shows nothing of the caches: a tenant's `Debug` must not name another tenant.
impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKeys(..)")
    }
}
