//! A key, two aliases and an entry for a new tenant.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;

use super::entry::{Entry, Generation, Tier};
use super::steps::Begun;
use super::{Error, Operation, State, Tenants};
use crate::tenant::TenantId;

/// An onboarding being described; see [`Tenants::onboard`]. Await it.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Onboard<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    tier: Tier,
    replicas: Vec<String>,
}

impl<'a> Onboard<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        Self { tenants, tenant: tenant.clone(), tier: Tier::Dedicated, replicas: Vec::new() }
    }

    /// Makes a multi-Region key with replicas in these Regions. Each replica costs as much as a key.
    pub fn replicas(mut self, regions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.replicas = regions.into_iter().map(Into::into).collect();
        self
    }

    /// Gives the tenant the key of a pool instead of its own. The pool's Regions are the tenant's.
    ///
    /// A tenant of a pool cannot be given up cryptographically on its own: offboarding removes its aliases, but the key stays.
    pub fn shared(mut self, pool: &TenantId) -> Self {
        self.tier = Tier::Shared { pool: pool.clone() };
        self
    }

    /// Makes the key one that up to [`POOL_SIZE`](super::POOL_SIZE) tenants share. `tenant` is then the pool's name and no customer's.
    pub fn as_pool(mut self) -> Self {
        self.tier = Tier::Pool;
        self
    }

    async fn run(self) -> Result<Entry, Error> {
        let Self { tenants, tenant, tier, replicas } = self;
        tenants.check_account().await?;
        let mut regions = vec![tenants.region().to_owned()];
        regions.extend(replicas.into_iter().filter(|region| region != tenants.region()));
        if let Tier::Shared { pool } = &tier {
            regions = tenants.registry().get(pool).await?.ok_or_else(|| Error::NotAPool(pool.clone()))?.regions;
        }
        let known = match tenants.registry().get(&tenant).await? {
            Some(entry) if tenants.is_deleted(&entry).await? => None,
            known => known,
        };
        if known.as_ref().is_some_and(|entry| (entry.tier == Tier::Pool) != (tier == Tier::Pool)) {
            return Err(Error::NameTaken(tenant));
        }
        if let Some(entry) = known
            && entry.state == State::Active
            && entry.pending.is_none()
        {
            return tenants.effective(entry).await;
        }
        let begun = tenants
            .begin(&tenant, Operation::Onboard, |entry, pending| {
                entry.tier = tier.clone();
                entry.regions.clone_from(&regions);
                pending.target = tier.clone();
                Ok(())
            })
            .await?;
        let steps = finish(tenants, &begun).await;
        let entry = tenants.concluded(&tenant, &begun.id, steps).await?;
        tenants.effective(entry).await
    }
}

async fn finish(tenants: &Tenants, begun: &Begun) -> Result<Entry, Error> {
    let tier = &begun.entry.tier;
    let (entry, key) = tenants.key_for(begun, tier).await?;
    let pool = match tier {
        Tier::Shared { pool } => Some(pool.clone()),
        _ => None,
    };
    tenants.equip(begun, &entry, &key, pool.is_none(), true).await?;
    tenants.retire_strays(&entry, &begun.id).await?;
    let since = tenants.now();
    let first = Generation { number: 1, key, since, pool };
    tenants.finish(entry, &begun.id, |entry| entry.generations = vec![first.clone()]).await
}

impl<'a> IntoFuture for Onboard<'a> {
    type Output = Result<Entry, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
