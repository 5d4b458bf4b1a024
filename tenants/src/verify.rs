//! Verifies at KMS what another run is said to have finished: anyone who writes the registry can claim it.

use std::collections::BTreeSet;

use aws_sdk_kms::types::KeyState;

use super::begun::Begun;
use super::entry::{Entry, Tier};
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::{Error, Operation, Tenants};

impl Tenants {
    /// Concludes the steps of an operation. If another run has finished it, that counts as success, unless the tenant
    /// has changed since, or KMS shows that it is not done.
    pub(super) async fn conclude(&self, begun: &Begun, steps: Result<Entry, Error>) -> Result<Entry, Error> {
        let was_overtaken = matches!(steps, Err(Error::Overtaken(_)));
        let tenant = &begun.entry.tenant;
        let entry = self.resolve_overtaken(tenant, &begun.id, steps).await?;
        if was_overtaken && !self.is_done(begun, &entry).await? {
            return Err(Error::Overtaken(tenant.clone()));
        }
        Ok(entry)
    }

    /// Whether KMS is as the operation leaves it. `entry` is the registry's entry now.
    async fn is_done(&self, begun: &Begun, entry: &Entry) -> Result<bool, Error> {
        let is = |kek: &Kek, wanted: &[KeyState]| {
            kek.copies().iter().all(|copy| copy.state().is_some_and(|state| wanted.contains(state)))
        };
        let waits = [KeyState::PendingDeletion, KeyState::PendingReplicaDeletion];
        match begun.operation {
            Operation::Suspend => self.is_out_of_service(begun).await,
            Operation::Resume => {
                let own = self.own_keks(begun).await?;
                Ok(own.iter().all(|kek| is(kek, &[KeyState::Enabled])) && self.is_in_service(begun, entry).await?)
            }
            Operation::CancelOffboarding => {
                Ok(self.own_keks(begun).await?.iter().all(|kek| is(kek, &[KeyState::Disabled])))
            }
            Operation::Offboard => Ok(self.own_keks(begun).await?.iter().all(|kek| is(kek, &waits))),
            Operation::Onboard => self.is_in_service(begun, entry).await,
            Operation::Rekey => {
                let former = begun.entry.current().map(|former| &former.key);
                let is_other = entry.current().is_some_and(|now| !former.is_some_and(|key| key.is_same_key(&now.key)));
                Ok(is_other && self.is_in_service(begun, entry).await?)
            }
            Operation::Rotate => self.is_rotated(begun).await,
        }
    }

    /// The tenant's own KEKs, as listed when the operation began.
    ///
    /// # Errors
    ///
    /// Also fails when one of their Regions does not answer.
    async fn own_keks(&self, begun: &Begun) -> Result<Vec<Kek>, Error> {
        let mut own = Vec::new();
        for key in begun.entry.own_keys() {
            let kek = self.find_kek(KekOwner::TenantOrPool(&begun.entry.tenant), key, &begun.entry.regions).await?;
            if let Some((region, _)) = kek.failed_regions.first() {
                return Err(kek.missing_copy(region));
            }
            own.push(kek);
        }
        Ok(own)
    }

    /// Whether no alias of the tenant points to an enabled KEK, and none of its own KEKs is enabled.
    async fn is_out_of_service(&self, begun: &Begun) -> Result<bool, Error> {
        let own = self.own_keks(begun).await?;
        let works = Some(&KeyState::Enabled);
        if own.iter().flat_map(Kek::copies).any(|copy| copy.state() == works) {
            return Ok(false);
        }
        let mut regions: BTreeSet<String> = own.iter().flat_map(|kek| kek.regions().iter().cloned()).collect();
        regions.extend(begun.entry.target_regions(&begun.id));
        regions.insert(self.region().to_owned());
        for region in regions {
            for alias in self.admin().list_aliases(&region, None).await? {
                let (Some(alias), Some(_)) = (alias.alias_name, alias.target_key_id) else { continue };
                if self.tenancy().tenant_of(&alias).as_ref() == Some(&begun.entry.tenant)
                    && self.admin().describe(&region, &alias).await?.key_state.as_ref() == works
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether the tenant's alias points, in each of its Regions, to its current KEK, which is enabled and has the
    /// right owner.
    async fn is_in_service(&self, begun: &Begun, entry: &Entry) -> Result<bool, Error> {
        let target = match begun.operation {
            Operation::Rekey => begun.pending().map(|pending| &pending.target),
            Operation::Onboard => Some(&begun.entry.tier),
            _ => None,
        };
        let pool = match target {
            Some(Tier::Shared { pool }) => Some(pool),
            Some(_) => None,
            None => entry.current().and_then(|current| current.pool.as_ref()),
        };
        let Some(current) = entry.current().filter(|current| current.pool.as_ref() == pool) else { return Ok(false) };
        let owner = pool.map_or(KekOwner::TenantOrPool(&entry.tenant), KekOwner::Pool);
        let kek = self.find_kek(owner, &current.key, &entry.regions).await?;
        let alias = self.tenancy().alias(&entry.tenant);
        for region in begun.entry.target_regions(&begun.id) {
            let works = kek.copy_in(&region).is_some_and(|copy| copy.state() == Some(&KeyState::Enabled));
            let behind = self.admin().alias_target(&region, alias.as_str()).await?;
            if !works || !behind.is_some_and(|key| key.is_same_key(&current.key)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_rotated(&self, begun: &Begun) -> Result<bool, Error> {
        let (Some(current), Some(pending)) = (begun.entry.current(), begun.pending()) else { return Ok(false) };
        let kek = self.find_kek(begun.entry.owner(), &current.key, &begun.entry.regions).await?;
        let primary = kek.primary()?;
        match pending.material.as_deref() {
            Some(before) => Ok(primary.material() != Some(before) || self.admin().is_rotating(primary.key()).await?),
            None => {
                let period = self.admin().rotation_period(primary.region(), primary.key()).await?;
                Ok(period.is_some() && pending.days.is_none_or(|days| period == Some(days)))
            }
        }
    }
}
