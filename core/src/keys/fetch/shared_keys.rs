//! What the entries of a key table mean: which data key of a tenant is the fleet's, and where the records of compact items lie.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::context::{EncryptionContext, Period};
use crate::crypto::DataKeyId;
use crate::format::KeyRecord;
use crate::format::inspect::record_entry;
use crate::keys::cache::single_flight::{Allowance, SingleFlight};
use crate::keys::fetch::counted_table::Counted;
use crate::keys::table::{KeyTable, KeyTableError, KeyTableErrorKind, Swap};
use crate::tenant::TenantId;

/// How long what the table said of a key id is believed, also that it does not know it. Records never change; and an item that was
/// replicated from another Region may be here before its record.
const BELIEVED: Duration = Duration::from_secs(5);
/// The most key ids remembered.
const BELIEVED_CAPACITY: u64 = 10_000;

/// The most reads that go on although nobody waits for them.
const READS_LEFT: usize = 1_000;

/// A pointer that is set again and again while this process looks at it is given up after so many rounds.
const ROUNDS: usize = 3;

/// The data keys that a fleet shares by a [`KeyTable`].
pub struct SharedKeys {
    table: Counted,
    /// Keys of one Region open in no other, unless they are multi-Region keys.
    region: Box<str>,
    /// Set once the table is known to be recoverable.
    recoverable: OnceLock<()>,
    checks: SingleFlight<(), Result<(), KeyTableError>>,
    records: Cache<Named, Option<Arc<[u8]>>>,
    reads: SingleFlight<Named, Read>,
}

/// How items refer to a record.
type Named = (TenantId, DataKeyId);
/// What reading it comes to.
type Read = Result<Option<Arc<[u8]>>, KeyTableError>;

/// The entry that says which data key a tenant's fleet seals with during one period.
pub(crate) struct Pointer {
    tenant: TenantId,
    entry: String,
    /// As the records it may name store it.
    context: Box<[u8]>,
}

/// What a pointer names: for the right context, but **not authenticated**.
pub(crate) struct Pointed {
    pub(crate) record: KeyRecord,
    pub(crate) stored: Box<[u8]>,
}

impl SharedKeys {
    pub(crate) fn new(table: Arc<dyn KeyTable>, region: &str) -> Self {
        Self {
            table: Counted::new(table),
            region: region.into(),
            recoverable: OnceLock::new(),
            checks: SingleFlight::new(Allowance::new(1)),
            records: Cache::builder().max_capacity(BELIEVED_CAPACITY).time_to_live(BELIEVED).build(),
            reads: SingleFlight::new(Allowance::new(READS_LEFT)),
        }
    }

    /// The pointer for new items of `tenant`; `context` is without a period.
    pub(crate) fn pointer(&self, tenant: &TenantId, context: &EncryptionContext, period: Period) -> Pointer {
        let digest = Sha256::digest(KeyRecord::context_bytes(context));
        let digest: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Pointer {
            tenant: tenant.clone(),
            entry: format!("current#{}#{digest}#{period}", self.region),
            context: KeyRecord::context_bytes(&context.in_period(period)),
        }
    }

    /// What a pointer names, when it is set.
    pub(crate) async fn pointed(&self, pointer: &Pointer) -> Result<Option<Pointed>, KeyTableError> {
        let stored = self.table.get(&pointer.tenant, &pointer.entry).await?;
        stored.map(|stored| self.checked(pointer, stored)).transpose()
    }

    /// Has the pointer name a new data key, whose record is stored first, unless it names another than `former` by now: then gives
    /// that one.
    pub(crate) async fn point(
        &self,
        pointer: &Pointer,
        key_id: DataKeyId,
        record: &[u8],
        former: Option<&Pointed>,
    ) -> Result<Option<Pointed>, KeyTableError> {
        let Pointer { tenant, entry, .. } = pointer;
        match self.table.compare_and_swap(tenant, &record_entry(key_id), None, record).await? {
            Swap::Stored => {}
            // A write that was repeated because its answer was lost.
            Swap::Found(Some(found)) if found == record => {}
            Swap::Found(_) => return Err(self.error(KeyTableErrorKind::Unexpected)),
        }
        let mut expected = former.map(|former| &*former.stored);
        for _ in 0..ROUNDS {
            match self.table.compare_and_swap(tenant, entry, expected, record).await? {
                Swap::Stored => return Ok(None),
                Swap::Found(Some(found)) if found == record => return Ok(None),
                Swap::Found(Some(found)) => return self.checked(pointer, found).map(Some),
                // Deleted meanwhile.
                Swap::Found(None) => expected = None,
            }
        }
        Err(self.error(KeyTableErrorKind::Unavailable))
    }

    /// The record of a key that items refer to, when the table has one. Concurrent callers share one read.
    pub(crate) async fn record(&self, tenant: &TenantId, key_id: DataKeyId) -> Read {
        let named = (tenant.clone(), key_id);
        if let Some(record) = self.records.get(&named) {
            return Ok(record);
        }
        let read = self.reads.run(named.clone(), |_| {
            // Who comes while the former read ends needs no other.
            let (known, table, records) = (self.records.get(&named), self.table.clone(), self.records.clone());
            async move {
                if let Some(record) = known {
                    return Ok(record);
                }
                let record = table.get(&named.0, &record_entry(named.1)).await?.map(Arc::from);
                records.insert(named, record.clone());
                Ok(record)
            }
            .boxed()
        });
        read.await
    }

    /// Whether the table is known to be recoverable.
    pub(crate) fn is_recoverable(&self) -> bool {
        self.recoverable.get().is_some()
    }

    /// Makes sure once that the table can be restored: what refers to its records is lost with it.
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

    /// The error when what a pointer names does not verify. No new key is made quietly in its place: someone writes to the table who
    /// should not, and every process of the fleet would go on alone without anybody noticing.
    pub(crate) fn forged(&self, tenant: &TenantId) -> KeyTableError {
        self.error(KeyTableErrorKind::ForgedPointer { tenant: tenant.clone() })
    }

    /// The error when others kept changing a pointer.
    pub(crate) fn unsettled(&self) -> KeyTableError {
        self.error(KeyTableErrorKind::Unavailable)
    }

    /// A pointer may name only a key of exactly its context, period included: a former one, leaked meanwhile, never seals again.
    fn checked(&self, pointer: &Pointer, stored: Vec<u8>) -> Result<Pointed, KeyTableError> {
        let record = KeyRecord::decode(&stored).ok().filter(|record| *record.context() == *pointer.context);
        let record = record.ok_or_else(|| self.forged(&pointer.tenant))?;
        Ok(Pointed { record, stored: stored.into() })
    }

    fn error(&self, kind: KeyTableErrorKind) -> KeyTableError {
        KeyTableError::new(self.table.name(), kind)
    }
}

/// Says nothing of what is remembered: a tenant's `Debug` must not name another.
impl fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKeys({:?})", self.table)
    }
}
