//! The lock file's JSON, field by field. Fields stand in alphabetical order, because the text shall be sorted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tenantseal_core::envelope::KeyRecordPlacement;

use super::Lock;
use crate::schema::{Lookup, LookupIndex, LookupKind, LookupState, TableSchema};

const VERSION: u64 = 1;
/// A fault may quote what is in the file.
const MAX_QUOTED: usize = 200;

/// Why a text is not a lock file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLock {
    /// It is longer than [`Lock::MAX_LEN`].
    #[error("the lock file is longer than {} MiB: restore it from version control", Lock::MAX_LEN >> 20)]
    TooLong,
    /// Another release wrote it.
    #[error("the lock file has version {0}, and this release of tenantseal reads version {VERSION}: update tenantseal")]
    Version(u64),
    /// It is not JSON, has an unknown field or word, or has a name twice.
    #[error("the lock file is malformed: {0}; restore it from version control")]
    Malformed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    tenantseal: u64,
    tables: T,
}

/// The beginning of all versions.
#[derive(Deserialize)]
struct AnyVersion {
    tenantseal: u64,
}

pub(super) fn parse(text: &str) -> Result<Named<Table>, InvalidLock> {
    if text.len() > Lock::MAX_LEN {
        return Err(InvalidLock::TooLong);
    }
    match serde_json::from_str::<Document<Named<Table>>>(text) {
        Ok(document) if document.tenantseal == VERSION => Ok(document.tables),
        Ok(document) => Err(InvalidLock::Version(document.tenantseal)),
        Err(fault) => match serde_json::from_str::<AnyVersion>(text) {
            Ok(other) if other.tenantseal != VERSION => Err(InvalidLock::Version(other.tenantseal)),
            _ => {
                let fault = fault.to_string();
                let long = fault.char_indices().nth(MAX_QUOTED).map(|(at, _)| format!("{}…", &fault[..at]));
                Err(InvalidLock::Malformed(long.unwrap_or(fault)))
            }
        },
    }
}

pub(super) fn text(tables: &Named<Table>) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&Document { tenantseal: VERSION, tables })? + "\n")
}

/// A map by names, in which no name stands twice: of two lines, a reader would see one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Named<T>(BTreeMap<String, T>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Deref for Named<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for Named<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> FromIterator<(String, T)> for Named<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Named<T>, M::Error> {
                let mut entries = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if entries.contains_key(&name) {
                        return Err(M::Error::custom(format_args!("the name `{name}` stands twice")));
                    }
                    entries.insert(name, map.next_value()?);
                }
                Ok(Named(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) compact: bool,
    pub(super) discriminator: Option<String>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) lookups: Named<LockedLookup>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) own_bytes: BTreeSet<String>,
    pub(super) partition_key: String,
    /// By the value of the discriminator; the empty one stands for records without.
    pub(super) records: Named<Named<Word>>,
    pub(super) sort_key: Option<String>,
    pub(super) tenant: String,
}

/// What an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Plain,
    Encrypt,
    /// Holds the tokens of a lookup.
    Tokens,
}

/// One lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockedLookup {
    pub(super) bits: u8,
    pub(super) index: Option<Index>,
    pub(super) key: u16,
    pub(super) kind: Kind,
    pub(super) parts: Vec<Part>,
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) unique: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) attribute: String,
    pub(super) form: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Equality,
    Prefix(u8),
    Each,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Index {
    Token(String),
    Tenant(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Building,
    Ready,
    Retired,
}

impl Table {
    pub(super) fn of(schema: &TableSchema) -> Self {
        let record = |(value, declared): (Option<&str>, &crate::schema::table::Declared)| {
            let own = declared.attributes.iter().filter(|(_, protection)| !protection.is_key());
            let word = |encrypted: bool| if encrypted { Word::Encrypt } else { Word::Plain };
            let own = own.map(|(name, protection)| (name.clone(), word(protection.is_encrypted())));
            let tokens = schema.lookups().iter().filter(|lookup| declared.has(lookup));
            let tokens = tokens.map(|lookup| (lookup.stored().to_owned(), Word::Tokens));
            (value.unwrap_or_default().to_owned(), own.chain(tokens).collect())
        };
        let lookup = |lookup: &Lookup| (lookup.name().to_owned(), LockedLookup::of(lookup));
        Self {
            compact: schema.record_place() == KeyRecordPlacement::KeyTable,
            discriminator: schema.discriminator().map(str::to_owned),
            lookups: schema.lookups().iter().map(lookup).collect(),
            own_bytes: schema.own_bytes().map(str::to_owned).collect(),
            partition_key: schema.partition_key().to_owned(),
            records: schema.records().map(record).collect(),
            sort_key: schema.sort_key().map(str::to_owned),
            tenant: schema.tenant().to_string(),
        }
    }
}

impl LockedLookup {
    fn of(lookup: &Lookup) -> Self {
        let part = |part: &crate::schema::LookupPart| Part {
            attribute: part.attribute().to_owned(),
            form: part.form().name().into_owned(),
        };
        Self {
            bits: lookup.bits(),
            index: lookup.index().map(|index| match index {
                LookupIndex::Token(name) => Index::Token(name.clone()),
                LookupIndex::Tenant(name) => Index::Tenant(name.clone()),
            }),
            key: lookup.key(),
            kind: match lookup.kind() {
                LookupKind::Equality => Kind::Equality,
                LookupKind::Prefix(characters) => Kind::Prefix(characters),
                LookupKind::Each => Kind::Each,
            },
            parts: lookup.parts().iter().map(part).collect(),
            state: match lookup.state() {
                LookupState::Building => State::Building,
                LookupState::Ready => State::Ready,
                LookupState::Retired => State::Retired,
            },
            unique: lookup.is_unique(),
        }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_empty<T>(map: &Named<T>) -> bool {
    map.0.is_empty()
}
