//! What is configured of an issuer.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use tenantseal::TenantId;

use crate::claims::{Claims, Requirements};
use crate::config_error::ConfigError;
use crate::fetch::KeySource;
use crate::key_set::KeySet;
use crate::refused::Refused;
use crate::tenant_rule::{Map, Place, Selector, TenantRule, Tenants, is_written_by_users};
use crate::token::UnverifiedToken;

/// An issuer of tokens: where its keys are, what its tokens must say, and where they name the tenant.
///
/// Setters never fail; [`Builder::build`](crate::Builder::build) checks everything.
///
/// ```
/// use tenantseal_tower::Issuer;
///
/// let cognito = Issuer::new("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC")
///     .audience("3n4b5urk1ft4fl3mg5e62d9ado")
///     .audience_claim("client_id")
///     .require("token_use", "access")
///     .tenant_claim(["custom:tenant_id"]);
/// ```
#[must_use = "an issuer is given to `Builder::issuer`"]
#[derive(Clone)]
pub struct Issuer {
    name: String,
    jwks_uri: Option<String>,
    audience_claim: Option<String>,
    audiences: Vec<String>,
    required: Vec<(String, Value)>,
    token_type: Option<String>,
    places: Vec<Place>,
    map: Option<Map>,
    tenants: Option<Tenants>,
    optional_at_start: bool,
}

/// An issuer's configuration, checked.
#[derive(Debug)]
pub(crate) struct CheckedIssuer {
    pub(crate) name: String,
    pub(crate) source: KeySource,
    pub(crate) requirements: Requirements,
    pub(crate) token_type: Option<String>,
    pub(crate) rule: TenantRule,
    pub(crate) optional_at_start: bool,
}

impl CheckedIssuer {
    /// The tenant of a token that claims this issuer, its claims, and when it expires.
    pub(crate) fn tenant(
        &self,
        token: UnverifiedToken<'_>,
        keys: &KeySet,
        now: SystemTime,
        headers: &HeaderMap,
    ) -> Result<(TenantId, Claims, SystemTime), Refused> {
        let key = keys.find(token.kid()).ok_or(Refused::UnknownKey)?;
        let claims = token.verify(key)?;
        let expires = self.requirements.check(&claims, now)?;
        let tenant = self.rule.tenant(&claims, headers)?;
        Ok((tenant, claims, expires))
    }
}

impl Issuer {
    /// The issuer whose tokens have exactly this `iss`: also with or without `/` at its end.
    ///
    /// Its keys are found by OpenID Connect Discovery, at `/.well-known/openid-configuration` below it, unless
    /// [`jwks_uri`](Self::jwks_uri) says where they are.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            name: issuer.into(),
            jwks_uri: None,
            audience_claim: None,
            audiences: Vec::new(),
            required: Vec::new(),
            token_type: None,
            places: Vec::new(),
            map: None,
            tenants: None,
            optional_at_start: false,
        }
    }

    /// The address of the issuer's key set, `https://` alone, in place of discovery.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.jwks_uri = Some(url.into());
        self
    }

    /// An audience that this service is. Obligatory; call it again for another. A token must name one of them.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The claim that names the audience. Default: `aud`. Access tokens of Cognito have `client_id`.
    pub fn audience_claim(mut self, claim: impl Into<String>) -> Self {
        self.audience_claim = Some(claim.into());
        self
    }

    /// A claim that must have this very value, such as `token_use` and `access`.
    pub fn require(mut self, claim: impl Into<String>, value: impl Into<Value>) -> Self {
        self.required.push((claim.into(), value.into()));
        self
    }

    /// The `typ` that tokens must have, such as `at+jwt` (RFC 9068), so that no ID token passes for an access token.
    pub fn token_type(mut self, token_type: impl Into<String>) -> Self {
        self.token_type = Some(token_type.into());
        self
    }

    /// Where the token names the tenant: a path of names, one object deeper with each.
    ///
    /// A list, since names have dots: `["https://example.com/tenant"]`, `["app_metadata", "tenant_id"]`.
    pub fn tenant_claim<N: Into<String>>(mut self, path: impl IntoIterator<Item = N>) -> Self {
        self.places.push(Place::Claim(path.into_iter().map(Into::into).collect()));
        self
    }

    /// For users of several tenants: where the token lists them, and what selects one of them.
    ///
    /// ```
    /// use tenantseal_tower::{Issuer, Selector};
    ///
    /// let issuer = Issuer::new("https://id.example.com").member_of(["orgs"], Selector::Header("x-org"));
    /// ```
    pub fn member_of<N: Into<String>>(mut self, path: impl IntoIterator<Item = N>, selector: Selector) -> Self {
        self.places.push(Place::MemberOf(path.into_iter().map(Into::into).collect(), selector));
        self
    }

    /// Makes the tenant id of the claim's text. Default: [`TenantId::parse`]. None refuses the token.
    ///
    /// ```
    /// use tenantseal::TenantId;
    /// use tenantseal_tower::Issuer;
    ///
    /// let issuer = Issuer::new("https://id.example.com").map(|org| TenantId::encode(org).ok());
    /// ```
    pub fn map(mut self, map: impl Fn(&str) -> Option<TenantId> + Send + Sync + 'static) -> Self {
        self.map = Some(Arc::new(map));
        self
    }

    /// The tenants for whom this issuer may speak. Obligatory where there are several issuers: otherwise a customer's
    /// own identity provider could name another customer.
    pub fn tenants(mut self, tenants: Tenants) -> Self {
        self.tenants = Some(tenants);
        self
    }

    /// Lets [`Builder::build`](crate::Builder::build) succeed although this issuer's keys cannot be fetched. Its tokens
    /// are answered with 503 until they can.
    ///
    /// For identity providers that customers run: one that is down must not keep the service of all from starting.
    pub fn optional_at_start(mut self) -> Self {
        self.optional_at_start = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Checks the configuration. `is_only` when there is no other issuer.
    pub(crate) fn check(self, is_only: bool) -> Result<CheckedIssuer, ConfigError> {
        let Self { name, jwks_uri, audience_claim, audiences, required, token_type, .. } = self;
        let issuer = || name.clone();
        if audiences.is_empty() {
            return Err(ConfigError::NoAudience { issuer: name });
        }
        let [place] = &self.places[..] else { return Err(ConfigError::NoTenantClaim { issuer: name }) };
        check_place(place, &name)?;
        let tenants = match self.tenants {
            Some(tenants) if tenants.is_empty() => return Err(ConfigError::NoTenants { issuer: name }),
            Some(tenants) => tenants,
            None if is_only => Tenants::Any,
            None => return Err(ConfigError::TenantsUnsaid { issuer: name }),
        };
        let source = jwks_uri.map_or_else(|| KeySource::DiscoveredFrom(issuer()), KeySource::At);
        let (KeySource::At(url) | KeySource::DiscoveredFrom(url)) = &source;
        if !url.starts_with("https://") {
            return Err(ConfigError::NotHttps { issuer: name });
        }
        let audience_claim = audience_claim.unwrap_or_else(|| "aud".to_owned());
        Ok(CheckedIssuer {
            requirements: Requirements { audience_claim, audiences, required },
            rule: TenantRule { place: place.clone(), map: self.map, tenants },
            optional_at_start: self.optional_at_start,
            source,
            token_type,
            name,
        })
    }
}

/// Whether a tenant may be read there.
pub(crate) fn check_place(place: &Place, issuer: &str) -> Result<(), ConfigError> {
    let path = place.path();
    if path.is_empty() {
        return Err(ConfigError::NoTenantClaim { issuer: issuer.to_owned() });
    }
    if let Some(name) = path.iter().find(|name| is_written_by_users(name)) {
        return Err(ConfigError::WrittenByUsers { issuer: issuer.to_owned(), name: name.clone() });
    }
    match place {
        Place::MemberOf(_, Selector::Header(name)) if HeaderName::try_from(*name).is_err() => {
            Err(ConfigError::NotAHeader { issuer: issuer.to_owned(), name })
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).finish_non_exhaustive()
    }
}
