//! Why a data key is not available.

use crate::envelope::OpenFault;
use crate::keys::service::KeyServiceError;
use crate::keys::table::KeyTableError;

/// Why the data keys that open an item are not available.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpeningKeyError {
    /// What an item stores in this attribute does not open, and retrying does not help.
    #[error("attribute `{attribute}` does not open: {fault}")]
    Open {
        /// The attribute.
        attribute: String,
        /// What is wrong with it.
        fault: OpenFault,
    },
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Why a data key that seals is not available.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Why a data key was not unwrapped.
#[derive(Debug, Clone)]
pub(crate) enum UnwrapError {
    /// The key service failed.
    Service(KeyServiceError),
    /// The key record does not unwrap, and retrying does not help: this says nothing about other records.
    Rejected(OpenFault),
    /// The key table failed, or has no valid key of the fleet.
    Table(KeyTableError),
}

impl UnwrapError {
    /// Whether the same may succeed later without anyone's help.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Service(error) => error.is_retryable(),
            Self::Rejected(_) => false,
            Self::Table(error) => error.is_retryable(),
        }
    }
}

impl From<KeyServiceError> for UnwrapError {
    fn from(error: KeyServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<KeyTableError> for UnwrapError {
    fn from(error: KeyTableError) -> Self {
        Self::Table(error)
    }
}

impl From<KeyError> for UnwrapError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Service(error) => Self::Service(error),
            KeyError::Table(error) => Self::Table(error),
        }
    }
}
