//! What the entries of a key table mean: which data key is the fleet's, and where the key records of compact items lie.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use moka::sync::Cache;

use crate::context::{EncryptionContext, Period};
use crate::crypto::DataKeyId;
use crate::format::inspect::record_entry;
use crate::format::{KeyRecord, context_digest};
use crate::keys::cache::single_flight::{DetachedLimit, SingleFlight};
use crate::keys::fetch::counted_table::CountedTable;
use crate::keys::table::{KeyTable, KeyTableError, KeyTableErrorKind, Swap};
use crate::tenant::TenantId;

/// How long a key record from the table is cached, and how long its absence. Key records never change; but an item
/// replicated from another Region may arrive before its record.
const RECORDS_TTL: Duration = Duration::from_secs(5);
/// The most cached key records.
const RECORDS_CAPACITY: u64 = 10_000;

/// The most detached reads.
const MAX_DETACHED_READS: usize = 1_000;

/// How often to retry a pointer that others keep changing.
const ROUNDS: usize = 3;

/// The data keys that a fleet shares through a [`KeyTable`].
pub struct SharedKeys {
    table: CountedTable,
    /// Data keys of one Region do not open in another, unless the KEK is a multi-Region key.
    region: Box<str>,
    /// Set once the table is known to be recoverable.
    recoverable: OnceLock<()>,
    checks: SingleFlight<(), Result<(), KeyTableError>>,
    records: Cache<RecordKey, Option<Arc<[u8]>>>,
    reads: SingleFlight<RecordKey, ReadResult>,
}

/// How items refer to a key record.
type RecordKey = (TenantId, DataKeyId);
/// The result of reading a key record.
type ReadResult = Result<Option<Arc<[u8]>>, KeyTableError>;

/// The entry that names the fleet's sealing key for one tenant and period.
pub(crate) struct Pointer {
    tenant: TenantId,
    entry: String,
    /// The context, as the key records that it may name store it.
    context: Box<[u8]>,
}

/// The key record that a pointer names: it has the right context, but is **not authenticated**.
pub(crate) struct PointerTarget {
    pub(crate) record: KeyRecord,
    pub(crate) stored: Box<[u8]>,
}

impl SharedKeys {
    pub(crate) fn new(table: Arc<dyn KeyTable>, region: &str) -> Self {
        Self {
            table: CountedTable::new(table),
            region: region.into(),
            recoverable: OnceLock::new(),
            checks: SingleFlight::new(DetachedLimit::new(1)),
            records: Cache::builder().max_capacity(RECORDS_CAPACITY).time_to_live(RECORDS_TTL).build(),
            reads: SingleFlight::new(DetachedLimit::new(MAX_DETACHED_READS)),
        }
    }

    /// The pointer for new items of `tenant`; `context` is without a period.
    pub(crate) fn pointer_for(&self, tenant: &TenantId, context: &EncryptionContext, period: Period) -> Pointer {
        let digest = context_digest(context);
        Pointer {
            tenant: tenant.clone(),
            entry: format!("current#{}#{digest}#{period}", self.region),
            context: KeyRecord::context_bytes(&context.in_period(period)),
        }
    }

    /// Reads a pointer; `None` when it is not set.
    pub(crate) async fn read_pointer(&self, pointer: &Pointer) -> Result<Option<PointerTarget>, KeyTableError> {
        let stored = self.table.get(&pointer.tenant, &pointer.entry).await?;
        stored.map(|stored| self.check_target(pointer, stored)).transpose()
    }

    /// Publishes a new data key: stores its key record, then points the pointer to it. When the pointer no longer names
    /// `former`, returns what it names now.
    pub(crate) async fn set_pointer(
        &self,
        pointer: &Pointer,
        key_id: DataKeyId,
        record: &[u8],
        former: Option<&PointerTarget>,
    ) -> Result<Option<PointerTarget>, KeyTableError> {
        let Pointer { tenant, entry, .. } = pointer;
        match self.table.compare_and_swap(tenant, &record_entry(key_id), None, record).await? {
            Swap::Stored => {}
            // A retried write whose first answer was lost.
            Swap::Found(Some(found)) if found == record => {}
            Swap::Found(_) => return Err(self.error(KeyTableErrorKind::Unexpected)),
        }
        let mut expected = former.map(|former| &*former.stored);
        for _ in 0..ROUNDS {
            match self.table.compare_and_swap(tenant, entry, expected, record).await? {
                Swap::Stored => return Ok(None),
                Swap::Found(Some(found)) if found == record => return Ok(None),
                Swap::Found(Some(found)) => return self.check_target(pointer, found).map(Some),
                // Deleted meanwhile.
                Swap::Found(None) => expected = None,
            }
        }
        Err(self.error(KeyTableErrorKind::Unavailable))
    }

    /// Reads the key record that items refer to, if the table has it. Concurrent callers share one read.
    pub(crate) async fn read_record(&self, tenant: &TenantId, key_id: DataKeyId) -> ReadResult {
        let key = (tenant.clone(), key_id);
        if let Some(record) = self.records.get(&key) {
            return Ok(record);
        }
        let read = self.reads.run(key.clone(), |_| {
            // A read that has ended meanwhile may have brought it.
            let (known, table, records) = (self.records.get(&key), self.table.clone(), self.records.clone());
            async move {
                if let Some(record) = known {
                    return Ok(record);
                }
                let record = table.get(&key.0, &record_entry(key.1)).await?.map(Arc::from);
                records.insert(key, record.clone());
                Ok(record)
            }
            .boxed()
        });
        read.await
    }

    /// Drops what is cached of a key record that was replaced.
    pub(crate) fn forget_record(&self, tenant: &TenantId, key_id: DataKeyId) {
        self.records.invalidate(&(tenant.clone(), key_id));
    }

    /// Whether the table is known to be recoverable.
    pub(crate) fn is_recoverable(&self) -> bool {
        self.recoverable.get().is_some()
    }

    /// Checks once that the table can be restored: items that refer to its key records are lost with it.
    pub(crate) async fn ensure_recoverable(&self) -> Result<(), KeyTableError> {
        if self.is_recoverable() {
            return Ok(());
        }
        let check = self.checks.run((), |_| {
            let table = self.table.clone();
            async move { table.check().await }
        });
        check.await?;
        self.recoverable.get_or_init(|| ());
        Ok(())
    }

    /// The error for a pointer whose key record does not verify. Making a new key in its place would hide that someone
    /// writes to the table who should not, and every process of the fleet would go on alone.
    pub(crate) fn forged_error(&self, tenant: &TenantId) -> KeyTableError {
        self.error(KeyTableErrorKind::ForgedPointer { tenant: tenant.clone() })
    }

    /// The error when others kept changing a pointer.
    pub(crate) fn unsettled_error(&self) -> KeyTableError {
        self.error(KeyTableErrorKind::Unavailable)
    }

    /// A pointer may name only a data key of exactly its context, period included: a former key that has leaked never
    /// seals again.
    fn check_target(&self, pointer: &Pointer, stored: Vec<u8>) -> Result<PointerTarget, KeyTableError> {
        let record = KeyRecord::decode(&stored).ok().filter(|record| *record.context() == *pointer.context);
        let record = record.ok_or_else(|| self.forged_error(&pointer.tenant))?;
        Ok(PointerTarget { record, stored: stored.into() })
    }

    /// The table itself.
    pub(crate) fn table(&self) -> &CountedTable {
        &self.table
    }

    pub(crate) fn error(&self, kind: KeyTableErrorKind) -> KeyTableError {
        KeyTableError::new(self.table.name(), kind)
    }
}

/// Shows nothing of the cache: a tenant's `Debug` must not name another tenant.
impl fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKeys({:?})", self.table)
    }
}
