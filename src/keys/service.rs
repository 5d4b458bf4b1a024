//! The seam to whoever makes and unwraps data keys.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::context::EncryptionContext;
use crate::crypto::{DataKey, WrappedKey};
use crate::format::KeyArn;
use crate::tenant::TenantId;

/// Makes data keys, and unwraps them again, under one tenant's key-encryption key.
///
/// This is all that a key service has to do. Caching, single flight and the check that a stored record belongs to the key are done
/// above it, the same for every implementation.
#[async_trait]
pub trait KeyService: Debug + Send + Sync {
    /// Makes a data key and its wrapped form, both bound to `tenant` and `context`.
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError>;

    /// Unwraps a data key that was wrapped for `tenant` and `context`.
    ///
    /// `kek` is the key that the stored record names. It is not authenticated: it may choose among the tenant's own keys and no
    /// further. The caller compares it with the key that answered.
    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KeyArn,
        wrapped: &WrappedKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError>;

    /// Forgets what it keeps for `tenant`, such as credentials. There is nothing to forget unless implemented.
    async fn forget(&self, tenant: &TenantId) {
        let _ = tenant;
    }
}

/// A new data key.
#[derive(Debug)]
pub struct GeneratedDataKey {
    /// The key itself.
    pub data_key: DataKey,
    /// Its wrapped form.
    pub wrapped: WrappedKey,
    /// The key-encryption key that wrapped it.
    pub kek: KeyArn,
}

/// A data key that was unwrapped.
#[derive(Debug)]
pub struct UnwrappedDataKey {
    /// The key itself.
    pub data_key: DataKey,
    /// The key-encryption key that unwrapped it.
    pub kek: KeyArn,
}

/// Why a data key could not be had.
#[derive(Debug, Clone)]
pub struct KeyServiceError {
    tenant: TenantId,
    operation: &'static str,
    kind: KeyServiceErrorKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl KeyServiceError {
    /// An error of `operation`, for example `GenerateDataKey`.
    pub fn new(tenant: &TenantId, operation: &'static str, kind: KeyServiceErrorKind) -> Self {
        Self { tenant: tenant.clone(), operation, kind, source: None }
    }

    /// The same error with its cause, which must not contain a key.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The tenant whose key was asked for.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What it is, and so what to do.
    pub fn kind(&self) -> KeyServiceErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_retryable(&self) -> bool {
        self.kind == KeyServiceErrorKind::Unavailable
    }

    /// Whether the tenant's key is disabled or pending deletion.
    pub fn is_revoked(&self) -> bool {
        self.kind == KeyServiceErrorKind::Revoked
    }
}

impl fmt::Display for KeyServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, operation, kind, source: _ } = self;
        write!(f, "{operation} for tenant `{tenant}`: {kind}")
    }
}

impl StdError for KeyServiceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What a key service's error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyServiceErrorKind {
    /// Throttled, timed out or unreachable.
    #[error("the key service is throttling or unavailable: try again later")]
    Unavailable,
    /// The key is disabled or pending deletion.
    #[error("the tenant's key is disabled or pending deletion: access is revoked")]
    Revoked,
    /// The session, the role or the key policy does not allow it.
    #[error("access denied: check the role, the session policy, the session tag and the tenant's key policy")]
    Denied,
    /// The alias does not exist (or not yet: aliases take up to five minutes).
    #[error("the tenant's alias or key does not exist: onboard the tenant")]
    NotFound,
    /// The wrapped key belongs to another key than the alias points to.
    #[error("the wrapped key belongs to another key than the tenant's alias points to")]
    IncorrectKey,
    /// The wrapped key is corrupt, or was made for another context.
    #[error("the wrapped key is corrupt or was made for another tenant or encryption context")]
    InvalidCiphertext,
    /// A quota or a length that does not pass.
    #[error("a permanent limit of the key service was reached")]
    LimitExceeded,
    /// The credentials are expired or unknown.
    #[error("the credentials were refused: check the service's own AWS credentials and the role")]
    Credentials,
    /// An answer that makes no sense.
    #[error("the key service answered something unexpected")]
    Unexpected,
}
