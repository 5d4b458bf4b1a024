//! AWS KMS and STS: data keys by tenants' aliases, sessions for one tenant each, the policies, and the key table in DynamoDB.

#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod errors;
#[doc(hidden)]
pub mod http;
mod key_table;
#[doc(hidden)]
pub mod new_table;
#[doc(hidden)]
pub mod partition;
#[doc(hidden)]
pub mod policy;
mod service;
#[doc(hidden)]
pub mod sessions;

pub use key_table::DynamoDbKeyTable;
pub use policy::{InvalidRoleArn, InvalidTagKey, Policy, PolicyTooLarge, RoleArn, Scope, Tenancy};
pub use service::KmsKeyService;
