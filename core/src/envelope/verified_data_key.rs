//! A data key in use.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::KeyRecordPlacement;
use crate::context::EncryptionContext;
use crate::crypto::{DataKey, ItemKey, NonceKey, PseudorandomKey, WrappedDataKey};
use crate::envelope::DataKeySource;
use crate::envelope::Seals;
use crate::format::{Identity, KekId, KeyRecord, StoredKey};

/// A data key whose record is known to be its own: the only thing that seals or opens.
#[derive(Debug)]
pub struct VerifiedDataKey {
    key: PseudorandomKey,
    record: KeyRecord,
    stored: Box<[u8]>,
    /// Whether the key table is known to hold the record.
    in_key_table: AtomicBool,
    brought: OnceLock<Brought>,
    /// Whether an operation has used it.
    used: AtomicBool,
    /// How many attributes it has sealed in this process, or somewhat more.
    seals: AtomicU64,
}

impl VerifiedDataKey {
    /// A data key that KMS has just made.
    pub fn generated(
        data_key: &DataKey,
        created: u32,
        context: &EncryptionContext,
        kek: KekId,
        wrapped: WrappedDataKey,
    ) -> Self {
        let key = PseudorandomKey::extract(data_key);
        let record = KeyRecord::new(&key, created, context, kek, wrapped);
        Self::with(key, record)
    }

    /// A data key that KMS unwrapped, when `record` is its own.
    pub(crate) fn verify(record: KeyRecord, data_key: &DataKey) -> Option<Self> {
        let key = PseudorandomKey::extract(data_key);
        record.is_of(&key).then(|| Self::with(key, record))
    }

    /// A data key and the record that is its own.
    fn with(key: PseudorandomKey, record: KeyRecord) -> Self {
        let stored = record.encode().into();
        Self {
            key,
            record,
            stored,
            in_key_table: AtomicBool::new(false),
            brought: OnceLock::new(),
            used: AtomicBool::new(false),
            seals: AtomicU64::new(0),
        }
    }

    /// Says that the key service's request of this id has brought it, and where its record was found. In place: a key that moves
    /// leaves copies behind.
    pub(crate) fn brought_by(&self, request_id: Option<String>, source: DataKeySource) {
        self.brought.get_or_init(|| Brought { request_id, source });
    }

    /// The request that brought it.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.brought.get()?.request_id.as_deref()
    }

    /// Where this use has it from: from the cache unless it is the first.
    pub(crate) fn source_of_use(&self) -> DataKeySource {
        let is_first = !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed);
        if is_first {
            self.brought.get().map_or(DataKeySource::Kms, |brought| brought.source)
        } else {
            DataKeySource::Cache
        }
    }

    /// Whether this key, found by its id, serves `record`, stored as `stored`.
    pub fn serves(&self, record: &KeyRecord, stored: &[u8]) -> Serves {
        if *self.stored == *stored {
            Serves::Yes
        } else if !record.is_of(&self.key) {
            Serves::Forged
        } else if record.kek.is_same_key(&self.record.kek) {
            Serves::Yes
        } else {
            Serves::AskAgain
        }
    }

    /// Says that the key table holds the record: items may refer to it from now on.
    pub fn mark_in_key_table(&self) {
        self.in_key_table.store(true, Ordering::Relaxed);
    }

    /// Whether the key table is known to hold the record: then a reference names this key, and without a look there.
    pub(crate) fn is_in_key_table(&self) -> bool {
        self.in_key_table.load(Ordering::Relaxed)
    }

    /// What an item stores that names this key.
    pub fn stored_at(&self, place: KeyRecordPlacement) -> Result<StoredKey<&[u8]>, NotInKeyTable> {
        match place {
            KeyRecordPlacement::Item => Ok(StoredKey::Record(&self.stored)),
            // Checked where it would hurt: what refers to a record that is nowhere is lost.
            KeyRecordPlacement::KeyTable if self.is_in_key_table() => Ok(StoredKey::Reference(self.record.key_id)),
            KeyRecordPlacement::KeyTable => Err(NotInKeyTable),
        }
    }

    /// Whether this key may seal where the record lies there.
    pub(crate) fn is_at(&self, place: KeyRecordPlacement) -> bool {
        self.stored_at(place).is_ok()
    }

    /// The record as it is stored.
    pub fn stored_record(&self) -> &[u8] {
        &self.stored
    }

    /// The record.
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// Says that it seals so many attributes.
    pub(crate) fn count_seals(&self, attributes: usize) {
        self.seals.fetch_add(u64::try_from(attributes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether it has sealed as much as it may.
    pub(crate) fn is_used_up(&self, most: Seals) -> bool {
        let most = if self.in_key_table.load(Ordering::Relaxed) { most.shared } else { most.own };
        self.seals.load(Ordering::Relaxed) >= most
    }

    /// The key of one item.
    pub(crate) fn item_key(&self, identity: &Identity) -> ItemKey {
        self.key.item_key(identity)
    }

    /// The key of one item's synthetic nonces.
    pub(crate) fn nonce_key(&self, identity: &Identity) -> NonceKey {
        self.key.nonce_key(identity)
    }
}

/// How a data key came into this process.
#[derive(Debug)]
struct Brought {
    request_id: Option<String>,
    source: DataKeySource,
}

/// Whether a data key serves a record that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// The very bytes that were verified, or others of the same KEK with a good check.
    Yes,
    /// The record names this key and was not made with it.
    Forged,
    /// It names another KEK, as a re-wrap leaves it: KMS must vouch for that.
    AskAgain,
}

/// The item shall refer to the key table, which is not known to hold the record of the data key: it could never be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key table is not known to hold the record of the data key")]
pub struct NotInKeyTable;
