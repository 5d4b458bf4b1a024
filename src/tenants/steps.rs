//! What every operation consists of: an entry that says what has begun, steps that can be repeated, and an entry that says it is done.

use super::admin::{NewKey, aliases};
use super::entry::{Entry, OperationId, Pending, Tier, Timestamp};
use super::error::Error;
use super::registry::RegistryError;
use super::state::{Operation, State};
use super::{Tenants, pool};
use crate::crypto::{OsRandom, RandomSource};
use crate::format::KeyArn;
use crate::keys::{Policy, TENANT_TAG};
use crate::tenant::TenantId;

/// How often an entry is read again after someone else has written it.
const CONTENTION: usize = 10;
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
            if operation == Operation::Onboard && self.is_deleted(&entry) {
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

    /// Changes the entry while the operation is the one under way; gives what is stored then. It is left alone when someone else has
    /// finished the operation meanwhile.
    pub(super) async fn advance(
        &self,
        entry: Entry,
        id: &OperationId,
        change: impl Fn(&mut Entry) + Send + Sync,
    ) -> Result<Entry, Error> {
        let change = |entry: &mut Entry| {
            let under_way = entry.pending(id).is_some();
            if under_way {
                change(entry);
            }
            Ok(under_way)
        };
        self.change(entry, change).await
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
        self.advance(entry, id, done).await
    }

    /// Changes an entry, whoever else does: `change` says whether there is something to write.
    pub(super) async fn change(
        &self,
        mut entry: Entry,
        change: impl Fn(&mut Entry) -> Result<bool, Error> + Send + Sync,
    ) -> Result<Entry, Error> {
        let by = self.operator().await?;
        for _ in 0..CONTENTION {
            let mut next = entry.clone();
            if !change(&mut next)? {
                return Ok(entry);
            }
            self.stamp(&mut next, &by);
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

    pub(super) fn is_deleted(&self, entry: &Entry) -> bool {
        entry.state == State::Offboarded && entry.deletion.is_some_and(|deletion| deletion <= self.now())
    }

    /// Makes sure that the operation has its key, of exactly one CreateKey whatever happened before: CreateKey itself cannot be repeated.
    ///
    /// A key that an interrupted run has created and not written down is found by its description. Whoever finds somebody else at it
    /// waits until that one has written down a key or has had time enough to give up. Of two keys that were created all the same, the
    /// one that was written down first stays; who made the other one has it deleted.
    pub(super) async fn created_key(&self, begun: &Begun) -> Result<Entry, Error> {
        let Begun { entry, id, fresh } = begun;
        let mut entry = entry.clone();
        if !fresh {
            entry = self.settled(entry, id).await?;
        }
        let Some(pending) = entry.pending(id) else { return Ok(entry) };
        if pending.key.is_some() {
            return Ok(entry);
        }
        let mut found = None;
        if !fresh {
            let now = self.now();
            entry = self
                .advance(entry, id, |entry| {
                    if let Some(pending) = &mut entry.pending {
                        pending.claims += 1;
                        pending.claimed = now;
                    }
                })
                .await?;
            found = self.admin().search(&self.home(&entry), &description(&entry.tenant, id)).await?.into_iter().next();
        }
        let (home, policy) = (self.home(&entry), self.policy_for(&entry, id)?);
        let key = match found {
            Some(key) => {
                // A description proves nothing: who may create keys may have given this one a policy of its own.
                self.admin().put_key_policy(&home, &key, &policy).await?;
                key
            }
            None => self.admin().create_key(&home, &self.new_key(&entry, id, &policy)).await?,
        };
        let entry = self
            .advance(entry, id, |entry| {
                if let Some(pending) = &mut entry.pending {
                    pending.key.get_or_insert(key.clone());
                }
            })
            .await?;
        if !entry.owns(&key) {
            self.retire(&key).await?;
        }
        Ok(entry)
    }

    /// Deletes what runs that were cut short may have created besides the operation's key, if there were any.
    pub(super) async fn retire_strays(&self, entry: &Entry, id: &OperationId) -> Result<(), Error> {
        if entry.pending(id).is_none_or(|pending| pending.claims < 2) {
            return Ok(());
        }
        for key in self.admin().search(&self.home(entry), &description(&entry.tenant, id)).await? {
            if !entry.owns(&key) {
                self.retire(&key).await?;
            }
        }
        Ok(())
    }

    async fn retire(&self, key: &KeyArn) -> Result<(), Error> {
        tracing::warn!(%key, "a key that is not needed is deleted");
        self.admin().ensure_deletion(key.region(), key, SHORTEST_WINDOW).await?;
        Ok(())
    }

    /// Waits until another run has written down its key, or could not any more.
    async fn settled(&self, mut entry: Entry, id: &OperationId) -> Result<Entry, Error> {
        while let Some(pending) = entry.pending(id) {
            let age = pending.claimed.elapsed(self.now());
            if pending.key.is_some() || age >= self.settings().settle {
                break;
            }
            self.sleep((self.settings().settle - age).min(self.settings().poll)).await;
            entry = self.entry(&entry.tenant).await?;
        }
        Ok(entry)
    }

    /// Replicas, aliases and rotation of a key, in every Region of the entry. `main` says whether the tenant's alias goes there too.
    pub(super) async fn equip(
        &self,
        entry: &Entry,
        id: &OperationId,
        key: &KeyArn,
        own: bool,
        main: bool,
    ) -> Result<(), Error> {
        let policy = self.policy_for(entry, id)?;
        let [of_key, alias] = aliases(&self.tenancy().alias(&entry.tenant), key);
        for region in &entry.regions {
            if own && region != key.region() {
                self.admin().ensure_replica(key, region, &self.new_key(entry, id, &policy)).await?;
            }
            self.admin().ensure_alias(region, &of_key, key).await?;
            if main {
                self.admin().ensure_alias(region, &alias, key).await?;
            }
        }
        if own {
            self.admin().ensure_rotation(key, self.settings().rotation_days).await?;
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
    pub(super) async fn key_for(&self, begun: &Begun, tier: &Tier) -> Result<(Entry, Option<KeyArn>), Error> {
        match tier {
            Tier::Shared { pool } => {
                let key = pool::join(self, pool, &begun.entry.tenant, &begun.entry.regions).await?;
                Ok((begun.entry.clone(), Some(key)))
            }
            _ => {
                let entry = self.created_key(begun).await?;
                let key = entry.pending(&begun.id).and_then(|pending| pending.key.clone());
                Ok((entry, key))
            }
        }
    }
}

/// What a key's description says: by it, a key is found again that was created and not written down.
fn description(tenant: &TenantId, id: &OperationId) -> String {
    format!("{}{id}", made_for(tenant))
}

/// With what the descriptions of a tenant's keys begin.
pub(super) fn made_for(tenant: &TenantId) -> String {
    format!("tenantseal: tenant {tenant}, operation ")
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
