//! Why a data key could not be had.

use crate::envelope::OpenFault;
use crate::keys::service::KeyServiceError;
use crate::keys::table::KeyTableError;

/// Why the keys for an answer could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpeningKeyError {
    /// What an item stores in this attribute does not open, and will not.
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

/// Why a data key that seals could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Service(#[from] KeyServiceError),
    #[error(transparent)]
    Table(#[from] KeyTableError),
}

/// Why a data key was not unwrapped.
#[derive(Debug, Clone)]
pub(crate) enum Unwrapping {
    /// The key service did not answer, or not with a key.
    Failed(KeyServiceError),
    /// The record does not open, and will not: it says so of itself alone.
    Refused(OpenFault),
    /// The key table did not answer, or not with a key of the fleet.
    Unshared(KeyTableError),
}

impl From<KeyError> for Unwrapping {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Service(error) => Self::Failed(error),
            KeyError::Table(error) => Self::Unshared(error),
        }
    }
}
