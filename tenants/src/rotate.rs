//! New key material: of the same key, or of another one behind the alias.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use serde::Serialize;
use tenantseal_core::tenant::TenantId;

use super::admin::aliases;
use super::aws_error::AwsError;
use super::begun::{Begun, MAX_ATTEMPTS};
use super::cost::MonthlyCost;
use super::entry::{Entry, Generation, Tier, is_region};
use super::kek::KekOwner;
use super::{Error, Operation, Tenants};

impl Tenants {
    /// Gives a tenant's key new material, or the tenant a new key.
    pub fn rotate(&self, tenant: &TenantId) -> Rotate<'_> {
        Rotate::new(self, tenant)
    }

    /// Moves a tenant from its own key to that of a pool, or to a new one of its own. What the former key sealed opens as before.
    pub fn move_to(&self, tenant: &TenantId, tier: Tier) -> Rekey<'_> {
        Rekey::new(self, tenant, tier)
    }
}

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
    how: RotationKind,
}

#[derive(Debug)]
enum RotationKind {
    Automatic { days: u32 },
    OnDemand,
}

impl<'a> Rotate<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        let days = tenants.settings().rotation_days;
        Self { tenants, tenant: tenant.clone(), how: RotationKind::Automatic { days } }
    }

    /// Has KMS rotate the key by itself every so many days: 90 to 2,560. Each of the first two rotations adds $1 a month and Region.
    pub fn every_days(mut self, days: u32) -> Self {
        self.how = RotationKind::Automatic { days };
        self
    }

    /// Has KMS rotate the key now, at most 25 times in its life. Each of the first two rotations of a key adds $1 a month and Region.
    ///
    /// Old data keys open as before, and the ARN stays. KMS does it in the background, within minutes.
    pub fn on_demand(mut self) -> Self {
        self.how = RotationKind::OnDemand;
        self
    }

    /// Puts a new key behind the alias. The old one stays, for what it has sealed: $1 a month and Region more.
    pub fn new_key(self) -> Rekey<'a> {
        Rekey::new(self.tenants, &self.tenant, Tier::Dedicated)
    }

    async fn run(self) -> Result<Rotated, Error> {
        let Self { tenants, tenant, how } = self;
        if let RotationKind::Automatic { days } = how
            && !(90..=2560).contains(&days)
        {
            return Err(Error::RotationPeriod(days));
        }
        tenants.check_account().await?;
        let mut cost = MonthlyCost::default();
        // A run that takes up another one ends that as it was begun, and does then what it was asked for itself.
        for _ in 0..MAX_ATTEMPTS {
            let (entry, done) = run_once(tenants, &tenant, &how, &mut cost).await?;
            if done {
                return Ok(Rotated { entry, cost });
            }
        }
        Err(Error::Contended(tenant))
    }
}

/// Gives whether the rotation that was done is the one that is asked for.
async fn run_once(
    tenants: &Tenants,
    tenant: &TenantId,
    how: &RotationKind,
    cost: &mut MonthlyCost,
) -> Result<(Entry, bool), Error> {
    // Of a tenant on a shared key, that is the pool's to do.
    let entry = tenants.entry(tenant).await?;
    if let Tier::Shared { pool } = &entry.tier {
        entry.state.check(tenant, Operation::Rotate)?;
        return Err(Error::RotatesWithPool { tenant: tenant.clone(), pool: pool.clone() });
    }
    entry.check(Operation::Rotate)?;
    let (mut days, mut material) = (None, None);
    match (how, entry.current()) {
        (RotationKind::Automatic { days: asked }, _) => days = Some(*asked),
        (RotationKind::OnDemand, Some(current)) => {
            let kek = tenants.find_kek(entry.owner(), &current.key, &entry.regions).await?;
            let primary = kek.primary()?;
            let now = primary.material().ok_or_else(|| AwsError::unexpected("kms:DescribeKey", primary.region()))?;
            material = Some(now.to_owned());
        }
        (RotationKind::OnDemand, None) => {}
    }
    let begun = tenants
        .begin(tenant, Operation::Rotate, |_, pending| {
            pending.days = days;
            pending.material.clone_from(&material);
            Ok(())
        })
        .await?;
    let is_it = match (how, begun.pending()) {
        (RotationKind::OnDemand, Some(pending)) => pending.material.is_some(),
        (RotationKind::Automatic { days }, Some(pending)) => {
            pending.material.is_none() && pending.days.is_none_or(|is| is == *days)
        }
        (_, None) => false,
    };
    let steps = steps(tenants, &begun, how, cost).await;
    Ok((tenants.conclude(&begun, steps).await?, begun.fresh || is_it))
}

/// The steps of a rotation, and what they cost.
async fn steps(tenants: &Tenants, begun: &Begun, how: &RotationKind, cost: &mut MonthlyCost) -> Result<Entry, Error> {
    let fence = &tenants.fence(begun);
    let Some(current) = begun.entry.current() else {
        return Err(Error::UnknownTenant(begun.entry.tenant.clone()));
    };
    let own = tenants.reconcile_keks(begun, begun.entry.owner()).await?;
    let kek = own.iter().find(|kek| kek.key().is_same_key(&current.key));
    let primary = match (kek, &current.pool) {
        (Some(kek), None) => kek.primary()?,
        _ => return Err(Error::ForeignKek { tenant: begun.entry.tenant.clone(), key: current.key.clone() }),
    };
    let regions = begun.entry.regions.len();
    let rotations = tenants.admin().rotations(primary.key()).await?;
    let (days, before) = match begun.pending() {
        Some(pending) => (pending.days, pending.material.as_deref()),
        None => return Err(Error::Overtaken(begun.entry.tenant.clone())),
    };
    let more = match before {
        None => {
            // One that an earlier version has begun does not say how often.
            let asked = match how {
                RotationKind::Automatic { days } => *days,
                RotationKind::OnDemand => tenants.settings().rotation_days,
            };
            tenants.admin().ensure_rotation(primary, days.unwrap_or(asked), fence).await?;
            MonthlyCost::of_schedule(regions, rotations)
        }
        Some(before) if primary.material() != Some(before) => {
            MonthlyCost::of_rotation(regions, rotations.saturating_sub(1))
        }
        Some(_) => {
            if !tenants.admin().is_rotating(primary.key()).await? {
                tenants.admin().rotate_on_demand(primary, fence).await?;
            }
            MonthlyCost::of_rotation(regions, rotations)
        }
    };
    *cost = MonthlyCost { now: cost.now + more.now, later: more.later };
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
    replicas: Vec<String>,
}

impl<'a> Rekey<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId, target: Tier) -> Self {
        Self { tenants, tenant: tenant.clone(), target, from: None, replicas: Vec::new() }
    }

    /// Does nothing unless the tenant's key is of this generation: so a repetition does not add a further key when the first attempt
    /// succeeded and nobody heard of it.
    pub fn from_generation(mut self, number: u32) -> Self {
        self.from = Some(number);
        self
    }

    /// Makes the new key one with replicas in these Regions too: those of a tenant whose key had none. What the former key sealed opens
    /// only where that key is.
    pub fn replicas(mut self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.replicas = regions.into_iter().map(Into::into).collect();
        self
    }

    async fn run(self) -> Result<Rotated, Error> {
        let Self { tenants, tenant, target, from, replicas } = self;
        if let Some(region) = replicas.iter().find(|region| !is_region(region)) {
            return Err(Error::NotARegion(region.clone()));
        }
        tenants.check_account().await?;
        let entry = tenants.entry(&tenant).await?;
        let number = |entry: &Entry| entry.current().map_or(0, |generation| generation.number);
        if entry.pending.is_none() && from.is_some_and(|from| from < number(&entry)) {
            return Ok(Rotated { entry, cost: MonthlyCost::default() });
        }
        if entry.pending.is_none() {
            tenants.check_regions_answer(&tenant, &replicas).await?;
        }
        let begun = tenants
            .begin(&tenant, Operation::Rekey, |entry, pending| {
                if entry.tier == Tier::Pool {
                    return Err(Error::PoolKeepsKek(tenant.clone()));
                }
                if entry.tier == target && target != Tier::Dedicated {
                    return Err(Error::SameKek(tenant.clone()));
                }
                pending.target = target.clone();
                pending.replicas.clone_from(&replicas);
                Ok(())
            })
            .await?;
        let regions = begun.entry.target_regions(&begun.id);
        if let Some(pending) = begun.pending()
            && (pending.target != target || replicas.iter().any(|region| !regions.contains(region)))
        {
            // A key more or less is not guessed: who asks for it says so once the other change is done.
            let (by, target) = (pending.by.clone(), pending.target.clone());
            return Err(Error::OtherMoveUnderWay { tenant, target, by });
        }
        let cost = match target {
            Tier::Shared { .. } => MonthlyCost::default(),
            _ => MonthlyCost::of_key(regions.len()),
        };
        let entry = tenants.conclude(&begun, replace(tenants, &begun, &target).await).await?;
        Ok(Rotated { entry, cost })
    }
}

/// The steps of a change of keys.
async fn replace(tenants: &Tenants, begun: &Begun, target: &Tier) -> Result<Entry, Error> {
    let (tenant, fence) = (&begun.entry.tenant, &tenants.fence(begun));
    if *target == Tier::Pool {
        return Err(Error::PoolKeepsKek(tenant.clone()));
    }
    let Some(old) = begun.entry.current().cloned() else { return Err(Error::UnknownTenant(tenant.clone())) };
    let own = tenants.reconcile_keks(begun, begun.entry.owner()).await?;
    let alias = tenants.tenancy().alias(tenant);
    let [of_old, _] = aliases(&alias, &old.key);
    let former = match &old.pool {
        None => own.into_iter().find(|kek| kek.key().is_same_key(&old.key)),
        Some(pool) => Some(tenants.find_kek(KekOwner::Pool(pool), &old.key, &begun.entry.regions).await?),
    };
    let Some(former) = former else {
        return Err(Error::ForeignKek { tenant: tenant.clone(), key: old.key.clone() });
    };
    for copy in former.copies().iter().filter(|copy| begun.entry.regions.iter().any(|region| region == copy.region())) {
        tenants.admin().ensure_alias(copy, &of_old, fence).await?;
    }
    let (entry, kek) = tenants.key_for(begun, target).await?;
    let pool = match target {
        Tier::Shared { pool } => Some(pool.clone()),
        _ => None,
    };
    let copies = tenants.equip(begun, &entry, &kek, pool.is_none(), false).await?;
    if pool.is_none() {
        tenants.admin().ensure_rotation(kek.primary()?, tenants.settings().rotation_days, fence).await?;
    }
    let key = kek.key().clone();
    let [of_new, main] = aliases(&alias, &key);
    for needed in [&of_old, &of_new] {
        if let Err(error) = tenants.await_alias(tenant, needed).await {
            // Perhaps it never will, because others have gone on.
            fence.pass().await?;
            return Err(error);
        }
    }
    for copy in &copies {
        tenants.admin().point_alias(copy, &main, fence).await?;
    }
    if let Some(pending) = entry.pending(&begun.id) {
        tenants.retire_surplus_keks(&entry, pending).await?;
    }
    let regions = entry.target_regions(&begun.id);
    let next = Generation { number: old.number + 1, key, since: tenants.now(), pool };
    let done = |entry: &mut Entry| {
        entry.generations.push(next.clone());
        entry.tier.clone_from(target);
        entry.regions.clone_from(&regions);
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
