//! Every use of a data key, told to whoever has to account for them: CloudTrail sees KMS's answers, and not what cached keys do.

use std::sync::Arc;
use std::time::SystemTime;

use crate::crypto::DataKeyId;

pub use crate::envelope::{DataKeySource, Purpose};
use crate::format::KekId;
use crate::tenant::TenantId;

/// Is told each use of a data key, those of cached keys too.
///
/// It is called before the key seals or opens anything, on the caller's task, with no lock held: whatever takes long belongs behind a
/// channel. What the operation comes to is not known then; it may still fail, and a sealed item that is sent again is one use.
/// When it panics the operation fails with `Error::Audit` and nothing is sealed or opened.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use tenantseal_core::audit::{AuditSink, DataKeyUse};
///
/// struct Trail(SyncSender<String>);
///
/// impl AuditSink for Trail {
///     fn used(&self, key: &DataKeyUse<'_>) {
///         let DataKeyUse { tenant, key_id, kek, purpose, operation, table, items, request_id, .. } = key;
///         let request = request_id.unwrap_or("-");
///         let line = format!("{tenant} {purpose} {operation} {table} {items} {key_id} {kek} {request}");
///         // Nobody keeps the trail any more: then nothing may be sealed or opened.
///         self.0.try_send(line).expect("the trail is kept");
///     }
/// }
/// ```
pub trait AuditSink: Send + Sync {
    /// A data key is about to seal or open items of one table.
    fn used(&self, key_use: &DataKeyUse<'_>);
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn used(&self, key_use: &DataKeyUse<'_>) {
        (**self).used(key_use);
    }
}

/// One data key and the items of one table that an operation seals or opens with it. Never item data, never a key.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DataKeyUse<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The data key, which the items' key records name.
    pub key_id: DataKeyId,
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
    pub source: DataKeySource,
    /// The KMS request that brought the key into this process, as CloudTrail shows it; none when the key service did not say.
    pub request_id: Option<&'a str>,
    /// When, by the SDK configuration's clock.
    pub at: SystemTime,
}
