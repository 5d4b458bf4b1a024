//! Tenants' data keys, and what is sealed under them: no store, no cloud.

pub mod audit;
#[doc(hidden)]
pub mod context;
#[doc(hidden)]
pub mod crypto;
#[doc(hidden)]
pub mod envelope;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod format;
mod hex;
#[doc(hidden)]
pub mod keys;
#[doc(hidden)]
pub mod telemetry;
#[doc(hidden)]
pub mod tenant;
#[doc(hidden)]
pub mod tenant_template;
#[doc(hidden)]
pub mod time;
#[doc(hidden)]
pub mod trail;
mod vault;

pub use context::{EncryptionContext, InvalidContext, StaticPairs};
pub use crypto::{DataKey, DataKeyId, WrappedDataKey, WrongLength};
pub use envelope::OpenFault;
pub use format::{
    FormatError, InvalidKekId, InvalidKeyArn, InvalidNumber, InvalidPrimaryKey, KekId, KeyArn, PrimaryKeyPart,
};
pub use tenant::{Alias, AliasTemplate, InvalidAliasTemplate, InvalidTenantId, TenantId};
pub use vault::{Error, ItemVault, TenantVault, Vault, VaultBuilder};
