//! What all tenants' keys share: the key service, the clocks, the limits, the states.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::context::StaticPairs;
use crate::keys::KeyService;
use crate::keys::cache::clock::Clock;
use crate::keys::cache::lease::Terms;
use crate::keys::cache::tenant_state::TenantKeys;
use crate::keys::cache::tenants::States;
use crate::keys::config::Retries;
use crate::keys::fetch::shared_keys::SharedKeys;

/// Fetches tenants' data keys and keeps them in the cache.
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

impl Inner {
    /// Follows each change of what is held for a tenant: counts it, and has somebody look after it.
    pub fn taken_in(self: &Arc<Self>, keys: &Arc<TenantKeys>) {
        self.states.weigh(keys);
        self.keep(keys);
    }
}
