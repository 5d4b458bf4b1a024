//! Per-tenant client-side encryption for pooled DynamoDB tables.

mod client;
mod context;
mod crypto;
mod error;
mod expression;
mod format;
mod item;
mod keys;
pub mod schema;
mod tenant;

pub use schema::Record;
pub use tenantseal_derive::Record;
