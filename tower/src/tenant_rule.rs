//! Which tenant a token names, and whether its issuer may.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;
use tenantseal::TenantId;

use crate::claims::{Claims, at_path};
use crate::refused::Refused;

/// The tenants for whom an issuer may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tenants {
    /// Every tenant: for your own issuer, never for one that a customer runs.
    Any,
    /// These tenants.
    OneOf(BTreeSet<TenantId>),
    /// Tenants whose id begins with this. End it with a separator: `Prefix("acme")` includes `acme2`.
    Prefix(String),
}

impl Tenants {
    fn include(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tenants) => tenants.contains(tenant),
            Self::Prefix(prefix) => tenant.as_str().starts_with(prefix.as_str()),
        }
    }

    /// Whether no tenant could be meant, or all by mistake.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Any => false,
            Self::OneOf(tenants) => tenants.is_empty(),
            Self::Prefix(prefix) => prefix.is_empty(),
        }
    }
}

/// What says which of a user's tenants a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// A header of the request, such as `x-org`. It only selects: the token must list its value.
    Header(&'static str),
}

/// Makes a tenant id of a claim's text.
pub(crate) type Map = Arc<dyn Fn(&str) -> Option<TenantId> + Send + Sync>;

/// Where in the claims the tenant is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The value at this path.
    Claim(Vec<String>),
    /// A value of the list at this path.
    MemberOf(Vec<String>, Selector),
}

impl Place {
    pub(crate) fn path(&self) -> &[String] {
        match self {
            Self::Claim(path) | Self::MemberOf(path, _) => path,
        }
    }
}

/// How claims become a tenant.
#[derive(Clone)]
pub(crate) struct TenantRule {
    pub(crate) place: Place,
    pub(crate) map: Option<Map>,
    pub(crate) tenants: Tenants,
}

impl TenantRule {
    /// The tenant that verified claims name, in a request with these headers.
    pub(crate) fn tenant(&self, claims: &Claims, headers: &HeaderMap) -> Result<TenantId, Refused> {
        let named = match &self.place {
            Place::Claim(path) => at_path(claims, path).and_then(Value::as_str).ok_or(Refused::NoTenant)?,
            Place::MemberOf(path, Selector::Header(name)) => {
                let listed = at_path(claims, path).and_then(Value::as_array).ok_or(Refused::NoTenant)?;
                let selected = only(headers, name).ok_or(Refused::NoSelection)?;
                let is_listed = listed.iter().any(|member| member.as_str() == Some(selected));
                is_listed.then_some(selected).ok_or(Refused::NotAMember)?
            }
        };
        let tenant = match &self.map {
            Some(map) => map(named),
            None => TenantId::parse(named).ok(),
        };
        let tenant = tenant.ok_or(Refused::NoTenant)?;
        if self.tenants.include(&tenant) { Ok(tenant) } else { Err(Refused::ForeignTenant) }
    }
}

impl fmt::Debug for TenantRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, map, tenants } = self;
        let mut shown = f.debug_struct("TenantRule");
        shown.field("place", place).field("map", &map.is_some()).field("tenants", tenants).finish()
    }
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

/// Names under which providers keep what users write themselves.
const WRITTEN_BY_USERS: [&str; 2] = ["usermetadata", "unsafemetadata"];

/// Whether a claim's name is one under which users write: also with a namespace (`https://example.com/user_metadata`).
pub(crate) fn is_written_by_users(name: &str) -> bool {
    let own = name.rsplit(['/', ':']).next().unwrap_or(name);
    let letters: String = own.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    WRITTEN_BY_USERS.contains(&letters.to_ascii_lowercase().as_str())
}
