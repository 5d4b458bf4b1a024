//! Credentials that can do no more than one tenant needs: STS AssumeRole with a session policy and a session tag.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::Tag;
use aws_types::SdkConfig;
use futures_util::FutureExt;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tenantseal_core::keys::cache::backoff;
use tenantseal_core::keys::cache::single_flight::{DetachedLimit, SingleFlight};
use tenantseal_core::keys::{Clock, KeyServiceError, KeyServiceErrorKind, Moment};
use tenantseal_core::telemetry::{HasRequestId, KeyCall};
use tenantseal_core::tenant::TenantId;
use tracing::Instrument;

use crate::policy::TENANT_TAG;
use crate::regions::{Failed, RegionList, Regions};
use crate::{Tenancy, config};

#[cfg(test)]
mod tests;

const OPERATION: &str = "AssumeRole";
/// 1 h: the most that STS grants when the caller has assumed a role itself (role chaining).
const DURATION_SECONDS: i32 = 3_600;
const LIFETIME: Duration = Duration::from_secs(DURATION_SECONDS as u64);
/// Credentials are replaced this long before they expire, or up to as much earlier, so that a fleet does not call at
/// once.
const MARGIN: Duration = Duration::from_secs(300);
/// The most cached sessions with which KMS has answered; the least recently used go first.
const PROVEN_CAPACITY: u64 = 10_000;
/// The most cached sessions with which KMS has not answered. STS makes sessions for tenants that do not exist too;
/// those evict only one another.
const UNPROVEN_CAPACITY: u64 = 1_000;
/// The most detached AssumeRole calls.
const MAX_DETACHED: usize = 1_000;

/// Sessions of the key account's role, one per tenant, cached until shortly before they expire.
#[derive(Debug)]
pub struct TenantSessions {
    roles: Arc<Roles>,
    cache: SessionCache,
    assuming: SingleFlight<TenantId, Result<Session, KeyServiceError>>,
}

/// The cached sessions. A tenant's sessions change only under the lock of its entry in `proven`, so that updates do not
/// interleave.
#[derive(Debug, Clone)]
struct SessionCache {
    proven: Cache<TenantId, Session>,
    unproven: Cache<TenantId, Session>,
}

#[derive(Debug)]
struct Roles {
    sts: Regions<aws_sdk_sts::Client>,
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

impl HasRequestId for Session {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl TenantSessions {
    pub fn new(config: &SdkConfig, tenancy: Tenancy, region: String) -> Self {
        Self::in_regions(config, tenancy, &RegionList::own(&region))
    }

    /// For keys in several Regions: one session reaches all of them, and STS is asked in the same order.
    pub(crate) fn in_regions(config: &SdkConfig, tenancy: Tenancy, regions: &RegionList) -> Self {
        let sts = Regions::new(config, regions, |config, _| aws_sdk_sts::Client::new(config));
        let (region, tenancy) = (regions.near().to_owned(), tenancy.over(regions.iter()));
        let clock = Clock::new(config::time(config));
        Self {
            roles: Arc::new(Roles { sts, tenancy, region, clock }),
            cache: SessionCache::new(PROVEN_CAPACITY, UNPROVEN_CAPACITY),
            assuming: SingleFlight::new(DetachedLimit::new(MAX_DETACHED)),
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
        let assuming = self.assuming.run(tenant.clone(), |registration| {
            // A call that has ended meanwhile may have brought it.
            let (landed, roles) = (self.usable(tenant), Arc::clone(&self.roles));
            let (cache, tenant) = (self.cache.clone(), tenant.clone());
            async move {
                if let Some(session) = landed {
                    return Ok(session);
                }
                let session = roles.assume(&tenant).await?;
                // A session requested before the tenant's eviction is not cached.
                cache.put(&tenant, &session, || registration.is_current());
                Ok(session)
            }
            .boxed()
        });
        assuming.await.map(|session| session.credentials)
    }

    fn usable(&self, tenant: &TenantId) -> Option<Session> {
        let now = self.roles.clock.now();
        self.cache.get(tenant, |session| now.since(session.granted) < session.usable_for)
    }

    /// Records that KMS has answered in the tenant's session.
    pub(crate) fn mark_proven(&self, tenant: &TenantId) {
        self.cache.prove(tenant);
    }

    /// Drops the tenant's credentials after AWS refused them, unless they were replaced already: many calls may be
    /// refused at once.
    pub fn forget(&self, tenant: &TenantId, refused: &Credentials) {
        self.cache.remove(tenant, |session| session.credentials.access_key_id() == refused.access_key_id());
    }

    /// Drops the tenant's credentials, and those of an AssumeRole in flight: the next caller gets new ones.
    pub(crate) fn evict(&self, tenant: &TenantId) {
        // First, so that calls that end from now on cache nothing; what was cached before is then removed.
        self.assuming.abandon(tenant);
        self.cache.remove(tenant, |_| true);
    }
}

impl SessionCache {
    fn new(proven: u64, unproven: u64) -> Self {
        // LRU only: by frequency a busy process would not admit new tenants.
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

    /// Caches a session in place of the tenant's former one, if it is still `wanted`.
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

    /// Removes the tenant's session if `holds` is true for it.
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
        // moka drops removed values lazily.
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
        // The lifetime counts from here by both clocks, not until the wall clock reads `expiry`: a wrong clock does no
        // harm.
        let begun = self.clock.now();
        let assume = |sts: &aws_sdk_sts::Client, time: Option<TimeoutConfig>| {
            let request = sts
                .assume_role()
                .role_arn(self.tenancy.role().as_str())
                .role_session_name(tenant.session_name())
                .policy(policy.to_string())
                .tags(tag.clone())
                .duration_seconds(DURATION_SECONDS);
            let mut timed = aws_sdk_sts::Config::builder();
            timed.set_timeout_config(time);
            let request = request.customize().config_override(timed);
            async move { request.send().await.map_err(|source| Failed::of(tenant, OPERATION, source)) }
        };
        let answer = self.sts.ask(tenant, OPERATION, false, assume).await.map_err(KeyServiceError::for_session)?;
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
