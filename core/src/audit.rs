//! The audit of data key use: CloudTrail shows KMS's answers, but not what cached data keys seal and open.

use std::sync::Arc;
use std::time::SystemTime;

use crate::crypto::DataKeyId;

pub use crate::envelope::{DataKeySource, Purpose};
use crate::format::KekId;
use crate::tenant::TenantId;

/// Receives every use of a data key, of cached keys too.
///
/// It is called before the data key seals or opens anything, on the caller's task and without a lock: put slow work
/// behind a channel. The operation's result is not known yet: it may still fail, and a sealed item that is sent again
/// counts once. If the sink panics, the operation fails with `Error::Audit`, and nothing is sealed or opened.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use tenantseal_core::audit::{AuditSink, DataKeyUse};
///
/// struct Trail(SyncSender<String>);
///
/// impl AuditSink for Trail {
///     fn record(&self, key: &DataKeyUse<'_>) {
///         let DataKeyUse { tenant, key_id, kek, purpose, operation, table, items, request_id, .. } = key;
///         let request = request_id.unwrap_or("-");
///         let line = format!("{tenant} {purpose} {operation} {table} {items} {key_id} {kek} {request}");
///         // Without a trail nothing may be sealed or opened.
///         self.0.try_send(line).expect("the trail is kept");
///     }
/// }
/// ```
pub trait AuditSink: Send + Sync {
    /// Called when a data key is about to seal or open items of one table.
    fn record(&self, key_use: &DataKeyUse<'_>);
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn record(&self, key_use: &DataKeyUse<'_>) {
        (**self).record(key_use);
    }
}

/// One data key, and the items of one table that an operation seals or opens with it. Contains no item data and no key.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DataKeyUse<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The id of the data key, as the items' key records name it.
    pub key_id: DataKeyId,
    /// The KEK that wraps it.
    pub kek: &'a KekId,
    /// What it is used for.
    pub purpose: Purpose,
    /// DynamoDB's name of the operation, for example `PutItem`; `seal` or `open` for those of `Tenant`.
    pub operation: &'static str,
    /// The logical table.
    pub table: &'a str,
    /// How many items. An item that was updated may need several data keys, and counts with each.
    pub items: usize,
    /// Where the data key came from.
    pub source: DataKeySource,
    /// The KMS request that made or unwrapped the data key in this process, as CloudTrail shows it; `None` when the key
    /// service did not say.
    pub request_id: Option<&'a str>,
    /// When, by the SDK configuration's clock.
    pub at: SystemTime,
}
