//! The frame of every operation: an entry that says what has begun, repeatable steps, and an entry that says it is
//! done.

use std::time::Duration;

use tenantseal_core::keys::KeyServiceErrorKind;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::Policy;

use super::admin::aliases;
use super::begun::{Begun, MAX_ATTEMPTS};
use super::entry::{Entry, OperationId, Pending, Tier, is_region};
use super::error::Error;
use super::fence::Fence;
use super::kek::copies::Kek;
use super::kek::{KekCopy, KekOwner};
use super::registry::RegistryError;
use super::state::{Operation, State};
use super::{Tenants, pool};

impl Tenants {
    /// Writes down that an operation begins, or continues an unfinished one.
    ///
    /// `prepare` completes the pending entry, or refuses.
    pub(super) async fn begin(
        &self,
        tenant: &TenantId,
        operation: Operation,
        prepare: impl Fn(&mut Entry, &mut Pending) -> Result<(), Error> + Send + Sync,
    ) -> Result<Begun, Error> {
        let by = self.operator().await?;
        for _ in 0..MAX_ATTEMPTS {
            let mut entry = match self.find_entry(tenant).await? {
                Some(entry) => entry,
                None if operation == Operation::Onboard => {
                    Entry::new(tenant, &self.tenancy().alias(tenant), self.now())
                }
                None => return Err(Error::UnknownTenant(tenant.clone())),
            };
            if let Some(pending) = entry.pending.as_ref().filter(|pending| pending.operation == operation) {
                let id = pending.id.clone();
                return Ok(Begun { entry, id, operation, fresh: false });
            }
            if operation == Operation::Onboard && entry.pending.is_none() && self.is_deleted(&entry).await? {
                // Its KEKs are gone for good: it may begin anew. The history keeps the past.
                let version = entry.version;
                entry = Entry { version, ..Entry::new(tenant, &self.tenancy().alias(tenant), self.now()) };
            }
            entry.check(operation)?;
            if let Some(superseded) = entry.pending.take().filter(|pending| pending.operation.is_pausable()) {
                entry.paused = Some(superseded);
            }
            let mut pending = Pending {
                operation,
                id: OperationId::random()?,
                claims: 1,
                claimed: self.now(),
                by: by.clone(),
                target: Tier::Dedicated,
                key: None,
                days: None,
                replicas: Vec::new(),
                material: None,
            };
            prepare(&mut entry, &mut pending)?;
            let id = pending.id.clone();
            entry.pending = Some(pending);
            self.stamp(&mut entry, &by);
            match self.registry().put(&entry).await {
                Ok(()) => return Ok(Begun { entry, id, operation, fresh: true }),
                Err(RegistryError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(tenant.clone()))
    }

    /// Changes the entry while this operation is under way; returns the stored entry.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] when another run has finished the operation.
    pub(super) async fn advance(
        &self,
        entry: Entry,
        id: &OperationId,
        change: impl Fn(&mut Entry) + Send + Sync,
    ) -> Result<Entry, Error> {
        let change = |entry: &mut Entry| {
            if entry.pending(id).is_none() {
                return Err(Error::Overtaken(entry.tenant.clone()));
            }
            change(entry);
            Ok(true)
        };
        self.change(entry, None, change).await
    }

    /// Concludes the steps of an operation. If another run has finished it, that counts as success, unless the tenant
    /// has changed since.
    pub(super) async fn resolve_overtaken(
        &self,
        tenant: &TenantId,
        id: &OperationId,
        result: Result<Entry, Error>,
    ) -> Result<Entry, Error> {
        let Err(Error::Overtaken(_)) = &result else { return result };
        let mut history = self.registry().history(tenant).await?;
        let last = history.iter().rposition(|entry| entry.pending(id).is_some());
        match history.pop() {
            // A superseded operation is not finished.
            Some(entry) if last.map(|last| last + 1) == Some(history.len()) && entry.pending.is_none() => Ok(entry),
            _ => result,
        }
    }

    /// Writes down that the operation is done.
    pub(super) async fn finish(
        &self,
        entry: Entry,
        id: &OperationId,
        change: impl Fn(&mut Entry) + Send + Sync,
    ) -> Result<Entry, Error> {
        let done = |entry: &mut Entry| {
            change(entry);
            if let Some(pending) = entry.pending.take() {
                entry.state = pending.operation.leads_to();
            }
            if entry.state == State::Active {
                entry.pending = entry.paused.take();
                if entry.generations.is_empty() {
                    entry.state = State::Onboarding;
                }
            }
        };
        let tenant = entry.tenant.clone();
        let result = self.advance(entry, id, done).await;
        self.resolve_overtaken(&tenant, id, result).await
    }

    /// Changes an entry despite concurrent writers. `change` returns whether anything is to be written; `fence` is
    /// passed before each write.
    pub(super) async fn change(
        &self,
        mut entry: Entry,
        fence: Option<&Fence<'_>>,
        change: impl Fn(&mut Entry) -> Result<bool, Error> + Send + Sync,
    ) -> Result<Entry, Error> {
        let by = self.operator().await?;
        for _ in 0..MAX_ATTEMPTS {
            let mut next = entry.clone();
            if !change(&mut next)? {
                return Ok(entry);
            }
            self.stamp(&mut next, &by);
            if let Some(fence) = fence {
                fence.pass().await?;
            }
            match self.registry().put(&next).await {
                Ok(()) => return Ok(next),
                Err(RegistryError::Conflict(_)) => entry = self.entry(&entry.tenant).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(entry.tenant))
    }

    fn stamp(&self, entry: &mut Entry, by: &str) {
        entry.version += 1;
        entry.updated = self.now();
        by.clone_into(&mut entry.by);
    }

    /// Whether all KEKs of an offboarded tenant are gone. A primary exists longer than its replicas, so KMS is asked.
    pub(super) async fn is_deleted(&self, entry: &Entry) -> Result<bool, Error> {
        if entry.state != State::Offboarded || entry.deletion.is_none_or(|deletion| deletion > self.now()) {
            return Ok(false);
        }
        for key in entry.own_keys() {
            let kek = self.find_kek(KekOwner::TenantOrPool(&entry.tenant), key, &entry.regions).await?;
            if !kek.is_gone() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ensures replicas and aliases of a KEK in all its target Regions. `main` says whether the tenant's alias points
    /// there too.
    pub(super) async fn equip(
        &self,
        begun: &Begun,
        entry: &Entry,
        kek: &Kek,
        own: bool,
        main: bool,
    ) -> Result<Vec<KekCopy>, Error> {
        let (id, fence) = (&begun.id, &self.fence(begun));
        let policy = self.policy_for(entry, id)?;
        let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), kek.key());
        let mut copies = Vec::new();
        for region in entry.target_regions(id) {
            let copy = match kek.copy_in(&region) {
                Some(copy) => copy.clone(),
                None if own => {
                    let new = self.new_key(entry, id, &policy);
                    self.admin().ensure_replica(kek.primary()?, &region, &new, fence).await?
                }
                None => return Err(kek.missing_copy(&region)),
            };
            self.admin().ensure_alias(&copy, &of_key, fence).await?;
            if main {
                self.admin().ensure_alias(&copy, &alias, fence).await?;
            }
            copies.push(copy);
        }
        Ok(copies)
    }

    pub(super) fn policy_for(&self, entry: &Entry, id: &OperationId) -> Result<Policy, Error> {
        match self.owner(entry, id) {
            KekOwner::Pool(_) => Ok(self.tenancy().shared_key_policy()?),
            _ => Ok(self.tenancy().key_policy(&entry.tenant)?),
        }
    }

    /// The owner of the KEK that the operation creates or equips.
    pub(super) fn owner<'a>(&self, entry: &'a Entry, id: &OperationId) -> KekOwner<'a> {
        let begun = entry.pending.iter().chain(&entry.paused).find(|pending| pending.id == *id);
        match begun {
            // A change of KEKs never leads to a pool of one's own.
            Some(pending) if pending.operation == Operation::Rekey => KekOwner::Tenant(&entry.tenant),
            _ => entry.owner(),
        }
    }

    /// Waits until KMS accepts the tenant's own session by its alias, if a probe is configured. Returns the entry.
    pub(super) async fn await_effect(&self, entry: Entry) -> Result<Entry, Error> {
        if self.probe().is_some() && entry.state == State::Active {
            self.await_alias(&entry.tenant, self.tenancy().alias(&entry.tenant).as_str()).await?;
        }
        Ok(entry)
    }

    /// Waits until an alias affects authorization: until KMS accepts the tenant's session or, without a probe, for the
    /// whole grace period.
    pub(super) async fn await_alias(&self, tenant: &TenantId, alias: &str) -> Result<(), Error> {
        let (grace, poll) = (self.settings().alias_grace_period, self.settings().poll_interval);
        let Some(probe) = self.probe() else {
            self.sleep(grace).await;
            return Ok(());
        };
        let mut waited = Duration::ZERO;
        loop {
            let Err(last) = probe.ask(tenant, alias).await else { return Ok(()) };
            let passing = match last.kind() {
                // If STS refuses the role, no alias helps.
                KeyServiceErrorKind::Denied => !last.is_session_error(),
                KeyServiceErrorKind::NotFound => true,
                kind => kind.is_outage(),
            };
            if !passing || waited >= grace {
                return Err(Error::NotEffective { alias: alias.to_owned(), waited, last });
            }
            self.sleep(poll).await;
            waited += poll;
        }
    }

    /// The Region of the primary KEKs.
    pub(super) fn home(&self, entry: &Entry) -> String {
        entry.regions.iter().find(|region| is_region(region)).cloned().unwrap_or_else(|| self.region().to_owned())
    }

    /// The KEK that an operation leads to: a new one, or that of the pool that the tenant joins.
    pub(super) async fn key_for(&self, begun: &Begun, tier: &Tier) -> Result<(Entry, Kek), Error> {
        match tier {
            Tier::Shared { pool } => {
                let fence = self.fence(begun);
                let regions = begun.entry.target_regions(&begun.id);
                let kek = pool::join(self, pool, &begun.entry.tenant, &regions, &fence).await?;
                Ok((begun.entry.clone(), kek))
            }
            _ => self.ensure_kek(begun).await,
        }
    }
}
