//! The KEK that an operation creates, and the cleanup of KEKs from interrupted runs.

use aws_sdk_kms::types::KeyState;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::Policy;
use tenantseal_kms::policy::TENANT_TAG;

use super::Tenants;
use super::admin::{NewKey, unusable_state};
use super::begun::Begun;
use super::entry::{Entry, OperationId, Pending, Tier};
use super::error::Error;
use super::kek::KekOwner;
use super::kek::copies::Kek;
use super::state::Operation;

/// The shortest waiting period that KMS allows: for KEKs that have sealed nothing.
const SHORTEST_WINDOW: u32 = 7;

impl Tenants {
    /// Ensures that the operation has exactly one KEK, although CreateKey is not idempotent.
    ///
    /// An interrupted run may have created a KEK without writing it down: its description identifies it. A run that
    /// finds another run at work waits until that run has written down its KEK, was refused one, or has timed out. If 2
    /// were created all the same, the one written down first stays. The run that created the other deletes it.
    pub(super) async fn ensure_kek(&self, begun: &Begun) -> Result<(Entry, Kek), Error> {
        let Begun { entry, id, fresh, .. } = begun;
        let mut entry = entry.clone();
        let (home, policy) = (self.home(&entry), self.policy_for(&entry, id)?);
        let owner = self.owner(&begun.entry, id);
        let mut found = None;
        if !fresh {
            let pending = self.await_claim(&mut entry, id).await?;
            if let Some(key) = pending.key {
                let kek = self.find_new_kek(owner, &key, &entry.regions).await?;
                return Ok((entry, kek));
            }
            let now = self.now();
            entry = self
                .advance(entry, id, |entry| {
                    if let Some(pending) = &mut entry.pending {
                        pending.claims += 1;
                        pending.claimed = now;
                    }
                })
                .await?;
            if pending.claims > 0 {
                let keys = self.admin().search(&home, &self.description(&entry, id)).await?;
                found = keys.into_iter().next();
            }
        }
        let mut adopted = false;
        if found.is_none() && begun.operation == Operation::Onboard {
            found = match self.find_existing_kek(&home, &entry.tenant, owner).await {
                Ok(kek) => kek.map(|kek| kek.key().clone()),
                Err(error) => {
                    // Other runs may have continued the operation.
                    self.fence(begun).pass().await?;
                    return Err(error);
                }
            };
            adopted = found.is_some();
        }
        let kek = match found {
            Some(key) => {
                let kek = self.find_kek(owner, &key, &entry.regions).await?;
                // A description proves nothing: its creator may have set another policy.
                for copy in kek.copies() {
                    self.admin().put_key_policy(copy, &policy).await?;
                }
                kek
            }
            None => {
                let new = self.new_key(&entry, id, &policy);
                match self.admin().create_key(&home, &new, &self.fence(begun)).await {
                    Ok(copy) => Kek::with_copy(copy),
                    Err(error) => return Err(self.release_claim(entry, id, error).await),
                }
            }
        };
        let key = kek.key().clone();
        let written = self
            .advance(entry, id, |entry| {
                if let Some(pending) = &mut entry.pending {
                    pending.key.get_or_insert(key.clone());
                }
            })
            .await;
        let surplus = match &written {
            Ok(entry) => !entry.owns(&key),
            Err(error) => matches!(error, Error::Overtaken(_)),
        };
        if surplus && !adopted {
            self.retire(&begun.entry.tenant, &kek).await?;
        }
        let entry = written?;
        match entry.pending(id).and_then(|pending| pending.key.clone()) {
            Some(first) if !first.is_same_key(&key) => {
                let kek = self.find_new_kek(owner, &first, &entry.regions).await?;
                Ok((entry, kek))
            }
            _ => Ok((entry, kek)),
        }
    }

    /// The KEK that the tenant's alias points to already: the tenant was onboarded by hand, or the registry has lost
    /// it.
    pub(super) async fn find_existing_kek(
        &self,
        region: &str,
        tenant: &TenantId,
        owner: KekOwner<'_>,
    ) -> Result<Option<Kek>, Error> {
        let alias = self.tenancy().alias(tenant);
        let Some(key) = self.admin().alias_target(region, alias.as_str()).await? else { return Ok(None) };
        match self.find_kek(owner, &key, &[]).await {
            Ok(kek) => match kek.copies().iter().find(|copy| copy.state() != Some(&KeyState::Enabled)) {
                Some(copy) => Err(unusable_state(copy.region(), copy.key(), copy.state())),
                None => Ok(Some(kek)),
            },
            Err(Error::ForeignKek { key, .. }) => Err(Error::AliasTaken { alias: alias.to_string(), key }),
            Err(error) => Err(error),
        }
    }

    /// Records that this run has created no KEK, if that is certain, so that the next run need not wait. Returns the
    /// error.
    async fn release_claim(&self, entry: Entry, id: &OperationId, error: Error) -> Error {
        if matches!(&error, Error::Aws(error) if error.is_refusal()) {
            let without = self.advance(entry, id, |entry| {
                if let Some(pending) = &mut entry.pending {
                    pending.claims = pending.claims.saturating_sub(1);
                }
            });
            // If this write fails, the next run waits.
            let _ = without.await;
        }
        error
    }

    /// Deletes surplus KEKs of interrupted runs, if there may be any.
    pub(super) async fn retire_surplus_keks(&self, entry: &Entry, begun: &Pending) -> Result<(), Error> {
        if begun.claims < if begun.key.is_some() { 2 } else { 1 } || matches!(begun.target, Tier::Shared { .. }) {
            return Ok(());
        }
        let id = &begun.id;
        for key in self.admin().search(&self.home(entry), &self.description(entry, id)).await? {
            if !entry.owns(&key) {
                let kek = self.find_kek(KekOwner::TenantOrPool(&entry.tenant), &key, &[]).await?;
                self.retire(&entry.tenant, &kek).await?;
            }
        }
        Ok(())
    }

    /// Deletes a KEK that a run has created, unless it is the tenant's.
    async fn retire(&self, tenant: &TenantId, kek: &Kek) -> Result<(), Error> {
        let key = kek.key();
        let fence = self.surplus_fence(tenant, key);
        for copy in kek.copies() {
            match self.admin().ensure_deletion(copy, SHORTEST_WINDOW, &fence).await {
                Err(Error::Overtaken(_)) => return Ok(()),
                result => result?,
            };
        }
        tracing::warn!(%key, "a key that is not needed is deleted");
        Ok(())
    }

    /// Waits until another run has written down its KEK, was refused one, or has timed out. Returns what is pending
    /// then.
    async fn await_claim(&self, entry: &mut Entry, id: &OperationId) -> Result<Pending, Error> {
        loop {
            let Some(pending) = entry.pending(id) else { return Err(Error::Overtaken(entry.tenant.clone())) };
            let age = pending.claimed.elapsed(self.now());
            if pending.key.is_some() || pending.claims == 0 || age >= self.settings().create_key_grace_period {
                return Ok(pending.clone());
            }
            self.sleep((self.settings().create_key_grace_period - age).min(self.settings().poll_interval)).await;
            *entry = self.entry(&entry.tenant).await?;
        }
    }

    pub(super) fn new_key<'a>(&self, entry: &Entry, id: &OperationId, policy: &'a Policy) -> NewKey<'a> {
        let mut tags = vec![
            (TENANT_TAG.to_owned(), entry.tenant.to_string()),
            ("tenantseal:operation".to_owned(), id.to_string()),
        ];
        if matches!(self.owner(entry, id), KekOwner::Pool(_)) {
            // A role that is scoped by `aws:ResourceTag` would take the pool for a tenant of that name.
            tags.remove(0);
        }
        tags.extend(self.settings().tags.iter().cloned());
        NewKey {
            policy,
            description: self.description(entry, id),
            tags,
            multi_region: entry.target_regions(id).len() > 1,
        }
    }

    /// A KEK's description: it identifies the owner, and the operation of a KEK that was created and not written down.
    fn description(&self, entry: &Entry, id: &OperationId) -> String {
        format!("{}, operation {id}", self.owner(entry, id).description())
    }
}
