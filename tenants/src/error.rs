//! Errors of operations on tenants, with the next step.

use std::fmt;
use std::time::Duration;

use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::PolicyTooLarge;

use super::aws_error::AwsError;
use super::entry::{Pending, Tier, Timestamp};
use super::registry::RegistryError;
use super::state::{IllegalTransition, Operation};

/// Why an operation on a tenant's KEKs did not finish. Completed steps stay: run the operation again to continue.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tenant is not in the registry.
    #[error("tenant `{0}` is not in the registry: onboard it first")]
    UnknownTenant(TenantId),
    /// The tenant's state does not allow the operation.
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    /// Another operation is unfinished.
    #[error(
        "`{operation}` of tenant `{tenant}` was begun by {by} and has not finished (last seen {since}): run it again \
         first{}",
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
    /// Concurrent writers kept changing the entry.
    #[error("others keep changing tenant `{0}`: look at the tenant and try again")]
    Contended(TenantId),
    /// This run was paused. Meanwhile another run finished the operation, and the tenant has changed since.
    #[error(
        "tenant `{0}` was changed by others while this run was stopped: this run did nothing more; look at the tenant \
         before you go on"
    )]
    Overtaken(TenantId),
    /// The registry is too slow: its answer may be outdated when KMS is called.
    #[error(
        "the registry answers too slowly to call KMS safely: run it again, closer to the registry's Region if you can"
    )]
    SlowRegistry,
    /// KMS or STS refused or failed.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The registry refused or failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The credentials belong to another account than the role.
    #[error(
        "these credentials belong to account {actual}, but the tenants' keys belong in account {expected}: use \
         credentials of that account"
    )]
    WrongAccount {
        /// The role's account.
        expected: String,
        /// The account of the credentials.
        actual: String,
    },
    /// The tenant's alias points to a key that is not the tenant's.
    #[error("`{alias}` points to {key}, which is not the tenant's: remove or re-point the alias")]
    AliasTaken {
        /// The alias.
        alias: String,
        /// The key behind it.
        key: KeyArn,
    },
    /// KMS still refuses the tenant's session.
    #[error("`{alias}` did not take effect within {} s: check role, trust policy and key policy, then run it again", waited.as_secs())]
    NotEffective {
        /// The alias.
        alias: String,
        /// How long the operation waited.
        waited: Duration,
        /// The last refusal of the tenant's session.
        #[source]
        last: tenantseal_core::keys::KeyServiceError,
    },
    /// The registry lists a KEK as the tenant's that was made for another owner. Nothing was done with it.
    #[error(
        "{key} was not made for tenant `{tenant}`, as its description says: correct the registry's entry, or find out \
         who changed it"
    )]
    ForeignKek {
        /// The tenant.
        tenant: TenantId,
        /// The KEK.
        key: KeyArn,
    },
    /// KMS has no such key, and its deletion was not due.
    #[error(
        "KMS has no key {key} in {region}, and the registry records no deletion: its entry names a wrong key, or \
         someone deleted the key by hand; restore the entry from its history, or write the day of the deletion into it"
    )]
    KekMissing {
        /// The KEK.
        key: KeyArn,
        /// The Region that was asked first.
        region: String,
    },
    /// The registry lists other Regions than those in which KMS has the tenant's KEKs. The entry has been corrected.
    #[error(
        "the registry's entry of tenant `{tenant}` {}, as KMS says; the entry is corrected: find out who changed it, \
         then run it again",
        disagreement(unlisted, unfounded)
    )]
    RegionMismatch {
        /// The tenant.
        tenant: TenantId,
        /// Regions in which KMS has a copy and the entry lists none.
        unlisted: Vec<String>,
        /// Regions in which the entry lists a copy and KMS has none.
        unfounded: Vec<String>,
    },
    /// The tenant's aliases point to KEKs of the tenant that the registry does not list. They are disabled like the
    /// others.
    #[error(
        "the registry's entry of tenant `{tenant}` lacks {}, which was made for this tenant and has its alias: it is \
         disabled too; restore the entry from its history, or delete the alias, then run it again",
        list(keys)
    )]
    UnlistedKeks {
        /// The tenant.
        tenant: TenantId,
        /// The KEKs.
        keys: Vec<KeyArn>,
    },
    /// The operation succeeded in some Regions and failed in others. It stays unfinished.
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
        /// The other Regions, each with its error.
        failed: Vec<(String, Error)>,
    },
    /// The name cannot be a Region's.
    #[error("{0:?} is not a Region: name one as AWS does, for example `eu-central-1`")]
    NotARegion(String),
    /// The key cannot have replicas.
    #[error(
        "{0} is a single-Region key, which KMS cannot replicate: rotate the tenant to a new key with replicas \
         (`--new-key --replica`)"
    )]
    SingleRegion(KeyArn),
    /// The tenant is active in another tier than the onboarding asked for.
    #[error("tenant `{tenant}` is {tier}, not {asked}: `move_to` (`rotate --to-pool`, `--new-key`) moves it")]
    TierMismatch {
        /// The tenant.
        tenant: TenantId,
        /// Its tier.
        tier: Tier,
        /// The requested tier.
        asked: Tier,
    },
    /// An unfinished change of KEKs has another target.
    #[error("a move of tenant `{tenant}` to {target} was begun by {by} and has not finished: run that again first")]
    OtherMoveUnderWay {
        /// The tenant.
        tenant: TenantId,
        /// Its target.
        target: Tier,
        /// Who began it.
        by: String,
    },
    /// The KEK is deleted.
    #[error("{0} is deleted already: what it sealed cannot be opened any more")]
    KekDeleted(KeyArn),
    /// The KEK's state does not allow the step.
    #[error("{key} in {region} is in the state {state}: enable or disable it in KMS, then run it again")]
    KekState {
        /// The KEK.
        key: KeyArn,
        /// The Region of this copy.
        region: String,
        /// Its state as KMS writes it, such as `Unavailable`.
        state: String,
    },
    /// The waiting period is out of bounds.
    #[error("KMS deletes a key after 7 to 30 days, not {0}")]
    DeletionWindow(u32),
    /// The rotation period is out of bounds.
    #[error("KMS rotates a key every 90 to 2,560 days, not {0}")]
    RotationPeriod(u32),
    /// The name belongs to a pool and not to a tenant, or the other way round.
    #[error("`{0}` is taken: a pool and a tenant cannot share a name: choose another")]
    NameTaken(TenantId),
    /// The entry is no active pool.
    #[error("`{0}` is not an active pool: onboard it with `create_pool` first")]
    NotAPool(TenantId),
    /// The pool has as many tenants as a pool may have.
    #[error("pool `{0}` is full: onboard another pool and name that one")]
    PoolFull(TenantId),
    /// The pool's KEK has no replica in a Region of the tenant.
    #[error("pool `{pool}` has no key in {region}: name a pool that has")]
    PoolRegion {
        /// The pool.
        pool: TenantId,
        /// The Region.
        region: String,
    },
    /// The pool's KEK rotates for all members at once.
    #[error("tenant `{tenant}` uses the key of pool `{pool}`: rotate the pool, or move the tenant to a key of its own")]
    RotatesWithPool {
        /// The tenant.
        tenant: TenantId,
        /// The pool.
        pool: TenantId,
    },
    /// The pool has members.
    #[error("pool `{pool}` has {members} tenants on it: move them to keys of their own first")]
    PoolInUse {
        /// The pool.
        pool: TenantId,
        /// How many tenants.
        members: usize,
    },
    /// A pool cannot have another KEK.
    #[error("`{0}` is a pool: members' aliases point to its key, so it keeps that key; rotate it on demand instead")]
    PoolKeepsKek(TenantId),
    /// The tenant uses that KEK already.
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

    /// Whether the same call may succeed later without a change.
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

    /// Whether the error concerns all Regions: others have continued the operation, or the registry fails.
    pub(super) fn concerns_all_regions(&self) -> bool {
        matches!(
            self,
            Self::Overtaken(_) | Self::SlowRegistry | Self::Registry(_) | Self::Contended(_) | Self::NoRandomness
        )
    }
}

/// An operation that AWS refuses for good would otherwise block all others.
fn or_suspend(unfinished: Operation) -> &'static str {
    if unfinished.is_pausable() { ", or `suspend`, which pauses it" } else { "" }
}

fn list<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Anyone may have written the entry's Regions: they are quoted.
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
