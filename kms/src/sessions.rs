//! Credentials that can do no more than one tenant needs: STS AssumeRole with a session policy and a session tag.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::config::Credentials;
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use futures_util::FutureExt;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tenantseal_core::keys::cache::backoff;
use tenantseal_core::keys::cache::single_flight::{Allowance, SingleFlight};
use tenantseal_core::keys::{Clock, KeyServiceError, KeyServiceErrorKind, Moment};
use tenantseal_core::telemetry::{Answered, KeyCall};
use tenantseal_core::tenant::TenantId;
use tracing::Instrument;

use crate::policy::TENANT_TAG;
use crate::{Tenancy, config, errors};

#[cfg(test)]
mod tests;

const OPERATION: &str = "AssumeRole";
/// One hour: the most that STS grants when the caller has assumed a role itself (role chaining).
const DURATION_SECONDS: i32 = 3_600;
const LIFETIME: Duration = Duration::from_secs(DURATION_SECONDS as u64);
/// Credentials are replaced this long before they expire, and up to as much earlier again, so that a fleet does not ask at once.
const MARGIN: Duration = Duration::from_secs(300);
/// The most sessions kept with which KMS has answered; the least recently used go first.
const CAPACITY: u64 = 10_000;
/// The most others: STS makes a session for whoever asks, so tenants that do not exist are among these, and push out one another alone.
const UNPROVEN: u64 = 1_000;
/// The most requests for a session that go on although nobody waits for them.
const LEFT: usize = 1_000;

/// Sessions of the key account's role, one per tenant, cached until shortly before they expire.
#[derive(Debug)]
pub struct TenantSessions {
    roles: Arc<Roles>,
    kept: Kept,
    assuming: SingleFlight<TenantId, Result<Session, KeyServiceError>>,
}

/// Sessions that are kept. A tenant's are changed in its entry of `proven`, so that nothing slips in between.
#[derive(Debug, Clone)]
struct Kept {
    proven: Cache<TenantId, Session>,
    unproven: Cache<TenantId, Session>,
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
    pub fn new(config: &SdkConfig, tenancy: Tenancy, region: String) -> Self {
        let sts = aws_sdk_sts::Client::new(&config::single_attempts(config));
        let clock = Clock::new(config::time(config));
        Self {
            roles: Arc::new(Roles { sts, tenancy, region, clock }),
            kept: Kept::new(CAPACITY, UNPROVEN),
            assuming: SingleFlight::new(Allowance::new(LEFT)),
        }
    }

    pub(crate) fn tenancy(&self) -> &Tenancy {
        &self.roles.tenancy
    }

    /// The tenant's credentials; concurrent callers share one AssumeRole.
    pub async fn credentials(&self, tenant: &TenantId) -> Result<Credentials, KeyServiceError> {
        if let Some(session) = self.usable(tenant) {
            return Ok(session.credentials);
        }
        let assuming = self.assuming.run(tenant.clone(), |listing| {
            // Who comes while the former flight lands needs no other.
            let (landed, roles) = (self.usable(tenant), Arc::clone(&self.roles));
            let (kept, tenant) = (self.kept.clone(), tenant.clone());
            async move {
                if let Some(session) = landed {
                    return Ok(session);
                }
                let session = roles.assume(&tenant).await?;
                // What was asked for before the tenant's eviction is not kept.
                kept.put(&tenant, &session, || listing.is_current());
                Ok(session)
            }
            .boxed()
        });
        assuming.await.map(|session| session.credentials)
    }

    fn usable(&self, tenant: &TenantId) -> Option<Session> {
        let now = self.roles.clock.now();
        self.kept.get(tenant, |session| now.since(session.granted) < session.usable_for)
    }

    /// Says that KMS has answered in the tenant's session.
    pub(crate) fn answered(&self, tenant: &TenantId) {
        self.kept.prove(tenant);
    }

    /// Forgets the tenant's credentials when AWS refused them, unless others are there already: many calls may be refused at once.
    pub fn forget(&self, tenant: &TenantId, refused: &Credentials) {
        self.kept.remove(tenant, |session| session.credentials.access_key_id() == refused.access_key_id());
    }

    /// Forgets the tenant's credentials, and those that STS is asked for right now: who asks next has new ones made.
    pub(crate) fn evict(&self, tenant: &TenantId) {
        // First, so that what lands from now on is not kept; what has landed is there to be removed.
        self.assuming.abandon(tenant);
        self.kept.remove(tenant, |_| true);
    }
}

impl Kept {
    fn new(proven: u64, unproven: u64) -> Self {
        // By recency alone: by frequency a busy process would not admit who is new.
        let cache = |most| {
            let cache = Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru());
            cache.time_to_live(LIFETIME).build()
        };
        Self { proven: cache(proven), unproven: cache(unproven) }
    }

    fn get(&self, tenant: &TenantId, usable: impl Fn(&Session) -> bool) -> Option<Session> {
        let proven = self.proven.get(tenant).filter(&usable);
        proven.or_else(|| self.unproven.get(tenant).filter(&usable))
    }

    /// Keeps a session, in the place of the tenant's former one, if it is `wanted` still.
    fn put(&self, tenant: &TenantId, session: &Session, wanted: impl FnOnce() -> bool) {
        self.proven.entry_by_ref(tenant).and_compute_with(|there| {
            if !wanted() {
                return Op::Nop;
            }
            if there.is_some() {
                return Op::Put(session.clone());
            }
            self.unproven.insert(tenant.clone(), session.clone());
            Op::Nop
        });
    }

    fn prove(&self, tenant: &TenantId) {
        if !self.unproven.contains_key(tenant) {
            return;
        }
        self.proven.entry_by_ref(tenant).and_compute_with(|_| match self.unproven.remove(tenant) {
            Some(session) => Op::Put(session),
            None => Op::Nop,
        });
    }

    /// Removes the tenant's session for which this holds.
    fn remove(&self, tenant: &TenantId, holds: impl Fn(&Session) -> bool) {
        self.proven.entry_by_ref(tenant).and_compute_with(|there| {
            if self.unproven.get(tenant).is_some_and(|session| holds(&session)) {
                self.unproven.invalidate(tenant);
            }
            match there {
                Some(there) if holds(there.value()) => Op::Remove,
                _ => Op::Nop,
            }
        });
        // moka drops lazily what it has removed.
        self.proven.run_pending_tasks();
        self.unproven.run_pending_tasks();
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
            .map_err(|source| errors::classified(tenant, OPERATION, source).of_session())?;
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
        Ok(Session { credentials, granted: begun, usable_for: LIFETIME - MARGIN - backoff::up_to(MARGIN), request_id })
    }
}
