//! The keys that a set of items needs.

use std::sync::Arc;

use super::VerifiedDataKey;
use crate::format::{OwnedStoredKey, StoredKey};

/// A key that something stored relies on, and the attribute in which it was found, for the error's sake.
#[derive(Debug)]
pub struct NeededKey {
    pub attribute: String,
    pub stored: OwnedStoredKey,
}

/// The data keys that some items need, by how the items name them: usually one or two.
#[derive(Debug, Default)]
pub struct KeyRing(Vec<(OwnedStoredKey, Arc<VerifiedDataKey>)>);

impl KeyRing {
    /// A ring of these keys.
    pub fn new(mut keys: Vec<(OwnedStoredKey, Arc<VerifiedDataKey>)>) -> Self {
        keys.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self(keys)
    }

    /// All of them; a key that two forms of its record name is there twice.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerifiedDataKey> {
        self.0.iter().map(|(_, key)| &**key)
    }

    /// The key that items name so.
    pub fn get(&self, named: StoredKey<&[u8]>) -> Option<&VerifiedDataKey> {
        let at = self.0.binary_search_by(|(stored, _)| stored.as_ref().cmp(&named)).ok()?;
        Some(&self.0[at].1)
    }
}
