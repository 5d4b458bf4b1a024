//! What the claims of a verified token must say before it counts.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::refused::Refused;

/// How far the clocks of an issuer and of this machine may be apart.
pub(crate) const LEEWAY: Duration = Duration::from_secs(60);

/// The claims of a token whose signature was checked.
pub(crate) type Claims = Map<String, Value>;

/// What an issuer's tokens must say.
#[derive(Debug, Clone)]
pub(crate) struct Requirements {
    /// The claim that names the audience.
    pub(crate) audience_claim: String,
    /// One of them must be the audience.
    pub(crate) audiences: Vec<String>,
    /// Claims with these very values.
    pub(crate) required: Vec<(String, Value)>,
}

impl Requirements {
    /// Checks the claims. Returns when the token expires, without leeway.
    pub(crate) fn check(&self, claims: &Claims, now: SystemTime) -> Result<SystemTime, Refused> {
        let audience = claims.get(&self.audience_claim);
        if !audience.is_some_and(|audience| names_one_of(audience, &self.audiences)) {
            return Err(Refused::Audience);
        }
        let expires = lifetime(claims, now)?;
        check_required(&self.required, claims)?;
        Ok(expires)
    }
}

/// Whether claims have these values.
pub(crate) fn check_required(required: &[(String, Value)], claims: &Claims) -> Result<(), Refused> {
    let is_met = required.iter().all(|(name, value)| claims.get(name) == Some(value));
    is_met.then_some(()).ok_or(Refused::RequiredClaim)
}

/// An audience is a text or a list of texts (RFC 7519, section 4.1.3).
fn names_one_of(audience: &Value, ours: &[String]) -> bool {
    let is_ours = |text: &str| ours.iter().any(|own| own == text);
    match audience {
        Value::String(text) => is_ours(text),
        Value::Array(list) => list.iter().all(Value::is_string) && list.iter().filter_map(Value::as_str).any(is_ours),
        _ => false,
    }
}

/// Checks `exp`, and `nbf` and `iat` where they are there. Returns when the token expires.
fn lifetime(claims: &Claims, now: SystemTime) -> Result<SystemTime, Refused> {
    let expires = claims.get("exp").and_then(time_of).ok_or(Refused::Lifetime)?;
    check_expiry(expires, now)?;
    for claim in ["nbf", "iat"] {
        let Some(value) = claims.get(claim) else { continue };
        let begins = time_of(value).ok_or(Refused::Lifetime)?;
        if begins > now + LEEWAY {
            return Err(Refused::NotYetValid);
        }
    }
    Ok(expires)
}

/// Whether a token that expires then is still accepted.
pub(crate) fn check_expiry(expires: SystemTime, now: SystemTime) -> Result<(), Refused> {
    let is_over = expires.checked_add(LEEWAY).is_some_and(|end| now >= end);
    if is_over { Err(Refused::Expired) } else { Ok(()) }
}

/// The time of a NumericDate (RFC 7519, section 2): seconds since 1970, perhaps with a fraction.
pub(crate) fn time_of(date: &Value) -> Option<SystemTime> {
    let seconds = date.as_f64()?;
    let since = Duration::try_from_secs_f64(seconds.abs()).ok()?;
    match seconds {
        ..0.0 => SystemTime::UNIX_EPOCH.checked_sub(since),
        _ => SystemTime::UNIX_EPOCH.checked_add(since),
    }
}

/// The value at a path of names, one object deeper with each.
pub(crate) fn at_path<'c, N: AsRef<str>>(claims: &'c Claims, path: &[N]) -> Option<&'c Value> {
    let (first, rest) = path.split_first()?;
    let value = claims.get(first.as_ref())?;
    rest.iter().try_fold(value, |value, name| value.as_object()?.get(name.as_ref()))
}
