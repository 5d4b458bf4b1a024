//! What is kept of tenants' data keys, and what is known of the keys that wrap them. Waits for nothing.

pub mod backoff;
pub mod circuit;
pub mod clock;
pub mod data_key_cache;
pub mod fetches;
pub mod key_health;
pub mod lease;
pub mod pins;
pub mod rejected_records;
pub mod single_flight;
pub mod tenant_state;
pub mod tenants;
pub mod token_bucket;
