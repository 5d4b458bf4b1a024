//! Offboarding, and its cancellation.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use serde::Serialize;
use tenantseal_core::format::KeyArn;
use tenantseal_core::keys::Revoke;
use tenantseal_core::tenant::TenantId;

use super::begun::Begun;
use super::entry::{Entry, Generation, Pending, Tier, Timestamp};
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::region_results::RegionResults;
use super::{Error, Operation, State, Tenants, pool};

impl Tenants {
    /// Offboards a tenant: its KEKs are disabled, and deleted after a waiting period in which this can be cancelled.
    pub fn offboard(&self, tenant: &TenantId) -> Offboard<'_> {
        Offboard::new(self, tenant)
    }
}

/// An offboarding; see [`Tenants::offboard`]. Await it.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Offboard<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    days: u32,
    seals: Vec<&'a dyn Revoke>,
}

/// The result of an offboarding, for the record. Serializes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Offboarded {
    /// The tenant's entry afterwards, with operator and time.
    pub entry: Entry,
    /// The tenant's own KEKs, once per Region.
    pub keys: Vec<DeletedKek>,
    /// The KEKs of pools that it used. Other tenants use them, so they are not deleted; the tenant's aliases on them
    /// are gone.
    pub shared: Vec<KeyArn>,
    /// Until when it can be cancelled without loss: the first deletion. KEKs with replicas exist longer.
    pub cancellable_until: Option<Timestamp>,
    /// How many clients of this process have evicted the tenant's data keys. Other processes evict them when their
    /// leases end.
    pub evicted: usize,
}

/// A KEK that is pending deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeletedKek {
    /// The KEK.
    pub key: KeyArn,
    /// The Region of this copy.
    pub region: String,
    /// When KMS deletes it; `None` if it is gone, or waits for its replicas.
    pub deletion: Option<Timestamp>,
    /// Whether it is a primary that waits for its replicas. Its waiting period, as long as theirs, begins when the last
    /// replica is deleted.
    pub after_replicas: bool,
}

impl<'a> Offboard<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        Self { tenants, tenant: tenant.clone(), days: 30, seals: Vec::new() }
    }

    /// KMS's waiting period before deletion: 7 to 30 days. Default: 30. Until its end, offboarding can be cancelled.
    pub fn window_days(mut self, days: u32) -> Self {
        self.days = days;
        self
    }

    /// Evicts the tenant's data keys from this client, as soon as its KEKs are disabled.
    pub fn evict(mut self, seal: &'a dyn Revoke) -> Self {
        self.seals.push(seal);
        self
    }

    async fn run(self) -> Result<Offboarded, Error> {
        let Self { tenants, tenant, days, seals } = self;
        if !(7..=30).contains(&days) {
            return Err(Error::DeletionWindow(days));
        }
        tenants.check_account().await?;
        let in_use = |entry: &Entry| match entry.members.len() {
            0 => Ok(()),
            members => Err(Error::PoolInUse { pool: entry.tenant.clone(), members }),
        };
        let before = tenants.entry(&tenant).await?;
        before.check(Operation::Offboard)?;
        in_use(&before)?;
        pool::check_unused(tenants, &before).await?;
        let due = tenants.now().after_days(days);
        let prepare = |entry: &mut Entry, _: &mut Pending| {
            in_use(entry)?;
            // Written before the first deletion begins: a copy that is gone by then is expected to be.
            entry.deletion = entry.deletion.or(Some(due));
            Ok(())
        };
        let begun = tenants.begin(&tenant, Operation::Offboard, prepare).await?;
        let mut results = RegionResults::default();
        let own = tenants.disable(&begun, &mut results).await;
        for seal in &seals {
            seal.revoke(&tenant).await;
        }
        let mut done = tenants.delete_keks(&begun, &own?, days, results).await?;
        done.evicted = seals.len();
        Ok(done)
    }
}

impl Tenants {
    /// Schedules the deletion of disabled KEKs, and leaves the tenant's pools.
    async fn delete_keks(
        &self,
        begun: &Begun,
        own: &[Kek],
        days: u32,
        mut results: RegionResults,
    ) -> Result<Offboarded, Error> {
        let (entry, fence) = (begun.entry.clone(), &self.fence(begun));
        let mut keys = Vec::new();
        for kek in own {
            let listed = kek.regions().iter().filter(|region| !entry.regions.contains(region));
            let regions: Vec<_> = entry.regions.iter().chain(listed).collect();
            // Replicas first: KMS keeps a primary until its replicas are gone.
            for region in regions.into_iter().rev() {
                let deleted = |deletion, after_replicas| DeletedKek {
                    key: kek.key().clone(),
                    region: region.clone(),
                    deletion,
                    after_replicas,
                };
                if let Some(copy) = kek.copy_in(region) {
                    let deletion = self.admin().ensure_deletion(copy, days, fence).await;
                    let Some(deletion) = results.record(region, deletion)? else { continue };
                    keys.push(deleted(deletion, deletion.is_none()));
                } else if !kek.failed_regions.iter().any(|(out, _)| out == region) {
                    keys.push(deleted(None, false));
                }
            }
        }
        self.reconcile_regions(begun, own).await.or_else(|error| match error {
            error if error.concerns_all_regions() || results.is_ok() => Err(error),
            _ => Ok(()),
        })?;
        results.into_result(begun)?;
        let mut shared = Vec::new();
        for Generation { key, pool, .. } in &entry.generations {
            if let Some(pool) = pool {
                pool::leave(self, pool, &entry.tenant, fence).await?;
                shared.push(key.clone());
            }
        }
        if let Some(paused) = &entry.paused {
            self.retire_surplus_keks(&entry, paused).await?;
            if let Tier::Shared { pool } = &paused.target {
                pool::leave(self, pool, &entry.tenant, fence).await?;
            }
        }
        let until = keys.iter().filter_map(|key| key.deletion).min();
        let there: Vec<_> = own.iter().flat_map(Kek::copies).map(|copy| copy.region().to_owned()).collect();
        let ended = |entry: &mut Entry| {
            entry.deletion = if own.is_empty() { None } else { until.or(entry.deletion) };
            if !there.is_empty() {
                entry.regions.retain(|region| there.contains(region));
            }
        };
        let entry = self.finish(entry, &begun.id, ended).await?;
        Ok(Offboarded { entry, keys, shared, cancellable_until: until, evicted: 0 })
    }
}

impl<'a> IntoFuture for Offboard<'a> {
    type Output = Result<Offboarded, Error>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl Tenants {
    /// Cancels the deletion of an offboarded tenant's KEKs. The tenant is suspended then; [`Tenants::resume`] puts it
    /// back into service. The entry loses Regions whose replica is deleted already.
    ///
    /// # Errors
    ///
    /// [`Error::KekDeleted`] when a key is deleted already.
    pub async fn cancel_offboard(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::CancelOffboarding, |_, _| Ok(())).await?;
        let steps = self.keep_keks(&begun).await;
        self.conclude(&begun, steps).await
    }

    async fn keep_keks(&self, begun: &Begun) -> Result<Entry, Error> {
        let (entry, fence) = (begun.entry.clone(), &self.fence(begun));
        let own = self.reconcile_keks(begun, KekOwner::TenantOrPool(&entry.tenant)).await?;
        if let Some(gone) = own.iter().find(|kek| kek.is_gone()) {
            // The tenant stays offboarded; nothing can continue.
            let gone = gone.key().clone();
            let ended = |entry: &mut Entry| {
                entry.pending = None;
                entry.state = State::Offboarded;
            };
            self.advance(entry, &begun.id, ended).await?;
            return Err(Error::KekDeleted(gone));
        }
        let mut results = RegionResults::default();
        let mut kept = Vec::new();
        for kek in &own {
            for (region, error) in &kek.failed_regions {
                results.record::<()>(region, Err(error.clone()))?;
            }
            // The primary first: a replica is useless without it.
            for copy in kek.copies() {
                let done = self.admin().ensure_kept(copy, fence).await;
                results.record(copy.region(), done)?;
                kept.push(copy.region().to_owned());
            }
        }
        results.into_result(begun)?;
        let change = |entry: &mut Entry| {
            entry.deletion = None;
            if !own.is_empty() {
                entry.regions.retain(|region| kept.contains(region));
            }
        };
        self.finish(entry, &begun.id, change).await
    }
}
