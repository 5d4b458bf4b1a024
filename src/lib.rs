//! Per-tenant client-side encryption for pooled DynamoDB tables.

pub mod schema;

pub use schema::Record;
pub use tenantseal_derive::Record;
