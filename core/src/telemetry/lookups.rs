//! Telemetry of lookups: what they find, and what becomes of their keys.

use metrics::counter;

use super::number;
use crate::format::KekId;
use crate::tenant::TenantId;

/// Records items that were found by a lookup's token and do not have the value: it shares bits of its token with
/// another one, or the token is stale or copied.
pub fn record_dropped(items: usize) {
    counter!("tenantseal_lookup_dropped_total").increment(number(items));
}

/// The tokens of opened items, by what they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokensSeen {
    /// Made with the present lookup key and definition. The first item of an answer has the token of its value.
    pub current: usize,
    /// Of another value than the item has.
    pub stale: usize,
    /// Made with another lookup key or definition, copied from another tenant, or no token at all.
    pub other: usize,
    /// Missing.
    pub absent: usize,
}

/// Records the tokens of an answer's items.
pub fn record_tokens_seen(seen: TokensSeen) {
    let TokensSeen { current, stale, other, absent } = seen;
    if current > 0 {
        counter!("tenantseal_lookup_tokens_seen_total", "state" => "current").increment(number(current));
    }
    if stale > 0 {
        counter!("tenantseal_lookup_tokens_seen_total", "state" => "stale").increment(number(stale));
    }
    if other > 0 {
        counter!("tenantseal_lookup_tokens_seen_total", "state" => "other").increment(number(other));
    }
    if absent > 0 {
        counter!("tenantseal_lookup_tokens_seen_total", "state" => "absent").increment(number(absent));
    }
}

/// Records that a process made a tenant's lookup key: with the first item, and never again.
pub(crate) fn record_lookup_key_made(tenant: &TenantId, number: u16, kek: &KekId) {
    counter!("tenantseal_lookup_keys_made_total").increment(1);
    tracing::warn!(
        tenant = tenant.as_str(),
        number,
        %kek,
        "made a lookup key: tokens that were made with another one are not found any more"
    );
}

/// Records that a lookup key is wrapped by the KEK that the tenant's alias points to by now.
pub(crate) fn record_lookup_key_rewrapped(tenant: &TenantId, number: u16, kek: &KekId) {
    tracing::info!(tenant = tenant.as_str(), number, %kek, "wrapped the lookup key under the tenant's present key");
}

/// Records that a lookup key stays wrapped by a former KEK for now.
pub(crate) fn record_lookup_key_not_rewrapped(tenant: &TenantId, number: u16, error: &dyn std::fmt::Display) {
    tracing::warn!(
        tenant = tenant.as_str(),
        number,
        %error,
        "the lookup key is still wrapped by a former key of the tenant: do not delete that one yet"
    );
}

/// Records that the entry of a lookup key was lost, and that this process has stored it again.
pub(crate) fn record_lookup_key_restored(tenant: &TenantId, number: u16) {
    tracing::warn!(tenant = tenant.as_str(), number, "the entry of the lookup key was lost: it is stored again");
}

/// Records that the entry of a lookup key could not be read again.
pub(crate) fn record_lookup_key_unchecked(tenant: &TenantId, number: u16, error: &dyn std::fmt::Display) {
    tracing::warn!(tenant = tenant.as_str(), number, %error, "the entry of the lookup key was not checked");
}
