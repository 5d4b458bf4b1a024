//! Out of service and back: a tenant's own keys are disabled, its aliases on shared keys removed.

use super::admin::aliases;
use super::entry::{Entry, Generation};
use super::{Error, Operation, Tenants, pool};
use crate::tenant::TenantId;

impl Tenants {
    /// Disables every key of the tenant, so that nothing of it is sealed or opened once the services' cached data keys expire.
    ///
    /// On a shared key the tenant's aliases are removed instead, which AWS may take five minutes to act upon. A pool's suspension
    /// suspends all of its members.
    ///
    /// # Errors
    ///
    /// As for every operation: run it again to go on.
    pub async fn suspend(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::Suspend, |_, _| Ok(())).await?;
        self.disable(&begun.entry).await?;
        self.finish(begun.entry, &begun.id, |_| ()).await
    }

    /// Enables every key of a suspended tenant, or of one that shall be sure to be in service.
    ///
    /// # Errors
    ///
    /// As for every operation: run it again to go on.
    pub async fn resume(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::Resume, |_, _| Ok(())).await?;
        let entry = &begun.entry;
        let current = entry.current().map(|generation| generation.number);
        for generation in &entry.generations {
            let Generation { number, key, pool, .. } = generation;
            if let Some(pool) = pool {
                pool::join(self, pool, tenant, &entry.regions).await?;
            }
            let [of_key, alias] = aliases(&self.tenancy().alias(tenant), key);
            for region in &entry.regions {
                if pool.is_none() {
                    self.admin().ensure_enabled(region, key).await?;
                    continue;
                }
                self.admin().ensure_alias(region, &of_key, key).await?;
                if current == Some(*number) {
                    self.admin().point_alias(region, &alias, key).await?;
                }
            }
        }
        let entry = self.finish(begun.entry, &begun.id, |_| ()).await?;
        self.effective(entry).await
    }

    /// Makes every key of the tenant unusable to it.
    pub(super) async fn disable(&self, entry: &Entry) -> Result<(), Error> {
        for Generation { key, pool, .. } in &entry.generations {
            let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), key);
            for region in &entry.regions {
                if pool.is_none() {
                    self.admin().ensure_disabled(region, key, &entry.tenant).await?;
                    continue;
                }
                self.admin().remove_alias(region, &alias, key).await?;
                self.admin().remove_alias(region, &of_key, key).await?;
            }
        }
        Ok(())
    }
}
