//! Suspension and resumption: disables a tenant's own KEKs, and removes its aliases on pools.

use std::collections::BTreeSet;

use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;

use super::admin::aliases;
use super::begun::Begun;
use super::entry::{Entry, Generation, Tier};
use super::fence::Fence;
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::region_results::RegionResults;
use super::{Error, Operation, Tenants, pool};

impl Tenants {
    /// Disables every KEK of the tenant. Nothing of the tenant is sealed or opened once the services' cached data keys
    /// expire.
    ///
    /// KEKs and Regions are those that KMS names and those that the registry lists. A Region that fails does not stop
    /// the others. The suspension pauses an unfinished operation, except an offboarding or its cancellation.
    ///
    /// On a pool's KEK, the tenant's aliases are removed instead. AWS may take 5 minutes to apply that. Suspending a
    /// pool suspends all of its members.
    ///
    /// # Errors
    ///
    /// Run it again to continue. [`Error::RegionMismatch`] and [`Error::UnlistedKeks`] say that everything is disabled,
    /// and that the registry was wrong.
    pub async fn suspend(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::Suspend, |_, _| Ok(())).await?;
        let mut results = RegionResults::default();
        let steps = match self.disable(&begun, &mut results).await {
            Ok(own) => self.finish_suspension(&begun, &own, results).await,
            Err(error) => Err(error),
        };
        self.finish_steps(&begun, steps).await
    }

    /// Enables all of the tenant's KEKs. Safe to call on an active tenant. A paused operation becomes the unfinished
    /// one again.
    ///
    /// # Errors
    ///
    /// Run it again to continue.
    pub async fn resume(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::Resume, |_, _| Ok(())).await?;
        let steps = self.enable(&begun).await;
        let entry = self.finish_steps(&begun, steps).await?;
        self.await_effect(entry).await
    }

    /// Disables every KEK of the tenant in all Regions where one is found. Returns the tenant's own KEKs.
    pub(super) async fn disable(&self, begun: &Begun, results: &mut RegionResults) -> Result<Vec<Kek>, Error> {
        let (entry, fence) = (&begun.entry, &self.fence(begun));
        let (mut own, mut regions): (Vec<Kek>, BTreeSet<String>) = Default::default();
        for key in entry.own_keys() {
            match self.find_kek(KekOwner::TenantOrPool(&entry.tenant), key, &entry.regions).await {
                Ok(kek) if kek.is_gone() && !self.is_due(entry) => {
                    results.record::<()>(key.region(), Err(kek.missing_copy(key.region())))?;
                }
                Ok(kek) => {
                    self.disable_kek(&kek, fence, results).await?;
                    regions.extend(kek.regions().iter().cloned());
                    own.push(kek);
                }
                Err(error) => {
                    regions.insert(key.region().to_owned());
                    results.record::<()>(key.region(), Err(error))?;
                }
            }
        }
        for Generation { key, pool, .. } in &entry.generations {
            // The member may have aliases wherever the pool's KEK is.
            if let Some(pool) = pool {
                match self.find_kek(KekOwner::Pool(pool), key, &entry.regions).await {
                    Ok(kek) => regions.extend(kek.regions().iter().cloned()),
                    Err(error) => {
                        regions.insert(key.region().to_owned());
                        results.record::<()>(key.region(), Err(error))?;
                    }
                }
            }
        }
        regions.extend(entry.target_regions(&begun.id));
        // KEKs are created here, so an entry that omits this Region hides none.
        regions.insert(self.region().to_owned());
        let unlisted = self.disable_by_alias(begun, &own, regions, results).await?;
        if !unlisted.is_empty() && results.is_ok() {
            results.record::<()>(
                unlisted[0].region(),
                Err(Error::UnlistedKeks { tenant: entry.tenant.clone(), keys: unlisted.clone() }),
            )?;
        }
        Ok(own)
    }

    async fn disable_kek(&self, kek: &Kek, fence: &Fence<'_>, results: &mut RegionResults) -> Result<(), Error> {
        for (region, error) in &kek.failed_regions {
            results.record::<()>(region, Err(error.clone()))?;
        }
        for copy in kek.copies() {
            let done = self.admin().ensure_disabled(copy, fence).await;
            results.record(copy.region(), done)?;
        }
        Ok(())
    }

    /// A session reaches KEKs by the tenant's aliases alone. So this closes whatever they point to: it disables the
    /// tenant's KEKs, and removes aliases on pools. Returns the KEKs that the registry does not list.
    async fn disable_by_alias(
        &self,
        begun: &Begun,
        own: &[Kek],
        regions: BTreeSet<String>,
        results: &mut RegionResults,
    ) -> Result<Vec<KeyArn>, Error> {
        let (tenant, fence) = (&begun.entry.tenant, &self.fence(begun));
        let mut unlisted: Vec<Kek> = Vec::new();
        let mut regions: Vec<String> = regions.into_iter().collect();
        let mut next = 0;
        while let Some(region) = regions.get(next).cloned() {
            next += 1;
            if results.has_no_answer(&region) {
                continue;
            }
            let listed = self.admin().list_aliases(&region, None).await.map_err(Error::from);
            for alias in results.record(&region, listed)?.unwrap_or_default() {
                let (Some(alias), Some(key_id)) = (alias.alias_name, alias.target_key_id) else { continue };
                let is_known = own.iter().chain(&unlisted).any(|kek| kek.key().key_id() == key_id);
                if is_known || self.tenancy().tenant_of(&alias).as_ref() != Some(tenant) {
                    continue;
                }
                let behind = self.admin().alias_target(&region, &alias).await.map_err(Error::from);
                let Some(Some(key)) = results.record(&region, behind)? else { continue };
                match self.find_kek(KekOwner::TenantOrPool(tenant), &key, &[]).await {
                    Ok(kek) => {
                        self.disable_kek(&kek, fence, results).await?;
                        regions.extend(kek.regions().iter().cloned());
                        unlisted.push(kek);
                    }
                    Err(Error::ForeignKek { .. }) => {
                        let removed = self.remove_alias(&region, &alias, &key, begun).await;
                        results.record(&region, removed)?;
                    }
                    Err(error) => drop(results.record::<()>(&region, Err(error))?),
                }
            }
        }
        Ok(unlisted.iter().map(|kek| kek.key().clone()).collect())
    }

    /// Removes an alias of the tenant from a pool's KEK.
    async fn remove_alias(&self, region: &str, alias: &str, key: &KeyArn, begun: &Begun) -> Result<(), Error> {
        let taken = || Error::AliasTaken { alias: alias.to_owned(), key: key.clone() };
        let kek = match self.find_kek(KekOwner::AnyPool(&begun.entry.tenant), key, &[]).await {
            Err(Error::ForeignKek { .. }) => return Err(taken()),
            kek => kek?,
        };
        let copy = kek.copy_in(region).ok_or_else(taken)?;
        self.admin().remove_alias(copy, alias, &self.fence(begun)).await
    }

    /// Concludes a suspension, once everything that can be disabled is.
    async fn finish_suspension(&self, begun: &Begun, own: &[Kek], results: RegionResults) -> Result<(), Error> {
        let agreed = self.reconcile_regions(begun, own).await;
        match agreed {
            Err(error) if error.concerns_all_regions() => Err(error),
            agreed => results.into_result(begun).and(agreed),
        }
    }

    /// Enables every KEK of the tenant.
    async fn enable(&self, begun: &Begun) -> Result<(), Error> {
        let (entry, fence) = (&begun.entry, &self.fence(begun));
        let own = self.reconcile_keks(begun, KekOwner::TenantOrPool(&entry.tenant)).await?;
        let mut shared = Vec::new();
        let current = entry.current().map(|generation| generation.number);
        for Generation { number, key, pool, .. } in &entry.generations {
            if let Some(pool) = pool {
                let kek = pool::join(self, pool, &entry.tenant, &entry.regions, fence).await?;
                if !kek.key().is_same_key(key) {
                    return Err(Error::ForeignKek { tenant: entry.tenant.clone(), key: key.clone() });
                }
                shared.push((kek, current == Some(*number)));
            }
        }
        // A paused move to a pool: what the pool's KEK sealed meanwhile opens by its per-key alias.
        if let Some(Tier::Shared { pool }) = entry.paused.as_ref().map(|paused| &paused.target) {
            shared.push((pool::join(self, pool, &entry.tenant, &entry.regions, fence).await?, false));
        }
        let mut results = RegionResults::default();
        for kek in &own {
            for (region, error) in &kek.failed_regions {
                results.record::<()>(region, Err(error.clone()))?;
            }
            for copy in kek.copies() {
                let done = self.admin().ensure_enabled(copy, fence).await;
                results.record(copy.region(), done)?;
            }
        }
        for (kek, is_current) in &shared {
            let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), kek.key());
            for region in &entry.regions {
                let done = match kek.copy_in(region) {
                    Some(copy) => match self.admin().ensure_alias(copy, &of_key, fence).await {
                        Ok(()) if *is_current => self.admin().point_alias(copy, &alias, fence).await,
                        done => done,
                    },
                    None => Err(kek.missing_copy(region)),
                };
                results.record(region, done)?;
            }
        }
        if let (Some(current), Some(kek)) = (
            entry.current(),
            own.iter().find(|kek| {
                entry.current().is_some_and(|current| current.pool.is_none() && kek.key().is_same_key(&current.key))
            }),
        ) {
            // The alias is gone if it pointed to a pool's KEK and a move back was under way.
            let [_, alias] = aliases(&self.tenancy().alias(&entry.tenant), &current.key);
            for copy in kek.copies() {
                if self.admin().alias_target(copy.region(), &alias).await?.is_none() {
                    let done = self.admin().ensure_alias(copy, &alias, fence).await;
                    results.record(copy.region(), done)?;
                }
            }
        }
        results.into_result(begun)
    }

    /// Writes down the end of an operation that changes only the entry's state, if its steps succeeded.
    async fn finish_steps(&self, begun: &Begun, steps: Result<(), Error>) -> Result<Entry, Error> {
        let result = match steps {
            Ok(()) => self.finish(begun.entry.clone(), &begun.id, |_| ()).await,
            Err(error) => Err(error),
        };
        self.conclude(begun, result).await
    }
}
