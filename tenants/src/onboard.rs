//! Onboarding: a KEK, 2 aliases and an entry.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream, StreamExt};
use tenantseal_core::tenant::TenantId;

use super::begun::{Begun, MAX_ATTEMPTS};
use super::entry::{Entry, Generation, Pending, Tier, is_region};
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::{Error, Operation, State, Tenants, pool};

/// Concurrent onboardings of [`Tenants::onboard_many`]. KMS's rate for new keys is the limit, not this.
const AT_ONCE: usize = 8;

impl Tenants {
    /// Onboards a tenant: CreateKey with the tenant's key policy, aliases, automatic rotation, an entry in the
    /// registry. A tenant that is complete stays unchanged.
    pub fn onboard(&self, tenant: &TenantId) -> Onboard<'_> {
        Onboard::new(self, tenant)
    }

    /// Onboards many tenants with KEKs of their own, at the rate that KMS allows. Results arrive in order of
    /// completion. A failure affects only its own tenant.
    pub fn onboard_many<I>(&self, tenants: I) -> impl Stream<Item = (TenantId, Result<Entry, Error>)> + '_
    where
        I: IntoIterator<Item = TenantId>,
        I::IntoIter: 'static,
    {
        let one = move |tenant: TenantId| async move {
            let result = self.onboard(&tenant).await;
            (tenant, result)
        };
        stream::iter(tenants).map(one).buffer_unordered(AT_ONCE)
    }
}

/// An onboarding; see [`Tenants::onboard`]. Await it.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Onboard<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    tier: Option<Tier>,
    replicas: Vec<String>,
}

impl<'a> Onboard<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        Self { tenants, tenant: tenant.clone(), tier: None, replicas: Vec::new() }
    }

    /// Creates a multi-Region KEK with replicas in these Regions, or adds the missing ones to an active tenant. Each
    /// replica costs as much as a key.
    pub fn replicas(mut self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.replicas = regions.into_iter().map(Into::into).collect();
        self
    }

    /// Uses the KEK of a pool. The pool's Regions are the tenant's.
    ///
    /// Crypto-shredding a member alone is impossible: offboarding removes its aliases, and the pool's KEK stays.
    pub fn in_pool(mut self, pool: &TenantId) -> Self {
        self.tier = Some(Tier::Shared { pool: pool.clone() });
        self
    }

    /// Creates a pool: a KEK that up to [`POOL_SIZE`](super::POOL_SIZE) tenants share. `tenant` is then the pool's
    /// name, and no customer's.
    pub fn create_pool(mut self) -> Self {
        self.tier = Some(Tier::Pool);
        self
    }

    async fn run(self) -> Result<Entry, Error> {
        if let Some(region) = self.replicas.iter().find(|region| !is_region(region)) {
            return Err(Error::NotARegion(region.clone()));
        }
        self.tenants.check_account().await?;
        // A run that finds an unfinished onboarding finishes it first, and then adds what its own request lacks.
        for _ in 0..MAX_ATTEMPTS {
            if let Some(entry) = self.run_once().await? {
                return self.tenants.await_effect(entry).await;
            }
        }
        Err(Error::Contended(self.tenant))
    }

    /// Returns the entry when nothing is left to do.
    async fn run_once(&self) -> Result<Option<Entry>, Error> {
        let Self { tenants, tenant, tier, replicas } = self;
        let known = match tenants.find_entry(tenant).await? {
            Some(entry) if tenants.is_deleted(&entry).await? => None,
            known => known,
        };
        let is_pool = *tier == Some(Tier::Pool);
        if known.as_ref().is_some_and(|entry| (entry.tier == Tier::Pool) != is_pool) {
            return Err(Error::NameTaken(tenant.clone()));
        }
        if let Some(entry) = &known {
            entry.check(Operation::Onboard)?;
        }
        let begun = match &known {
            Some(entry) if entry.state == State::Active && entry.pending.is_none() => match self.lacks(entry).await? {
                missing if missing.is_empty() => return Ok(known),
                missing => {
                    let prepare = |_: &mut Entry, pending: &mut Pending| {
                        pending.replicas.clone_from(&missing);
                        Ok(())
                    };
                    tenants.begin(tenant, Operation::Onboard, prepare).await?
                }
            },
            _ => {
                let tier = tier.clone().unwrap_or_default();
                let regions = match &known {
                    Some(entry) if entry.pending.is_some() => entry.regions.clone(),
                    _ => self.regions(&tier).await?,
                };
                let prepare = |entry: &mut Entry, pending: &mut Pending| {
                    if entry.generations.is_empty() {
                        entry.tier = tier.clone();
                        entry.regions.clone_from(&regions);
                    }
                    pending.target = tier.clone();
                    Ok(())
                };
                tenants.begin(tenant, Operation::Onboard, prepare).await?
            }
        };
        let steps = match begun.entry.generations.is_empty() {
            true => finish(tenants, &begun).await,
            false => widen(tenants, &begun).await,
        };
        let entry = tenants.conclude(&begun, steps).await?;
        let done = begun.fresh || (replicas.is_empty() && tier.is_none());
        Ok(done.then_some(entry))
    }

    /// The Regions of a new tenant.
    async fn regions(&self, tier: &Tier) -> Result<Vec<String>, Error> {
        let Self { tenants, tenant, replicas, .. } = self;
        let home = tenants.region();
        let mut regions = vec![home.to_owned()];
        for region in replicas {
            if !regions.contains(region) {
                regions.push(region.clone());
            }
        }
        if let Tier::Shared { pool } = tier {
            return Ok(pool::check(tenants, pool, tenant, replicas).await?.0.regions);
        }
        let owner = if *tier == Tier::Pool { KekOwner::Pool(tenant) } else { KekOwner::Tenant(tenant) };
        // An existing KEK is adopted unchanged. If it cannot have replicas, the refusal comes before the first step.
        if let Some(kek) = tenants.find_existing_kek(home, tenant, owner).await? {
            let single = kek.copies().iter().find(|copy| !copy.is_multi_region());
            if let Some(copy) = single.filter(|_| regions.len() > 1) {
                return Err(Error::SingleRegion(copy.key().clone()));
            }
            regions.extend(kek.regions().iter().filter(|named| !regions.contains(named)).cloned().collect::<Vec<_>>());
        }
        tenants.check_regions_answer(tenant, replicas).await?;
        Ok(regions)
    }

    /// The requested Regions in which an active tenant has no KEK.
    async fn lacks(&self, entry: &Entry) -> Result<Vec<String>, Error> {
        let Self { tenants, tenant, tier, replicas } = self;
        if let Some(asked) = tier.as_ref().filter(|asked| **asked != entry.tier) {
            return Err(Error::TierMismatch { tenant: tenant.clone(), tier: entry.tier.clone(), asked: asked.clone() });
        }
        let missing: Vec<_> = replicas.iter().filter(|region| !entry.regions.contains(region)).cloned().collect();
        if let Tier::Shared { pool } = &entry.tier
            && !missing.is_empty()
        {
            let pool = tenants.find_entry(pool).await?.ok_or_else(|| Error::NotAPool(pool.clone()))?;
            check_pool_has(&pool, &missing)?;
        }
        if let Some(current) = entry.current().filter(|current| current.pool.is_none() && !missing.is_empty()) {
            let kek = tenants.find_kek(entry.owner(), &current.key, &entry.regions).await?;
            let primary = kek.primary()?;
            if !primary.is_multi_region() {
                return Err(Error::SingleRegion(primary.key().clone()));
            }
        }
        tenants.check_regions_answer(tenant, &missing).await?;
        Ok(missing)
    }
}

impl Tenants {
    /// Calls KMS in each of these Regions before the operation begins. A Region that does not exist, or that the
    /// account has not opted into, would leave it unfinished for good.
    pub(super) async fn check_regions_answer(&self, tenant: &TenantId, regions: &[String]) -> Result<(), Error> {
        for region in regions {
            self.admin().alias_target(region, self.tenancy().alias(tenant).as_str()).await?;
        }
        Ok(())
    }
}

fn check_pool_has(pool: &Entry, regions: &[String]) -> Result<(), Error> {
    match regions.iter().find(|region| !pool.regions.contains(region)) {
        Some(region) => Err(Error::PoolRegion { pool: pool.tenant.clone(), region: region.clone() }),
        None => Ok(()),
    }
}

async fn finish(tenants: &Tenants, begun: &Begun) -> Result<Entry, Error> {
    let tier = &begun.entry.tier;
    let (entry, kek) = tenants.key_for(begun, tier).await?;
    let pool = match tier {
        Tier::Shared { pool } => Some(pool.clone()),
        _ => None,
    };
    let copies = tenants.equip(begun, &entry, &kek, pool.is_none(), true).await?;
    if pool.is_none() {
        let fence = tenants.fence(begun);
        tenants.admin().ensure_rotation(kek.primary()?, None, tenants.settings().rotation_days, &fence).await?;
    }
    if let Some(pending) = entry.pending(&begun.id) {
        tenants.retire_surplus_keks(&entry, pending).await?;
    }
    let first = Generation { number: 1, key: kek.key().clone(), since: tenants.now(), pool };
    let done = |entry: &mut Entry| {
        entry.generations = vec![first.clone()];
        entry.regions = copies.iter().map(|copy| copy.region().to_owned()).collect();
    };
    tenants.finish(entry, &begun.id, done).await
}

/// Adds Regions to an active tenant.
async fn widen(tenants: &Tenants, begun: &Begun) -> Result<Entry, Error> {
    let entry = begun.entry.clone();
    let own = tenants.reconcile_keks(begun, begun.entry.owner()).await?;
    let regions = entry.target_regions(&begun.id);
    let current = entry.current().cloned();
    let is_current = |kek: &Kek| current.as_ref().is_some_and(|current| current.key.is_same_key(kek.key()));
    for kek in &own {
        // A former KEK that cannot have replicas stays in its Region.
        if kek.primary()?.is_multi_region() {
            tenants.equip(begun, &entry, kek, true, is_current(kek)).await?;
        } else if is_current(kek) && regions.len() > 1 {
            return Err(Error::SingleRegion(kek.key().clone()));
        }
    }
    if let Some(Generation { pool: Some(pool), .. }) = &current {
        let fence = tenants.fence(begun);
        let kek = pool::join(tenants, pool, &entry.tenant, &regions, &fence).await?;
        tenants.equip(begun, &entry, &kek, false, true).await?;
    }
    tenants.finish(entry, &begun.id, |entry| entry.regions.clone_from(&regions)).await
}

impl<'a> IntoFuture for Onboard<'a> {
    type Output = Result<Entry, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
