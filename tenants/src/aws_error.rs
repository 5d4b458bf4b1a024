//! Errors of AWS calls that administer keys, with the next step.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use tenantseal_core::keys::KeyServiceErrorKind as Kind;
use tenantseal_kms::errors::{AwsErrorClass, AwsFailure, kind as failure_kind};

/// An AWS call that failed after all retries. The message names the permission that the call needs and the next step;
/// the source quotes AWS.
#[derive(Debug, Clone)]
pub struct AwsError {
    action: &'static str,
    region: Option<String>,
    kind: Kind,
    code: Option<String>,
    source: Arc<AwsFailure>,
}

impl AwsError {
    /// `action` is the permission that the call needs, for example `kms:CreateKey`.
    pub(super) fn new<E>(action: &'static str, region: Option<&str>, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        Self {
            action,
            region: region.map(str::to_owned),
            kind: failure_kind(error),
            code: error.code().map(str::to_owned),
            source: Arc::new(AwsFailure::from_sdk(error)),
        }
    }

    /// An answer that lacks a required field.
    pub(super) fn unexpected(action: &'static str, region: &str) -> Self {
        Self {
            action,
            region: Some(region.to_owned()),
            kind: Kind::Unexpected,
            code: None,
            source: Arc::new(AwsFailure::malformed()),
        }
    }

    /// The Region of the call, if it had one.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The permission that the call needs, for example `kms:CreateKey`.
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// AWS's own error code, if AWS answered.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_outage()
    }

    /// Whether the caller lacks a permission.
    pub fn is_denied(&self) -> bool {
        self.kind == Kind::Denied
    }

    /// Whether the caller's credentials are missing, expired or unknown.
    pub fn lacks_credentials(&self) -> bool {
        self.kind == Kind::Credentials
    }

    /// Whether AWS refused the call for good. Then the call has changed nothing.
    pub(super) fn is_refusal(&self) -> bool {
        self.code.is_some() && !self.is_retryable()
    }

    /// Whether AWS does not know the resource that the call names.
    pub(super) fn is_not_found(&self) -> bool {
        self.is(AwsErrorClass::NotFound)
    }

    pub(super) fn is(&self, class: AwsErrorClass) -> bool {
        self.code().map(AwsErrorClass::from_code) == Some(class)
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action)?;
        if let Some(region) = &self.region {
            write!(f, " in {region}")?;
        }
        match self.kind {
            Kind::Unavailable => {
                f.write_str(": AWS is throttling or cannot be reached: check the endpoint and try again")
            }
            Kind::Denied => write!(f, ": access denied: allow `{}` for these credentials", self.action),
            Kind::Credentials => f.write_str(": the credentials are missing, expired or unknown: renew them"),
            Kind::NotFound => f.write_str(": the resource does not exist in this account and Region"),
            Kind::LimitExceeded => f.write_str(": an account quota is used up: request an increase"),
            _ => f.write_str(" failed"),
        }
    }
}

impl StdError for AwsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
