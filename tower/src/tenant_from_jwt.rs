//! Verifies tokens, and gives the tenants that they name.

use std::fmt;
use std::sync::Arc;

use aws_types::SdkConfig;
use futures_util::future::join_all;
use http::HeaderMap;
use tenantseal::TenantSeal;
use tenantseal_core::time::SharedTimeSource;
use tenantseal_kms::config::time;
use tenantseal_kms::http::http_client;

use crate::algorithm::Algorithm;
use crate::config_error::ConfigError;
use crate::fetch::Fetcher;
use crate::issuer::{CheckedIssuer, Issuer};
use crate::issuer_keys::IssuerKeys;
use crate::refused::Refused;
use crate::telemetry;
use crate::token::{UnverifiedToken, bearer};
use crate::verified_tenant::VerifiedTenant;

/// Verifies the tokens of requests, and gives the tenants that they name.
///
/// Build one per process and share it; it is cheap to clone.
///
/// ```no_run
/// use tenantseal::TenantSeal;
/// use tenantseal_tower::{Issuer, TenantFromJwt};
///
/// # async fn example(seal: TenantSeal, aws: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let tenants = TenantFromJwt::new(seal)
///     .issuer(Issuer::new("https://id.example.com").audience("crm").tenant_claim(["tenant_id"]))
///     .build(&aws)
///     .await?;
/// let layer = tenants.layer(); // for axum, tonic, or any service of tower
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TenantFromJwt(Arc<Shared>);

struct Shared {
    seal: TenantSeal,
    algorithms: Vec<Algorithm>,
    issuers: Vec<(CheckedIssuer, IssuerKeys)>,
    time: SharedTimeSource,
}

impl TenantFromJwt {
    /// Starts the configuration.
    #[expect(clippy::new_ret_no_self, reason = "it is a builder until the keys are there")]
    pub fn new(seal: TenantSeal) -> Builder {
        Builder { seal, issuers: Vec::new(), algorithms: vec![Algorithm::Rs256, Algorithm::Es256] }
    }

    /// The tenant whom a request with these headers is for, by the token in `Authorization`.
    ///
    /// [`layer`](Self::layer) calls it for every request. Call it where there is no layer, as in a Lambda function.
    ///
    /// # Errors
    ///
    /// [`Refused`] has the status for the caller and the reason for the operator; the metric
    /// `tenantseal_tokens_refused_total` counts it.
    pub async fn verify(&self, headers: &HeaderMap) -> Result<VerifiedTenant, Refused> {
        let verified = self.check(headers).await;
        verified.inspect_err(|refused| telemetry::record_refusal(*refused))
    }

    async fn check(&self, headers: &HeaderMap) -> Result<VerifiedTenant, Refused> {
        let Shared { seal, algorithms, issuers, time } = &*self.0;
        let token = UnverifiedToken::parse(bearer(headers)?, algorithms)?;
        let claimed = token.claimed_issuer().ok_or(Refused::UnknownIssuer)?;
        let found = issuers.iter().find(|(issuer, _)| issuer.name == claimed);
        let (issuer, keys) = found.ok_or(Refused::UnknownIssuer)?;
        if issuer.token_type.as_deref().is_some_and(|required| !token.is_of_type(required)) {
            return Err(Refused::TokenType);
        }
        let keys = keys.with_key(token.kid()).await?;
        let (tenant, claims, expires) = issuer.tenant(token, &keys, time.now(), headers)?;
        Ok(VerifiedTenant::new(seal.tenant(&tenant), claims, Some(expires)))
    }

    pub(crate) fn time(&self) -> &SharedTimeSource {
        &self.0.time
    }
}

impl fmt::Debug for TenantFromJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.0.issuers.iter().map(|(issuer, _)| &issuer.name).collect();
        f.debug_struct("TenantFromJwt").field("issuers", &issuers).finish_non_exhaustive()
    }
}

/// Configures a [`TenantFromJwt`]. Nothing is checked before [`Builder::build`].
#[must_use = "nothing is configured before `build`"]
#[derive(Debug)]
pub struct Builder {
    seal: TenantSeal,
    issuers: Vec<Issuer>,
    algorithms: Vec<Algorithm>,
}

impl Builder {
    /// Adds an issuer. With more than one, each says with [`Issuer::tenants`] for whom it may speak.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// The algorithms that tokens may have. Default: [`Algorithm::Rs256`] and [`Algorithm::Es256`].
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Checks the configuration, and fetches the keys of all issuers over the configuration's HTTP client.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to change. Keys that cannot be fetched are an error, too, unless the issuer is
    /// [`optional_at_start`](Issuer::optional_at_start).
    pub async fn build(self, config: &SdkConfig) -> Result<TenantFromJwt, ConfigError> {
        let Self { seal, issuers, algorithms } = self;
        if algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithm);
        }
        let mut names: Vec<_> = issuers.iter().map(Issuer::name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::IssuerTwice { issuer: twice[0].to_owned() });
        }
        let is_only = match issuers.len() {
            0 => return Err(ConfigError::NoIssuer),
            number => number == 1,
        };
        let fetcher = Fetcher::new(http_client(config).ok_or(ConfigError::NoHttpClient)?);
        let time = time(config);
        let checked = issuers.into_iter().map(|issuer| {
            let issuer = issuer.check(is_only)?;
            let source = issuer.source.clone();
            let keys = IssuerKeys::new(issuer.name.clone(), source, fetcher.clone(), Arc::clone(&time));
            Ok((issuer, keys))
        });
        let issuers = checked.collect::<Result<Vec<_>, ConfigError>>()?;
        let fetched = join_all(issuers.iter().map(|(_, keys)| keys.refresh())).await;
        for ((issuer, _), fetched) in issuers.iter().zip(fetched) {
            match fetched {
                Err(source) if !issuer.optional_at_start => {
                    return Err(ConfigError::Keys { issuer: issuer.name.clone(), source });
                }
                _ => {}
            }
        }
        Ok(TenantFromJwt(Arc::new(Shared { seal, algorithms, issuers, time })))
    }
}
