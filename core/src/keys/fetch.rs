//! Fetches data keys: decides when to call the key service, and applies its answers to the cache.

pub mod call;
pub mod counted_table;
pub mod data_keys;
pub mod decrypt;
pub mod engine;
pub mod fleet_key;
pub mod handle;
pub mod lookup;
pub mod lookup_agreement;
pub mod lookup_entry;
pub mod opening_keys;
pub mod refresh;
pub mod renew;
pub mod rewrap;
pub mod sealing_key;
pub mod shared_keys;
pub mod unwrap;
