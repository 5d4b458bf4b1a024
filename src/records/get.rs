//! Reads one record.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::types::{self, TransactGetItem};
use serde::de::DeserializeOwned;

use super::PrimaryKey;
use super::convert::{check_stored, own_attribute};
use super::repository::Records;
use super::request::{Changes, Pending, fmt_builder, require_built, to_error};
use crate::client::no_legacy;
use crate::error::Error;
use crate::schema::Record;

impl<T: Record + DeserializeOwned> Records<T> {
    /// The record with this primary key, if there is one. See [`Get`].
    ///
    /// # Errors
    ///
    /// If the stored item does not open, or is not such a record.
    pub fn get<'a>(&self, key: impl Into<PrimaryKey>) -> Get<'a, T> {
        Get::new(self.clone(), key.into())
    }
}

/// A read of one record. Await it to send it.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// let ada = contacts.get("c-17").await?; // `None` where there is no such record
/// let latest = contacts.get("c-17").consistent().await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is read before it is awaited"]
pub struct Get<'a, T> {
    records: Records<T>,
    key: PrimaryKey,
    changes: Changes<'a, GetItemFluentBuilder>,
}

impl<'a, T: Record + DeserializeOwned> Get<'a, T> {
    pub(super) fn new(records: Records<T>, key: PrimaryKey) -> Self {
        Self { records, key, changes: Changes::none() }
    }

    /// Makes the read consistent: it sees every write that succeeded before. Costs twice as much.
    pub fn consistent(self) -> Self {
        self.customize(|get| get.consistent_read(true))
    }

    /// Changes the SDK's request before it is sent. A projection must keep what the record and its discriminator need.
    pub fn customize(mut self, change: impl FnOnce(GetItemFluentBuilder) -> GetItemFluentBuilder + Send + 'a) -> Self {
        self.changes.push(change);
        self
    }

    fn request(self) -> Result<GetItemFluentBuilder, Error> {
        let Self { records, key, changes } = self;
        let (table, schema) = records.table()?;
        let key = records.key(schema, key)?;
        Ok(changes.apply(records.tenant.dynamodb().get_item().table_name(table).set_key(Some(key))))
    }

    async fn send(self) -> Result<Option<T>, Error> {
        let records = self.records.clone();
        let found = self.request()?.send().await.map_err(to_error)?.item;
        found.map(|item| records.found(item)).transpose()
    }

    /// Whether there is such a record. It reads the key alone and opens nothing, so no data key is needed; it costs what the
    /// whole read costs.
    ///
    /// ```
    /// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
    /// # -> Result<(), tenantseal::Error> {
    /// if !contacts.get("c-17").exists().await? {
    ///     // There is none.
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the stored item is of another type.
    pub async fn exists(self) -> Result<bool, Error> {
        let (_, schema) = self.records.table()?;
        let own = own_attribute::<T>().map(|(name, _)| name);
        let names = [Some(schema.partition_key()), schema.sort_key(), own].into_iter().flatten();
        let names: HashMap<_, _> = names.enumerate().map(|(at, name)| (format!("#k{at}"), name.to_owned())).collect();
        let projection = names.keys().cloned().collect::<Vec<_>>().join(", ");
        let request =
            self.customize(|get| get.set_expression_attribute_names(Some(names)).projection_expression(projection));
        match request.request()?.send().await.map_err(to_error)?.item {
            Some(item) => check_stored::<T>(&item).map(|()| true),
            None => Ok(false),
        }
    }

    /// The read as a part of a transaction, which is always consistent.
    pub(super) fn action(self) -> Result<TransactGetItem, Error> {
        let request = self.request()?;
        let input = request.as_input();
        no_legacy(input.get_attributes_to_get().as_ref(), "AttributesToGet", "ProjectionExpression")?;
        let get = types::Get::builder()
            .set_table_name(input.get_table_name().clone())
            .set_key(input.get_key().clone())
            .set_projection_expression(input.get_projection_expression().clone())
            .set_expression_attribute_names(input.get_expression_attribute_names().clone());
        Ok(TransactGetItem::builder().get(require_built(get.build())?).build())
    }
}

impl<'a, T: Record + DeserializeOwned + 'a> IntoFuture for Get<'a, T> {
    type Output = Result<Option<T>, Error>;
    type IntoFuture = Pending<'a, Option<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<T> fmt::Debug for Get<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Get", &self.records, f)
    }
}
