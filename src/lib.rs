#![doc = include_str!("../README.md")]

/// The code blocks of the operations guide compile and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/OPERATIONS.md")]
mod operations_guide {}

/// Every use of a data key, told to whoever has to account for them.
pub mod audit {
    pub use tenantseal_core::audit::{AuditSink, DataKeySource, DataKeyUse, Purpose};
}
mod client;
mod error;
mod expression;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod item;
pub mod keys;
pub mod records;
pub mod schema;
mod tenant_seal;
#[cfg(test)]
mod vectors;

pub use error::{Error, ItemRef, Piece, Refusal, ServiceError, Unopened, UnopenedItem, Written};
pub use expression::ExpressionError;
pub use item::{InvalidValue, Item, OpenError, PrimaryKeyError, SealError};
pub use schema::Record;
pub use tenant_seal::{ConfigError, TableFault, TableFaultKind, TablesError, Tenant, TenantSeal, TenantSealBuilder};
pub use tenantseal_core::context::{EncryptionContext, InvalidContext, StaticPairs};
pub use tenantseal_core::crypto::{DataKey, DataKeyId, InvalidDataKeyId, WrappedDataKey, WrongLength};
pub use tenantseal_core::envelope::OpenFault;
pub use tenantseal_core::format::inspect;
pub use tenantseal_core::format::{
    FormatError, InvalidKekId, InvalidKeyArn, InvalidNumber, InvalidPrimaryKey, KekId, KeyArn,
};
pub use tenantseal_core::tenant::{Alias, AliasTemplate, InvalidAliasTemplate, InvalidTenantId, TenantId};
pub use tenantseal_derive::Record;
