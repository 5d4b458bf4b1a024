//! Data keys: where they come from, who may have them, and how long they stay.
//!
//! [`KeyService`] is the seam; everything above it (caching, single flight, verification) is the same for every implementation.

mod cache;
mod credentials;
mod evictions;
mod failure;
mod http;
mod kms;
mod memory;
mod policy;
mod service;

pub(crate) use cache::{DataKeys, DataKeysConfig, OpeningKeyError};
pub(crate) use credentials::TenantSessions;
pub(crate) use failure::{AwsFailure, classified, kind as failure_kind};
pub(crate) use http::quiet;
pub use kms::KmsKeyService;
pub use memory::InMemoryKeyService;
pub(crate) use policy::TENANT_TAG;
pub use policy::{InvalidRoleArn, Policy, PolicyTooLarge, RoleArn, Scope, Tenancy};
pub use service::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, UnwrappedDataKey};
