//! Metrics and events for operators: reasons and issuers, never a token, a subject or a tenant.

use metrics::counter;

use crate::fetch::FetchError;
use crate::key_set::KeySet;
use crate::refused::Refused;

/// Records that a request got no tenant.
pub(crate) fn record_refusal(refused: Refused) {
    let reason = refused.reason();
    counter!("tenantseal_tokens_refused_total", "reason" => reason).increment(1);
    tracing::debug!(reason, "refused a token");
}

/// Records that an issuer's keys were fetched, or not.
pub(crate) fn record_fetch(issuer: &str, result: &Result<KeySet, FetchError>) {
    let outcome = match result {
        Ok(keys) => {
            tracing::debug!(issuer, keys = keys.len(), "fetched an issuer's keys");
            "ok"
        }
        Err(error) => {
            tracing::warn!(issuer, %error, "an issuer's keys were not fetched: those of the last hour serve on");
            error.label()
        }
    };
    counter!("tenantseal_key_sets_fetched_total", "outcome" => outcome).increment(1);
}
