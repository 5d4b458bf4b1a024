//! KEKs that several small tenants share.
//!
//! Each member has its own alias and its own per-key alias on the KEK. The key policy allows a session only the aliases
//! and the encryption context of its session tag. KMS allows 50 aliases on a key; 2 belong to the pool itself.

use std::collections::BTreeSet;

use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;

use super::entry::{Entry, Tier};
use super::fence::Fence;
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::state::State;
use super::{Error, Tenants};

/// The maximum number of tenants in a pool.
pub const POOL_SIZE: usize = 24;

impl Tenants {
    /// Checks whether a pool would take the tenant, in all Regions that the tenant has. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotAPool`], [`Error::PoolFull`], [`Error::PoolRegion`], or those of the registry and KMS.
    pub async fn check_pool(&self, pool: &TenantId, tenant: &TenantId) -> Result<(), Error> {
        let regions = self.find_entry(tenant).await?.map(|entry| entry.regions).unwrap_or_default();
        check(self, pool, tenant, &regions).await.map(drop)
    }
}

/// Makes the tenant, which has these Regions, a member. Returns the pool's KEK.
pub(super) async fn join(
    tenants: &Tenants,
    pool: &TenantId,
    tenant: &TenantId,
    regions: &[String],
    fence: &Fence<'_>,
) -> Result<Kek, Error> {
    let (entry, kek) = check(tenants, pool, tenant, regions).await?;
    tenants
        .change(entry, Some(fence), |entry| {
            if !takes(entry, tenant)?.is_same_key(kek.key()) {
                return Err(Error::NotAPool(pool.clone()));
            }
            Ok(entry.members.insert(tenant.clone()))
        })
        .await?;
    Ok(kek)
}

/// Checks that the tenant, which has these Regions, can be a member or is one: before the first step, because an
/// operation that waits for a pool that never takes the tenant would stay unfinished for good. Changes nothing.
pub(super) async fn check(
    tenants: &Tenants,
    pool: &TenantId,
    tenant: &TenantId,
    regions: &[String],
) -> Result<(Entry, Kek), Error> {
    let entry = tenants.find_entry(pool).await?.ok_or_else(|| Error::NotAPool(pool.clone()))?;
    let kek = tenants.find_kek(KekOwner::Pool(pool), takes(&entry, tenant)?, &entry.regions).await?;
    match regions.iter().find(|region| kek.copy_in(region).is_none()) {
        None => Ok((entry, kek)),
        Some(region) if kek.failed_regions.is_empty() => {
            Err(Error::PoolRegion { pool: pool.clone(), region: region.clone() })
        }
        Some(region) => Err(kek.missing_copy(region)),
    }
}

/// The pool's key, if the pool is in service and has the tenant or a place for it.
fn takes<'e>(pool: &'e Entry, tenant: &TenantId) -> Result<&'e KeyArn, Error> {
    let active = pool.tier == Tier::Pool && pool.state == State::Active && pool.pending.is_none();
    let key = pool.current().filter(|_| active).map(|generation| &generation.key);
    let key = key.ok_or_else(|| Error::NotAPool(pool.tenant.clone()))?;
    if !pool.members.contains(tenant) && pool.members.len() >= POOL_SIZE {
        return Err(Error::PoolFull(pool.tenant.clone()));
    }
    Ok(key)
}

/// Whether a pool has refused the tenant without having it already: then nothing was changed for it.
pub(super) async fn has_refused(tenants: &Tenants, pool: &TenantId, tenant: &TenantId, error: &Error) -> bool {
    let refused = matches!(error, Error::NotAPool(_) | Error::PoolFull(_) | Error::PoolRegion { .. });
    refused && tenants.find_entry(pool).await.is_ok_and(|pool| pool.is_none_or(|pool| !pool.members.contains(tenant)))
}

/// Refuses to offboard a KEK on which other tenants have aliases, whatever the registry says.
pub(super) async fn check_unused(tenants: &Tenants, entry: &Entry) -> Result<(), Error> {
    for key in entry.own_keys() {
        let kek = tenants.find_kek(KekOwner::TenantOrPool(&entry.tenant), key, &entry.regions).await?;
        let mut others = BTreeSet::new();
        for copy in kek.copies() {
            let aliases = tenants.admin().aliases_of(copy.region(), copy.key()).await?;
            others.extend(aliases.iter().filter_map(|alias| tenants.tenancy().tenant_of(alias)));
        }
        others.remove(&entry.tenant);
        if !others.is_empty() {
            return Err(Error::PoolInUse { pool: entry.tenant.clone(), members: others.len() });
        }
    }
    Ok(())
}

/// Removes the tenant from the pool. Its aliases must be gone.
pub(super) async fn leave(
    tenants: &Tenants,
    pool: &TenantId,
    tenant: &TenantId,
    fence: &Fence<'_>,
) -> Result<(), Error> {
    let entry = tenants.entry(pool).await?;
    tenants.change(entry, Some(fence), |entry| Ok(entry.members.remove(tenant))).await?;
    Ok(())
}
