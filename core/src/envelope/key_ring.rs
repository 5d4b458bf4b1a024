//! The data keys that a set of items needs.

use std::sync::Arc;

use super::VerifiedDataKey;
use crate::format::{OwnedStoredKey, StoredKey};

/// A data key that a stored attribute needs, and the attribute's name, for errors.
#[derive(Debug)]
pub struct NeededKey {
    pub attribute: String,
    pub stored: OwnedStoredKey,
}

/// Data keys by the names that items use for them: usually one or two.
#[derive(Debug, Default)]
pub struct KeyRing(Vec<(OwnedStoredKey, Arc<VerifiedDataKey>)>);

impl KeyRing {
    /// A ring of these keys.
    pub fn new(mut keys: Vec<(OwnedStoredKey, Arc<VerifiedDataKey>)>) -> Self {
        keys.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self(keys)
    }

    /// All keys. A key that two forms of its record name appears twice.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerifiedDataKey> {
        self.0.iter().map(|(_, key)| &**key)
    }

    /// The data key of this name.
    pub fn get(&self, named: StoredKey<&[u8]>) -> Option<&VerifiedDataKey> {
        let at = self.0.binary_search_by(|(stored, _)| stored.as_ref().cmp(&named)).ok()?;
        Some(&self.0[at].1)
    }
}
