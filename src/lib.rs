//! Per-tenant client-side encryption for pooled DynamoDB tables.

mod context;
mod crypto;
mod format;
mod item;
mod keys;
pub mod schema;
mod tenant;

pub use schema::Record;
pub use tenantseal_derive::Record;
