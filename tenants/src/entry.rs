//! The registry's entry of a tenant.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::{Alias, TenantId};

use super::state::{Operation, State};

/// One tenant in the registry. Serializes for storage and for machines: the names of its fields are part of the stored
/// format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The tenant.
    pub tenant: TenantId,
    /// Its state.
    pub state: State,
    /// KekOwner key it uses.
    pub tier: Tier,
    /// The alias of its current key, for example `alias/customer-acme`.
    pub alias: String,
    /// Every KEK that it has had, oldest first. The alias points to the last one. Empty until onboarding has finished.
    pub generations: Vec<Generation>,
    /// The Regions of its KEKs. The first has the primary.
    pub regions: Vec<String>,
    /// Of a pool: the tenants with aliases on its KEK.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub members: BTreeSet<TenantId>,
    /// An unfinished operation. Running it again finishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// An operation that a suspension has paused. Resuming makes it the unfinished operation again.
    #[serde(default, rename = "aside", skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pending>,
    /// When KMS deletes the first KEK of an offboarded tenant. Until then, offboarding can be cancelled without loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Timestamp>,
    /// When onboarding began.
    pub created: Timestamp,
    /// When this version was written.
    pub updated: Timestamp,
    /// Who wrote this version: an ARN, or the builder's operator.
    pub by: String,
    /// Counts the versions, from 1.
    pub version: u64,
}

impl Entry {
    pub(super) fn new(tenant: &TenantId, alias: &Alias, now: Timestamp) -> Self {
        Self {
            tenant: tenant.clone(),
            state: State::Onboarding,
            tier: Tier::Dedicated,
            alias: alias.to_string(),
            generations: Vec::new(),
            regions: Vec::new(),
            members: BTreeSet::new(),
            pending: None,
            paused: None,
            deletion: None,
            created: now,
            updated: now,
            by: String::new(),
            version: 0,
        }
    }

    /// The KEK that the alias points to, once onboarding has finished.
    pub fn current(&self) -> Option<&Generation> {
        self.generations.last()
    }

    /// The tenant's own KEKs, including those of operations under way.
    pub(super) fn own_keys(&self) -> Vec<&KeyArn> {
        let listed = self.generations.iter().filter(|generation| generation.pool.is_none());
        let begun = self.pending.iter().chain(&self.paused).filter_map(|pending| pending.key.as_ref());
        let mut keys: Vec<&KeyArn> = Vec::new();
        for key in listed.map(|generation| &generation.key).chain(begun) {
            if !keys.iter().any(|known| known.is_same_key(key)) {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether `key` is one of the tenant's, including those of operations under way.
    pub(super) fn owns(&self, key: &KeyArn) -> bool {
        let listed = self.generations.iter().map(|generation| &generation.key);
        listed.chain(self.own_keys()).any(|own| own.is_same_key(key))
    }

    /// The unfinished operation, if it is this one.
    pub(super) fn pending(&self, id: &OperationId) -> Option<&Pending> {
        self.pending.as_ref().filter(|pending| pending.id == *id)
    }

    /// The Regions in which the tenant's KEK exists once the operation is done.
    pub(super) fn target_regions(&self, id: &OperationId) -> Vec<String> {
        let further = self.pending(id).map_or(&[][..], |pending| &pending.replicas);
        let mut regions: Vec<String> = Vec::new();
        for region in self.regions.iter().chain(further) {
            if is_region(region) && !regions.contains(region) {
                regions.push(region.clone());
            }
        }
        regions
    }
}

/// KekOwner key a tenant uses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Tier {
    /// Its own.
    #[default]
    Dedicated,
    /// Its own, which tenants of the tier [`Tier::Shared`] use as well. Such an entry represents the KEK; its name is
    /// no customer's.
    Pool,
    /// A pool's. Alias and encryption context separate the tenants on it.
    Shared {
        /// The pool.
        pool: TenantId,
    },
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dedicated => f.write_str("dedicated"),
            Self::Pool => f.write_str("pool"),
            Self::Shared { pool } => write!(f, "shared ({pool})"),
        }
    }
}

/// One KEK of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Generation {
    /// Counts from 1.
    pub number: u32,
    /// The KEK, in the first of the entry's Regions.
    pub key: KeyArn,
    /// Since when the alias points to it.
    pub since: Timestamp,
    /// The pool that owns the KEK, unless the tenant does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<TenantId>,
}

/// An operation under way. It is written before the first step, and removed after the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// The operation.
    pub operation: Operation,
    /// The operation's id, which the description of a new KEK contains as well.
    pub id: OperationId,
    /// How many runs have started a CreateKey for this operation.
    pub claims: u32,
    /// When the last of them started.
    pub claimed: Timestamp,
    /// Who began it.
    pub by: String,
    /// The target tier of a change of KEKs.
    #[serde(default)]
    pub target: Tier,
    /// The KEK that it creates, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyArn>,
    /// Of an automatic rotation: days between 2 rotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The Regions that get a replica.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// Of a rotation on demand: the id of the key material before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
}

/// An operation's id: 32 random hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub(super) String);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point in time with millisecond precision. Written as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Time from this until `now`; zero if this lies after `now`.
    pub fn elapsed(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(now.0 - self.0).unwrap_or(0))
    }

    /// This, `days` later.
    pub(super) fn after_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(i64::from(days) * 24 * 60 * 60 * 1000))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<DateTime> for Timestamp {
    fn from(time: DateTime) -> Self {
        Self(time.to_millis().unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = DateTime::from_millis(self.0).fmt(Format::DateTime).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::from_str(&text, Format::DateTime).map(Self::from).map_err(serde::de::Error::custom)
    }
}

/// Whether a text may name a Region: a request there is signed, and goes to a host of this name.
pub(super) fn is_region(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(word)
}
