//! What data keys are used for, and where they came from.

use std::fmt;

/// What a data key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Encryption.
    Seal,
    /// Decryption.
    Open,
    /// It wraps a lookup key, from which tokens are made.
    Lookup,
}

/// Where a data key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataKeySource {
    /// From a KMS request: this is its first use in this process.
    Kms,
    /// The same, and the wrapped key lay in the key table, not in the item: another process may have made it.
    KeyTable,
    /// From the cache.
    Cache,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seal => "seal",
            Self::Open => "open",
            Self::Lookup => "lookup",
        })
    }
}
