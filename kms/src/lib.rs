//! AWS KMS and STS for tenantseal: a key service, the IAM and key policies that isolate tenants, and a key table in
//! DynamoDB.
//!
//! [`KmsKeyService`] makes and unwraps data keys under each tenant's KMS key, which it names by the tenant's alias.
//! With [`KmsKeyService::assume_role`] it calls KMS in an STS session per tenant, so that IAM enforces the isolation.
//!
//! - To seal **DynamoDB items**, use the crate `tenantseal`. `TenantSealBuilder::assume_role` configures this service;
//!   `TenantSealBuilder::key_service` takes one that you build yourself.
//! - To seal values for **another store**, give the service to a [`Vault`](tenantseal_core::Vault), as below.
//! - To manage tenants' keys, use `tenantseal-tenants`.
//!
//! # Example
//!
//! ```no_run
//! use tenantseal_core::{AliasTemplate, TenantId, Vault};
//! use tenantseal_kms::{KmsKeyService, RoleArn, Tenancy};
//!
//! # async fn example(config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let role = RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?;
//! let tenancy = Tenancy::new(role, AliasTemplate::default()); // alias/customer-{tenant}
//! let service = KmsKeyService::assume_role(config, tenancy)?;
//!
//! let vault = Vault::builder(service).build()?;
//! let invoice = vault.tenant(&TenantId::parse("acme")?).item("invoices", ("number", "2026-17"), None)?;
//! let sealed = invoice.seal("iban", b"DE02 1203 0000 0000 2020 51").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Main types
//!
//! | to | use |
//! |---|---|
//! | make and unwrap data keys | [`KmsKeyService`] |
//! | wrap data keys of former KMS keys anew | [`KmsRewrapService`] |
//! | write the role's, the sessions' and the keys' policies | [`Tenancy`], [`Scope`], [`Policy`] |
//! | name the role | [`RoleArn`] |
//! | share data keys among processes | [`DynamoDbKeyTable`] |

#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod errors;
mod failover;
#[doc(hidden)]
pub mod http;
mod key_table;
#[doc(hidden)]
pub mod new_table;
#[doc(hidden)]
pub mod partition;
#[doc(hidden)]
pub mod policy;
mod regions;
mod rewrap;
mod service;
#[doc(hidden)]
pub mod sessions;

pub use key_table::DynamoDbKeyTable;
#[doc(inline)]
pub use policy::{InvalidRoleArn, InvalidTagKey, Policy, PolicyTooLarge, RoleArn, Scope, Tenancy};
pub use regions::InvalidRegions;
pub use rewrap::KmsRewrapService;
pub use service::{InvalidKmsConfig, KmsKeyService};
