//! The definitions of the lookups that were ever declared under a lookup key.

use std::collections::BTreeMap;

use super::LookupDefinition;
use crate::format::reader::Reader;
use crate::format::{FormatError, put_lp};

/// Of each lookup that was ever declared under a lookup key, the digest of its definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownLookups(BTreeMap<Box<[u8]>, [u8; 16]>);

impl KnownLookups {
    /// The digest of the lookup's definition, if it is known.
    pub fn get(&self, table: &str, name: &str) -> Option<[u8; 16]> {
        self.0.get(&*key(table, name)).copied()
    }

    /// Adds a lookup, or replaces its definition.
    pub fn insert(&mut self, table: &str, name: &str, definition: &LookupDefinition) {
        self.0.insert(key(table, name), definition.digest());
    }

    /// The length of the encoding in bytes.
    pub(super) fn encoded_len(&self) -> usize {
        self.0.keys().map(|key| key.len() + 16).sum()
    }

    /// Appends `lp(table) ‖ lp(name) ‖ digest` of each lookup, ascending.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for (key, digest) in &self.0 {
            out.extend_from_slice(key);
            out.extend_from_slice(digest);
        }
    }

    /// Reads nothing but known lookups, strictly ascending.
    pub(super) fn decode(encoded: &[u8]) -> Result<Self, FormatError> {
        let (mut reader, mut known) = (Reader(encoded), BTreeMap::<Box<[u8]>, _>::new());
        while !reader.is_empty() {
            let before = reader.0;
            for name in [reader.lp()?, reader.lp()?] {
                std::str::from_utf8(name).map_err(|_| FormatError::NotCanonical)?;
            }
            let key = &before[..before.len() - reader.0.len()];
            if known.last_key_value().is_some_and(|(last, _)| **last >= *key) {
                return Err(FormatError::NotCanonical);
            }
            known.insert(key.into(), reader.array()?);
        }
        Ok(Self(known))
    }
}

/// `lp(table) ‖ lp(name)`.
fn key(table: &str, name: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(8 + table.len() + name.len());
    put_lp(&mut key, table.as_bytes());
    put_lp(&mut key, name.as_bytes());
    key.into()
}
