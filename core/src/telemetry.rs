//! Telemetry for operators: metrics without tenants, events and spans with them, and never item data.
//!
//! Metrics are registered on each write. A cached handle stays bound to the recorder installed when it was created, and
//! without a recorder registering costs as little as writing. docs/OPERATIONS.md lists the metrics.

mod leaves;
mod lookups;

use std::time::{Duration, SystemTime};

use metrics::{counter, histogram};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

pub use leaves::{record_leave, record_plain_values};
pub use lookups::{TokensSeen, record_dropped, record_tokens_seen};
pub(crate) use lookups::{
    record_lookup_key_made, record_lookup_key_not_rewrapped, record_lookup_key_restored, record_lookup_key_rewrapped,
    record_lookup_key_unchecked,
};

use crate::blob::BlobFault;
use crate::envelope::{Purpose, VerifiedDataKey};
use crate::format::KekId;
use crate::keys::{
    CurrentKek, GeneratedDataKey, KeyServiceError, KeyServiceErrorKind as Kind, KeyTableError,
    KeyTableErrorKind as TableKind, RewrappedDataKey, UnwrappedDataKey,
};
use crate::tenant::TenantId;

/// The span of an operation on a tenant's items; [`record_tables`] completes it.
pub fn operation_span(tenant: &TenantId, operation: &str) -> Span {
    tracing::debug_span!("tenantseal", tenant = tenant.as_str(), operation, table = Empty)
}

/// Records the logical tables of the operation.
pub fn record_tables<'t>(span: &Span, tables: impl FnOnce() -> Vec<&'t str>) {
    if !span.is_disabled() {
        let mut tables = tables();
        tables.sort_unstable();
        tables.dedup();
        span.record("table", tables.join(","));
    }
}

/// Records that a data key seals or opens.
pub(crate) fn record_use(purpose: Purpose, key: &VerifiedDataKey, now: SystemTime) {
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(key.record().created.into());
    let age = now.duration_since(made).unwrap_or_default();
    match purpose {
        Purpose::Seal => histogram!("tenantseal_data_key_age_seconds", "purpose" => "seal"),
        Purpose::Open => histogram!("tenantseal_data_key_age_seconds", "purpose" => "open"),
        Purpose::Lookup => histogram!("tenantseal_data_key_age_seconds", "purpose" => "lookup"),
    }
    .record(age);
}

/// Records data keys that were cached and usable.
pub(crate) fn record_hit(tenant: &TenantId, purpose: Purpose, keys: usize) {
    match purpose {
        Purpose::Seal => counter!("tenantseal_data_key_lookups_total", "purpose" => "seal", "cache" => "hit"),
        Purpose::Open => counter!("tenantseal_data_key_lookups_total", "purpose" => "open", "cache" => "hit"),
        Purpose::Lookup => counter!("tenantseal_data_key_lookups_total", "purpose" => "lookup", "cache" => "hit"),
    }
    .increment(number(keys));
    tracing::trace!(tenant = tenant.as_str(), %purpose, keys, cache = "hit", "data key");
}

/// Records data keys that were not. The operation waits as long as the returned value lives.
#[must_use]
pub(crate) fn record_miss(tenant: &TenantId, purpose: Purpose, keys: usize) -> Waiting {
    match purpose {
        Purpose::Seal => counter!("tenantseal_data_key_lookups_total", "purpose" => "seal", "cache" => "miss"),
        Purpose::Open => counter!("tenantseal_data_key_lookups_total", "purpose" => "open", "cache" => "miss"),
        Purpose::Lookup => counter!("tenantseal_data_key_lookups_total", "purpose" => "lookup", "cache" => "miss"),
    }
    .increment(number(keys));
    tracing::debug!(tenant = tenant.as_str(), %purpose, keys, cache = "miss", "data key");
    Waiting { purpose, since: Instant::now() }
}

/// An operation that waits for data keys, until it ends or its caller gives up.
pub(crate) struct Waiting {
    purpose: Purpose,
    since: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        match self.purpose {
            Purpose::Seal => histogram!("tenantseal_data_key_wait_seconds", "purpose" => "seal"),
            Purpose::Open => histogram!("tenantseal_data_key_wait_seconds", "purpose" => "open"),
            Purpose::Lookup => histogram!("tenantseal_data_key_wait_seconds", "purpose" => "lookup"),
        }
        .record(self.since.elapsed());
    }
}

/// An answer with the id of its request, as CloudTrail shows it.
pub trait HasRequestId {
    /// The id of the request.
    fn request_id(&self) -> Option<&str>;
}

impl HasRequestId for GeneratedDataKey {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl HasRequestId for UnwrappedDataKey {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl HasRequestId for CurrentKek {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl HasRequestId for RewrappedDataKey {
    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// A call of KMS or STS, or of their stand-in.
#[derive(Debug)]
pub struct KeyCall {
    operation: &'static str,
    since: Instant,
    span: Span,
    /// `None` when the call was not made.
    outcome: Option<&'static str>,
}

impl KeyCall {
    pub fn begin(tenant: &TenantId, operation: &'static str, attempt: u32) -> Self {
        let tenant = tenant.as_str();
        let span = tracing::info_span!(
            "key_call",
            tenant,
            operation,
            attempt,
            region = Empty,
            outcome = Empty,
            request_id = Empty
        );
        Self { operation, since: Instant::now(), span, outcome: Some("abandoned") }
    }

    pub fn span(&self) -> Span {
        self.span.clone()
    }

    pub fn end<T: HasRequestId>(mut self, result: &Result<T, KeyServiceError>) {
        let (outcome, request_id) = match result {
            Ok(answer) => ("ok", answer.request_id()),
            Err(error) => (outcome_label(error.kind()), error.request_id()),
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
            count_call(self.operation, outcome);
            histogram!("tenantseal_key_call_seconds", "operation" => self.operation).record(self.since.elapsed());
        }
    }
}

fn count_call(operation: &'static str, outcome: &'static str) {
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
            // The others are no answers of the table.
            _ => "unexpected",
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

/// Records that AWS refused cached credentials; the call is repeated with new ones.
pub fn record_refused_credentials(operation: &'static str) {
    count_call(operation, outcome_label(Kind::Credentials));
}

/// Records that a Region was asked because one nearer is out.
pub fn record_region_failover(region: &str) {
    counter!("tenantseal_region_failovers_total", "region" => region.to_owned()).increment(1);
}

/// Records that a Region is taken to be out, for all tenants.
pub fn record_region_circuit_opened(region: &str) {
    counter!("tenantseal_region_circuits_opened_total", "region" => region.to_owned()).increment(1);
}

/// Records a retry.
pub(crate) fn record_retry(operation: &'static str) {
    counter!("tenantseal_key_call_retries_total", "operation" => operation).increment(1);
}

/// Records a revalidation of cached data keys.
pub(crate) fn record_revalidation(ahead: bool, allowed: bool) {
    let (by, outcome) = (if ahead { "background" } else { "request" }, if allowed { "ok" } else { "failed" });
    counter!("tenantseal_revalidations_total", "by" => by, "outcome" => outcome).increment(1);
}

/// Why data keys are dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Eviction {
    /// KMS refused the tenant.
    Revoked,
    /// An operator or the application revoked the tenant.
    ByHand,
    /// A former KEK refused.
    FormerKey,
    /// The key table forbids a lookup key.
    LookupKey,
    /// The keys were unused, or KMS was unavailable for too long.
    Expired,
    /// The tenant has too many.
    TenantLimit,
    /// All tenants together have too many.
    Capacity,
}

impl Eviction {
    /// The reason as metrics show it, and whether somebody asked for it.
    fn reason(self) -> (&'static str, bool) {
        match self {
            Self::Revoked => ("revoked", true),
            Self::ByHand => ("by_hand", true),
            Self::FormerKey => ("former_key", true),
            Self::LookupKey => ("lookup_key", false),
            Self::Expired => ("lapsed", false),
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
    /// Idempotency tokens that had not expired.
    pub(crate) tokens: usize,
}

impl From<usize> for Dropped {
    fn from(keys: usize) -> Self {
        Self { keys, tokens: 0 }
    }
}

/// Records that data keys were dropped.
pub(crate) fn record_eviction(tenant: &TenantId, dropped: impl Into<Dropped>, why: Eviction) {
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
    count_forgotten_tokens(tenant, tokens, reason);
}

/// Records that idempotency tokens were dropped before they expired, with keys or without.
pub(crate) fn record_forgotten_tokens(tenant: &TenantId, tokens: usize, why: Eviction) {
    count_forgotten_tokens(tenant.as_str(), tokens, why.reason().0);
}

fn count_forgotten_tokens(tenant: &str, tokens: usize, reason: &'static str) {
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

/// Records that KMS or STS refused a tenant for good.
pub(crate) fn record_revocation(error: &KeyServiceError) {
    counter!("tenantseal_revocations_total").increment(1);
    tracing::warn!(tenant = error.tenant().as_str(), %error, "the tenant is revoked");
}

/// Records a refusal from memory, without a call.
pub(crate) fn record_cached_refusal() {
    counter!("tenantseal_refused_from_memory_total").increment(1);
}

/// Records that the key service took a refusal back.
pub(crate) fn record_contradiction(refusal: &KeyServiceError) {
    tracing::info!(tenant = refusal.tenant().as_str(), %refusal, "the key service took a refusal back");
}

/// Records that a tenant's circuit opened: its calls fail at once.
pub(crate) fn record_circuit_opened(tenant: &TenantId) {
    counter!("tenantseal_circuits_opened_total").increment(1);
    tracing::warn!(tenant = tenant.as_str(), "the circuit is open: for a moment no calls are made");
}

/// Records that a tenant's circuit closed.
pub(crate) fn record_circuit_closed(tenant: &TenantId) {
    tracing::info!(tenant = tenant.as_str(), "the circuit is closed: the key service answers");
}

/// Records that cached data keys are used within the outage grace.
pub(crate) fn record_grace_use(tenant: &TenantId) {
    counter!("tenantseal_outage_grace_total").increment(1);
    tracing::warn!(
        tenant = tenant.as_str(),
        "the key service cannot be asked: cached data keys serve on for the outage grace"
    );
}

/// Records that the tenant's alias now points to another KEK.
pub fn record_repointing(tenant: &TenantId, kek: &KekId) {
    tracing::info!(tenant = tenant.as_str(), %kek, "the tenant's alias answers with this key from now on");
}

/// Records a KEK that answers by its own alias, and not by the tenant's.
pub fn record_former_kek(tenant: &TenantId, kek: &KekId) {
    tracing::info!(tenant = tenant.as_str(), %kek, "the tenant's alias was re-pointed: a former key answers by its own");
}

/// Records that a stored blob is not what was sealed there.
pub fn record_integrity_failure(tenant: &TenantId, bucket: &str, fault: BlobFault) {
    counter!("tenantseal_integrity_failures_total").increment(1);
    tracing::warn!(tenant = tenant.as_str(), bucket, %fault, "a stored blob is not what was sealed there");
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn outcome_label(kind: Kind) -> &'static str {
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
