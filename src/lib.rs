#![doc = include_str!("../README.md")]

/// The code blocks of the operations guide compile and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/OPERATIONS.md")]
mod operations_guide {}

/// The code blocks of the guide to adoption compile as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/ADOPTING.md")]
mod adopting_guide {}

/// Every use of a data key, told to whoever has to account for them.
pub mod audit {
    pub use tenantseal_core::audit::{AuditSink, DataKeySource, DataKeyUse, Purpose};
}
/// Tenants' objects in S3: re-exports what users need of `tenantseal-blobs`.
#[cfg(feature = "s3")]
pub mod blobs {
    #[doc(no_inline)]
    pub use tenantseal_blobs::*;
}
pub mod adoption;
pub mod changes;
mod claims;
mod client;
pub mod error;
mod expression;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod item;
pub mod keys;
mod leaves;
pub mod records;
pub mod schema;
pub mod sweep;
mod tenant_seal;
#[cfg(test)]
mod vectors;

// Their types are in signatures of this crate; use the versions that it is built with.
pub use aws_sdk_dynamodb;
pub use aws_types;

pub use error::Error;
pub use schema::{Item, Record};
pub use tenant_seal::{Tenant, TenantSeal, TenantSealBuilder};
#[cfg(feature = "s3")]
pub use tenantseal_blobs::Stamp;
pub use tenantseal_core::format::inspect;
pub use tenantseal_core::tenant::TenantId;
pub use tenantseal_derive::Record;
