//! Out of service and back: a tenant's own keys are disabled, its aliases on shared keys removed.

use super::admin::aliases;
use super::entry::{Entry, Generation};
use super::fence::Fence;
use super::steps::Begun;
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
        self.done(&begun, self.disable(&begun).await).await
    }

    /// Enables every key of a suspended tenant, or of one that shall be sure to be in service.
    ///
    /// # Errors
    ///
    /// As for every operation: run it again to go on.
    pub async fn resume(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::Resume, |_, _| Ok(())).await?;
        let entry = self.done(&begun, self.enable(&begun).await).await?;
        self.effective(entry).await
    }

    /// Makes every key of the tenant unusable to it.
    pub(super) async fn disable(&self, begun: &Begun) -> Result<(), Error> {
        let (entry, fence) = (&begun.entry, &Fence::around(self, begun));
        for Generation { key, pool, .. } in &entry.generations {
            let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), key);
            for region in &entry.regions {
                if pool.is_none() {
                    self.admin().ensure_disabled(region, key, fence).await?;
                    continue;
                }
                self.admin().remove_alias(region, &alias, key, fence).await?;
                self.admin().remove_alias(region, &of_key, key, fence).await?;
            }
        }
        Ok(())
    }

    /// Makes every key of the tenant usable to it.
    async fn enable(&self, begun: &Begun) -> Result<(), Error> {
        let (entry, fence) = (&begun.entry, &Fence::around(self, begun));
        let current = entry.current().map(|generation| generation.number);
        for Generation { number, key, pool, .. } in &entry.generations {
            if let Some(pool) = pool {
                pool::join(self, pool, &entry.tenant, &entry.regions, fence).await?;
            }
            let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), key);
            for region in &entry.regions {
                if pool.is_none() {
                    self.admin().ensure_enabled(region, key, fence).await?;
                    continue;
                }
                self.admin().ensure_alias(region, &of_key, key, fence).await?;
                if current == Some(*number) {
                    self.admin().point_alias(region, &alias, key, fence).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes down that an operation is done that changes nothing in the entry but its state, if its steps are.
    async fn done(&self, begun: &Begun, steps: Result<(), Error>) -> Result<Entry, Error> {
        let result = match steps {
            Ok(()) => self.finish(begun.entry.clone(), &begun.id, |_| ()).await,
            Err(error) => Err(error),
        };
        self.concluded(&begun.entry.tenant, &begun.id, result).await
    }
}
