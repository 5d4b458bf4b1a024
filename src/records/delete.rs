//! Deleting one record.

use std::fmt;

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::types::{self, ReturnValue, TransactWriteItem};
use serde::de::DeserializeOwned;

use super::PrimaryKey;
use super::condition::{Condition, Writer};
use super::conditional::Conditional;
use super::outcome::{Before, Place, to_write_error};
use super::precondition::{Asked, has_version, own_or_new};
use super::repository::Records;
use super::request::{Nothing, Old, awaits, fmt_builder, require_built};
use super::transaction::{Action, Write};
use super::unique::{self, Act};
use crate::client::{Notes, no_legacy};
use crate::error::Error;
use crate::schema::Record;

impl<T: Record> Records<T> {
    /// Deletes the record with this primary key, if there is one. Needs no data key.
    pub fn delete<'a>(&self, key: impl Into<PrimaryKey>) -> Delete<'a, T> {
        Delete::new(self.clone(), key.into())
    }
}

impl<T: Record + DeserializeOwned> Records<T> {
    /// Deletes the record with this primary key and returns it: short for `delete(key).returning_old()`.
    ///
    /// Only you have the record then. A process that ends before it has used the record loses it, and so does a dropped future. So the
    /// record is used at most once.
    ///
    /// Where a record must not be lost, read it, use it, and then delete the version that you read. It is then used at least once:
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize, tenantseal::Record)]
    /// # #[seal(table = "crm")]
    /// # struct Job {
    /// #     #[seal(partition_key, tenant)] tenant_id: String,
    /// #     #[seal(sort_key)] job_id: String,
    /// #     #[seal(encrypt)] task: String,
    /// #     #[seal(version)] version: u64,
    /// # }
    /// # async fn perform(_: &Job) {}
    /// # async fn example(jobs: tenantseal::records::Records<Job>) -> Result<(), tenantseal::Error> {
    /// if let Some(job) = jobs.get("j-17").consistent().await? {
    ///     perform(&job).await;
    ///     jobs.delete("j-17").expect_version(job.version).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// `error.is_conflict()` says that another writer has changed or deleted the record since: read again. After a lost answer that writer
    /// may be this very delete, and the read finds nothing. A type without a version needs a plain attribute that each write changes, for
    /// [`condition`](Delete::condition).
    pub fn take<'a>(&self, key: impl Into<PrimaryKey>) -> Delete<'a, T, Old> {
        self.delete(key).returning_old()
    }
}

/// A delete of one record. Await it to send it, or give it to a transaction.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// use tenantseal::records::attribute;
///
/// contacts.delete("c-17").condition(attribute("company").equals("Example Ltd")).await?;
/// let gone = contacts.delete("c-18").returning_old().await?; // `None` where nothing was stored
/// # Ok(()) }
/// ```
#[must_use = "nothing is deleted before it is awaited"]
pub struct Delete<'a, T, R = Nothing> {
    write: Conditional<'a, T, DeleteItemFluentBuilder, R>,
    key: PrimaryKey,
}

impl<'a, T: Record> Delete<'a, T> {
    pub(super) fn new(records: Records<T>, key: PrimaryKey) -> Self {
        Self { write: Conditional::new(records), key }
    }

    /// Returns the record that was deleted, if there was one.
    ///
    /// The library first reads it consistently, so that it never deletes an item that does not open or is no such record. That takes one
    /// more call, and the permission to read. If the answer is lost all the same, `error.sealed_item()` has the item, and
    /// `error.written()` says whether it is gone. A process that ends before it has used the record loses it, and so does a dropped
    /// future: [`Records::take`] says what to do where that must not happen.
    pub fn returning_old(self) -> Delete<'a, T, Old> {
        Delete { write: self.write.returning(), key: self.key }
    }
}

impl<'a, T: Record, R> Delete<'a, T, R> {
    /// Fails with `error.is_condition_failed()` if there is no such record.
    pub fn if_exists(mut self) -> Self {
        self.write.require_existence(true);
        self
    }

    /// Deletes the record only while it has this version; otherwise `error.is_conflict()`.
    pub fn expect_version(mut self, version: u64) -> Self {
        self.write.require_version(has_version::<T>(version));
        self
    }

    /// Deletes the record only if it meets this condition; otherwise `error.is_condition_failed()`.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.write.require(condition);
        self
    }

    /// Changes the SDK's request before it is sent. DynamoDB checks a condition expression that you set here together with the
    /// repository's; if it fails, that is no conflict.
    pub fn customize(
        mut self,
        change: impl FnOnce(DeleteItemFluentBuilder) -> DeleteItemFluentBuilder + Send + 'a,
    ) -> Self {
        self.write.customize(change);
        self
    }

    fn request(self) -> Result<(DeleteItemFluentBuilder, Asked), Error> {
        let Self { mut write, key } = self;
        let records = write.records.clone();
        let (table, schema) = records.table()?;
        let key = records.key(schema, key)?;
        let request = write.change(records.tenant.dynamodb().delete_item().table_name(table).set_key(Some(key)));
        let writer = Writer::beside(&request);
        write.write_condition(schema, own_or_new::<T>(), request, writer)
    }
}

impl<T: Record> Delete<'_, T> {
    async fn send(self) -> Result<(), Error> {
        let records = self.write.records.clone();
        if records.has_unique()? {
            return unique::send_one(&records.tenant, self.action()?).await;
        }
        let (request, asked) = self.request()?;
        let notes = Notes::default();
        let answer = request.customize().config_override(notes.hook()).send().await;
        answer.map(drop).map_err(|error| to_write_error(error, asked, &notes))
    }
}

impl<T: Record + DeserializeOwned> Delete<'_, T, Old> {
    async fn send(self) -> Result<Option<T>, Error> {
        let records = self.write.records.clone();
        if records.has_unique()? {
            let act = self.action()?;
            let place = unique::place(&records.tenant, &act)?;
            return unique::send_returning(&records, act, place).await;
        }
        let (request, asked) = self.request()?;
        let place = Place { table: request.get_table_name().clone(), key: request.get_key().clone() };
        let before = Before::read(&records, &place).await?;
        let (request, notes) = (request.return_values(ReturnValue::AllOld), Notes::raw());
        let answer = request.customize().config_override(notes.hook()).send().await;
        let answer = answer.map(|answer| answer.attributes).map_err(|error| to_write_error(error, asked, &notes));
        before.settle_delete(&records, answer, &notes)
    }
}

awaits!(Delete<Nothing> gives () where Record);
awaits!(Delete<Old> gives Option<T> where Record + DeserializeOwned);

impl<T: Record> Write for Delete<'_, T> {}

impl<T: Record, R> Action for Delete<'_, T, R> {
    fn action(self) -> Result<Act, Error> {
        let has_unique = self.write.records.has_unique()?;
        let (request, asked) = self.request()?;
        let input = request.as_input();
        no_legacy(input.get_expected().as_ref(), "Expected", "ConditionExpression")?;
        no_legacy(input.get_conditional_operator().as_ref(), "ConditionalOperator", "ConditionExpression")?;
        let delete = types::Delete::builder()
            .set_table_name(input.get_table_name().clone())
            .set_key(input.get_key().clone())
            .set_condition_expression(input.get_condition_expression().clone())
            .set_expression_attribute_names(input.get_expression_attribute_names().clone())
            .set_expression_attribute_values(input.get_expression_attribute_values().clone())
            .set_return_values_on_condition_check_failure(input.get_return_values_on_condition_check_failure().clone());
        let item = TransactWriteItem::builder().delete(require_built(delete.build())?).build();
        Ok(Act { item, asked, is_new: false, has_unique })
    }
}

impl<T, R> fmt::Debug for Delete<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Delete", &self.write.records, f)
    }
}
