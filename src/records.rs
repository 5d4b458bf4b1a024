//! The typed repository: records in and out, on the tenant's own client.

mod key;
mod query;

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;

use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Refusal, ServiceError};
use crate::item::Item;
use crate::schema::{Record, TableSchema};
use crate::tenant_seal::Tenant;

pub use key::{Key, KeyValue};
pub use query::Query;

/// The records of one type that belong to one tenant.
///
/// The tenant's part of the partition key is never given: it is the handle's.
pub struct Records<T> {
    tenant: Tenant,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Records<T> {
    pub(crate) fn new(tenant: Tenant) -> Self {
        Self { tenant, record: PhantomData }
    }

    /// The physical table and its schema.
    fn table(&self) -> Result<(&str, &TableSchema), Refusal> {
        let logical = T::SCHEMA.table().ok_or(Refusal::NoRecordTable)?;
        self.tenant.table_of(logical).ok_or_else(|| Refusal::UnknownTable(logical.to_owned()))
    }

    fn key(&self, key: Key) -> Result<(&str, Item), Refusal> {
        let (name, schema) = self.table()?;
        Ok((name, key.attributes(schema, self.tenant.id())?))
    }
}

impl<T: Record + Serialize> Records<T> {
    /// Stores a record, replacing what is there. Await it, or set a condition first.
    ///
    /// Its partition key must be the tenant's.
    pub fn put<'r>(&'r self, record: &'r T) -> Put<'r, T> {
        Put { records: self, record, if_not_exists: false, customize: Vec::new() }
    }
}

impl<T: Record + DeserializeOwned> Records<T> {
    /// The record with this key, if there is one.
    ///
    /// # Errors
    ///
    /// When the stored item does not open, or is not such a record.
    pub async fn get(&self, key: impl Into<Key>) -> Result<Option<T>, Error> {
        let (table, key) = self.key(key.into())?;
        let answer = self.tenant.dynamodb().get_item().table_name(table).set_key(Some(key)).send().await;
        answer.map_err(failed)?.item.map(from_item).transpose()
    }

    /// Deletes the record with this key and gives it back, if there was one.
    ///
    /// # Errors
    ///
    /// When DynamoDB fails. When the deleted item does not open it is deleted all the same.
    pub async fn take(&self, key: impl Into<Key>) -> Result<Option<T>, Error> {
        let (table, key) = self.key(key.into())?;
        let delete = self.tenant.dynamodb().delete_item().table_name(table).set_key(Some(key));
        let answer = delete.return_values(ReturnValue::AllOld).send().await;
        answer.map_err(failed)?.attributes.map(from_item).transpose()
    }

    /// Finds the tenant's records: all of them, or those under one sort key condition. See [`Query`].
    pub fn query(&self) -> Query<T> {
        Query::new(self.clone())
    }
}

impl<T: Record> Records<T> {
    /// Deletes the record with this key, if there is one. Needs no data key.
    ///
    /// # Errors
    ///
    /// When DynamoDB fails.
    pub async fn delete(&self, key: impl Into<Key>) -> Result<(), Error> {
        let (table, key) = self.key(key.into())?;
        let answer = self.tenant.dynamodb().delete_item().table_name(table).set_key(Some(key)).send().await;
        answer.map(drop).map_err(failed)
    }
}

impl<T> Clone for Records<T> {
    fn clone(&self) -> Self {
        Self { tenant: self.tenant.clone(), record: PhantomData }
    }
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records<{}>({})", std::any::type_name::<T>(), self.tenant.id())
    }
}

type Customize<'r> = Box<dyn FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder + Send + 'r>;

/// A put that has not been sent; await it to send it.
#[must_use = "nothing is stored before it is awaited"]
pub struct Put<'r, T> {
    records: &'r Records<T>,
    record: &'r T,
    if_not_exists: bool,
    customize: Vec<Customize<'r>>,
}

impl<'r, T: Record + Serialize + Sync> Put<'r, T> {
    /// Stores the record only when no item has its key; otherwise the error is DynamoDB's ConditionalCheckFailedException.
    pub fn if_not_exists(mut self) -> Self {
        self.if_not_exists = true;
        self
    }

    /// Changes the SDK's request before it is sent, for example to add a condition of your own.
    pub fn customize(mut self, change: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder + Send + 'r) -> Self {
        self.customize.push(Box::new(change));
        self
    }

    async fn send(self) -> Result<(), Error> {
        let Self { records, record, if_not_exists, customize } = self;
        let (table, schema) = records.table()?;
        let mut request = records.tenant.dynamodb().put_item().table_name(table).set_item(Some(to_item(record)?));
        if if_not_exists {
            request = request
                .condition_expression("attribute_not_exists(#partition_key)")
                .expression_attribute_names("#partition_key", schema.partition_key());
        }
        let request = customize.into_iter().fold(request, |request, change| change(request));
        request.send().await.map(drop).map_err(failed)
    }
}

impl<'r, T: Record + Serialize + Sync> IntoFuture for Put<'r, T> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'r>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<T> fmt::Debug for Put<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Put({:?})", self.records)
    }
}

/// This library's error where it is the cause, else DynamoDB's.
fn failed<E>(error: aws_sdk_dynamodb::error::SdkError<E>) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
    aws_sdk_dynamodb::Error: From<aws_sdk_dynamodb::error::SdkError<E>>,
{
    match Error::of(&error) {
        Some(ours) => ours.clone(),
        None => Error::Dynamodb(ServiceError::new(error.into())),
    }
}

fn to_item<T: Serialize>(record: &T) -> Result<Item, Error> {
    // The serializer's own message may quote a value.
    serde_dynamo::to_item(record).map_err(|_| record_error::<T>("it does not serialize to an item".to_owned()))
}

fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, Error> {
    let item = serde_dynamo::Item::from(item);
    let attributes = serde_dynamo::AttributeValue::M(item.into());
    let deserializer = serde_dynamo::Deserializer::from_attribute_value(attributes);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        // The deserializer's message may quote a value, and a path below the attribute may be one: say no more than the attribute.
        let what = match error.path().iter().next() {
            Some(serde_path_to_error::Segment::Map { key }) => {
                format!("attribute `{key}` is not what the record expects")
            }
            _ => "the item is not such a record: an attribute is missing or superfluous".to_owned(),
        };
        record_error::<T>(what)
    })
}

fn record_error<T>(what: String) -> Error {
    Error::Record { record: std::any::type_name::<T>(), what }
}

/// A key attribute's value as DynamoDB has it.
impl From<KeyValue> for AttributeValue {
    fn from(value: KeyValue) -> Self {
        value.0
    }
}
