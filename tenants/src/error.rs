//! What can go wrong while tenants are administered, and what to do then.

use std::fmt;
use std::time::Duration;

use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::PolicyTooLarge;

use super::aws_error::AwsError;
use super::entry::{Pending, Tier, Timestamp};
use super::registry::RegistryError;
use super::state::{IllegalTransition, Operation};

/// Why an operation on a tenant's keys did not finish. What it has done so far is kept: run it again and it goes on from there.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tenant is not in the registry.
    #[error("tenant `{0}` is not in the registry: onboard it first")]
    UnknownTenant(TenantId),
    /// The tenant's state does not allow the operation.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// Another operation has begun and not finished.
    #[error(
        "`{operation}` of tenant `{tenant}` was begun by {by} and has not finished (last seen {since}): run it again first{}",
        or_suspend(*operation)
    )]
    UnderWay {
        /// The tenant.
        tenant: TenantId,
        /// The unfinished operation.
        operation: Operation,
        /// Who began it.
        by: String,
        /// When it was last seen.
        since: Timestamp,
    },
    /// Others kept writing the entry.
    #[error("others keep changing tenant `{0}`: look at it and try again")]
    Contended(TenantId),
    /// This run was stopped for a while. Another run has finished the operation meanwhile, and something else has happened since.
    #[error(
        "tenant `{0}` was changed by others while this run was stopped: it has done nothing more; look at the tenant before you go on"
    )]
    Overtaken(TenantId),
    /// The registry answers too slowly: what it said may be outdated when KMS is called.
    #[error(
        "the registry answers too slowly to call KMS safely: run it again, from nearer to the registry's Region if you can"
    )]
    SlowRegistry,
    /// KMS or STS refused or failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The registry refused or failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The credentials are of another account than the role.
    #[error(
        "these credentials are of account {actual}, but the tenants' keys belong in account {expected}: use that account's"
    )]
    WrongAccount {
        /// The role's account.
        expected: String,
        /// The account of the credentials.
        actual: String,
    },
    /// The tenant's alias is on a key that is not the tenant's.
    #[error("`{alias}` points to {key}, which is not the tenant's: remove or re-point the alias")]
    AliasTaken {
        /// The alias.
        alias: String,
        /// The key behind it.
        key: KeyArn,
    },
    /// The tenant's session is still refused.
    #[error("`{alias}` did not take effect within {} s: check role, trust policy and key policy, then run it again", waited.as_secs())]
    NotEffective {
        /// The alias.
        alias: String,
        /// How long it was waited for.
        waited: Duration,
        /// How the tenant's session was refused last.
        #[source]
        last: tenantseal_core::keys::KeyServiceError,
    },
    /// The registry lists a key as the tenant's that was made for somebody else. Nothing has happened to it.
    #[error(
        "{key} was not made for tenant `{tenant}`, as its description says: correct the registry's entry, or see who changed it"
    )]
    ForeignKek {
        /// The tenant.
        tenant: TenantId,
        /// The key.
        key: KeyArn,
    },
    /// KMS has no such key, and it was not to be deleted by now.
    #[error(
        "KMS knows no key {key} in {region}, and its deletion is not written down: the registry's entry names a wrong one, or someone \
         deleted it by hand; restore the entry from its history, or write the day of its deletion into it"
    )]
    KekMissing {
        /// The key.
        key: KeyArn,
        /// Where it was looked for first.
        region: String,
    },
    /// The registry lists other Regions than those in which KMS has the tenant's keys. The entry has been corrected.
    #[error(
        "the registry's entry of tenant `{tenant}` {}, as KMS says; the entry is corrected: find out who was at it, then run it again",
        disagreement(unlisted, unfounded)
    )]
    RegionMismatch {
        /// The tenant.
        tenant: TenantId,
        /// Where KMS has a copy of a key and the entry lists none.
        unlisted: Vec<String>,
        /// Where the entry lists a copy and KMS has none.
        unfounded: Vec<String>,
    },
    /// The tenant's aliases lead to keys of the tenant that the registry does not list. They are disabled like the others.
    #[error(
        "the registry's entry of tenant `{tenant}` lacks {}, which was made for it and has its alias: it is disabled too; restore the \
         entry from its history, or delete the alias, then run it again",
        list(keys)
    )]
    UnlistedKeks {
        /// The tenant.
        tenant: TenantId,
        /// The keys.
        keys: Vec<KeyArn>,
    },
    /// The operation is done in some Regions and not in others. It stays unfinished.
    #[error(
        "`{operation}` of tenant `{tenant}` is not finished in {}; it is in {}: run it again to go on",
        failures(failed),
        if done.is_empty() { "no Region".to_owned() } else { list(done) }
    )]
    Incomplete {
        /// The tenant.
        tenant: TenantId,
        /// The operation.
        operation: Operation,
        /// The Regions in which everything is done.
        done: Vec<String>,
        /// The others, with what happened there.
        failed: Vec<(String, Error)>,
    },
    /// It cannot be a Region.
    #[error("{0:?} is no Region: name one as AWS does, for example `eu-central-1`")]
    NotARegion(String),
    /// The key cannot have replicas.
    #[error(
        "{0} is a single-Region key, which KMS cannot replicate: rotate the tenant to a new key with replicas (`--new-key --replica`)"
    )]
    SingleRegion(KeyArn),
    /// The tenant is in service with another kind of key than it was to be onboarded with.
    #[error("tenant `{tenant}` is {tier}, not {asked}: `move_to` (`rotate --to-pool`, `--new-key`) moves it")]
    TierMismatch {
        /// The tenant.
        tenant: TenantId,
        /// The kind of its key.
        tier: Tier,
        /// What was asked for.
        asked: Tier,
    },
    /// A change of keys has begun that leads elsewhere than the one that was asked for.
    #[error("a move of tenant `{tenant}` to {target} was begun by {by} and has not finished: run that again first")]
    OtherMoveUnderWay {
        /// The tenant.
        tenant: TenantId,
        /// Where it leads.
        target: Tier,
        /// Who began it.
        by: String,
    },
    /// The keys are deleted.
    #[error("{0} is deleted already: what it sealed cannot be opened any more")]
    KekDeleted(KeyArn),
    /// The key is in a state in which this cannot be done with it.
    #[error("{key} in {region} is in the state {state}: have it enabled or disabled in KMS, then run it again")]
    KekState {
        /// The key.
        key: KeyArn,
        /// The Region of this copy.
        region: String,
        /// KMS's word for its state, such as `Unavailable`.
        state: String,
    },
    /// The waiting period is out of bounds.
    #[error("KMS deletes a key after 7 to 30 days, not {0}")]
    DeletionWindow(u32),
    /// The rotation period is out of bounds.
    #[error("KMS rotates a key every 90 to 2,560 days, not {0}")]
    RotationPeriod(u32),
    /// The name is that of a pool and not of a tenant, or the other way round.
    #[error("`{0}` is taken: a pool is no tenant, and a tenant no pool: choose another name")]
    NameTaken(TenantId),
    /// The entry is no shared key in service.
    #[error("`{0}` is not an active pool: onboard it with `as_pool` first")]
    NotAPool(TenantId),
    /// The shared key has as many tenants as a key may have.
    #[error("pool `{0}` is full: onboard another pool and name that one")]
    PoolFull(TenantId),
    /// The shared key has no replica where the tenant needs one.
    #[error("pool `{pool}` has no key in {region}: name a pool that has")]
    PoolRegion {
        /// The pool.
        pool: TenantId,
        /// The Region.
        region: String,
    },
    /// The shared key rotates for all of its members at once.
    #[error("tenant `{tenant}` uses the key of pool `{pool}`: rotate the pool, or move the tenant to a key of its own")]
    RotatesWithPool {
        /// The tenant.
        tenant: TenantId,
        /// The pool.
        pool: TenantId,
    },
    /// The shared key is in use.
    #[error("pool `{pool}` has {members} tenants on it: move them to keys of their own first")]
    PoolInUse {
        /// The pool.
        pool: TenantId,
        /// How many tenants.
        members: usize,
    },
    /// The operation is not for a shared key.
    #[error("`{0}` is a pool: members' aliases point to its key, so it keeps that key; rotate it on demand instead")]
    PoolKeepsKek(TenantId),
    /// The tenant is where it shall go.
    #[error("tenant `{0}` uses that key already")]
    SameKek(TenantId),
    /// A policy is longer than AWS allows.
    #[error(transparent)]
    Policy(#[from] PolicyTooLarge),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl Error {
    pub(super) fn under_way(tenant: &TenantId, pending: &Pending) -> Self {
        let Pending { operation, by, claimed, .. } = pending;
        Self::UnderWay { tenant: tenant.clone(), operation: *operation, by: by.clone(), since: *claimed }
    }

    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Aws(error) => error.is_retryable(),
            Self::Registry(error) => error.is_retryable(),
            Self::Contended(_) | Self::SlowRegistry => true,
            Self::Incomplete { failed, .. } => failed.iter().all(|(_, error)| error.is_retryable()),
            Self::KekState { state, .. } => state == "Creating" || state == "Updating",
            _ => false,
        }
    }

    /// Whether KMS does not know the key, or not yet.
    pub(super) fn is_of_missing_key(&self) -> bool {
        match self {
            Self::Aws(error) => error.is_not_found(),
            Self::KekMissing { .. } => true,
            _ => false,
        }
    }

    /// Whether the error concerns every Region: others have gone on, or the registry fails.
    pub(super) fn concerns_all_regions(&self) -> bool {
        matches!(
            self,
            Self::Overtaken(_) | Self::SlowRegistry | Self::Registry(_) | Self::Contended(_) | Self::NoRandomness
        )
    }
}

/// What cannot go on, because AWS refuses it for good, would stand in the way of everything else.
fn or_suspend(unfinished: Operation) -> &'static str {
    if unfinished.is_pausable() { ", or `suspend`, which pauses it" } else { "" }
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Of Regions in an entry nothing is known but that someone wrote them: they are quoted.
fn disagreement(unlisted: &[String], unfounded: &[String]) -> String {
    let quoted = |regions: &[String]| regions.iter().map(|region| format!("{region:?}")).collect::<Vec<_>>().join(", ");
    let mut words = Vec::new();
    if !unlisted.is_empty() {
        words.push(format!("does not list {}, where its keys are", list(unlisted)));
    }
    if !unfounded.is_empty() {
        words.push(format!("lists {}, where they are not", quoted(unfounded)));
    }
    words.join(", and ")
}

fn failures(failed: &[(String, Error)]) -> String {
    failed.iter().map(|(region, error)| format!("{region} ({error})")).collect::<Vec<_>>().join(", ")
}
