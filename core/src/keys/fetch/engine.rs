//! What all tenants share: the key service, the clock, the limits, the states.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::context::StaticPairs;
use crate::keys::KeyService;
use crate::keys::cache::clock::Clock;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::cache::tenants::TenantMap;
use crate::keys::config::Retries;
use crate::keys::declared_lookups::DeclaredLookups;
use crate::keys::fetch::shared_keys::SharedKeys;

/// Fetches tenants' data keys and caches them.
pub(crate) struct Engine {
    pub(crate) service: Arc<dyn KeyService>,
    pub(crate) clock: Clock,
    pub(crate) shared: Option<SharedKeys>,
    pub(crate) contexts: Vec<StaticPairs>,
    pub(crate) lookups: Arc<DeclaredLookups>,
    pub(crate) makes_lookup_keys: bool,
    pub(crate) terms: Terms,
    pub(crate) onboarding: Duration,
    pub(crate) retries: Retries,
    pub(crate) calls: Semaphore,
    pub(crate) tenants: TenantMap,
}

impl Engine {
    /// Follows each change of a tenant's cached data keys: updates its weight, and keeps a refresher running.
    pub(crate) fn track(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        self.tenants.weigh(keys);
        self.ensure_refresher(keys);
    }
}
