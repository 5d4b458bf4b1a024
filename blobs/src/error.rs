//! What can go wrong between a caller and S3. No error contains plaintext, a secret or the key of an object.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tenantseal_core::blob::BlobFault;
use tenantseal_core::error::{Written, chain};
use tenantseal_core::keys::{KeyServiceError, KeyTableError};

use crate::doubt::Doubt;
use crate::key::InvalidKey;

/// Why an operation on a tenant's objects failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library refused the request. Nothing was sent.
    #[error("refused before anything was sent: {0}")]
    Refused(Refusal),
    /// The tenant's data key is not available.
    #[error(transparent)]
    KeyService(KeyServiceError),
    /// The key table failed.
    #[error(transparent)]
    KeyTable(KeyTableError),
    /// What is stored does not open, or cannot be sealed.
    #[error("bucket `{bucket}`: the object does not open: {fault}")]
    Blob {
        /// The logical bucket.
        bucket: String,
        /// What is wrong with it.
        fault: BlobFault,
    },
    /// The audit sink panicked, so nothing was sealed or opened.
    #[error("the audit sink panicked, so nothing was sealed or opened: a use of a data key must be told")]
    Audit,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The plaintext has more bytes than the caller wants in memory.
    #[error("the object has more than the {most} bytes that were allowed: allow more, or read it as a stream")]
    TooLarge {
        /// What the caller allowed.
        most: u64,
    },
    /// The body that was to be put gave an error. Nothing was stored.
    #[error("the body to put failed, and nothing was stored: {0}")]
    Source(BodyError),
    /// The body is longer than a multipart upload holds. Nothing was stored.
    #[error(
        "the body is longer than S3 holds: 48 TiB, or 7.8 TiB when its length is not known: give a body that knows its length, or divide it"
    )]
    TooManyParts,
    /// S3 answered otherwise than it was asked.
    #[error("bucket `{bucket}`: S3 answered otherwise than it was asked: {what}")]
    Answer {
        /// The logical bucket.
        bucket: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The body of an answer broke off again and again.
    #[error("bucket `{bucket}`: S3's answer broke off again and again: try again later")]
    BrokenOff {
        /// The logical bucket.
        bucket: String,
    },
    /// A list names an object that is not the tenant's.
    #[error(
        "bucket `{bucket}`: the list names an object outside of the tenant's prefix, so nothing of it is given out"
    )]
    Outside {
        /// The logical bucket.
        bucket: String,
    },
    /// The copy is there, and the original was not deleted.
    #[error("the copy was made, and the original was not deleted: delete it, or the copy. {0}")]
    NotDeleted(Arc<Self>),
    /// The copy is there, and nobody can tell whether the original is.
    #[error(
        "the copy was made, and nobody can tell whether the original was deleted: look for it, and keep the copy. {0}"
    )]
    PerhapsDeleted(Arc<Self>),
    /// S3, or the connection to it, failed.
    #[error("S3: {0}")]
    S3(ServiceError),
}

/// Why a request was refused. Nothing of it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No bucket of this logical name is configured.
    #[error("bucket `{0}` is not configured: correct its name, or add it with `TenantSealBuilder::bucket`")]
    UnknownBucket(String),
    /// The text cannot be the key of an object.
    #[error("{0}")]
    Key(InvalidKey),
    /// A customization sets what the library must set.
    #[error("`customize` sets `{0}`, which is of the sealed bytes: leave it out")]
    Customized(&'static str),
    /// An object cannot be renamed to its own key.
    #[error("an object cannot be renamed to its own key: give another, or use `reseal`")]
    SameKey,
}

impl Error {
    /// Whether the same call may succeed later without intervention, as far as this library knows: the key service or
    /// the key table throttles or is unavailable, or S3 does or had conflicting requests. It never holds when the
    /// write has happened, or may have.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::KeyService(error) => error.is_retryable(),
            Self::KeyTable(error) => error.is_retryable(),
            Self::S3(error) => error.written == Written::No && error.is_passing(),
            Self::BrokenOff { .. } => true,
            _ => false,
        }
    }

    /// Whether the tenant was revoked, as [`KeyServiceError::is_revoked`] defines it.
    pub fn is_revoked(&self) -> bool {
        match self {
            Self::KeyService(error) => error.is_revoked(),
            Self::NotDeleted(error) | Self::PerhapsDeleted(error) => error.is_revoked(),
            _ => false,
        }
    }

    /// Whether stored bytes are not what was sealed there: see [`BlobFault::is_integrity`].
    pub fn is_integrity(&self) -> bool {
        match self {
            Self::Blob { fault, .. } => fault.is_integrity(),
            Self::KeyTable(error) => error.is_integrity(),
            Self::Outside { .. } => true,
            _ => false,
        }
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::S3(error) if error.code() == Some("NoSuchKey") || (error.status() == Some(404) && error.code() == Some("NotFound")))
    }

    /// Whether a condition of the request did not hold: there was an object, or another one.
    pub fn is_condition_failed(&self) -> bool {
        match self {
            Self::S3(error) => error.status() == Some(412),
            Self::NotDeleted(error) => error.is_condition_failed(),
            _ => false,
        }
    }

    /// Whether the request has changed what is stored, although it failed. After [`Written::Unknown`] read first.
    pub fn written(&self) -> Written {
        match self {
            Self::S3(error) => error.written,
            Self::NotDeleted(_) | Self::PerhapsDeleted(_) => Written::Yes,
            _ => Written::No,
        }
    }

    /// The error of a vault that concerns no blob.
    pub(crate) fn from_vault(error: tenantseal_core::Error) -> Self {
        use tenantseal_core::Error as Vault;
        match error {
            Vault::KeyService(error) => Self::KeyService(error),
            Vault::KeyTable(error) => Self::KeyTable(error),
            Vault::Audit(_) => Self::Audit,
            // Blobs have no other errors; these are of items.
            _ => Self::Random,
        }
    }
}

/// An error of S3, or of the connection to it.
///
/// It shows S3's code, and not its message, which may quote the key of an object.
#[derive(Clone)]
pub struct ServiceError {
    sdk: Arc<aws_sdk_s3::Error>,
    status: Option<u16>,
    /// What happened on the way, where S3 did not answer.
    causes: String,
    written: Written,
}

impl ServiceError {
    /// The error of a request that changed nothing.
    pub(crate) fn new<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: StdError + Send + Sync + 'static,
        aws_sdk_s3::Error: From<SdkError<E, HttpResponse>>,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let sdk = Arc::new(aws_sdk_s3::Error::from(error));
        // Where S3 has given a code, the causes have its message, too.
        let causes = if sdk.code().is_some() { Vec::new() } else { chain(&*sdk).map(ToString::to_string).collect() };
        Self { sdk, status, causes: causes.join(": "), written: Written::No }
    }

    /// The same of a write, some attempts of which may be in doubt.
    pub(crate) fn of_a_write<E>(error: SdkError<E, HttpResponse>, doubt: &Doubt) -> Self
    where
        E: StdError + Send + Sync + 'static,
        aws_sdk_s3::Error: From<SdkError<E, HttpResponse>>,
    {
        let error = Self::new(error);
        if doubt.exists() { error.in_doubt() } else { error }
    }

    /// The same of a write of which nobody can tell.
    pub(crate) fn in_doubt(mut self) -> Self {
        self.written = Written::Unknown;
        self
    }

    pub(crate) fn written(&self) -> Written {
        self.written
    }

    /// The SDK's own error, to be matched on. Its text may quote the key of the object.
    pub fn as_sdk(&self) -> &aws_sdk_s3::Error {
        &self.sdk
    }

    /// S3's code, such as `NoSuchKey` or `AccessDenied`; none when S3 did not answer.
    pub fn code(&self) -> Option<&str> {
        self.sdk.code()
    }

    /// The status of S3's answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    fn is_passing(&self) -> bool {
        match self.status {
            None => true,
            Some(status) => matches!(status, 409 | 429 | 500..),
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code(), self.status) {
            (Some(code), _) => f.write_str(code)?,
            (None, Some(status)) if self.causes.is_empty() => write!(f, "HTTP status {status}")?,
            (None, _) => f.write_str(&self.causes)?,
        }
        match self.written {
            Written::Unknown => f.write_str(
                "; an answer was lost on the way, so the write may have happened: read before you repeat it",
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceError({self})")
    }
}

/// An error of the body that was to be put. Its text is the body's own.
#[derive(Debug, Clone)]
pub struct BodyError(Arc<dyn StdError + Send + Sync>);

impl BodyError {
    pub(crate) fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The body's own error: the same text, and its type, so that a caller tells "too long" from "broken off". Its
    /// [`source`](StdError::source) chain is walked as that of any error.
    pub fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes: Vec<_> = chain(&*self.0).map(ToString::to_string).collect();
        f.write_str(&causes.join(": "))
    }
}

impl StdError for BodyError {}
