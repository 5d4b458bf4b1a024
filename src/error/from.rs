//! Errors of the parts, as errors of an operation.

use tenantseal_core::keys::{KeyError, OpeningKeyError};
use tenantseal_core::trail::SinkPanicked;

use super::{Error, OpenError, Refusal, SealError};

// Not `#[from]`, which would make them sources as well: their text is in this error's own.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<SinkPanicked> for Error {
    fn from(SinkPanicked: SinkPanicked) -> Self {
        Self::Audit
    }
}

impl From<OpeningKeyError> for Error {
    fn from(error: OpeningKeyError) -> Self {
        match error {
            OpeningKeyError::Open { attribute, fault } => Self::Open(OpenError::Attribute { attribute, fault }),
            OpeningKeyError::Service(error) => Self::KeyService(error),
            OpeningKeyError::Table(error) => Self::KeyTable(error),
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

#[cfg(feature = "s3")]
impl From<tenantseal_blobs::Error> for Error {
    fn from(error: tenantseal_blobs::Error) -> Self {
        use tenantseal_blobs::Error as Blobs;
        match error {
            Blobs::KeyService(error) => Self::KeyService(error),
            Blobs::KeyTable(error) => Self::KeyTable(error),
            Blobs::Audit => Self::Audit,
            Blobs::Blob { bucket, fault } => Self::Blob { bucket, fault },
            other => Self::S3(other),
        }
    }
}
