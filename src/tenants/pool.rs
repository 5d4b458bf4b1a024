//! Keys that several small tenants share.
//!
//! Each member has its own alias and its own per-key alias on the key, and the key's policy lets a session use no alias and no encryption
//! context but those of its session tag. KMS allows 50 aliases on a key; two belong to the pool itself.

use super::entry::{Entry, Tier};
use super::fence::Fence;
use super::state::State;
use super::{Error, Tenants};
use crate::format::KeyArn;
use crate::tenant::TenantId;

/// The most tenants on one shared key.
pub const POOL_SIZE: usize = 24;

/// Makes the tenant, which has these Regions, a member; gives the pool's key.
pub(super) async fn join(
    tenants: &Tenants,
    pool: &TenantId,
    tenant: &TenantId,
    regions: &[String],
    fence: &Fence<'_>,
) -> Result<KeyArn, Error> {
    let entry = tenants.entry(pool).await.map_err(|error| match error {
        Error::Unknown(pool) => Error::NotAPool(pool),
        error => error,
    })?;
    let key = |entry: &Entry| {
        let active = entry.tier == Tier::Pool && entry.state == State::Active && entry.pending.is_none();
        let key = entry.current().filter(|_| active).map(|generation| generation.key.clone());
        key.ok_or_else(|| Error::NotAPool(pool.clone()))
    };
    let entry = tenants
        .change(entry, Some(fence), |entry| {
            key(entry)?;
            if let Some(region) = regions.iter().find(|region| !entry.regions.contains(region)) {
                return Err(Error::PoolRegion { pool: pool.clone(), region: region.clone() });
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
    key(&entry)
}

/// Takes the tenant out of the pool. Its aliases must be gone already.
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
