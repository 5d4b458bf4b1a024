//! Data keys: where they come from, who may have them, and how long they stay.
//!
//! [`KeyService`] is the seam; everything above it (caching, single flight, verification) is the same for every implementation.

mod agreement;
mod asking;
mod bucket;
mod circuit;
mod clock;
mod credentials;
mod data_keys;
mod failure;
mod flight;
mod handle;
mod held;
mod http;
mod jitter;
mod keeper;
mod kms;
mod lease;
mod memory;
mod opening;
mod partition;
mod pins;
mod policy;
mod refused;
mod renewal;
mod sealing;
mod service;
mod shares;
mod standing;
mod states;
mod table;
mod tenant;
#[cfg(test)]
mod tests;
mod unverified;
mod unwrapping;

pub(crate) use asking::Retries;
pub(crate) use clock::{Clock, Moment};
pub(crate) use credentials::TenantSessions;
pub(crate) use data_keys::{DataKeys, DataKeysConfig, KeyError, Limits, OpeningKeyError};
pub(crate) use failure::{AwsFailure, classified, kind as failure_kind};
pub(crate) use handle::TenantHandle;
pub(crate) use http::quiet;
pub(crate) use jitter::backoff;
pub use kms::KmsKeyService;
pub(crate) use lease::{Seals, Terms};
pub use memory::InMemoryKeyService;
pub(crate) use opening::Want;
pub(crate) use partition::is_partition;
pub(crate) use policy::TENANT_TAG;
pub use policy::{InvalidRoleArn, InvalidTagKey, Policy, PolicyTooLarge, RoleArn, Scope, Tenancy};
pub use service::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, MissingAlias, UnwrappedDataKey};
pub(crate) use table::SharedKeys;
pub use table::{DynamoDbKeyTable, InMemoryKeyTable, KeyTable, KeyTableError, KeyTableErrorKind, Swap};
