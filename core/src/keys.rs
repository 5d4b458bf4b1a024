//! Data keys: where they come from, who may have them, and how long they stay.
//!
//! [`KeyService`] is the seam; everything above it (caching, single flight, verification) is the same for every implementation.

pub mod cache;
pub mod config;
pub mod fetch;
mod memory;
pub mod outcome;
mod revoke;
pub mod service;
pub mod settings;
pub mod table;
#[cfg(test)]
mod tests;

pub use cache::clock::{Clock, Moment};
pub use cache::lease::Terms;
pub use config::{Limits, Retries};
pub use fetch::data_keys::{DataKeys, DataKeysConfig};
pub use fetch::handle::TenantHandle;
pub use fetch::opening_keys::OpeningMode;
pub use fetch::shared_keys::SharedKeys;
pub use memory::InMemoryKeyService;
pub use outcome::{KeyError, OpeningKeyError};
pub use revoke::Revoke;
pub use service::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, MissingAlias, UnwrappedDataKey};
pub use settings::{InvalidSettings, Settings};
pub use table::{InMemoryKeyTable, KeyTable, KeyTableError, KeyTableErrorKind, Swap};
