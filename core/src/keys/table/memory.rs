//! A key table without AWS, for tests.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{KeyTable, KeyTableError, Swap};

/// A key table in memory, for unit tests and simulations; share it with `Arc`. **Whatever refers to it is lost with the
/// process.**
#[derive(Default)]
pub struct InMemoryKeyTable(Mutex<HashMap<(String, String), Vec<u8>>>);

impl InMemoryKeyTable {
    /// Creates an empty table.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl KeyTable for InMemoryKeyTable {
    fn name(&self) -> &str {
        "in memory"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        // A panic elsewhere cannot leave the map half-changed.
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(entries.get(&(partition.to_owned(), entry.to_owned())).cloned())
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (partition.to_owned(), entry.to_owned());
        let found = entries.get(&key);
        if found.map(Vec::as_slice) != expected {
            return Ok(Swap::Found(found.cloned()));
        }
        entries.insert(key, record.to_vec());
        Ok(Swap::Stored)
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

impl fmt::Debug for InMemoryKeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemoryKeyTable(..)")
    }
}
