//! Errors of a vault.

use crate::blob::BlobFault;
use crate::crypto::RandomError;
use crate::envelope::OpenFault;
use crate::format::InvalidPrimaryKey;
use crate::keys::{KeyError, KeyServiceError, KeyTableError, OpeningKeyError};
use crate::trail::SinkPanicked;

/// Why a value was not sealed or opened. Names the value, and shows nothing of its contents.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key service made or unwrapped no data key.
    #[error(transparent)]
    KeyService(KeyServiceError),
    /// The key table failed, or its data key is not usable.
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
    /// A blob does not open, or cannot be sealed.
    #[error("the blob: {0}")]
    Blob(BlobFault),
    /// The value is sealed already; sealed twice, it would have to be opened twice.
    #[error("value `{name}` is sealed already: open it first, or store it as it is")]
    AlreadySealed {
        /// The value.
        name: String,
    },
    /// No item can have this primary key.
    #[error("the item's primary key: {0}")]
    PrimaryKey(#[source] InvalidPrimaryKey),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The audit sink panicked.
    #[error(transparent)]
    Audit(SinkPanicked),
}

impl Error {
    /// Whether the same call may succeed later: the key service or the key table was throttled, unavailable or not
    /// ready.
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
