//! Data keys: where they come from, who may have them, and how long they stay.
//!
//! [`KeyService`] is the seam; everything above it (caching, single flight, verification) is the same for every implementation.

pub mod cache;
pub mod fetch;
mod memory;
mod revoke;
mod service;
pub mod table;
#[cfg(test)]
mod tests;

pub use cache::clock::{Clock, Moment};
pub use cache::lease::{Seals, Terms};
pub use fetch::call::Retries;
pub use fetch::engine::{DataKeys, DataKeysConfig, KeyError, Limits, OpeningKeyError};
pub use fetch::handle::TenantHandle;
pub use fetch::opening_keys::Want;
pub use memory::InMemoryKeyService;
pub use revoke::Revoke;
pub use service::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, MissingAlias, UnwrappedDataKey};
pub use table::{InMemoryKeyTable, KeyTable, KeyTableError, KeyTableErrorKind, SharedKeys, Swap};
