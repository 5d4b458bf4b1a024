//! Writes the audit trail: calls the sink before a data key is used.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use crate::audit::{AuditSink, DataKeyUse};
use crate::crypto::DataKeyId;
use crate::envelope::{DataKeySource, KeyRing, Purpose, VerifiedDataKey};
use crate::telemetry;
use crate::tenant::TenantId;
use crate::time::SharedTimeSource;

/// The audit sink panicked, so nothing is sealed or opened: each use of a data key must be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit sink panicked, so nothing was sealed or opened: each use of a data key must be recorded")]
pub struct SinkPanicked;

/// The audit trail, if a sink is configured.
pub struct Audit {
    sink: Option<Arc<dyn AuditSink>>,
    time: SharedTimeSource,
}

/// Items of one table that one data key seals or opens.
#[derive(Debug)]
pub struct ItemsUnderKey<'k> {
    /// The data key.
    pub key: &'k VerifiedDataKey,
    /// The logical table.
    pub table: String,
    /// How many.
    pub items: usize,
}

impl Audit {
    /// A trail to this sink.
    pub fn new(sink: Option<Arc<dyn AuditSink>>, time: SharedTimeSource) -> Self {
        Self { sink, time }
    }

    /// Whether items have to be counted.
    pub fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Records that the items of these tables are about to be sealed.
    pub fn record_seals(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        key: &VerifiedDataKey,
        tables: &[(impl AsRef<str>, usize)],
    ) -> Result<(), SinkPanicked> {
        let at = self.time.now();
        telemetry::record_use(Purpose::Seal, key, at);
        if !self.is_on() {
            return Ok(());
        }
        let used =
            tables.iter().map(|(table, items)| ItemsUnderKey { key, table: table.as_ref().to_owned(), items: *items });
        self.report(tenant, operation, Purpose::Seal, &used.collect::<Vec<_>>(), at)
    }

    /// Records that these items are about to be opened; `keys` are all of their data keys.
    pub fn record_opens(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        keys: &KeyRing,
        used: &[ItemsUnderKey<'_>],
    ) -> Result<(), SinkPanicked> {
        let at = self.time.now();
        keys.keys().for_each(|key| telemetry::record_use(Purpose::Open, key, at));
        self.report(tenant, operation, Purpose::Open, used, at)
    }

    /// Records that values of one item are about to be opened with each of these data keys.
    pub fn record_opens_of_item(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        keys: &KeyRing,
        table: &str,
    ) -> Result<(), SinkPanicked> {
        let used = |key| ItemsUnderKey { key, table: table.to_owned(), items: 1 };
        let used: Vec<_> = if self.is_on() { keys.keys().map(used).collect() } else { Vec::new() };
        self.record_opens(tenant, operation, keys, &used)
    }

    /// Records that tokens of these tables' items are about to be made or asked for with the lookup keys that these data
    /// keys wrap.
    pub fn record_lookups<'k>(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        keys: impl Iterator<Item = &'k VerifiedDataKey>,
        tables: &[(impl AsRef<str>, usize)],
    ) -> Result<(), SinkPanicked> {
        let at = self.time.now();
        let mut used = Vec::new();
        for key in keys {
            telemetry::record_use(Purpose::Lookup, key, at);
            if self.is_on() {
                let used_for = |(table, items): &(_, usize)| ItemsUnderKey {
                    key,
                    table: AsRef::<str>::as_ref(table).to_owned(),
                    items: *items,
                };
                used.extend(tables.iter().map(used_for));
            }
        }
        self.report(tenant, operation, Purpose::Lookup, &used, at)
    }

    fn report(
        &self,
        tenant: &TenantId,
        operation: &'static str,
        purpose: Purpose,
        used: &[ItemsUnderKey<'_>],
        at: SystemTime,
    ) -> Result<(), SinkPanicked> {
        let Some(sink) = &self.sink else { return Ok(()) };
        let mut reported: Vec<(DataKeyId, DataKeySource)> = Vec::new();
        for ItemsUnderKey { key, table, items } in used {
            let record = key.record();
            // One operation on several tables is one use of the request that brought the data key.
            let known = reported.iter().find(|(key_id, _)| *key_id == record.key_id).map(|(_, source)| *source);
            let source = known.unwrap_or_else(|| key.source_of_use());
            reported.push((record.key_id, source));
            let key_use = DataKeyUse {
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
            catch_unwind(AssertUnwindSafe(|| sink.record(&key_use))).map_err(|_| SinkPanicked)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}
