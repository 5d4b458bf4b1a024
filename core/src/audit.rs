//! Every use of a data key, told to whoever has to account for them: CloudTrail sees KMS's answers, and not what cached keys do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use crate::crypto::KeyId;
use crate::envelope::{KeyRing, UnwrappedKey};

pub use crate::envelope::{KeySource, Purpose};
use crate::format::KekId;
use crate::telemetry;
use crate::tenant::TenantId;
use crate::time::SharedTimeSource;

/// Is told each use of a data key, those of cached keys too.
///
/// It is called before the key seals or opens anything, on the caller's task, with no lock held: whatever takes long belongs behind a
/// channel. What the operation comes to is not known then; it may still fail, and a sealed item that is sent again is one use.
/// When it panics the operation fails with `Error::Audit` and nothing is sealed or opened.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use tenantseal_core::audit::{AuditSink, KeyUse};
///
/// struct Trail(SyncSender<String>);
///
/// impl AuditSink for Trail {
///     fn used(&self, key: &KeyUse<'_>) {
///         let KeyUse { tenant, key_id, kek, purpose, operation, table, items, request_id, .. } = key;
///         let request = request_id.unwrap_or("-");
///         let line = format!("{tenant} {purpose} {operation} {table} {items} {key_id} {kek} {request}");
///         // Nobody keeps the trail any more: then nothing may be sealed or opened.
///         self.0.try_send(line).expect("the trail is kept");
///     }
/// }
/// ```
pub trait AuditSink: Send + Sync {
    /// A data key is about to seal or open items of one table.
    fn used(&self, key_use: &KeyUse<'_>);
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn used(&self, key_use: &KeyUse<'_>) {
        (**self).used(key_use);
    }
}

/// One data key and the items of one table that an operation seals or opens with it. Never item data, never a key.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct KeyUse<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The data key, which the items' key records name.
    pub key_id: KeyId,
    /// The KMS key that wraps it.
    pub kek: &'a KekId,
    /// What it does.
    pub purpose: Purpose,
    /// DynamoDB's name of the operation, for example `PutItem`; `seal` or `open` for those of `Tenant`.
    pub operation: &'static str,
    /// The logical table.
    pub table: &'a str,
    /// How many items. An item that was updated may rely on several keys, and is counted with each.
    pub items: usize,
    /// Where the key came from.
    pub source: KeySource,
    /// The KMS request that brought the key into this process, as CloudTrail shows it; none when the key service did not say.
    pub request_id: Option<&'a str>,
    /// When, by the SDK configuration's clock.
    pub at: SystemTime,
}

/// The audit sink panicked, so nothing is sealed or opened: a use of a data key must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit sink panicked, so nothing was sealed or opened: a use of a data key must be told")]
pub struct SinkPanicked;

/// Whom to tell, if anyone.
pub struct Audit {
    sink: Option<Arc<dyn AuditSink>>,
    time: SharedTimeSource,
}

/// Items of one table under one key.
pub struct Used<'k> {
    pub key: &'k UnwrappedKey,
    pub table: String,
    pub items: usize,
}

impl Audit {
    pub fn new(sink: Option<Arc<dyn AuditSink>>, time: SharedTimeSource) -> Self {
        Self { sink, time }
    }

    /// Whether items have to be counted.
    pub fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// The items of these tables are about to be sealed.
    pub fn seals(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        key: &UnwrappedKey,
        tables: &[(impl AsRef<str>, usize)],
    ) -> Result<(), SinkPanicked> {
        let at = self.time.now();
        telemetry::used(Purpose::Seal, key, at);
        if !self.is_on() {
            return Ok(());
        }
        let used = tables.iter().map(|(table, items)| Used { key, table: table.as_ref().to_owned(), items: *items });
        self.tell(tenant, operation, Purpose::Seal, &used.collect::<Vec<_>>(), at)
    }

    /// These items are about to be opened; `keys` are all of theirs.
    pub fn opens(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        keys: &KeyRing,
        used: &[Used<'_>],
    ) -> Result<(), SinkPanicked> {
        let at = self.time.now();
        keys.keys().for_each(|key| telemetry::used(Purpose::Open, key, at));
        self.tell(tenant, operation, Purpose::Open, used, at)
    }

    /// Values of one item are about to be opened with each of these keys.
    pub fn opens_all(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        keys: &KeyRing,
        table: &str,
    ) -> Result<(), SinkPanicked> {
        let used = |key| Used { key, table: table.to_owned(), items: 1 };
        let used: Vec<_> = if self.is_on() { keys.keys().map(used).collect() } else { Vec::new() };
        self.opens(tenant, operation, keys, &used)
    }

    fn tell(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        purpose: Purpose,
        used: &[Used<'_>],
        at: SystemTime,
    ) -> Result<(), SinkPanicked> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let mut told: Vec<(KeyId, KeySource)> = Vec::new();
        for Used { key, table, items } in used {
            let record = key.record();
            // One operation on several tables is one use of the request that brought the key.
            let known = told.iter().find(|(key_id, _)| *key_id == record.key_id).map(|(_, source)| *source);
            let source = known.unwrap_or_else(|| key.source_of_use());
            told.push((record.key_id, source));
            let key_use = KeyUse {
                tenant,
                key_id: record.key_id,
                kek: &record.kek,
                purpose,
                operation,
                table,
                items: *items,
                source,
                request_id: key.request_id(),
                at,
            };
            catch_unwind(AssertUnwindSafe(|| sink.used(&key_use))).map_err(|_| SinkPanicked)?;
        }
        Ok(())
    }
}
