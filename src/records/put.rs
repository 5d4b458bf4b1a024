//! Storing one record.

use std::fmt;

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{self, AttributeValue, ReturnValue, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::condition::{Condition, Writer, attribute};
use super::conditional::Conditional;
use super::convert::{from_item, record_error, to_item};
use super::outcome::{Before, Place};
use super::precondition::{Asked, own_or_new};
use super::repository::Records;
use super::request::{New, Nothing, Old, awaits, fmt_builder, require_built};
use super::transaction::{Action, Write};
use super::unique::{self, Act};
use crate::client::{Notes, no_legacy};
use crate::error::Error;
use crate::item::Item;
use crate::schema::Record;

impl<T: Record + Serialize> Records<T> {
    /// Stores a record and replaces what is stored under its primary key. See [`Put`].
    ///
    /// Its partition key must be the tenant's.
    pub fn put<'a>(&self, record: &T) -> Put<'a, T> {
        Put::new(self.clone(), record)
    }
}

/// A put of one record. Await it to send it, or give it to a transaction.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::Serialize>(contacts: tenantseal::records::Records<T>, ada: T)
/// # -> Result<(), tenantseal::Error> {
/// contacts.put(&ada).if_not_exists().await?; // otherwise `error.is_condition_failed()`
/// contacts.put(&ada).await?; // replaces what is stored
/// # Ok(()) }
/// ```
///
/// # With a version
///
/// A record's `#[seal(version)]` field has the number with which the record was read; 0 in a record that was never stored. DynamoDB
/// carries out a put only if the stored item still has that version (or none, for 0), and stores the next one. Otherwise another
/// writer was faster: `error.is_conflict()`. The put does not change your record. [`returning_new`](Put::returning_new) returns the
/// record as stored, for the next put:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, tenantseal::Record)]
/// # #[seal(table = "crm")]
/// # struct Contact {
/// #     #[seal(partition_key, tenant)] tenant_id: String,
/// #     #[seal(encrypt)] email: String,
/// #     #[seal(version)] version: u64,
/// # }
/// # async fn example(contacts: tenantseal::records::Records<Contact>, mut contact: Contact) -> Result<(), tenantseal::Error> {
/// contact.email = "ada@example.org".to_owned();
/// let contact = contacts.put(&contact).returning_new().await?; // contact.version is one more
/// # Ok(()) }
/// ```
#[must_use = "nothing is stored before it is awaited"]
pub struct Put<'a, T, R = Nothing> {
    write: Conditional<'a, T, PutItemFluentBuilder, R>,
    item: Result<Item, Error>,
}

impl<'a, T: Record + Serialize> Put<'a, T> {
    pub(super) fn new(records: Records<T>, record: &T) -> Self {
        Self { write: Conditional::new(records), item: to_item(record) }
    }

    /// Returns the record that was replaced, if there was one.
    ///
    /// The library first reads it consistently, so that it never replaces an item that does not open or is no such record. That takes
    /// one more call, and the permission to read. If the answer is lost all the same, `error.sealed_item()` has the item. A process that
    /// ends before it has used the record loses it, and so does a dropped future. With a version you can read first and put afterwards.
    pub fn returning_old(self) -> Put<'a, T, Old> {
        self.returning()
    }

    /// Returns the record as it is stored now, with its new version. Costs nothing.
    pub fn returning_new(self) -> Put<'a, T, New> {
        self.returning()
    }

    fn returning<R>(self) -> Put<'a, T, R> {
        Put { write: self.write.returning(), item: self.item }
    }
}

impl<'a, T: Record, R> Put<'a, T, R> {
    /// Stores the record only if no item has its primary key; otherwise `error.is_condition_failed()`.
    pub fn if_not_exists(mut self) -> Self {
        self.write.require_existence(false);
        self
    }

    /// Stores the record only if the stored item meets this condition; otherwise `error.is_condition_failed()`.
    pub fn condition(mut self, condition: Condition) -> Self {
        self.write.require(condition);
        self
    }

    /// Changes the SDK's request before it is sent. DynamoDB checks a condition expression that you set here together with the
    /// repository's; if it fails, that is no conflict.
    pub fn customize(mut self, change: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder + Send + 'a) -> Self {
        self.write.customize(change);
        self
    }

    /// The request, and what it means when its condition fails.
    fn request(self) -> Result<(PutItemFluentBuilder, Asked), Error> {
        let Self { mut write, item } = self;
        let records = write.records.clone();
        let (table, schema) = records.table()?;
        let mut item = item?;
        if let Some(name) = T::SCHEMA.version() {
            write.require_version(next_version::<T>(name, &mut item));
        }
        let request = records.tenant.dynamodb().put_item().table_name(table).set_item(Some(item));
        let request = write.change(request);
        let writer = Writer::beside(&request);
        let (request, asked) = write.write_condition(schema, own_or_new::<T>(), request, writer)?;
        records.check_changed(request.get_table_name().as_deref(), request.get_item().as_ref())?;
        Ok((request, asked))
    }
}

/// Puts the next version into an item, and gives the condition that the stored one has the version before.
fn next_version<T: Record>(name: &str, item: &mut Item) -> Result<Condition, Error> {
    let read: Option<u64> = item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    let read = read.ok_or_else(|| record_error::<T>(format!("its version `{name}` is not a number")))?;
    let next = read.checked_add(1).ok_or_else(|| record_error::<T>(format!("its version `{name}` is the last")))?;
    item.insert(name.to_owned(), AttributeValue::N(next.to_string()));
    Ok(match read {
        0 => attribute(name).not_exists(),
        read => attribute(name).is(AttributeValue::N(read.to_string())),
    })
}

impl<T: Record> Put<'_, T> {
    async fn send(self) -> Result<(), Error> {
        let records = self.write.records.clone();
        if records.has_unique()? {
            return unique::send_one(&records.tenant, self.action()?).await;
        }
        let (request, asked) = self.request()?;
        send_put(&records, request, asked).await
    }
}

/// Sends a put that gives nothing back.
async fn send_put<T: Record>(records: &Records<T>, request: PutItemFluentBuilder, asked: Asked) -> Result<(), Error> {
    let (place, notes) = (place(records, &request)?, Notes::default());
    let answer = request.customize().config_override(notes.hook()).send().await;
    records.settle(answer, asked, place, &notes).await.map(drop)
}

/// Where a put goes.
fn place<T: Record>(records: &Records<T>, request: &PutItemFluentBuilder) -> Result<Place, Error> {
    let table = request.get_table_name().clone();
    let schema = records.tenant.schema(table.as_deref())?;
    let attributes = request.get_item().iter().flatten().filter(|(name, _)| schema.key_names().any(|key| key == *name));
    let key = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Place { table, key: Some(key) })
}

impl<T: Record + DeserializeOwned> Put<'_, T, Old> {
    async fn send(self) -> Result<Option<T>, Error> {
        let records = self.write.records.clone();
        if records.has_unique()? {
            let act = self.action()?;
            let place = unique::place(&records.tenant, &act)?;
            return unique::send_returning(&records, act, place).await;
        }
        let (request, asked) = self.request()?;
        let (place, notes) = (place(&records, &request)?, Notes::raw());
        let before = Before::read(&records, &place).await?;
        let request = request.return_values(ReturnValue::AllOld);
        let answer = request.customize().config_override(notes.hook()).send().await;
        let settled = records.settle(answer.map(|answer| answer.attributes), asked, place, &notes).await;
        before.settle_replace(&records, settled, &notes)
    }
}

impl<T: Record + DeserializeOwned> Put<'_, T, New> {
    async fn send(self) -> Result<T, Error> {
        let records = self.write.records.clone();
        if records.has_unique()? {
            let act = self.action()?;
            let item = act.item.put().map(|put| put.item.clone()).unwrap_or_default();
            from_item::<T>(item.clone())?;
            unique::send_one(&records.tenant, act).await?;
            return from_item(item);
        }
        let (request, asked) = self.request()?;
        let item = request.get_item().clone().unwrap_or_default();
        // What cannot be given back is not stored.
        from_item::<T>(item.clone())?;
        send_put(&records, request, asked).await?;
        from_item(item)
    }
}

awaits!(Put<Nothing> gives () where Record);
awaits!(Put<Old> gives Option<T> where Record + DeserializeOwned);
awaits!(Put<New> gives T where Record + DeserializeOwned);

impl<T: Record> Write for Put<'_, T> {}

impl<T: Record, R> Action for Put<'_, T, R> {
    fn action(self) -> Result<Act, Error> {
        let (is_new, has_unique) = (self.write.requires_absence(), self.write.records.has_unique()?);
        let (request, asked) = self.request()?;
        let input = request.as_input().clone();
        no_legacy(input.get_expected().as_ref(), "Expected", "ConditionExpression")?;
        no_legacy(input.get_conditional_operator().as_ref(), "ConditionalOperator", "ConditionExpression")?;
        let put = types::Put::builder()
            .set_table_name(input.get_table_name().clone())
            .set_item(input.get_item().clone())
            .set_condition_expression(input.get_condition_expression().clone())
            .set_expression_attribute_names(input.get_expression_attribute_names().clone())
            .set_expression_attribute_values(input.get_expression_attribute_values().clone())
            .set_return_values_on_condition_check_failure(input.get_return_values_on_condition_check_failure().clone());
        let item = TransactWriteItem::builder().put(require_built(put.build())?).build();
        Ok(Act { item, asked, is_new, has_unique })
    }
}

impl<T, R> fmt::Debug for Put<'_, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Put", &self.write.records, f)
    }
}
