//! What operators see: counters and times without tenants, events and spans with them, and never item data.
//!
//! Metrics are registered each time they are written: a handle that is kept would belong to the recorder of its day, and without a
//! recorder registering costs as little as writing. docs/OPERATIONS.md lists them.

use std::time::{Duration, SystemTime};

use metrics::{counter, histogram};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use crate::envelope::Purpose;
use crate::envelope::VerifiedDataKey;
use crate::format::KekId;
use crate::keys::{
    GeneratedDataKey, KeyServiceError, KeyServiceErrorKind as Kind, KeyTableError, KeyTableErrorKind as TableKind,
    UnwrappedDataKey,
};
use crate::tenant::TenantId;

/// The span of an operation on a tenant's items; [`tables`] completes it.
pub fn operation(tenant: &TenantId, operation: &str) -> Span {
    tracing::debug_span!("tenantseal", tenant = tenant.as_str(), operation, table = Empty)
}

/// Says of which logical tables it is.
pub fn tables<'t>(span: &Span, tables: impl FnOnce() -> Vec<&'t str>) {
    if !span.is_disabled() {
        let mut tables = tables();
        tables.sort_unstable();
        tables.dedup();
        span.record("table", tables.join(","));
    }
}

/// A data key seals or opens.
pub(crate) fn used(purpose: Purpose, key: &VerifiedDataKey, now: SystemTime) {
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(key.record().created.into());
    let age = now.duration_since(made).unwrap_or_default();
    match purpose {
        Purpose::Seal => histogram!("tenantseal_data_key_age_seconds", "purpose" => "seal"),
        Purpose::Open => histogram!("tenantseal_data_key_age_seconds", "purpose" => "open"),
    }
    .record(age);
}

/// Data keys were in the cache and may be used.
pub(crate) fn hit(tenant: &TenantId, purpose: Purpose, keys: usize) {
    match purpose {
        Purpose::Seal => counter!("tenantseal_data_key_lookups_total", "purpose" => "seal", "cache" => "hit"),
        Purpose::Open => counter!("tenantseal_data_key_lookups_total", "purpose" => "open", "cache" => "hit"),
    }
    .increment(number(keys));
    tracing::trace!(tenant = tenant.as_str(), %purpose, keys, cache = "hit", "data key");
}

/// Data keys were not, so the operation waits as long as what this returns lives.
#[must_use]
pub(crate) fn missed(tenant: &TenantId, purpose: Purpose, keys: usize) -> Waiting {
    match purpose {
        Purpose::Seal => counter!("tenantseal_data_key_lookups_total", "purpose" => "seal", "cache" => "miss"),
        Purpose::Open => counter!("tenantseal_data_key_lookups_total", "purpose" => "open", "cache" => "miss"),
    }
    .increment(number(keys));
    tracing::debug!(tenant = tenant.as_str(), %purpose, keys, cache = "miss", "data key");
    Waiting { purpose, since: Instant::now() }
}

/// An operation that waits for data keys, to its end or until nobody waits any more.
pub(crate) struct Waiting {
    purpose: Purpose,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        match self.purpose {
            Purpose::Seal => histogram!("tenantseal_data_key_wait_seconds", "purpose" => "seal"),
            Purpose::Open => histogram!("tenantseal_data_key_wait_seconds", "purpose" => "open"),
        }
        .record(self.since.elapsed());
    }
}

/// What a call brought, as far as CloudTrail shows it.
pub trait Answered {
    /// The id of the request.
    fn request_id(&self) -> Option<&str>;
}

impl Answered for GeneratedDataKey {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl Answered for UnwrappedDataKey {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// A call of KMS or STS, or of what stands in their place.
#[derive(Debug)]
pub struct KeyCall {
    operation: &'static str,
    since: Instant,
    span: Span,
    /// None when it was not made.
    outcome: Option<&'static str>,
}

impl KeyCall {
    pub fn begin(tenant: &TenantId, operation: &'static str, attempt: u32) -> Self {
        let tenant = tenant.as_str();
        let span = tracing::info_span!("key_call", tenant, operation, attempt, outcome = Empty, request_id = Empty);
        Self { operation, since: Instant::now(), span, outcome: Some("abandoned") }
    }

    pub fn span(&self) -> Span {
        self.span.clone()
    }

    pub fn end<T: Answered>(mut self, result: &Result<T, KeyServiceError>) {
        let (outcome, request_id) = match result {
            Ok(answer) => ("ok", answer.request_id()),
            Err(error) => (word(error.kind()), error.request_id()),
        };
        if let Some(id) = request_id {
            self.span.record("request_id", id);
        }
        let is_made = result.as_ref().err().is_none_or(|error| error.operation() == self.operation);
        self.outcome = is_made.then_some(outcome);
    }
}

impl Drop for KeyCall {
    fn drop(&mut self) {
        self.span.record("outcome", self.outcome.unwrap_or("no session"));
        if let Some(outcome) = self.outcome {
            called(self.operation, outcome);
            histogram!("tenantseal_key_call_seconds", "operation" => self.operation).record(self.since.elapsed());
        }
    }
}

fn called(operation: &'static str, outcome: &'static str) {
    counter!("tenantseal_key_calls_total", "operation" => operation, "outcome" => outcome).increment(1);
}

/// A call of the key table.
pub(crate) struct TableCall {
    operation: &'static str,
    since: Instant,
    outcome: &'static str,
}

impl TableCall {
    pub(crate) fn begin(operation: &'static str) -> Self {
        Self { operation, since: Instant::now(), outcome: "abandoned" }
    }

    pub(crate) fn end(mut self, outcome: Result<&'static str, &KeyTableError>) {
        self.outcome = outcome.unwrap_or_else(|error| match error.kind() {
            TableKind::Unavailable => "unavailable",
            TableKind::NotFound => "not_found",
            TableKind::Denied => "denied",
            TableKind::Credentials => "credentials",
            TableKind::NotAKeyTable => "not_a_key_table",
            TableKind::NoRecovery => "no_recovery",
            TableKind::ForgedPointer { .. } | TableKind::Unexpected => "unexpected",
        });
    }
}

impl Drop for TableCall {
    fn drop(&mut self) {
        let Self { operation, since, outcome } = *self;
        counter!("tenantseal_key_table_calls_total", "operation" => operation, "outcome" => outcome).increment(1);
        histogram!("tenantseal_key_table_call_seconds", "operation" => operation).record(since.elapsed());
    }
}

/// AWS refused cached credentials, and the same call is made once more with others.
pub fn credentials_refused(operation: &'static str) {
    called(operation, word(Kind::Credentials));
}

/// A call is repeated.
pub(crate) fn retried(operation: &'static str) {
    counter!("tenantseal_key_call_retries_total", "operation" => operation).increment(1);
}

/// KMS was asked again for keys that are held.
pub(crate) fn revalidated(ahead: bool, allowed: bool) {
    let (by, outcome) = (if ahead { "background" } else { "request" }, if allowed { "ok" } else { "failed" });
    counter!("tenantseal_revalidations_total", "by" => by, "outcome" => outcome).increment(1);
}

/// Why data keys are dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Eviction {
    /// KMS refused the tenant.
    Revoked,
    /// By hand.
    ByHand,
    /// A former KMS key refused.
    FormerKey,
    /// Nobody has used them, or KMS was not to be had for too long.
    Lapsed,
    /// The tenant has too many.
    TenantLimit,
    /// All tenants together have too many.
    Capacity,
}

impl Eviction {
    /// The word for it, and whether somebody has asked for it.
    fn reason(self) -> (&'static str, bool) {
        match self {
            Self::Revoked => ("revoked", true),
            Self::ByHand => ("by_hand", true),
            Self::FormerKey => ("former_key", true),
            Self::Lapsed => ("lapsed", false),
            Self::TenantLimit => ("tenant_limit", false),
            Self::Capacity => ("capacity", false),
        }
    }
}

/// What was dropped of a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropped {
    /// Data keys.
    pub(crate) keys: usize,
    /// Idempotency tokens, before their time was over.
    pub(crate) tokens: usize,
}

impl From<usize> for Dropped {
    fn from(keys: usize) -> Self {
        Self { keys, tokens: 0 }
    }
}

/// Data keys were dropped before the process ended.
pub(crate) fn evicted(tenant: &TenantId, dropped: impl Into<Dropped>, why: Eviction) {
    let Dropped { keys, tokens } = dropped.into();
    let (reason, is_asked_for) = why.reason();
    let tenant = tenant.as_str();
    if is_asked_for {
        tracing::warn!(tenant, reason, keys, "evicted data keys");
    } else if keys > 0 {
        tracing::debug!(tenant, reason, keys, "evicted data keys");
    }
    if keys > 0 {
        counter!("tenantseal_evicted_data_keys_total", "reason" => reason).increment(number(keys));
    }
    forgot(tenant, tokens, reason);
}

/// Idempotency tokens were forgotten before their time was over, keys or not.
pub(crate) fn tokens_forgotten(tenant: &TenantId, tokens: usize, why: Eviction) {
    forgot(tenant.as_str(), tokens, why.reason().0);
}

fn forgot(tenant: &str, tokens: usize, reason: &'static str) {
    if tokens > 0 {
        tracing::warn!(
            tenant,
            reason,
            tokens,
            "forgot idempotency tokens: DynamoDB may take a transaction that is repeated with one of them for another"
        );
        counter!("tenantseal_forgotten_tokens_total", "reason" => reason).increment(number(tokens));
    }
}

/// KMS or STS refused a tenant for good.
pub(crate) fn revoked(error: &KeyServiceError) {
    counter!("tenantseal_revocations_total").increment(1);
    tracing::warn!(tenant = error.tenant().as_str(), %error, "the tenant is revoked");
}

/// A tenant that was refused is refused again, without a question.
pub(crate) fn refused_from_memory() {
    counter!("tenantseal_refused_from_memory_total").increment(1);
}

/// The key service took a refusal back with its next answer.
pub(crate) fn contradicted(refusal: &KeyServiceError) {
    tracing::info!(tenant = refusal.tenant().as_str(), %refusal, "the key service took a refusal back");
}

/// A tenant's calls fail at once from now on.
pub(crate) fn circuit_opened(tenant: &TenantId) {
    counter!("tenantseal_circuits_opened_total").increment(1);
    tracing::warn!(tenant = tenant.as_str(), "the circuit is open: for a moment no calls are made");
}

/// They are made again.
pub(crate) fn circuit_closed(tenant: &TenantId) {
    tracing::info!(tenant = tenant.as_str(), "the circuit is closed: the key service answers");
}

/// KMS cannot be asked, and cached keys serve on although it is time.
pub(crate) fn grace_in_use(tenant: &TenantId) {
    counter!("tenantseal_outage_grace_total").increment(1);
    tracing::warn!(
        tenant = tenant.as_str(),
        "the key service cannot be asked: cached data keys serve on for the outage grace"
    );
}

/// The tenant's alias was found to stand for another KMS key than before.
pub fn repointed(tenant: &TenantId, kek: &KekId) {
    tracing::info!(tenant = tenant.as_str(), %kek, "the tenant's alias answers with this key from now on");
}

/// A record's KMS key was found not to be the alias's, and to answer by an alias of its own.
pub fn former(tenant: &TenantId, kek: &KekId) {
    tracing::info!(tenant = tenant.as_str(), %kek, "the tenant's alias was re-pointed: a former key answers by its own");
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Unavailable => "unavailable",
        Kind::Revoked => "revoked",
        Kind::Denied => "denied",
        Kind::NotFound => "not_found",
        Kind::MissingAlias => "missing_alias",
        Kind::FormerKeyDisabled => "former_key_disabled",
        Kind::Contradictory => "contradictory",
        Kind::TooManyRefused => "too_many_refused",
        Kind::IncorrectKey => "incorrect_key",
        Kind::InvalidCiphertext => "invalid_ciphertext",
        Kind::LimitExceeded => "limit_exceeded",
        Kind::Credentials => "credentials",
        Kind::Unexpected => "unexpected",
    }
}
