//! Tenants of Lambda functions behind API Gateway.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;
use http::HeaderMap;
use serde_json::Value;
use tenantseal::{TenantId, TenantSeal};
use tenantseal_core::time::SharedTimeSource;
use tenantseal_kms::config::time;

use crate::claims::{check_expiry, check_required, time_of};
use crate::config_error::ConfigError;
use crate::issuer::check_place;
use crate::refused::Refused;
use crate::telemetry;
use crate::tenant_from_jwt::TenantFromJwt;
use crate::tenant_rule::{Map, Place, TenantRule, Tenants};
use crate::verified_tenant::VerifiedTenant;

mod event;

pub use event::{Authorizer, GatewayEvent};

impl TenantFromJwt {
    /// The tenant of an event, by the token in its `Authorization` header, whatever an authorizer said of it.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn verify_event(&self, event: &impl GatewayEvent) -> Result<VerifiedTenant, Refused> {
        self.verify(event.all_headers()).await
    }
}

/// The tenant of an event by what an authorizer of API Gateway has verified, without looking at the token again.
///
/// Whoever may invoke the function writes the event, and so chooses a tenant. Let API Gateway alone invoke it:
/// `lambda:InvokeFunction` for `apigateway.amazonaws.com`, with the API's ARN as `AWS:SourceArn`, and for nobody else.
/// [`TenantFromJwt::verify_event`] trusts no event and is the better choice where its fetch of keys does not matter.
///
/// ```no_run
/// use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
/// use tenantseal::TenantSeal;
/// use tenantseal_tower::{Authorizer, TenantFromAuthorizer};
///
/// # type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
/// # fn example(seal: TenantSeal, aws: aws_types::SdkConfig, event: ApiGatewayV2httpRequest) -> Result<()> {
/// let tenants = TenantFromAuthorizer::new(seal, Authorizer::Jwt)
///     .api("a1b2c3d4e5")
///     .account("222222222222")
///     .tenant_claim(["custom:tenant_id"])
///     .build(&aws)?;
/// let tenant = tenants.tenant(&event)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TenantFromAuthorizer(Arc<Shared>);

struct Shared {
    seal: TenantSeal,
    authorizer: Authorizer,
    api: String,
    account: String,
    required: Vec<(String, Value)>,
    rule: TenantRule,
    time: SharedTimeSource,
}

impl TenantFromAuthorizer {
    /// Starts the configuration.
    #[expect(clippy::new_ret_no_self, reason = "it is a builder until the API is known")]
    pub fn new(seal: TenantSeal, authorizer: Authorizer) -> AuthorizerBuilder {
        AuthorizerBuilder {
            seal,
            authorizer,
            api: String::new(),
            account: String::new(),
            required: Vec::new(),
            path: Vec::new(),
            map: None,
            tenants: Tenants::Any,
        }
    }

    /// The tenant of an event.
    ///
    /// # Errors
    ///
    /// [`Refused`], as the layer would answer.
    pub fn tenant(&self, event: &impl GatewayEvent) -> Result<VerifiedTenant, Refused> {
        self.check(event).inspect_err(|refused| telemetry::record_refusal(*refused))
    }

    fn check(&self, event: &impl GatewayEvent) -> Result<VerifiedTenant, Refused> {
        let Shared { seal, authorizer, api, account, required, rule, time } = &*self.0;
        if event.api() != Some(api) || event.account() != Some(account) {
            return Err(Refused::ForeignApi);
        }
        let claims = event.claims(*authorizer).ok_or(Refused::NoToken)?;
        check_required(required, &claims)?;
        let expires = claims.get("exp").and_then(expiry);
        if let Some(expires) = expires {
            check_expiry(expires, time.now())?;
        }
        let tenant = rule.tenant(&claims, &HeaderMap::new())?;
        Ok(VerifiedTenant::new(seal.tenant(&tenant), claims, expires))
    }
}

/// `exp` as a number, or as digits, which is how the JWT authorizer passes it. The one of Cognito writes a date in
/// words, which says nothing here.
fn expiry(value: &Value) -> Option<SystemTime> {
    let digits = || value.as_str()?.parse::<u64>().ok();
    time_of(value).or_else(|| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(digits()?)))
}

/// Configures a [`TenantFromAuthorizer`]. Nothing is checked before [`AuthorizerBuilder::build`].
#[must_use = "nothing is configured before `build`"]
pub struct AuthorizerBuilder {
    seal: TenantSeal,
    authorizer: Authorizer,
    api: String,
    account: String,
    required: Vec<(String, Value)>,
    path: Vec<String>,
    map: Option<Map>,
    tenants: Tenants,
}

impl AuthorizerBuilder {
    /// The id of the API that events come from: `requestContext.apiId`. Obligatory.
    pub fn api(mut self, id: impl Into<String>) -> Self {
        self.api = id.into();
        self
    }

    /// The AWS account of that API: `requestContext.accountId`. Obligatory.
    pub fn account(mut self, id: impl Into<String>) -> Self {
        self.account = id.into();
        self
    }

    /// A claim that must have this very value. Values of the JWT authorizer are texts.
    pub fn require(mut self, claim: impl Into<String>, value: impl Into<Value>) -> Self {
        self.required.push((claim.into(), value.into()));
        self
    }

    /// Where the claims name the tenant: a path of names, one object deeper with each. Obligatory.
    pub fn tenant_claim<N: Into<String>>(mut self, path: impl IntoIterator<Item = N>) -> Self {
        self.path = path.into_iter().map(Into::into).collect();
        self
    }

    /// As [`Issuer::map`](crate::Issuer::map).
    pub fn map(mut self, map: impl Fn(&str) -> Option<TenantId> + Send + Sync + 'static) -> Self {
        self.map = Some(Arc::new(map));
        self
    }

    /// As [`Issuer::tenants`](crate::Issuer::tenants). Default: any.
    pub fn tenants(mut self, tenants: Tenants) -> Self {
        self.tenants = tenants;
        self
    }

    /// Checks the configuration. Takes the clock of the SDK's.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to change.
    pub fn build(self, config: &SdkConfig) -> Result<TenantFromAuthorizer, ConfigError> {
        const NAME: &str = "the authorizer";
        let Self { seal, authorizer, api, account, required, path, map, tenants } = self;
        if api.is_empty() || account.is_empty() {
            return Err(ConfigError::NoApi);
        }
        let place = Place::Claim(path);
        check_place(&place, NAME)?;
        if tenants.is_empty() {
            return Err(ConfigError::NoTenants { issuer: NAME.to_owned() });
        }
        let rule = TenantRule { place, map, tenants };
        Ok(TenantFromAuthorizer(Arc::new(Shared {
            seal,
            authorizer,
            api,
            account,
            required,
            rule,
            time: time(config),
        })))
    }
}

impl fmt::Debug for TenantFromAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantFromAuthorizer").field("api", &self.0.api).finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthorizerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizerBuilder").field("api", &self.api).finish_non_exhaustive()
    }
}
