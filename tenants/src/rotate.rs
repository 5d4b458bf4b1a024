//! Rotation: new key material for the same KEK, or a new KEK behind the alias.

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
use super::{Error, Operation, Tenants, pool};

impl Tenants {
    /// Rotates a tenant's KEK, or gives the tenant a new one.
    pub fn rotate(&self, tenant: &TenantId) -> Rotate<'_> {
        Rotate::new(self, tenant)
    }

    /// Moves a tenant to the KEK of a pool, or to a new one of its own. What the former KEK sealed still opens.
    pub fn move_to(&self, tenant: &TenantId, tier: Tier) -> Rekey<'_> {
        Rekey::new(self, tenant, tier)
    }
}

/// The result of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rotated {
    /// The tenant's entry afterwards.
    pub entry: Entry,
    /// What it adds to KMS's bill.
    pub cost: MonthlyCost,
}

/// A rotation; see [`Tenants::rotate`]. Await it.
///
/// Without further calls it ensures automatic rotation: a KEK that KMS rotates already keeps its period.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Rotate<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    how: RotationKind,
}

#[derive(Debug)]
enum RotationKind {
    /// `None`: as often as it is, or as new keys are.
    Automatic {
        days: Option<u32>,
    },
    OnDemand,
}

impl<'a> Rotate<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        Self { tenants, tenant: tenant.clone(), how: RotationKind::Automatic { days: None } }
    }

    /// Enables automatic rotation every `days` days: 90 to 2,560. Each of the first 2 rotations adds $1 a month and
    /// Region.
    pub fn every_days(mut self, days: u32) -> Self {
        self.how = RotationKind::Automatic { days: Some(days) };
        self
    }

    /// Rotates the KEK now, at most 25 times in its life. Each of the first 2 rotations of a KEK adds $1 a month and
    /// Region.
    ///
    /// Old data keys still open, and the ARN stays. KMS rotates in the background, within minutes.
    pub fn on_demand(mut self) -> Self {
        self.how = RotationKind::OnDemand;
        self
    }

    /// Creates a new KEK behind the alias. The old one stays for what it has sealed: $1 a month and Region more.
    pub fn new_key(self) -> Rekey<'a> {
        Rekey::new(self.tenants, &self.tenant, Tier::Dedicated)
    }

    async fn run(self) -> Result<Rotated, Error> {
        let Self { tenants, tenant, how } = self;
        if let RotationKind::Automatic { days: Some(days) } = how
            && !(90..=2560).contains(&days)
        {
            return Err(Error::RotationPeriod(days));
        }
        tenants.check_account().await?;
        let mut cost = MonthlyCost::default();
        // A run that finds an unfinished rotation finishes it as it was begun, and then does its own.
        for _ in 0..MAX_ATTEMPTS {
            let (entry, done) = run_once(tenants, &tenant, &how, &mut cost).await?;
            if done {
                return Ok(Rotated { entry, cost });
            }
        }
        Err(Error::Contended(tenant))
    }
}

/// Also returns whether the rotation that was done is the requested one.
async fn run_once(
    tenants: &Tenants,
    tenant: &TenantId,
    how: &RotationKind,
    cost: &mut MonthlyCost,
) -> Result<(Entry, bool), Error> {
    // For a tenant of a pool, the pool rotates.
    let entry = tenants.entry(tenant).await?;
    if let Tier::Shared { .. } = entry.tier {
        entry.state.check(tenant, Operation::Rotate)?;
    }
    entry.check_tier(Operation::Rotate)?;
    entry.check(Operation::Rotate)?;
    let (mut days, mut material) = (None, None);
    match (how, entry.current()) {
        (RotationKind::Automatic { days: asked }, _) => days = *asked,
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
            pending.material.is_none() && (days.is_none() || pending.days == *days)
        }
        (_, None) => false,
    };
    let steps = steps(tenants, &begun, cost).await;
    Ok((tenants.conclude(&begun, steps).await?, begun.fresh || is_it))
}

/// Runs the steps of a rotation, and counts their cost.
async fn steps(tenants: &Tenants, begun: &Begun, cost: &mut MonthlyCost) -> Result<Entry, Error> {
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
            tenants.admin().ensure_rotation(primary, days, tenants.settings().rotation_days, fence).await?;
            MonthlyCost::for_schedule(regions, rotations)
        }
        Some(before) if primary.material() != Some(before) => {
            MonthlyCost::for_rotation(regions, rotations.saturating_sub(1))
        }
        Some(_) => {
            if !tenants.admin().is_rotating(primary.key()).await? {
                tenants.admin().rotate_on_demand(primary, fence).await?;
            }
            MonthlyCost::for_rotation(regions, rotations)
        }
    };
    *cost = MonthlyCost { now: cost.now + more.now, later: more.later };
    tenants.finish(begun.entry.clone(), &begun.id, |_| ()).await
}

/// A change of KEKs; see [`Rotate::new_key`] and [`Tenants::move_to`]. Await it.
///
/// No reader fails meanwhile: the per-key aliases of both KEKs work before the tenant's alias moves.
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

    /// Does nothing unless the tenant's KEK is of this generation. So a repetition adds no further KEK when the first
    /// attempt succeeded and its answer was lost.
    pub fn if_generation(mut self, number: u32) -> Self {
        self.from = Some(number);
        self
    }

    /// Creates the new KEK with replicas in these Regions too: for a tenant whose KEK has none. What the former KEK
    /// sealed opens only in that KEK's Regions.
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
            entry.check(Operation::Rekey)?;
            if let Tier::Shared { pool } = &target
                && entry.tier != target
            {
                let regions: Vec<_> = entry.regions.iter().chain(&replicas).cloned().collect();
                pool::check(tenants, pool, &tenant, &regions).await?;
            }
            tenants.check_regions_answer(&tenant, &replicas).await?;
        }
        let begun = tenants
            .begin(&tenant, Operation::Rekey, |entry, pending| {
                entry.check_tier(Operation::Rekey)?;
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
            // The next KEK is not guessed: the caller asks again once the other change is done.
            let (by, target) = (pending.by.clone(), pending.target.clone());
            return Err(Error::OtherMoveUnderWay { tenant, target, by });
        }
        let cost = match target {
            Tier::Shared { .. } => MonthlyCost::default(),
            _ => MonthlyCost::for_key(regions.len()),
        };
        let entry = tenants.conclude(&begun, replace(tenants, &begun, &target).await).await?;
        Ok(Rotated { entry, cost })
    }
}

/// Runs the steps of a change of KEKs.
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
    let (entry, kek) = match (tenants.key_for(begun, target).await, target) {
        (Err(error), Tier::Shared { pool }) if pool::has_refused(tenants, pool, tenant, &error).await => {
            // Given up: unfinished, it would keep the tenant from every other move.
            tenants.finish(begun.entry.clone(), &begun.id, |_| ()).await?;
            return Err(error);
        }
        (found, _) => found?,
    };
    let pool = match target {
        Tier::Shared { pool } => Some(pool.clone()),
        _ => None,
    };
    let copies = tenants.equip(begun, &entry, &kek, pool.is_none(), false).await?;
    if pool.is_none() {
        // It is rotated as often as the former one of the tenant's own.
        let former = former.primary().ok().filter(|_| old.pool.is_none());
        let period = match former {
            Some(former) => tenants.admin().rotation_period(former.region(), former.key()).await?,
            None => None,
        };
        tenants.admin().ensure_rotation(kek.primary()?, period, tenants.settings().rotation_days, fence).await?;
    }
    let key = kek.key().clone();
    let [of_new, main] = aliases(&alias, &key);
    for needed in [&of_old, &of_new] {
        if let Err(error) = tenants.await_alias(tenant, needed).await {
            // Another run may have continued, so that it never takes effect.
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
