//! Credentials that can do no more than one tenant needs: STS AssumeRole with a session policy and a session tag.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_kms::config::Credentials;
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use moka::Expiry;
use moka::future::Cache;
use tracing::Instrument;

use super::policy::TENANT_TAG;
use super::{KeyServiceError, KeyServiceErrorKind, Tenancy, failure, http, jitter};
use crate::sight::{Answered, KeyCall};
use crate::tenant::TenantId;

const OPERATION: &str = "AssumeRole";
/// One hour: the most that STS grants when the caller has assumed a role itself (role chaining).
const DURATION_SECONDS: i32 = 3_600;
/// Credentials are replaced this long before they expire, and up to as much earlier again, so that a fleet does not ask at once.
const MARGIN: Duration = Duration::from_secs(300);
/// The most sessions kept; the least used go first.
const CAPACITY: u64 = 10_000;

/// Sessions of the key account's role, one per tenant, cached until shortly before they expire.
#[derive(Debug)]
pub(crate) struct TenantSessions {
    sts: aws_sdk_sts::Client,
    tenancy: Tenancy,
    region: String,
    sessions: Cache<TenantId, Session>,
}

#[derive(Debug, Clone)]
struct Session {
    credentials: Credentials,
    usable_for: Duration,
    request_id: Option<String>,
}

impl Answered for Session {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl TenantSessions {
    pub(crate) fn new(config: &SdkConfig, tenancy: Tenancy, region: String) -> Self {
        let sessions = Cache::builder().max_capacity(CAPACITY).expire_after(UntilShortlyBeforeExpiry).build();
        Self { sts: aws_sdk_sts::Client::new(&http::single_attempts(config)), tenancy, region, sessions }
    }

    pub(crate) fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    /// The tenant's credentials; concurrent callers share one AssumeRole.
    pub(crate) async fn credentials(&self, tenant: &TenantId) -> Result<Credentials, KeyServiceError> {
        let session = self.sessions.try_get_with_by_ref(tenant, self.assume_role(tenant)).await;
        session.map(|session| session.credentials).map_err(|shared: Arc<KeyServiceError>| (*shared).clone())
    }

    /// Forgets the tenant's credentials when AWS refused them, unless others are there already: many calls may be refused at once.
    pub(crate) async fn forget(&self, tenant: &TenantId, refused: &Credentials) {
        let cached = self.sessions.get(tenant).await;
        if cached.is_some_and(|session| session.credentials.access_key_id() == refused.access_key_id()) {
            self.sessions.invalidate(tenant).await;
        }
    }

    /// Forgets the tenant's credentials.
    pub(super) async fn evict(&self, tenant: &TenantId) {
        self.sessions.invalidate(tenant).await;
        self.sessions.run_pending_tasks().await;
    }

    async fn assume_role(&self, tenant: &TenantId) -> Result<Session, KeyServiceError> {
        let call = KeyCall::begin(tenant, OPERATION, 1);
        let session = self.ask(tenant).instrument(call.span()).await;
        call.end(&session);
        session
    }

    async fn ask(&self, tenant: &TenantId) -> Result<Session, KeyServiceError> {
        let error = |kind| KeyServiceError::new(tenant, OPERATION, kind);
        let policy = self
            .tenancy
            .session_policy(tenant, &self.region)
            .map_err(|source| error(KeyServiceErrorKind::LimitExceeded).with_source(source))?;
        let tag = Tag::builder()
            .key(TENANT_TAG)
            .value(tenant.as_str())
            .build()
            .map_err(|source| error(KeyServiceErrorKind::Unexpected).with_source(source))?;
        let answer = self
            .sts
            .assume_role()
            .role_arn(self.tenancy.role().as_str())
            .role_session_name(tenant.session_name())
            .policy(policy.to_string())
            .tags(tag)
            .duration_seconds(DURATION_SECONDS)
            .send()
            .await
            .map_err(|source| failure::classified(tenant, OPERATION, source).of_session())?;
        let request_id = answer.request_id().map(str::to_owned);
        let granted = answer.credentials.ok_or_else(|| error(KeyServiceErrorKind::Unexpected))?;
        let expiry = std::time::SystemTime::try_from(granted.expiration)
            .map_err(|source| error(KeyServiceErrorKind::Unexpected).with_source(source))?;
        let credentials = Credentials::new(
            granted.access_key_id,
            granted.secret_access_key,
            Some(granted.session_token),
            Some(expiry),
            "tenantseal",
        );
        // How long they are usable is counted from the answer on, so a wrong wall clock here does no harm.
        let lifetime = Duration::from_secs(DURATION_SECONDS.unsigned_abs().into());
        Ok(Session { credentials, usable_for: lifetime - MARGIN - jitter::up_to(MARGIN), request_id })
    }
}

struct UntilShortlyBeforeExpiry;

impl Expiry<TenantId, Session> for UntilShortlyBeforeExpiry {
    fn expire_after_create(&self, _: &TenantId, session: &Session, _: Instant) -> Option<Duration> {
        Some(session.usable_for)
    }
}
