//! Why a value is not sealed or opened.

use crate::crypto::RandomError;
use crate::envelope::OpenFault;
use crate::format::InvalidPrimaryKey;
use crate::keys::{KeyError, KeyServiceError, KeyTableError, OpeningKeyError};
use crate::trail::SinkPanicked;

/// Why bytes could not be sealed or opened. It names the value, and shows nothing of it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No data key could be had.
    #[error(transparent)]
    KeyService(KeyServiceError),
    /// The key table failed, which has the record of a value's data key.
    #[error(transparent)]
    KeyTable(KeyTableError),
    /// A value does not open.
    #[error("value `{name}` does not open: {fault}")]
    Open {
        /// The value.
        name: String,
        /// What is wrong with it.
        fault: OpenFault,
    },
    /// A value that was to be sealed is sealed already; sealed twice, it would have to be opened twice.
    #[error("value `{name}` is sealed already: open it first, or store it as it is")]
    AlreadySealed {
        /// The value.
        name: String,
    },
    /// No item has such a key.
    #[error("the key of the item: {0}")]
    PrimaryKey(#[source] InvalidPrimaryKey),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for nonces")]
    Random,
    /// The audit sink panicked.
    #[error(transparent)]
    Audit(SinkPanicked),
}

impl Error {
    /// Whether the same call may succeed later: the key service or the key table was throttling, unavailable or not yet ready.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::KeyService(error) => error.is_retryable(),
            Self::KeyTable(error) => error.is_retryable(),
            _ => false,
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Service(error) => Self::KeyService(error),
            KeyError::Table(error) => Self::KeyTable(error),
        }
    }
}

impl From<OpeningKeyError> for Error {
    fn from(error: OpeningKeyError) -> Self {
        match error {
            OpeningKeyError::Open { attribute, fault } => Self::Open { name: attribute, fault },
            OpeningKeyError::Service(error) => Self::KeyService(error),
            OpeningKeyError::Table(error) => Self::KeyTable(error),
        }
    }
}

impl From<RandomError> for Error {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

impl From<SinkPanicked> for Error {
    fn from(error: SinkPanicked) -> Self {
        Self::Audit(error)
    }
}
