//! Caches tenants' data keys and the health of the KEKs that wrap them. Never awaits the network.

pub mod backoff;
pub mod circuit;
pub mod clock;
pub mod data_key_cache;
pub mod fetches;
pub mod key_health;
pub mod lease;
pub mod lookup_key;
pub mod pins;
pub mod rejected_records;
pub mod single_flight;
pub mod tenant_state;
pub mod tenants;
pub mod token_bucket;
