//! Why a ledger could not be used.

use tenantseal_core::keys::KeyTableError;

/// Why the ledger could not be used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The table failed.
    #[error(transparent)]
    Table(KeyTableError),
    /// An entry is not what a sweep writes: someone else has written it.
    #[error("entry `{entry}` of the ledger is not what a sweep writes: see who may write there, and plan a new sweep")]
    Malformed {
        /// The partition and the entry.
        entry: String,
    },
    /// What is to be stored does not fit an entry.
    #[error("entry `{entry}` of the ledger would be too long: name fewer tenants")]
    TooLong {
        /// The partition and the entry.
        entry: String,
    },
}

impl LedgerError {
    /// Whether the same call may succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Table(error) if error.is_retryable())
    }
}
