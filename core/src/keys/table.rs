//! Data keys that a fleet shares: their wrapped form, in a table of their own.
//!
//! [`KeyTable`] is the seam. Two kinds of entries, both holding a key record (docs/FORMAT.md, "Key table"): *records* by key id,
//! written first and never changed, and *pointers*, one for each tenant, Region, context and period, that say which record seals.
//! Whoever sets a pointer first has made the fleet's key; the others drop theirs. What the table answers is as hostile as an item.

mod error;
mod memory;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::tenant::TenantId;

pub use error::{KeyTableError, KeyTableErrorKind};
pub use memory::InMemoryKeyTable;

/// Keeps the wrapped data keys that processes share.
///
/// This is all that a key table has to do. What an entry means, and that a record belongs to the tenant, is checked above it.
#[async_trait]
pub trait KeyTable: Debug + Send + Sync {
    /// The table's name, for errors.
    fn name(&self) -> &str;

    /// What is stored in an entry of `tenant`. A read that follows a write sees it.
    async fn get(&self, tenant: &TenantId, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError>;

    /// Stores `record` in an entry when `expected` is what is there (none: when nothing is), at one moment for all processes.
    async fn compare_and_swap(
        &self,
        tenant: &TenantId,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError>;

    /// Whether the table is as it should be, and what is lost can be restored. Asked once before anything is sealed that cannot be
    /// opened without the table.
    async fn check(&self) -> Result<(), KeyTableError>;
}

#[async_trait]
impl<T: KeyTable + ?Sized> KeyTable for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn get(&self, tenant: &TenantId, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        (**self).get(tenant, entry).await
    }

    async fn compare_and_swap(
        &self,
        tenant: &TenantId,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        (**self).compare_and_swap(tenant, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        (**self).check().await
    }
}

/// What became of a [`KeyTable::compare_and_swap`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Swap {
    /// The record is stored.
    Stored,
    /// Something else was there, and is still.
    Found(Option<Vec<u8>>),
}
