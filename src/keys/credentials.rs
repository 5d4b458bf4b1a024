//! Credentials that can do no more than one tenant needs: STS AssumeRole with a session policy and a session tag.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_kms::config::Credentials;
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use futures_util::FutureExt;
use moka::ops::compute::Op;
use moka::sync::Cache;
use tracing::Instrument;

use super::clock::{Clock, Moment};
use super::flight::Shares;
use super::policy::TENANT_TAG;
use super::{KeyServiceError, KeyServiceErrorKind, Tenancy, failure, http, jitter};
use crate::sight::{Answered, KeyCall};
use crate::tenant::TenantId;

const OPERATION: &str = "AssumeRole";
/// One hour: the most that STS grants when the caller has assumed a role itself (role chaining).
const DURATION_SECONDS: i32 = 3_600;
const LIFETIME: Duration = Duration::from_secs(DURATION_SECONDS as u64);
/// Credentials are replaced this long before they expire, and up to as much earlier again, so that a fleet does not ask at once.
const MARGIN: Duration = Duration::from_secs(300);
/// The most sessions kept; the least used go first.
const CAPACITY: u64 = 10_000;

/// Sessions of the key account's role, one per tenant, cached until shortly before they expire.
#[derive(Debug)]
pub(crate) struct TenantSessions {
    roles: Arc<Roles>,
    sessions: Cache<TenantId, Session>,
    assuming: Shares<TenantId, Result<Session, KeyServiceError>>,
    /// How often a tenant's session was evicted: what STS grants meanwhile is not kept.
    evictions: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Roles {
    sts: aws_sdk_sts::Client,
    tenancy: Tenancy,
    region: String,
    clock: Clock,
}

#[derive(Debug, Clone)]
struct Session {
    credentials: Credentials,
    granted: Moment,
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
        let sts = aws_sdk_sts::Client::new(&http::single_attempts(config));
        let clock = Clock::new(config.time_source().unwrap_or_default());
        Self {
            roles: Arc::new(Roles { sts, tenancy, region, clock }),
            sessions: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            assuming: Shares::default(),
            evictions: Arc::default(),
        }
    }

    pub(crate) fn tenancy(&self) -> &Tenancy {
        &self.roles.tenancy
    }

    /// The tenant's credentials; concurrent callers share one AssumeRole, which goes on as long as one of them waits.
    pub(crate) async fn credentials(&self, tenant: &TenantId) -> Result<Credentials, KeyServiceError> {
        if let Some(session) = self.usable(tenant) {
            return Ok(session.credentials);
        }
        let assuming = self.assuming.share(tenant.clone(), || {
            // Who comes while the former flight lands needs no other.
            let (landed, roles) = (self.usable(tenant), Arc::clone(&self.roles));
            let (sessions, tenant) = (self.sessions.clone(), tenant.clone());
            let (evictions, before) = (Arc::clone(&self.evictions), self.evictions.load(Ordering::SeqCst));
            async move {
                if let Some(session) = landed {
                    return Ok(session);
                }
                let session = roles.assume(&tenant).await?;
                let granted = session.clone();
                sessions.entry(tenant).and_compute_with(|_| {
                    if evictions.load(Ordering::SeqCst) == before { Op::Put(granted) } else { Op::Nop }
                });
                Ok(session)
            }
            .boxed()
        });
        assuming.await.map(|session| session.credentials)
    }

    fn usable(&self, tenant: &TenantId) -> Option<Session> {
        let now = self.roles.clock.now();
        self.sessions.get(tenant).filter(|session| now.since(session.granted) < session.usable_for)
    }

    /// Forgets the tenant's credentials when AWS refused them, unless others are there already: many calls may be refused at once.
    pub(crate) fn forget(&self, tenant: &TenantId, refused: &Credentials) {
        let is_refused = |session: &Session| session.credentials.access_key_id() == refused.access_key_id();
        self.sessions.entry_by_ref(tenant).and_compute_with(|there| match there {
            Some(there) if is_refused(there.value()) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Forgets the tenant's credentials, and those that STS is asked for right now: who asks next has new ones made.
    pub(super) fn evict(&self, tenant: &TenantId) {
        // In the entry, as sessions are put there: none slips in between.
        self.sessions.entry_by_ref(tenant).and_compute_with(|_| {
            self.evictions.fetch_add(1, Ordering::SeqCst);
            Op::Remove
        });
        self.assuming.abandon(tenant);
        self.sessions.run_pending_tasks();
    }
}

impl Roles {
    async fn assume(&self, tenant: &TenantId) -> Result<Session, KeyServiceError> {
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
        // Counted from here on by both clocks, and not until the wall clock says `expiry`: one that is wrong does no harm.
        let begun = self.clock.now();
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
        Ok(Session { credentials, granted: begun, usable_for: LIFETIME - MARGIN - jitter::up_to(MARGIN), request_id })
    }
}
