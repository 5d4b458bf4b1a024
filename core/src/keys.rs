//! Data keys: the seams to a key service and to a key table, their errors, and implementations in memory.
//!
//! Implement [`KeyService`] for another key service, and [`KeyTable`] for another store of shared data keys. Caching,
//! shared calls, retries and verification lie above both, the same for every implementation.

#[doc(hidden)]
pub mod cache;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod declared_lookups;
#[doc(hidden)]
pub mod fetch;
mod memory;
#[doc(hidden)]
pub mod outcome;
mod revoke;
#[doc(hidden)]
pub mod service;
#[doc(hidden)]
pub mod settings;
#[doc(hidden)]
pub mod table;
#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use cache::clock::{Clock, Moment};
#[doc(hidden)]
pub use cache::lease::Terms;
#[doc(hidden)]
pub use cache::lookup_key::LookupKeys;
#[doc(hidden)]
pub use config::{Limits, Retries};
#[doc(inline)]
pub use declared_lookups::InvalidLookups;
#[doc(hidden)]
pub use declared_lookups::{DeclaredLookup, DeclaredLookups};
#[doc(hidden)]
pub use fetch::counted_table::CountedTable;
#[doc(hidden)]
pub use fetch::data_keys::{DataKeys, DataKeysConfig};
#[doc(hidden)]
pub use fetch::handle::TenantHandle;
#[doc(hidden)]
pub use fetch::opening_keys::OpeningMode;
#[doc(inline)]
pub use fetch::rewrap::Rewrapper;
#[doc(hidden)]
pub use fetch::shared_keys::SharedKeys;
pub use memory::InMemoryKeyService;
#[doc(hidden)]
pub use outcome::{KeyError, OpeningKeyError};
pub use revoke::Revoke;
#[doc(inline)]
pub use service::{
    CurrentKek, GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, MissingAlias, RewrapService,
    RewrappedDataKey, UnwrappedDataKey,
};
#[doc(inline)]
pub use settings::InvalidSettings;
#[doc(hidden)]
pub use settings::Settings;
#[doc(inline)]
pub use table::{InMemoryKeyTable, KeyTable, KeyTableError, KeyTableErrorKind, Swap};
