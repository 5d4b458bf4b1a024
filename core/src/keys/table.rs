//! Data keys that a fleet shares: their wrapped form, in a table of its own.
//!
//! [`KeyTable`] is the seam. A table has 3 kinds of entries (docs/FORMAT.md, "Key table"). The first 2 hold a key record.
//! *Records* are stored by data key id, written first and never changed. *Pointers*, one for each tenant, Region,
//! context and period, name the record whose key seals. The process that sets a pointer first has made the fleet's key;
//! the others drop theirs. *Lookup records*, one for each tenant, context and number, hold a lookup key, wrapped under a
//! data key that was made for it; the process that stores one first has made the fleet's. Whatever the table returns is as hostile as an item.

mod error;
mod memory;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use error::{KeyTableError, KeyTableErrorKind};
pub use memory::InMemoryKeyTable;

/// Stores the wrapped data keys that processes share.
///
/// An implementation does nothing else. The caller interprets the entries, and checks that a key record belongs to the
/// tenant.
///
/// A partition is a tenant's id. What concerns no tenant is in partitions whose names begin with `#`, which no tenant's id
/// contains.
#[async_trait]
pub trait KeyTable: Debug + Send + Sync {
    /// The table's name, for errors.
    fn name(&self) -> &str;

    /// Reads an entry of a partition. A read that follows a write sees it.
    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError>;

    /// Stores `record` in an entry if the entry still holds `expected` (`None`: if there is no entry), atomically for
    /// all processes.
    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError>;

    /// Checks that the table has the right layout and can be restored. Called once before anything is sealed that
    /// cannot be opened without the table.
    async fn check(&self) -> Result<(), KeyTableError>;
}

#[async_trait]
impl<T: KeyTable + ?Sized> KeyTable for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        (**self).get(partition, entry).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        (**self).compare_and_swap(partition, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        (**self).check().await
    }
}

/// The result of [`KeyTable::compare_and_swap`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Swap {
    /// The record is stored.
    Stored,
    /// The entry holds something else, and is unchanged.
    Found(Option<Vec<u8>>),
}
