//! The seam to whoever makes and unwraps data keys.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use crate::context::EncryptionContext;
use crate::crypto::{DataKey, WrappedDataKey};
use crate::format::KekId;
use crate::tenant::{Alias, TenantId};

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

    /// Unwraps a data key that was wrapped for `tenant` and `context`, by the tenant's present key-encryption key.
    ///
    /// `kek` is the key that the stored record names. It is not authenticated. The caller compares it with the key that answered.
    /// [`KeyServiceErrorKind::IncorrectKey`] says that the present one is another.
    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError>;

    /// Unwraps a data key that a former key-encryption key of the tenant wrapped, `kek`, which the stored record names. It is not
    /// authenticated: it may choose among the tenant's own keys and no further. Unless implemented, it is asked for as any other.
    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.unwrap_data_key(tenant, context, kek, wrapped).await
    }

    /// Forgets what it keeps for `tenant`, such as credentials. There is nothing to forget unless implemented.
    async fn forget(&self, tenant: &TenantId) {
        let _ = tenant;
    }
}

#[async_trait]
impl<S: KeyService + ?Sized> KeyService for Arc<S> {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        (**self).generate_data_key(tenant, context).await
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        (**self).unwrap_data_key(tenant, context, kek, wrapped).await
    }

    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        (**self).unwrap_former_data_key(tenant, context, kek, wrapped).await
    }

    async fn forget(&self, tenant: &TenantId) {
        (**self).forget(tenant).await;
    }
}

/// A new data key.
#[derive(Debug)]
#[non_exhaustive]
pub struct GeneratedDataKey {
    /// The key itself.
    pub data_key: DataKey,
    /// Its wrapped form.
    pub wrapped: WrappedDataKey,
    /// The key-encryption key that wrapped it.
    pub kek: KekId,
    /// The id of the request that made it, as the service's own log has it.
    pub request_id: Option<String>,
}

/// A data key that was unwrapped.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnwrappedDataKey {
    /// The key itself.
    pub data_key: DataKey,
    /// The key-encryption key that unwrapped it.
    pub kek: KekId,
    /// The id of the request that unwrapped it, as the service's own log has it.
    pub request_id: Option<String>,
}

impl GeneratedDataKey {
    /// A data key that `kek` wrapped as `wrapped`.
    pub fn new(data_key: DataKey, wrapped: WrappedDataKey, kek: KekId) -> Self {
        Self { data_key, wrapped, kek, request_id: None }
    }

    /// The same, with the id of the request that made it.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }
}

impl UnwrappedDataKey {
    /// A data key that `kek` unwrapped.
    pub fn new(data_key: DataKey, kek: KekId) -> Self {
        Self { data_key, kek, request_id: None }
    }

    /// The same, with the id of the request that unwrapped it.
    #[must_use]
    pub fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }
}

/// Why a data key could not be had.
#[derive(Debug, Clone)]
pub struct KeyServiceError {
    tenant: TenantId,
    operation: &'static str,
    kind: KeyServiceErrorKind,
    consequence: Consequence,
    missing_alias: Option<Arc<MissingAlias>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    request_id: Option<Arc<str>>,
}

/// What a refusal means for the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consequence {
    /// What its kind says.
    OfItsKind,
    /// Nothing: the session was refused.
    OfSession,
    /// Nothing: a former key was refused.
    OfFormerKey,
    /// The tenant may be new.
    Onboarding,
    /// The tenant's keys are gone.
    Revoked,
    /// The answer is still awaited, by nobody who is told this.
    Slow,
}

/// The alias that an operator has to create, so that items sealed under a former key open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingAlias {
    /// The alias.
    pub alias: Alias,
    /// The key that it belongs on, **as the stored item says**: check that it was this tenant's.
    pub key: KekId,
}

impl KeyServiceError {
    /// An error of `operation`, for example `GenerateDataKey`.
    pub fn new(tenant: &TenantId, operation: &'static str, kind: KeyServiceErrorKind) -> Self {
        let consequence = Consequence::OfItsKind;
        Self {
            tenant: tenant.clone(),
            operation,
            kind,
            consequence,
            missing_alias: None,
            source: None,
            request_id: None,
        }
    }

    /// The same error when it is the caller's session that could not be had, which says nothing of the tenant's key.
    #[must_use]
    pub fn of_session(mut self) -> Self {
        self.consequence = Consequence::OfSession;
        self
    }

    /// The same error when what does not exist is the alias of a former key.
    #[must_use]
    pub fn of_missing_alias(mut self, alias: Alias, key: &KekId) -> Self {
        self.kind = KeyServiceErrorKind::MissingAlias;
        self.missing_alias = Some(Arc::new(MissingAlias { alias, key: key.clone() }));
        self
    }

    /// The same error, which costs the tenant its keys.
    pub(crate) fn revoking(mut self) -> Self {
        self.consequence = Consequence::Revoked;
        self
    }

    /// The same error of a tenant that may be new.
    pub(crate) fn onboarding(mut self) -> Self {
        self.consequence = Consequence::Onboarding;
        self
    }

    /// The same error of a former key, which says nothing of the tenant.
    pub(crate) fn of_former_key(mut self) -> Self {
        if self.kind == KeyServiceErrorKind::Revoked {
            self.kind = KeyServiceErrorKind::FormerKeyDisabled;
        }
        self.consequence = Consequence::OfFormerKey;
        self
    }

    /// The same refusal of a key for which the service has vouched at the same time.
    pub(crate) fn contradicted(mut self) -> Self {
        self.kind = KeyServiceErrorKind::Contradictory;
        self.consequence = Consequence::OfItsKind;
        self
    }

    /// There was no more time to wait for `operation`, which goes on.
    pub fn slow(tenant: &TenantId, operation: &'static str) -> Self {
        Self { consequence: Consequence::Slow, ..Self::new(tenant, operation, KeyServiceErrorKind::Unavailable) }
    }

    /// Whether it was a former key that refused.
    pub(crate) fn is_of_former_key(&self) -> bool {
        self.consequence == Consequence::OfFormerKey
    }

    /// Whether it was the tenant that was refused, whatever the record.
    pub(crate) fn is_of_tenant(&self) -> bool {
        matches!(self.consequence, Consequence::Revoked | Consequence::Onboarding)
    }

    /// Whether it was the session that could not be had.
    pub fn is_of_session(&self) -> bool {
        self.consequence == Consequence::OfSession
    }

    /// Whether the tenant's own alias has just refused, so that it may have been revoked.
    pub(crate) fn is_refusal(&self) -> bool {
        use KeyServiceErrorKind::{Denied, NotFound, Revoked};
        matches!(self.kind, Revoked | Denied | NotFound) && self.consequence == Consequence::OfItsKind
    }

    /// Whether the service has looked at the key that was asked for.
    pub(crate) fn is_of_the_key(&self) -> bool {
        self.is_refusal()
            || matches!(self.kind, KeyServiceErrorKind::IncorrectKey | KeyServiceErrorKind::InvalidCiphertext)
    }

    /// The same error with its cause, which must not contain a key.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same error of the request with this id.
    #[must_use]
    pub fn of_request(mut self, id: Option<&str>) -> Self {
        self.request_id = id.map(Arc::from);
        self
    }

    /// The id of the request, as the service's own log (CloudTrail) has it.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// What was called.
    pub fn operation(&self) -> &'static str {
        self.operation
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
        use KeyServiceErrorKind::{Contradictory, TooManyRefused, Unavailable};
        matches!(self.kind, Unavailable | TooManyRefused | Contradictory) || self.consequence == Consequence::Onboarding
    }

    /// Whether the tenant was revoked, [`kind`](Self::kind) says how: its key is disabled, pending deletion or refused by whoever holds it
    /// ([`Revoked`](KeyServiceErrorKind::Revoked)), or its alias, which did work in this process or should work by now, is
    /// [`Denied`](KeyServiceErrorKind::Denied) or [`NotFound`](KeyServiceErrorKind::NotFound).
    pub fn is_revoked(&self) -> bool {
        self.kind == KeyServiceErrorKind::Revoked || self.consequence == Consequence::Revoked
    }

    /// The alias to create, when that is what is missing.
    pub fn missing_alias(&self) -> Option<&MissingAlias> {
        self.missing_alias.as_deref()
    }
}

impl fmt::Display for KeyServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, operation, kind, consequence, missing_alias, source: _, request_id: _ } = self;
        write!(f, "{operation} for tenant `{tenant}`: {kind}")?;
        if let Some(MissingAlias { alias, key }) = missing_alias.as_deref() {
            write!(f, ": create the alias `{alias}` on the key `{key}`, if that was this tenant's")?;
        }
        match consequence {
            Consequence::Revoked => f.write_str(
                " (the tenant is revoked: its data keys are gone from memory; the key service is asked again within a minute)",
            ),
            Consequence::Slow => {
                f.write_str(" (it is slow: what was begun goes on in the background, and who tries again finds it)")
            }
            Consequence::Onboarding => f.write_str(" (a new alias takes up to five minutes: try again later)"),
            Consequence::OfItsKind | Consequence::OfSession | Consequence::OfFormerKey => Ok(()),
        }
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
    /// The key is disabled or pending deletion, or whoever holds an external key refuses it.
    #[error(
        "the tenant's key is disabled, pending deletion or refused by whoever holds it, so access is revoked: resume the tenant, if that \
         was not meant"
    )]
    Revoked,
    /// The session, the role or the key policy does not allow it.
    #[error("access denied: check the role, the session policy, the session tag and the tenant's key policy")]
    Denied,
    /// The alias does not exist (or not yet: aliases take up to five minutes).
    #[error("the tenant's alias or key does not exist: onboard the tenant")]
    NotFound,
    /// The item was sealed under a former key of the tenant, which has no alias of its own: [`KeyServiceError::missing_alias`].
    #[error("the item was sealed under a former key of the tenant, and no alias of that key's own exists")]
    MissingAlias,
    /// The item was sealed under a former key of the tenant, which is disabled or pending deletion. The tenant is not revoked.
    #[error("the item was sealed under a former key of the tenant, which is disabled or pending deletion")]
    FormerKeyDisabled,
    /// The service refuses a key of the tenant's and vouches for it at the same time, as KMS does for some seconds after a key was enabled
    /// or disabled.
    #[error(
        "the key service contradicts itself: it refused this data key, and vouched for the tenant's key that wrapped it; after a \
         suspension or a resumption that takes some seconds, so try again; if it stays so, the stored record is at fault"
    )]
    Contradictory,
    /// Too many stored records of this tenant did not open: for a while no more unknown ones are tried.
    #[error("too many stored records of this tenant did not open: try again later, and look for forged items")]
    TooManyRefused,
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
