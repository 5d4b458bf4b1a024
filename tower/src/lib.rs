#![doc = include_str!("../README.md")]

#[cfg(not(any(feature = "rust_crypto", feature = "aws-lc-rs")))]
compile_error!("nothing checks signatures: turn on the feature `rust_crypto` (default) or `aws-lc-rs`");

mod algorithm;
#[cfg(feature = "axum")]
mod axum;
mod base64url;
mod claims;
mod config_error;
mod expiry;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "tonic")]
mod grpc;
mod issuer;
mod issuer_keys;
mod json;
mod key_set;
#[cfg(feature = "lambda")]
mod lambda;
mod layer;
mod refused;
mod telemetry;
mod tenant_from_jwt;
mod tenant_rule;
mod token;
mod verified_tenant;

pub use algorithm::Algorithm;
#[cfg(feature = "axum")]
pub use axum::MissingLayer;
pub use config_error::ConfigError;
pub use expiry::{ExpiringBody, TokenExpired};
pub use fetch::FetchError;
pub use issuer::Issuer;
#[cfg(feature = "lambda")]
pub use lambda::{Authorizer, AuthorizerBuilder, GatewayEvent, TenantFromAuthorizer};
pub use layer::{ExpiringTenantLayer, ExpiringTenantService, TenantLayer, TenantService};
pub use refused::Refused;
pub use tenant_from_jwt::{Builder, TenantFromJwt};
pub use tenant_rule::{Selector, Tenants};
pub use verified_tenant::{OtherTenant, VerifiedTenant};
