//! The identity of an item, from which its key is derived.

/// `lp(tenant) ‖ lp(logical table) ‖ u8(number of keys) ‖ key(partition) [‖ key(sort)]`: no ciphertext opens in another
/// place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(Vec<u8>);

impl Identity {
    /// Takes the encoded bytes (docs/FORMAT.md, "Identity").
    pub(crate) fn from_encoded(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
