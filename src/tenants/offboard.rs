//! The end of a tenant, which can be proven, and called off for a while.

use std::future::IntoFuture;

use futures_util::future::BoxFuture;
use serde::Serialize;

use super::admin::Deletion;
use super::entry::{Entry, Generation, Timestamp};
use super::fence::Fence;
use super::steps::Begun;
use super::{Error, Operation, Tenants, pool};
use crate::format::KeyArn;
use crate::tenant::TenantId;
use crate::tenant_seal::TenantSeal;

/// An offboarding being described; see [`Tenants::offboard`]. Await it.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct Offboard<'a> {
    tenants: &'a Tenants,
    tenant: TenantId,
    days: u32,
    seals: Vec<&'a TenantSeal>,
}

/// What an offboarding has done, for the record. Serializes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Offboarded {
    /// The tenant's entry afterwards: who and when.
    pub entry: Entry,
    /// The tenant's own keys, each in each of its Regions.
    pub keys: Vec<DeletedKey>,
    /// The keys that it shared, which others go on using: they are not deleted, and its aliases on them are gone.
    pub shared: Vec<KeyArn>,
    /// Until when it can be cancelled as if nothing had happened: the first of the deletions. Keys with replicas are there longer.
    pub cancellable_until: Option<Timestamp>,
    /// How many clients of this process were told to forget its data keys. Other processes forget them when their leases end.
    pub evicted: usize,
}

/// A key that waits for its deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeletedKey {
    /// The key.
    pub key: KeyArn,
    /// The Region of this copy.
    pub region: String,
    /// When it is deleted; `None` if it is gone already, or waits for its replicas.
    pub deletion: Option<Timestamp>,
    /// Whether it is a primary key with replicas: KMS deletes it as many days after the last of them as they have to wait themselves.
    pub after_replicas: bool,
}

impl<'a> Offboard<'a> {
    pub(super) fn new(tenants: &'a Tenants, tenant: &TenantId) -> Self {
        Self { tenants, tenant: tenant.clone(), days: 30, seals: Vec::new() }
    }

    /// How long KMS waits before it deletes the keys: 7 to 30 days; 30 unless configured. Until then it can be cancelled.
    pub fn window_days(mut self, days: u32) -> Self {
        self.days = days;
        self
    }

    /// Has this client forget the tenant's data keys at once, as soon as its keys are disabled.
    pub fn evict(mut self, seal: &'a TenantSeal) -> Self {
        self.seals.push(seal);
        self
    }

    async fn run(self) -> Result<Offboarded, Error> {
        let Self { tenants, tenant, days, seals } = self;
        if !(7..=30).contains(&days) {
            return Err(Error::Window(days));
        }
        tenants.check_account().await?;
        let in_use = |entry: &Entry| match entry.members.len() {
            0 => Ok(()),
            members => Err(Error::PoolInUse { pool: entry.tenant.clone(), members }),
        };
        let begun = tenants.begin(&tenant, Operation::Offboard, |entry, _| in_use(entry)).await?;
        let (entry, fence) = (begun.entry.clone(), &Fence::around(tenants, &begun));
        tenants.disable(&begun).await?;
        for seal in &seals {
            seal.revoke(&tenant).await;
        }
        let (mut keys, mut shared) = (Vec::new(), Vec::new());
        for Generation { key, pool, .. } in &entry.generations {
            if let Some(pool) = pool {
                pool::leave(tenants, pool, &tenant, fence).await?;
                shared.push(key.clone());
                continue;
            }
            // Replicas first: KMS keeps a primary as long as it has any.
            for region in entry.regions.iter().rev() {
                let deletion = tenants.admin().ensure_deletion(region, key, days, fence).await?;
                let after_replicas = deletion == Deletion::AfterReplicas;
                let deletion = match deletion {
                    Deletion::At(day) => Some(day),
                    _ => None,
                };
                keys.push(DeletedKey { key: key.clone(), region: region.clone(), deletion, after_replicas });
            }
        }
        let until = keys.iter().filter_map(|key| key.deletion).min();
        let entry = tenants.finish(entry, &begun.id, |entry| entry.deletion = until).await?;
        Ok(Offboarded { entry, keys, shared, cancellable_until: until, evicted: seals.len() })
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
    /// Keeps the keys of an offboarded tenant, as long as they are there. It is suspended then; [`Tenants::resume`] puts it back into
    /// service. A Region whose replica is deleted already is given up: the entry has one Region fewer.
    ///
    /// # Errors
    ///
    /// [`Error::KeyGone`] when a key is deleted already.
    pub async fn cancel_offboard(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.check_account().await?;
        let begun = self.begin(tenant, Operation::CancelOffboarding, |_, _| Ok(())).await?;
        let steps = self.keep(&begun).await;
        self.concluded(tenant, &begun.id, steps).await
    }

    async fn keep(&self, begun: &Begun) -> Result<Entry, Error> {
        let (entry, fence) = (begun.entry.clone(), &Fence::around(self, begun));
        let own: Vec<_> = entry.generations.iter().filter(|generation| generation.pool.is_none()).collect();
        let mut kept = Vec::new();
        // The primary first: a replica is nothing without it.
        for region in &entry.regions {
            let mut whole = true;
            for Generation { key, .. } in &own {
                if self.admin().cancel_deletion(region, key, fence).await? {
                    self.admin().ensure_disabled(region, key, fence).await?;
                } else if region == key.region() {
                    let gone = key.clone();
                    // It stays offboarded, and there is nothing to go on with.
                    self.advance(entry, &begun.id, |entry| entry.pending = None).await?;
                    return Err(Error::KeyGone(gone));
                } else {
                    whole = false;
                }
            }
            if whole {
                kept.push(region.clone());
            }
        }
        let change = |entry: &mut Entry| {
            entry.deletion = None;
            entry.regions.clone_from(&kept);
        };
        self.finish(entry, &begun.id, change).await
    }
}
