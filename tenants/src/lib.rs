//! Tenants' keys from onboarding to offboarding: what the key team runs, in the key account.
//!
//! Every operation writes down what it is about to do before it does it, and can be run again at any time: killed after any request, the
//! next run goes on from there and ends in the same state, with no key left over. Several operators may run the same operation at once.
//!
//! ```no_run
//! # async fn example(config: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tenantseal::keys::{RoleArn, Tenancy};
//! use tenantseal_tenants::{DynamoDbRegistry, Tenants};
//! use tenantseal::{AliasTemplate, TenantId};
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
