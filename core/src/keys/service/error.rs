//! Why a key service did not make or unwrap a data key.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::format::KekId;
use crate::tenant::{Alias, TenantId};

/// Why a key service did not make or unwrap a data key.
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
    ByKind,
    /// Nothing: the session was refused.
    Session,
    /// Nothing: a former KEK was refused.
    FormerKey,
    /// The tenant may be new.
    Onboarding,
    /// The tenant is revoked: its data keys are dropped.
    Revoked,
    /// The call goes on, but this caller no longer waits.
    Slow,
}

/// The alias that an operator must create so that items sealed under a former KEK open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingAlias {
    /// The alias.
    pub alias: Alias,
    /// The KEK that it belongs on, **as the stored item says**: check that it was this tenant's.
    pub key: KekId,
}

impl KeyServiceError {
    /// An error of `operation`, for example `GenerateDataKey`.
    pub fn new(tenant: &TenantId, operation: &'static str, kind: KeyServiceErrorKind) -> Self {
        let consequence = Consequence::ByKind;
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

    /// Marks the error as one of the caller's session, which says nothing about the tenant's KEK.
    #[must_use]
    pub fn for_session(mut self) -> Self {
        self.consequence = Consequence::Session;
        self
    }

    /// Marks the error as a missing alias of a former KEK.
    #[must_use]
    pub fn with_missing_alias(mut self, alias: Alias, key: &KekId) -> Self {
        self.kind = KeyServiceErrorKind::MissingAlias;
        self.missing_alias = Some(Arc::new(MissingAlias { alias, key: key.clone() }));
        self
    }

    /// Marks the refusal as a revocation: the tenant loses its data keys.
    pub(crate) fn into_revocation(mut self) -> Self {
        self.consequence = Consequence::Revoked;
        self
    }

    /// Marks the refusal as one of a tenant that may be new.
    pub(crate) fn into_onboarding(mut self) -> Self {
        self.consequence = Consequence::Onboarding;
        self
    }

    /// Marks the error as one of a former KEK, which says nothing about the tenant.
    pub(crate) fn for_former_key(mut self) -> Self {
        if self.kind == KeyServiceErrorKind::Revoked {
            self.kind = KeyServiceErrorKind::FormerKeyDisabled;
        }
        self.consequence = Consequence::FormerKey;
        self
    }

    /// Marks the refusal as contradictory: the service has confirmed the same KEK.
    pub(crate) fn into_contradiction(mut self) -> Self {
        self.kind = KeyServiceErrorKind::Contradictory;
        self.consequence = Consequence::ByKind;
        self
    }

    /// The caller's time ran out while `operation` goes on.
    pub fn timed_out(tenant: &TenantId, operation: &'static str) -> Self {
        Self { consequence: Consequence::Slow, ..Self::new(tenant, operation, KeyServiceErrorKind::Unavailable) }
    }

    /// Whether a former KEK was refused, which a key record named. It says nothing of the tenant.
    pub fn concerns_former_key(&self) -> bool {
        self.consequence == Consequence::FormerKey
    }

    /// Whether the tenant was refused, whatever the key record.
    pub(crate) fn concerns_tenant(&self) -> bool {
        matches!(self.consequence, Consequence::Revoked | Consequence::Onboarding)
    }

    /// Whether the caller's session was refused, not the tenant.
    pub fn is_session_error(&self) -> bool {
        self.consequence == Consequence::Session
    }

    /// Whether the tenant's own alias has just refused, so that the tenant may be revoked.
    pub(crate) fn is_refusal(&self) -> bool {
        use KeyServiceErrorKind::{Denied, NotFound, Revoked};
        matches!(self.kind, Revoked | Denied | NotFound) && self.consequence == Consequence::ByKind
    }

    /// Whether the service has looked at the KEK.
    pub(crate) fn concerns_key(&self) -> bool {
        self.is_refusal()
            || matches!(self.kind, KeyServiceErrorKind::IncorrectKey | KeyServiceErrorKind::InvalidCiphertext)
    }

    /// Adds the cause, which must not contain a key.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Adds the id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<&str>) -> Self {
        self.request_id = id.map(Arc::from);
        self
    }

    /// The id of the request, as the service's own log (CloudTrail) shows it.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The operation that failed.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What the error means, and so what to do.
    pub fn kind(&self) -> KeyServiceErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        use KeyServiceErrorKind::{Contradictory, TooManyRefused};
        self.is_outage()
            || matches!(self.kind, TooManyRefused | Contradictory)
            || self.consequence == Consequence::Onboarding
    }

    /// Whether the key service could not answer: [`KeyServiceErrorKind::is_outage`].
    pub fn is_outage(&self) -> bool {
        self.kind.is_outage()
    }

    /// Whether the tenant was revoked; [`kind`](Self::kind) says how. Either its KEK is disabled, pending deletion or
    /// refused by whoever holds it ([`Revoked`](KeyServiceErrorKind::Revoked)). Or its alias is
    /// [`Denied`](KeyServiceErrorKind::Denied) or [`NotFound`](KeyServiceErrorKind::NotFound), although it did work in
    /// this process or should work by now.
    pub fn is_revoked(&self) -> bool {
        self.kind == KeyServiceErrorKind::Revoked || self.consequence == Consequence::Revoked
    }

    /// The alias to create, if one is missing.
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
                " (the tenant is revoked: its data keys were dropped from memory; the key service is asked again \
                 within a minute)",
            ),
            Consequence::Slow => f.write_str(" (it is slow: the call goes on in the background, so try again)"),
            Consequence::Onboarding => f.write_str(" (a new alias takes up to 5 minutes: try again later)"),
            Consequence::ByKind | Consequence::Session | Consequence::FormerKey => Ok(()),
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
    /// The KEK is disabled or pending deletion, or whoever holds an external key refuses it.
    #[error(
        "access is revoked: the tenant's key is disabled, pending deletion, or refused by the holder of its external \
         key. Resume the tenant if this is a mistake"
    )]
    Revoked,
    /// The session, the role or the key policy does not allow it.
    #[error("access denied: check the role, the session policy, the session tag and the tenant's key policy")]
    Denied,
    /// The alias does not exist (or not yet: AWS takes up to 5 minutes).
    #[error("the tenant's alias or key does not exist: onboard the tenant")]
    NotFound,
    /// The item was sealed under a former KEK of the tenant, which has no alias of its own:
    /// [`KeyServiceError::missing_alias`].
    #[error("the item was sealed under a former key of the tenant, and that key has no alias of its own")]
    MissingAlias,
    /// The item was sealed under a former KEK of the tenant, which is disabled or pending deletion. The tenant is not
    /// revoked.
    #[error("the item was sealed under a former key of the tenant, which is disabled or pending deletion")]
    FormerKeyDisabled,
    /// The service refuses a KEK and confirms it at the same time, as KMS does for some seconds after a key was
    /// enabled or disabled.
    #[error(
        "the key service contradicts itself: it refused this data key, and confirmed the tenant's key that wrapped \
         it. This lasts some seconds after a suspension or a resumption: try again. If it persists, the stored key \
         record is at fault"
    )]
    Contradictory,
    /// Too many key records of this tenant did not unwrap: for a while no more unverified ones are tried.
    #[error("too many stored key records of this tenant did not unwrap: try again later, and look for forged items")]
    TooManyRefused,
    /// The data key was wrapped by another KEK than the alias points to.
    #[error("the data key was wrapped by another key than the tenant's alias points to")]
    IncorrectKey,
    /// The wrapped data key is corrupt, or was made for another context.
    #[error("the wrapped data key is corrupt or was made for another tenant or encryption context")]
    InvalidCiphertext,
    /// A permanent quota or length limit was exceeded.
    #[error("a permanent limit of the key service was reached")]
    LimitExceeded,
    /// The credentials are expired or unknown.
    #[error("the credentials were refused: check the service's own AWS credentials and the role")]
    Credentials,
    /// An unexpected answer.
    #[error("the key service gave an unexpected answer")]
    Unexpected,
}

impl KeyServiceErrorKind {
    /// Whether the key service could not answer, which says nothing about the tenant. The call is retried, and cached
    /// data keys remain usable for the outage grace.
    pub fn is_outage(self) -> bool {
        self == Self::Unavailable
    }
}
