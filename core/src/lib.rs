//! Seals and opens bytes for many tenants, each under its own data keys. Knows no store and no cloud.
//!
//! Every tenant has a key-encryption key (KEK) in a key service such as AWS KMS. A [`Vault`] asks that service for data
//! keys, caches them, and seals values with them. After a tenant's KEK is disabled, its values no longer open once the
//! cached keys are revalidated (default: every 15 min).
//!
//! - To seal **DynamoDB items**, use the crate `tenantseal`, which is built on this one.
//! - To seal values for **another store, a stream or files**, use this crate, and `tenantseal-kms` for AWS KMS.
//! - To use **another key service**, implement [`keys::KeyService`].
//!
//! # Example
//!
//! ```
//! use tenantseal_core::keys::InMemoryKeyService;
//! use tenantseal_core::{TenantId, Vault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // For tests. In production: `tenantseal_kms::KmsKeyService`.
//! let vault = Vault::builder(InMemoryKeyService::new()).context("env", "prod").build()?;
//!
//! let acme = vault.tenant(&TenantId::parse("acme")?);
//! let invoice = acme.item("invoices", ("number", "2026-17"), None)?;
//! let sealed = invoice.seal("iban", b"DE02 1203 0000 0000 2020 51").await?;
//!
//! // Sealed bytes open only for the same tenant, table, item and name.
//! assert_eq!(invoice.open("iban", sealed.clone()).await?, b"DE02 1203 0000 0000 2020 51");
//! let globex = vault.tenant(&TenantId::parse("globex")?);
//! assert!(globex.item("invoices", ("number", "2026-17"), None)?.open("iban", sealed).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Main types
//!
//! | to | use |
//! |---|---|
//! | seal and open | [`Vault`], [`TenantVault`], [`ItemVault`]; [`VaultBuilder`] has the settings |
//! | seal and open streams and files | [`BlobVault`], [`blob`] |
//! | name tenants and keys | [`TenantId`], [`KekId`], [`KeyArn`], [`DataKeyId`], [`Alias`] |
//! | make data keys | [`keys::KeyService`]; [`keys::InMemoryKeyService`] for tests |
//! | share data keys among processes | [`keys::KeyTable`]; [`keys::InMemoryKeyTable`] for tests |
//! | handle errors | [`Error`], [`OpenFault`], [`keys::KeyServiceError`], [`keys::KeyTableError`] |
//! | record every use of a data key | [`audit::AuditSink`] |
//! | read what sealed bytes say about themselves | [`inspect`] |
//!
//! # Features
//!
//! `aws-lc-rs` uses AWS-LC for all cryptography instead of RustCrypto; the sealed bytes are the same. `fips` uses its
//! FIPS build.

pub mod audit;
pub mod blob;
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
pub mod keys;
mod six;
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

#[doc(inline)]
pub use context::{EncryptionContext, InvalidContext, StaticPairs};
#[doc(inline)]
pub use crypto::{DataKey, DataKeyId, InvalidDataKeyId, WrappedDataKey, WrongLength};
#[doc(inline)]
pub use envelope::OpenFault;
#[doc(inline)]
pub use format::{
    FormatError, InvalidKekId, InvalidKeyArn, InvalidNumber, InvalidPrimaryKey, KekId, KeyArn, PrimaryKeyPart, inspect,
};
#[doc(inline)]
pub use tenant::{Alias, AliasTemplate, InvalidAliasTemplate, InvalidTenantId, TenantId};
#[doc(inline)]
pub use trail::SinkPanicked;
pub use vault::{BlobVault, Error, ItemVault, TenantVault, Vault, VaultBuilder};
