//! Deleting one record.

use std::fmt;
use std::marker::PhantomData;

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::types::{self, ReturnValue, TransactWriteItem};
use serde::de::DeserializeOwned;

use super::condition::{Condition, Writer, attribute};
use super::convert::from_item;
use super::put::own_or_new;
use super::request::{Asked, Changes, Nothing, Old, awaits, failed_write, shown};
use super::transaction::{Action, Write, built};
use super::update::expected;
use super::{Key, Records};
use crate::client::no_legacy;
use crate::error::Error;
use crate::schema::Record;

/// A delete that has not been sent; await it to send it, or give it to a transaction.
#[must_use = "nothing is deleted before it is awaited"]
pub struct Delete<'a, T, R = Nothing> {
    records: Records<T>,
    key: Key,
    version: Option<u64>,
    condition: Option<Condition>,
    if_exists: bool,
    changes: Changes<'a, DeleteItemFluentBuilder>,
    returns: PhantomData<R>,
}

impl<'a, T: Record> Delete<'a, T> {
    pub(super) fn new(records: Records<T>, key: Key) -> Self {
        let changes = Changes::none();
        Self { records, key, version: None, condition: None, if_exists: false, changes, returns: PhantomData }
    }

    /// Gives back what was deleted, if there was something. When it does not open it is deleted all the same.
    pub fn returning_old(self) -> Delete<'a, T, Old> {
        let Self { records, key, version, condition, if_exists, changes, returns: _ } = self;
        Delete { records, key, version, condition, if_exists, changes, returns: PhantomData }
    }
}

impl<'a, T: Record, R> Delete<'a, T, R> {
    /// Fails with `error.is_condition_failed()` when there is no such record.
    pub fn if_exists(mut self) -> Self {
        self.if_exists = true;
        self
    }

    /// Deletes the record only while it has this version, with which it was read; otherwise `error.is_conflict()`.
    pub fn expect_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Deletes the record only when this holds of it; otherwise `error.is_condition_failed()`.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = Condition::all([self.condition.take(), Some(condition)]);
        self
    }

    /// Changes the SDK's request before it is sent. A condition expression that is set here takes the place of the repository's.
    pub fn customize(
        mut self,
        change: impl FnOnce(DeleteItemFluentBuilder) -> DeleteItemFluentBuilder + Send + 'a,
    ) -> Self {
        self.changes.push(change);
        self
    }

    fn request(self) -> Result<(DeleteItemFluentBuilder, Asked), Error> {
        let Self { records, key, version, condition, if_exists, changes, returns: _ } = self;
        let (table, key) = records.key(key)?;
        let (_, schema) = records.table()?;
        let (version, mut asked) = expected::<T>(version)?;
        if condition.is_some() || if_exists {
            asked = Asked::Condition;
        }
        let exists = if_exists.then(|| attribute(schema.partition_key()).exists());
        let condition = Condition::all([exists, own_or_new::<T>(), version, condition]);
        let mut writer = Writer::<T>::new();
        let condition = writer.condition(condition.as_ref())?;
        let (names, values) = writer.finish();
        let request = records.tenant.dynamodb().delete_item().table_name(table).set_key(Some(key));
        let request = request.set_condition_expression(condition);
        let request = request.set_expression_attribute_names(names).set_expression_attribute_values(values);
        Ok((changes.apply(request), asked))
    }
}

impl<T: Record> Delete<'_, T> {
    async fn send(self) -> Result<(), Error> {
        let (request, asked) = self.request()?;
        request.send().await.map(drop).map_err(|error| failed_write(error, asked))
    }
}

impl<T: Record + DeserializeOwned> Delete<'_, T, Old> {
    async fn send(self) -> Result<Option<T>, Error> {
        let (request, asked) = self.request()?;
        let answer = request.return_values(ReturnValue::AllOld).send().await;
        answer.map_err(|error| failed_write(error, asked))?.attributes.map(from_item).transpose()
    }
}

awaits!(Delete<Nothing> gives () where Record);
awaits!(Delete<Old> gives Option<T> where Record + DeserializeOwned);

impl<T: Record> Write for Delete<'_, T> {}

impl<T: Record> Action for Delete<'_, T> {
    fn action(self) -> Result<(TransactWriteItem, Asked), Error> {
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
        Ok((TransactWriteItem::builder().delete(built(delete.build())?).build(), asked))
    }
}

impl<T, R> fmt::Debug for Delete<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown("Delete", &self.records, f)
    }
}
