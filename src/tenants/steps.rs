//! What every operation consists of: an entry that says what has begun, steps that can be repeated, and an entry that says it is done.

use super::admin::{NewKey, aliases};
use super::entry::{Entry, OperationId, Pending, Tier, Timestamp};
use super::error::Error;
use super::fence::Fence;
use super::registry::RegistryError;
use super::state::{Operation, State};
use super::{Tenants, pool};
use crate::crypto::{OsRandom, RandomSource};
use crate::format::KeyArn;
use crate::keys::{Policy, TENANT_TAG};
use crate::tenant::TenantId;

/// How often an entry is read again after someone else has written it.
pub(super) const CONTENTION: usize = 10;
/// How long KMS waits, at least, before it deletes a key: for keys that nothing was ever sealed with.
const SHORTEST_WINDOW: u32 = 7;

/// An operation that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) entry: Entry,
    pub(super) id: OperationId,
    /// Whether it was begun by this very run, so that no earlier one can have left anything behind.
    pub(super) fresh: bool,
}

impl Tenants {
    /// Writes down that an operation begins, or takes up the one that has begun.
    ///
    /// `prepare` completes what is written, or refuses.
    pub(super) async fn begin(
        &self,
        tenant: &TenantId,
        operation: Operation,
        prepare: impl Fn(&mut Entry, &mut Pending) -> Result<(), Error> + Send + Sync,
    ) -> Result<Begun, Error> {
        let by = self.operator().await?;
        for _ in 0..CONTENTION {
            let mut entry = match self.registry().get(tenant).await? {
                Some(entry) => entry,
                None if operation == Operation::Onboard => {
                    Entry::new(tenant, &self.tenancy().alias(tenant), self.now())
                }
                None => return Err(Error::Unknown(tenant.clone())),
            };
            match &entry.pending {
                Some(pending) if pending.operation == operation => {
                    let id = pending.id.clone();
                    return Ok(Begun { entry, id, fresh: false });
                }
                Some(pending) => return Err(Error::under_way(tenant, pending)),
                None => {}
            }
            if operation == Operation::Onboard && self.is_deleted(&entry).await? {
                // Its keys are gone for good: it may begin anew. The history keeps what was.
                let version = entry.version;
                entry = Entry { version, ..Entry::new(tenant, &self.tenancy().alias(tenant), self.now()) };
            }
            entry.state.check(tenant, operation)?;
            let mut pending = Pending {
                operation,
                id: OperationId::random()?,
                claims: 1,
                claimed: self.now(),
                by: by.clone(),
                target: Tier::Dedicated,
                key: None,
                material: None,
            };
            prepare(&mut entry, &mut pending)?;
            let id = pending.id.clone();
            entry.pending = Some(pending);
            self.stamp(&mut entry, &by);
            match self.registry().put(&entry).await {
                Ok(()) => return Ok(Begun { entry, id, fresh: true }),
                Err(RegistryError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(tenant.clone()))
    }

    /// Changes the entry while the operation is the one under way; gives what is stored then.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] when someone else has finished the operation meanwhile.
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

    /// What the steps of an operation come to. When someone else has finished it meanwhile, that is as good, unless something else has
    /// happened since.
    pub(super) async fn concluded(
        &self,
        tenant: &TenantId,
        id: &OperationId,
        result: Result<Entry, Error>,
    ) -> Result<Entry, Error> {
        let Err(Error::Overtaken(_)) = &result else { return result };
        let mut history = self.registry().history(tenant).await?;
        let last = history.iter().rposition(|entry| entry.pending(id).is_some());
        match history.pop() {
            Some(entry) if last.map(|last| last + 1) == Some(history.len()) => Ok(entry),
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
        };
        let tenant = entry.tenant.clone();
        let result = self.advance(entry, id, done).await;
        self.concluded(&tenant, id, result).await
    }

    /// Changes an entry, whoever else does: `change` says whether there is something to write, `fence` whether it still may be.
    pub(super) async fn change(
        &self,
        mut entry: Entry,
        fence: Option<&Fence<'_>>,
        change: impl Fn(&mut Entry) -> Result<bool, Error> + Send + Sync,
    ) -> Result<Entry, Error> {
        let by = self.operator().await?;
        for _ in 0..CONTENTION {
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

    /// The entry of a tenant that must be known.
    pub(super) async fn entry(&self, tenant: &TenantId) -> Result<Entry, Error> {
        self.registry().get(tenant).await?.ok_or_else(|| Error::Unknown(tenant.clone()))
    }

    fn stamp(&self, entry: &mut Entry, by: &str) {
        entry.version += 1;
        entry.updated = self.now();
        by.clone_into(&mut entry.by);
    }

    /// Whether all keys of an offboarded tenant are gone. A primary key is there longer than its replicas, so KMS is asked.
    pub(super) async fn is_deleted(&self, entry: &Entry) -> Result<bool, Error> {
        if entry.state != State::Offboarded || entry.deletion.is_none_or(|deletion| deletion > self.now()) {
            return Ok(false);
        }
        for generation in entry.generations.iter().filter(|generation| generation.pool.is_none()) {
            for region in &entry.regions {
                if self.admin().behind(region, generation.key.key_id()).await?.is_some() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Makes sure that the operation has its key, of exactly one CreateKey whatever happened before: CreateKey itself cannot be repeated.
    ///
    /// A key that an interrupted run has created and not written down is found by its description. Whoever finds somebody else at it
    /// waits until that one has written down a key, has been refused one, or has had time enough to give up. Of two keys that were created
    /// all the same, the one that was written down first stays; who made the other one has it deleted.
    async fn created_key(&self, begun: &Begun) -> Result<(Entry, KeyArn), Error> {
        let Begun { entry, id, fresh } = begun;
        let mut entry = entry.clone();
        let mut found = None;
        if !fresh {
            let pending = self.settled(&mut entry, id).await?;
            if let Some(key) = pending.key {
                return Ok((entry, key));
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
                let keys = self.admin().search(&self.home(&entry), &description(&entry.tenant, id)).await?;
                found = keys.into_iter().next();
            }
        }
        let (home, policy) = (self.home(&entry), self.policy_for(&entry, id)?);
        let key = match found {
            Some(key) => {
                // A description proves nothing: who may create keys may have given this one a policy of its own.
                self.admin().put_key_policy(&home, &key, &policy).await?;
                key
            }
            None => {
                let new = self.new_key(&entry, id, &policy);
                match self.admin().create_key(&home, &new, &Fence::around(self, begun)).await {
                    Ok(key) => key,
                    Err(error) => return Err(self.unclaimed(entry, id, error).await),
                }
            }
        };
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
        if surplus {
            self.retire(&begun.entry.tenant, &key).await?;
        }
        let entry = written?;
        let first = entry.pending(id).and_then(|pending| pending.key.clone()).unwrap_or(key);
        Ok((entry, first))
    }

    /// The error, once it is written down that this run has made no key, if that is certain: the next run need not wait for one.
    async fn unclaimed(&self, entry: Entry, id: &OperationId, error: Error) -> Error {
        if matches!(&error, Error::Aws(error) if error.is_refusal()) {
            let without = self.advance(entry, id, |entry| {
                if let Some(pending) = &mut entry.pending {
                    pending.claims = pending.claims.saturating_sub(1);
                }
            });
            // When it cannot be written down, the next run waits.
            let _ = without.await;
        }
        error
    }

    /// Deletes what runs that were cut short may have created besides the operation's key, if there were any.
    pub(super) async fn retire_strays(&self, entry: &Entry, id: &OperationId) -> Result<(), Error> {
        if entry.pending(id).is_none_or(|pending| pending.claims < 2) {
            return Ok(());
        }
        for key in self.admin().search(&self.home(entry), &description(&entry.tenant, id)).await? {
            if !entry.owns(&key) {
                self.retire(&entry.tenant, &key).await?;
            }
        }
        Ok(())
    }

    /// Deletes a key that a run has made, unless it is the tenant's.
    async fn retire(&self, tenant: &TenantId, key: &KeyArn) -> Result<(), Error> {
        let fence = Fence::around_stray(self, tenant, key);
        match self.admin().ensure_deletion(key.region(), key, SHORTEST_WINDOW, &fence).await {
            Err(Error::Overtaken(_)) => return Ok(()),
            result => result?,
        };
        tracing::warn!(%key, "a key that is not needed is deleted");
        Ok(())
    }

    /// Waits until another run has written down its key, was refused one, or could not make one any more; gives what is pending then.
    async fn settled(&self, entry: &mut Entry, id: &OperationId) -> Result<Pending, Error> {
        loop {
            let Some(pending) = entry.pending(id) else { return Err(Error::Overtaken(entry.tenant.clone())) };
            let age = pending.claimed.elapsed(self.now());
            if pending.key.is_some() || pending.claims == 0 || age >= self.settings().settle {
                return Ok(pending.clone());
            }
            self.sleep((self.settings().settle - age).min(self.settings().poll)).await;
            *entry = self.entry(&entry.tenant).await?;
        }
    }

    /// Replicas, aliases and rotation of a key, in every Region of the entry. `main` says whether the tenant's alias goes there too.
    pub(super) async fn equip(
        &self,
        begun: &Begun,
        entry: &Entry,
        key: &KeyArn,
        own: bool,
        main: bool,
    ) -> Result<(), Error> {
        let (id, fence) = (&begun.id, &Fence::around(self, begun));
        let policy = self.policy_for(entry, id)?;
        let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), key);
        for region in &entry.regions {
            if own && region != key.region() {
                self.admin().ensure_replica(key, region, &self.new_key(entry, id, &policy), fence).await?;
            }
            self.admin().ensure_alias(region, &of_key, key, fence).await?;
            if main {
                self.admin().ensure_alias(region, &alias, key, fence).await?;
            }
        }
        if own {
            self.admin().ensure_rotation(key, self.settings().rotation_days, fence).await?;
        }
        Ok(())
    }

    pub(super) fn policy_for(&self, entry: &Entry, id: &OperationId) -> Result<Policy, Error> {
        let tier = match (entry.state, entry.pending(id)) {
            (State::Onboarding, _) | (_, None) => &entry.tier,
            (_, Some(pending)) => &pending.target,
        };
        match tier {
            Tier::Pool => Ok(self.tenancy().shared_key_policy()?),
            _ => Ok(self.tenancy().key_policy(&entry.tenant)?),
        }
    }

    fn new_key<'a>(&self, entry: &Entry, id: &OperationId, policy: &'a Policy) -> NewKey<'a> {
        let mut tags = vec![
            (TENANT_TAG.to_owned(), entry.tenant.to_string()),
            ("tenantseal:operation".to_owned(), id.to_string()),
        ];
        if entry.tier == Tier::Pool {
            // With the tag, a role that is scoped by `aws:ResourceTag` would take the pool for a tenant of that name.
            tags.remove(0);
        }
        tags.extend(self.settings().tags.iter().cloned());
        NewKey { policy, description: description(&entry.tenant, id), tags, multi_region: entry.regions.len() > 1 }
    }

    /// The Region of the primary keys.
    pub(super) fn home(&self, entry: &Entry) -> String {
        entry.regions.first().cloned().unwrap_or_else(|| self.region().to_owned())
    }

    /// The key that an operation leads to: created, or that of the pool that the tenant joins.
    pub(super) async fn key_for(&self, begun: &Begun, tier: &Tier) -> Result<(Entry, KeyArn), Error> {
        match tier {
            Tier::Shared { pool } => {
                let fence = Fence::around(self, begun);
                let key = pool::join(self, pool, &begun.entry.tenant, &begun.entry.regions, &fence).await?;
                Ok((begun.entry.clone(), key))
            }
            _ => self.created_key(begun).await,
        }
    }
}

/// What a key's description says: by it, a key is found again that was created and not written down.
fn description(tenant: &TenantId, id: &OperationId) -> String {
    format!("tenantseal: tenant {tenant}, operation {id}")
}

impl OperationId {
    fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        OsRandom.fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

impl Tenants {
    pub(super) fn now(&self) -> Timestamp {
        self.time().now().into()
    }
}
