//! Per-tenant client-side encryption for pooled DynamoDB tables.

mod expression;
pub mod schema;

pub use schema::Record;
pub use tenantseal_derive::Record;
