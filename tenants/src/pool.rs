//! KEKs that several small tenants share.
//!
//! Each member has its own alias and its own per-key alias on the KEK. The key policy allows a session only the aliases
//! and the encryption context of its session tag. KMS allows 50 aliases on a key; 2 belong to the pool itself.

use std::collections::BTreeSet;

use tenantseal_core::tenant::TenantId;

use super::entry::{Entry, Tier};
use super::fence::Fence;
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::state::State;
use super::{Error, Tenants};

/// The maximum number of tenants in a pool.
pub const POOL_SIZE: usize = 24;

/// Makes the tenant, which has these Regions, a member. Returns the pool's KEK.
pub(super) async fn join(
    tenants: &Tenants,
    pool: &TenantId,
    tenant: &TenantId,
    regions: &[String],
    fence: &Fence<'_>,
) -> Result<Kek, Error> {
    let entry = tenants.entry(pool).await.map_err(|error| match error {
        Error::UnknownTenant(pool) => Error::NotAPool(pool),
        error => error,
    })?;
    let key = |entry: &Entry| {
        let active = entry.tier == Tier::Pool && entry.state == State::Active && entry.pending.is_none();
        let key = entry.current().filter(|_| active).map(|generation| generation.key.clone());
        key.ok_or_else(|| Error::NotAPool(pool.clone()))
    };
    // Checked before the first write: the KEK must be the pool's, and exist in the tenant's Regions.
    let kek = tenants.find_kek(KekOwner::Pool(pool), &key(&entry)?, &entry.regions).await?;
    if let Some(region) = regions.iter().find(|region| kek.copy_in(region).is_none()) {
        return Err(match kek.failed_regions.is_empty() {
            true => Error::PoolRegion { pool: pool.clone(), region: region.clone() },
            false => kek.missing_copy(region),
        });
    }
    tenants
        .change(entry, Some(fence), |entry| {
            if !key(entry)?.is_same_key(kek.key()) {
                return Err(Error::NotAPool(pool.clone()));
            }
            if entry.members.contains(tenant) {
                return Ok(false);
            }
            if entry.members.len() >= POOL_SIZE {
                return Err(Error::PoolFull(pool.clone()));
            }
            Ok(entry.members.insert(tenant.clone()))
        })
        .await?;
    Ok(kek)
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
