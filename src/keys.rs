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
mod table;

pub(crate) use cache::{DataKeys, DataKeysConfig, KeyError, OpeningKeyError};
pub use kms::KmsKeyService;
pub use memory::InMemoryKeyService;
pub use policy::{InvalidRoleArn, Policy, PolicyTooLarge, RoleArn, Tenancy};
pub use service::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, UnwrappedDataKey};
pub(crate) use table::SharedKeys;
pub use table::{DynamoDbKeyTable, InMemoryKeyTable, KeyTable, KeyTableError, KeyTableErrorKind, Swap};
