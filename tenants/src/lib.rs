//! Manages tenants' KEKs for `tenantseal`: onboarding, rotation, suspension, offboarding, and a registry of all tenants.
//!
//! The key team runs this in the key account, in its own programs or through the command `tenantseal`. Services do not
//! need it: they seal and open items with the crate `tenantseal`, whose credentials administer no keys.
//!
//! Every operation records what it is about to do before it does it, and is safe to repeat. If a run is killed after any
//! request, the next run continues there and ends in the same state, with no KEK left over. Several operators may run
//! the same operation at once.
//!
//! `tenantseal` re-exports what the example takes from `tenantseal-core` and `tenantseal-kms`.
//!
//! - [`Tenants`] is the handle: `onboard`, `rotate`, `move_to`, `suspend`, `resume`, `offboard`, `cancel_offboard`,
//!   `show`, `list` and `history`.
//! - [`Registry`] stores one [`Entry`] per tenant and its history: [`DynamoDbRegistry`], or [`InMemoryRegistry`] for
//!   tests.
//! - [`State`] and [`Operation`] say which operations a tenant's state allows, [`Tier`] whose KEK a tenant uses.
//! - [`Error`] says what failed and what to do next.
//!
//! ```no_run
//! # async fn example(config: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tenantseal_core::{AliasTemplate, TenantId};
//! use tenantseal_kms::{RoleArn, Tenancy};
//! use tenantseal_tenants::{DynamoDbRegistry, Tenants};
//!
//! let tenancy = Tenancy::new(RoleArn::parse("arn:aws:iam::111111111111:role/TenantKeys")?, AliasTemplate::default());
//! let registry = DynamoDbRegistry::new(&config, "tenants");
//! let tenants = Tenants::builder(tenancy, Arc::new(registry)).build(&config)?;
//!
//! let acme = TenantId::parse("acme")?;
//! let entry = tenants.onboard(&acme).await?;
//! let rotated = tenants.rotate(&acme).on_demand().await?;
//! println!("{} is {}; {}", entry.tenant, entry.state, rotated.cost);
//! let report = tenants.offboard(&acme).window_days(30).await?;
//! # Ok(())
//! # }
//! ```

mod admin;
mod aws_error;
mod begun;
mod builder;
mod cost;
mod entry;
mod error;
mod fence;
mod handle;
mod kek;
mod new_kek;
mod offboard;
mod onboard;
mod pace;
mod pool;
mod probe;
mod reconcile;
mod region_results;
mod registry;
mod rotate;
mod settings;
mod show;
mod state;
mod steps;
mod suspend;
mod verify;

pub use aws_error::AwsError;
pub use builder::{InvalidSetting, TenantsBuilder};
pub use cost::MonthlyCost;
pub use entry::{Entry, Generation, OperationId, Pending, Tier, Timestamp};
pub use error::Error;
pub use handle::Tenants;
pub use offboard::{DeletedKek, Offboard, Offboarded};
pub use onboard::Onboard;
pub use pool::POOL_SIZE;
pub use registry::{DynamoDbRegistry, InMemoryRegistry, Page, Registry, RegistryError};
pub use rotate::{Rekey, Rotate, Rotated};
pub use show::{KekDetails, TenantDetails};
pub use state::{IllegalTransition, Operation, State};
