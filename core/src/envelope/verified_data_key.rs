//! Verified data keys.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::KeyRecordPlacement;
use crate::context::EncryptionContext;
use crate::crypto::{
    BlobKey, Commitment, DataKey, ItemKey, LeaveKey, LookupWrapKey, NONCE_LEN, NonceKey, PseudorandomKey,
    WrappedDataKey,
};
use crate::envelope::{DataKeySource, Seals};
use crate::format::{
    Identity, KekId, KeyRecord, Leave, LeaveFault, LeaveTerms, LookupContents, LookupFault, LookupRecord, StoredKey,
    put_lp,
};
use crate::tenant::TenantId;

/// A data key that matches its key record. Only such a key seals or opens.
#[derive(Debug)]
pub struct VerifiedDataKey {
    key: PseudorandomKey,
    record: KeyRecord,
    stored: Box<[u8]>,
    /// Whether the key table is known to hold the key record.
    in_key_table: AtomicBool,
    origin: OnceLock<Origin>,
    /// Whether an operation has used it.
    used: AtomicBool,
    /// How many attributes it has sealed in this process, or slightly more.
    seals: AtomicU64,
}

impl VerifiedDataKey {
    /// A data key that KMS has made.
    pub fn from_generated(
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

    /// A data key that KMS unwrapped; `None` unless `record` is its own.
    pub(crate) fn verify(record: KeyRecord, data_key: &DataKey) -> Option<Self> {
        let key = PseudorandomKey::extract(data_key);
        record.matches_key(&key).then(|| Self::with(key, record))
    }

    /// A data key and its own key record.
    fn with(key: PseudorandomKey, record: KeyRecord) -> Self {
        let stored = record.encode().into();
        Self {
            key,
            record,
            stored,
            in_key_table: AtomicBool::new(false),
            origin: OnceLock::new(),
            used: AtomicBool::new(false),
            seals: AtomicU64::new(0),
        }
    }

    /// Records which request of the key service made or unwrapped it, and where its key record was found. In place: a
    /// key that moves leaves copies behind.
    pub(crate) fn set_origin(&self, request_id: Option<String>, source: DataKeySource) {
        self.origin.get_or_init(|| Origin { request_id, source });
    }

    /// The id of that request.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.origin.get()?.request_id.as_deref()
    }

    /// The source of this use: the cache unless it is the first.
    pub(crate) fn source_of_use(&self) -> DataKeySource {
        let is_first = !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed);
        if is_first {
            self.origin.get().map_or(DataKeySource::Kms, |origin| origin.source)
        } else {
            DataKeySource::Cache
        }
    }

    /// Whether this data key, found by its id, matches `record`, stored as `stored`.
    pub fn match_record(&self, record: &KeyRecord, stored: &[u8]) -> RecordMatch {
        if *self.stored == *stored {
            RecordMatch::Same
        } else if !record.matches_key(&self.key) {
            RecordMatch::Forged
        } else if record.kek.is_same_key(&self.record.kek) {
            RecordMatch::Same
        } else {
            RecordMatch::OtherKek
        }
    }

    /// Records that the key table holds the key record: items may refer to it from now on.
    pub fn mark_in_key_table(&self) {
        self.in_key_table.store(true, Ordering::Relaxed);
    }

    /// Whether the key table is known to hold the key record: a reference then names this key without a lookup in the
    /// table.
    pub(crate) fn is_in_key_table(&self) -> bool {
        self.in_key_table.load(Ordering::Relaxed)
    }

    /// What an item stores to name this data key.
    pub fn stored_at(&self, place: KeyRecordPlacement) -> Result<StoredKey<&[u8]>, NotInKeyTable> {
        match place {
            KeyRecordPlacement::Item => Ok(StoredKey::Record(&self.stored)),
            // Checked here because items that refer to a missing record are lost.
            KeyRecordPlacement::KeyTable if self.is_in_key_table() => Ok(StoredKey::Reference(self.record.key_id)),
            KeyRecordPlacement::KeyTable => Err(NotInKeyTable),
        }
    }

    /// Whether this data key may seal items whose key record lies in `place`.
    pub(crate) fn is_at(&self, place: KeyRecordPlacement) -> bool {
        self.stored_at(place).is_ok()
    }

    /// The key record as it is stored.
    pub fn stored_record(&self) -> &[u8] {
        &self.stored
    }

    /// The key record.
    pub fn record(&self) -> &KeyRecord {
        &self.record
    }

    /// Counts attributes that it seals.
    pub(crate) fn count_seals(&self, attributes: usize) {
        self.seals.fetch_add(u64::try_from(attributes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether it has reached its limit of seals.
    pub(crate) fn is_used_up(&self, most: Seals) -> bool {
        let most = if self.in_key_table.load(Ordering::Relaxed) { most.shared } else { most.own };
        self.seals.load(Ordering::Relaxed) >= most
    }

    /// The key of one item.
    pub(crate) fn item_key(&self, identity: &Identity) -> ItemKey {
        self.key.item_key(identity)
    }

    /// The key of one blob, and what commits to it.
    pub(crate) fn blob_key(&self, magic: &[u8], blob_id: &[u8], identity: &[u8]) -> (BlobKey, Commitment) {
        self.key.blob_key(magic, blob_id, identity)
    }

    /// The lookup record of lookup key `number` of a tenant, which this data key wraps.
    pub fn wrap_lookup_key(
        &self,
        tenant: &TenantId,
        number: u16,
        nonce: [u8; NONCE_LEN],
        contents: &LookupContents,
    ) -> Vec<u8> {
        LookupRecord::seal(&self.stored, &self.lookup_wrap_key(tenant, number), nonce, contents)
    }

    /// Opens the lookup record of lookup key `number` of a tenant, which names this data key.
    pub fn unwrap_lookup_key(
        &self,
        tenant: &TenantId,
        number: u16,
        record: &LookupRecord<'_>,
    ) -> Result<LookupContents, LookupFault> {
        record.open(&self.lookup_wrap_key(tenant, number))
    }

    fn lookup_wrap_key(&self, tenant: &TenantId, number: u16) -> LookupWrapKey {
        let mut lp_tenant = Vec::with_capacity(4 + tenant.as_str().len());
        put_lp(&mut lp_tenant, tenant.as_str().as_bytes());
        self.key.lookup_wrap_key(&lp_tenant, number)
    }

    /// A leave of a tenant for a logical table, to be stored in the ledger.
    pub fn issue_leave(&self, tenant: &TenantId, table: &str, terms: &LeaveTerms) -> Vec<u8> {
        terms.issue(&self.stored, &self.leave_key(tenant, table))
    }

    /// What a leave says that names this data key, if it was made for this tenant and logical table.
    pub fn verify_leave(&self, tenant: &TenantId, table: &str, leave: Leave<'_>) -> Result<LeaveTerms, LeaveFault> {
        leave.verify(&self.leave_key(tenant, table))
    }

    fn leave_key(&self, tenant: &TenantId, table: &str) -> LeaveKey {
        let (mut lp_tenant, mut lp_table) = (Vec::new(), Vec::new());
        put_lp(&mut lp_tenant, tenant.as_str().as_bytes());
        put_lp(&mut lp_table, table.as_bytes());
        self.key.leave_key(&lp_tenant, &lp_table)
    }

    /// The key of one item's synthetic nonces.
    pub(crate) fn nonce_key(&self, identity: &Identity) -> NonceKey {
        self.key.nonce_key(identity)
    }
}

/// How a data key came into this process.
#[derive(Debug)]
struct Origin {
    request_id: Option<String>,
    source: DataKeySource,
}

/// Whether a key record matches the data key that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordMatch {
    /// The verified bytes, or others of the same KEK with a valid check.
    Same,
    /// The key record names this data key and was not made with it.
    Forged,
    /// It names another KEK, as after a re-wrap: KMS must confirm that.
    OtherKek,
}

/// The item would refer to the key table, which is not known to hold the key record: it could never be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key table is not known to hold the record of the data key")]
pub struct NotInKeyTable;
