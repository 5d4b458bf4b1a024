//! What is wrong with a configuration, and what to write instead.

use crate::fetch::FetchError;

/// Why a configuration verifies no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No issuer is configured.
    #[error("no issuer is configured: add one with `issuer`")]
    NoIssuer,
    /// Two issuers have the same name.
    #[error("{issuer} is configured twice: give one issuer several audiences instead")]
    IssuerTwice {
        /// The issuer.
        issuer: String,
    },
    /// No algorithm is allowed.
    #[error("no algorithm is allowed: name some in `algorithms`, or leave the default")]
    NoAlgorithm,
    /// An issuer has no audience.
    #[error("{issuer} has no audience, so tokens for other services would pass: name yours with `audience`")]
    NoAudience {
        /// The issuer.
        issuer: String,
    },
    /// Not one place says where the tenant is.
    #[error("{issuer} must say in one place where tokens name the tenant: `tenant_claim` or `member_of`, with a path")]
    NoTenantClaim {
        /// The issuer, or the authorizer.
        issuer: String,
    },
    /// The tenant would be what users write themselves.
    #[error("{issuer}: users write `{name}` themselves and would choose their tenant: use a claim that you write")]
    WrittenByUsers {
        /// The issuer, or the authorizer.
        issuer: String,
        /// The name in the path.
        name: String,
    },
    /// A selector is no name of a header.
    #[error("{issuer}: `{name}` is no name of a header")]
    NotAHeader {
        /// The issuer.
        issuer: String,
        /// The name.
        name: &'static str,
    },
    /// Among several issuers one does not say for whom it speaks.
    #[error("{issuer} is one of several issuers: say with `tenants` for whom it may speak")]
    TenantsUnsaid {
        /// The issuer.
        issuer: String,
    },
    /// An issuer speaks for nobody, or has an empty prefix.
    #[error("{issuer} may speak for no tenant: `tenants` has an empty set or an empty prefix")]
    NoTenants {
        /// The issuer, or the authorizer.
        issuer: String,
    },
    /// An address is not `https://`.
    #[error("the keys of {issuer} would not come over https: give an https address with `jwks_uri`")]
    NotHttps {
        /// The issuer.
        issuer: String,
    },
    /// The SDK configuration has no HTTP client.
    #[error("the SDK configuration has no HTTP client, and this build of the SDK brings none: set one")]
    NoHttpClient,
    /// The keys of an issuer could not be fetched at the start.
    #[error("the keys of {issuer} could not be fetched; `optional_at_start` lets the service start without them")]
    Keys {
        /// The issuer.
        issuer: String,
        /// Why.
        source: FetchError,
    },
    /// An authorizer does not name the API and the account.
    #[error("the authorizer must name the API and the account that events come from")]
    NoApi,
}
