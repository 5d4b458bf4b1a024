//! What the registry knows of a tenant.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenantseal_core::format::KeyArn;
use tenantseal_core::tenant::{Alias, TenantId};

use super::state::{Operation, State};

/// One tenant in the registry. Serializes for storage and for machines; the names of its fields are part of the stored format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The tenant.
    pub tenant: TenantId,
    /// Where it stands.
    pub state: State,
    /// KekOwner key it uses.
    pub tier: Tier,
    /// The alias of its current key, for example `alias/customer-acme`.
    pub alias: String,
    /// Every key it ever had, oldest first; the last one is behind the alias. Empty until onboarding has finished.
    pub generations: Vec<Generation>,
    /// The Regions of its keys; the first has the primary.
    pub regions: Vec<String>,
    /// Of a shared key: the tenants with aliases on it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub members: BTreeSet<TenantId>,
    /// An operation that has begun and not finished. The same operation, run again, finishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// An operation that had not finished when the tenant was suspended. A resumption makes it the unfinished one again.
    #[serde(default, rename = "aside", skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pending>,
    /// When KMS deletes the first of an offboarded tenant's keys; until then that can be cancelled as if nothing had happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Timestamp>,
    /// When onboarding began.
    pub created: Timestamp,
    /// When this version was written.
    pub updated: Timestamp,
    /// The ARN of who wrote this version.
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

    /// The key behind the alias, once onboarding has finished.
    pub fn current(&self) -> Option<&Generation> {
        self.generations.last()
    }

    /// The keys that are the tenant's own, or are about to be.
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

    /// Whether `key` is one of the tenant's, or is about to be.
    pub(super) fn owns(&self, key: &KeyArn) -> bool {
        let listed = self.generations.iter().map(|generation| &generation.key);
        listed.chain(self.own_keys()).any(|own| own.is_same_key(key))
    }

    /// The unfinished operation, if it is this one.
    pub(super) fn pending(&self, id: &OperationId) -> Option<&Pending> {
        self.pending.as_ref().filter(|pending| pending.id == *id)
    }

    /// The Regions in which the tenant's KEK is to be once the operation is done.
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
    /// Its own, which tenants of the tier [`Tier::Shared`] use as well. This entry stands for the key; its name is no customer's.
    Pool,
    /// Another entry's, kept apart from the others on it by alias and encryption context.
    Shared {
        /// The entry whose key it is.
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

/// One key of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Generation {
    /// Counts from 1.
    pub number: u32,
    /// The key, in the first of the entry's Regions.
    pub key: KeyArn,
    /// Since when the alias points to it.
    pub since: Timestamp,
    /// The pool whose key it is, unless it is the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<TenantId>,
}

/// An operation that has begun. It is written before anything else happens, and removed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// The operation.
    pub operation: Operation,
    /// Names this operation, also in the description of a key that it creates.
    pub id: OperationId,
    /// How often someone has set out to create its key and may have done so.
    pub claims: u32,
    /// When the last of them did.
    pub claimed: Timestamp,
    /// Who began it.
    pub by: String,
    /// Where a change of keys leads.
    #[serde(default)]
    pub target: Tier,
    /// The key that it creates, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyArn>,
    /// Of an automatic rotation: the days between two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The Regions that are to have a replica of the key then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// Before a rotation on demand: the key material then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<String>,
}

/// Names one operation: 32 random hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub(super) String);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A moment, to the millisecond. Written as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// How long ago this was at `now`; nothing if it lies ahead.
    pub fn elapsed(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(now.0 - self.0).unwrap_or(0))
    }

    /// So many days later.
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

/// Whether a text can be the name of a Region: what is sent there is signed, and goes to a host of this name.
pub(super) fn is_region(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(word)
}
