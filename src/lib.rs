#![doc = include_str!("../README.md")]

/// The code blocks of the operations guide compile and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/OPERATIONS.md")]
mod operations_guide {}

pub mod audit;
mod client;
mod context;
mod crypto;
mod error;
mod expression;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod item;
pub mod keys;
mod new_table;
pub mod records;
pub mod schema;
mod sight;
mod tenant;
mod tenant_seal;
pub mod tenants;
#[cfg(test)]
mod vectors;

pub use context::{EncryptionContext, InvalidContext, StaticPairs};
pub use crypto::{DataKey, KeyId, WrappedKey, WrongLength};
pub use error::{Error, ItemRef, Piece, Refusal, ServiceError, Unopened, UnopenedItem, Written};
pub use expression::ExpressionError;
pub use format::inspect;
pub use format::{FormatError, InvalidKey, InvalidKeyArn, InvalidNumber, InvalidValue, KeyArn};
pub use item::{Item, OpenError, OpenFault, PrimaryKeyError, SealError};
pub use schema::Record;
pub use tenant::{Alias, AliasTemplate, InvalidAliasTemplate, InvalidTenantId, TenantId};
pub use tenant_seal::{ConfigError, TableFault, TableFaultKind, TablesError, Tenant, TenantSeal, TenantSealBuilder};
pub use tenantseal_derive::Record;
