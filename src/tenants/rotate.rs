//! New key material: of the same key, or of another one behind the alias.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::admin::aliases;
use super::cost::MonthlyCost;
use super::entry::{Entry, Generation, Tier};
use super::fence::Fence;
use super::steps::Begun;
use super::{Error, Operation, Tenants};
use crate::tenant::TenantId;

/// What a rotation has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rotated {
    /// The tenant's entry afterwards.
    pub entry: Entry,
    /// What it adds to KMS's bill.
    pub cost: MonthlyCost,
}

/// A rotation being described; see [`Tenants::rotate`]. Await it: as it is, it makes sure of the automatic one.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Rotate<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    how: How,
}

#[derive(Debug)]
enum How {
    Automatic { days: u32 },
    OnDemand,
}

impl<'a> Rotate<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        let days = tenants.settings().rotation_days;
        Self { tenants, tenant: tenant.clone(), how: How::Automatic { days } }
    }

    /// Has KMS rotate the key by itself every so many days: 90 to 2,560. Each of the first two rotations adds $1 a month and Region.
    pub fn every_days(mut self, days: u32) -> Self {
        self.how = How::Automatic { days };
        self
    }

    /// Has KMS rotate the key now, at most 25 times in its life. Each of the first two rotations of a key adds $1 a month and Region.
    ///
    /// Old data keys open as before, and the ARN stays. KMS does it in the background, within minutes.
    pub fn on_demand(mut self) -> Self {
        self.how = How::OnDemand;
        self
    }

    /// Puts a new key behind the alias. The old one stays, for what it has sealed: $1 a month and Region more.
    pub fn new_key(self) -> Rekey<'a> {
        Rekey::new(self.tenants, &self.tenant, Tier::Dedicated)
    }

    async fn run(self) -> Result<Rotated, Error> {
        let Self { tenants, tenant, how } = self;
        if let How::Automatic { days } = how
            && !(90..=2560).contains(&days)
        {
            return Err(Error::Period(days));
        }
        tenants.check_account().await?;
        // Of a tenant on a shared key, that is the pool's to do.
        let entry = tenants.entry(&tenant).await?;
        if let Tier::Shared { pool } = &entry.tier {
            entry.state.check(&tenant, Operation::Rotate)?;
            return Err(Error::RotatesWithPool { tenant, pool: pool.clone() });
        }
        let material = match (&how, entry.current()) {
            (How::OnDemand, Some(current)) => {
                tenants.admin().describe(current.key.region(), current.key.key_id()).await?.current_key_material_id
            }
            _ => None,
        };
        let begun = tenants
            .begin(&tenant, Operation::Rotate, |_, pending| {
                pending.material.clone_from(&material);
                Ok(())
            })
            .await?;
        let mut cost = MonthlyCost::default();
        let steps = steps(tenants, &begun, &how, &mut cost).await;
        let entry = tenants.concluded(&tenant, &begun.id, steps).await?;
        Ok(Rotated { entry, cost })
    }
}

/// The steps of a rotation, and what they cost.
async fn steps(tenants: &Tenants, begun: &Begun, how: &How, cost: &mut MonthlyCost) -> Result<Entry, Error> {
    let fence = &Fence::around(tenants, begun);
    let Some(key) = begun.entry.current().map(|generation| generation.key.clone()) else {
        return Err(Error::Unknown(begun.entry.tenant.clone()));
    };
    let regions = begun.entry.regions.len();
    let rotations = tenants.admin().rotations(&key).await?;
    // A run that was cut short is finished as it was begun.
    let before = begun.entry.pending(&begun.id).and_then(|pending| pending.material.clone());
    *cost = match (before, how) {
        (None, How::Automatic { days }) => {
            tenants.admin().ensure_rotation(&key, *days, fence).await?;
            MonthlyCost::of_schedule(regions, rotations)
        }
        (None, How::OnDemand) => {
            tenants.admin().ensure_rotation(&key, tenants.settings().rotation_days, fence).await?;
            MonthlyCost::default()
        }
        (Some(before), _) => {
            let now = tenants.admin().describe(key.region(), key.key_id()).await?.current_key_material_id;
            if now.as_ref() != Some(&before) {
                MonthlyCost::of_rotation(regions, rotations.saturating_sub(1))
            } else {
                if !tenants.admin().is_rotating(&key).await? {
                    tenants.admin().rotate_on_demand(&key, fence).await?;
                }
                MonthlyCost::of_rotation(regions, rotations)
            }
        }
    };
    tenants.finish(begun.entry.clone(), &begun.id, |_| ()).await
}

/// Another key behind a tenant's alias; see [`Rotate::new_key`] and [`Tenants::move_to`]. Await it.
///
/// No reader fails meanwhile: the per-key aliases of the old and of the new key work before the tenant's alias moves.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Rekey<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    target: Tier,
    from: Option<u32>,
}

impl<'a> Rekey<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId, target: Tier) -> Self {
        Self { tenants, tenant: tenant.clone(), target, from: None }
    }

    /// Does nothing unless the tenant's key is of this generation: so a repetition does not add a further key when the first attempt
    /// succeeded and nobody heard of it.
    pub fn from_generation(mut self, number: u32) -> Self {
        self.from = Some(number);
        self
    }

    async fn run(self) -> Result<Rotated, Error> {
        let Self { tenants, tenant, target, from } = self;
        tenants.check_account().await?;
        let entry = tenants.entry(&tenant).await?;
        let number = |entry: &Entry| entry.current().map_or(0, |generation| generation.number);
        if entry.pending.is_none() && from.is_some_and(|from| from < number(&entry)) {
            return Ok(Rotated { entry, cost: MonthlyCost::default() });
        }
        let begun = tenants
            .begin(&tenant, Operation::Rekey, |entry, pending| {
                if entry.tier == Tier::Pool {
                    return Err(Error::PoolKeepsKey(tenant.clone()));
                }
                if entry.tier == target && target != Tier::Dedicated {
                    return Err(Error::SameKey(tenant.clone()));
                }
                pending.target = target.clone();
                Ok(())
            })
            .await?;
        // A run that was cut short is finished as it was begun.
        let target = begun.entry.pending(&begun.id).map_or(target, |pending| pending.target.clone());
        let cost = match target {
            Tier::Shared { .. } => MonthlyCost::default(),
            _ => MonthlyCost::of_key(begun.entry.regions.len()),
        };
        let entry = tenants.concluded(&tenant, &begun.id, replace(tenants, &begun, &target).await).await?;
        Ok(Rotated { entry, cost })
    }
}

/// The steps of a change of keys.
async fn replace(tenants: &Tenants, begun: &Begun, target: &Tier) -> Result<Entry, Error> {
    let (tenant, fence) = (&begun.entry.tenant, &Fence::around(tenants, begun));
    let Some(old) = begun.entry.current().cloned() else { return Err(Error::Unknown(tenant.clone())) };
    let alias = tenants.tenancy().alias(tenant);
    let [of_old, _] = aliases(&alias, &old.key);
    for region in &begun.entry.regions {
        tenants.admin().ensure_alias(region, &of_old, &old.key, fence).await?;
    }
    let (entry, key) = tenants.key_for(begun, target).await?;
    let pool = match target {
        Tier::Shared { pool } => Some(pool.clone()),
        _ => None,
    };
    tenants.equip(begun, &entry, &key, pool.is_none(), false).await?;
    let [of_new, main] = aliases(&alias, &key);
    for needed in [&of_old, &of_new] {
        if let Err(error) = tenants.settled_alias(tenant, needed).await {
            // Perhaps it never will, because others have gone on.
            fence.pass().await?;
            return Err(error);
        }
    }
    for region in &entry.regions {
        tenants.admin().point_alias(region, &main, &key, fence).await?;
    }
    tenants.retire_strays(&entry, &begun.id).await?;
    let next = Generation { number: old.number + 1, key, since: tenants.now(), pool };
    let done = |entry: &mut Entry| {
        entry.generations.push(next.clone());
        entry.tier.clone_from(target);
    };
    tenants.finish(entry, &begun.id, done).await
}

impl<'a> IntoFuture for Rotate<'a> {
    type Output = Result<Rotated, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<'a> IntoFuture for Rekey<'a> {
    type Output = Result<Rotated, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
