//! Changes of a table's items, as streams and exports have them: each image is opened with its own tenant's keys.
//!
//! [`TenantSeal::open_changes`] opens a batch. A [`StoredChange`] comes from a Lambda function's event (feature
//! `lambda`), from the SDK of DynamoDB streams (feature `streams`), or from JSON: a record of a Kinesis stream, a line of
//! an export. docs/STREAMS.md has a handler.

mod change;
mod doubled;
mod error;
mod json;
#[cfg(feature = "lambda")]
mod lambda;
mod open;
mod sorted;
mod stored;
#[cfg(feature = "streams")]
mod streams;
mod write;

pub use change::{Change, Changes, Image};
pub use error::{ChangeError, ChangeErrorKind, RecordFault};
pub use json::JsonLine;
pub use open::OpenChanges;
pub use stored::{ChangeKind, StoredChange};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use sorted::Sorted;

use crate::tenant_seal::TenantSeal;

impl TenantSeal {
    /// Opens the images of these changes, each with the keys of the tenant whose item it is.
    ///
    /// `table` is the table's logical name. The outcomes are in the order of the changes. Each data key is fetched at
    /// most once, over all tenants and both images of all changes.
    ///
    /// ```
    /// # async fn index(_: &tenantseal::TenantId, _: &tenantseal::Item) {}
    /// # async fn example(seal: tenantseal::TenantSeal, records: Vec<String>) -> Result<(), tenantseal::Error> {
    /// use tenantseal::changes::{Image, StoredChange};
    ///
    /// let stored = records.iter().map(|record| StoredChange::from_json(record.as_bytes()));
    /// let changes = seal.open_changes("crm", stored).await?;
    /// for change in changes.iter().flatten().filter(|change| !change.is_sealing_only()) {
    ///     if let Image::Opened(item) = change.new_image() {
    ///         index(change.tenant(), item).await;
    ///     }
    /// }
    /// // What may open later, and whatever follows it, has to come again.
    /// let again = changes.first_retryable();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the table is not configured. A change that does not open fails itself: [`Changes`] has its error.
    pub fn open_changes<'a, C: Into<StoredChange>>(
        &'a self,
        table: &str,
        changes: impl IntoIterator<Item = C>,
    ) -> OpenChanges<'a> {
        OpenChanges::new(self, table, changes.into_iter().map(Into::into).collect())
    }
}
