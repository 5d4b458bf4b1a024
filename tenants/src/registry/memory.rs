//! A registry in memory, for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tenantseal_core::tenant::TenantId;

use super::{Page, Registry, RegistryError};
use crate::entry::Entry;

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct InMemoryRegistry(Mutex<BTreeMap<TenantId, Vec<Entry>>>);

impl InMemoryRegistry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TenantId, Vec<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Registry for InMemoryRegistry {
    async fn get(&self, tenant: &TenantId) -> Result<Option<Entry>, RegistryError> {
        Ok(self.lock().get(tenant).and_then(|versions| versions.last().cloned()))
    }

    async fn put(&self, entry: &Entry) -> Result<(), RegistryError> {
        let mut tenants = self.lock();
        let stored = tenants.get(&entry.tenant).and_then(|versions| versions.last()).map_or(0, |stored| stored.version);
        if stored + 1 != entry.version {
            return Err(RegistryError::Conflict(entry.tenant.clone()));
        }
        tenants.entry(entry.tenant.clone()).or_default().push(entry.clone());
        Ok(())
    }

    async fn list(&self, after: Option<&TenantId>, limit: u32) -> Result<Page, RegistryError> {
        let tenants = self.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest =
            tenants.range::<TenantId, _>((from, Bound::Unbounded)).filter_map(|(_, versions)| versions.last());
        let entries: Vec<_> = rest.by_ref().take(limit as usize).cloned().collect();
        let next = rest.next().and(entries.last()).map(|entry| entry.tenant.clone());
        Ok(Page { entries, next })
    }

    async fn history(&self, tenant: &TenantId) -> Result<Vec<Entry>, RegistryError> {
        Ok(self.lock().get(tenant).cloned().unwrap_or_default())
    }
}
