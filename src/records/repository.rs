//! The records of one type that belong to one tenant.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::convert::{check_own, is_record, to_item};
use super::key::PrimaryKey;
use crate::error::{Error, Refusal};
use crate::item::Item;
use crate::schema::{Record, TableSchema};
use crate::tenant_seal::Tenant;

impl Tenant {
    /// The typed repository of one record type.
    ///
    /// ```
    /// # async fn example<Contact: tenantseal::Record + serde::de::DeserializeOwned>(acme: tenantseal::Tenant)
    /// # -> Result<(), tenantseal::Error> {
    /// let ada = acme.records::<Contact>().get("c-17").await?;
    /// # Ok(()) }
    /// ```
    pub fn records<T: Record>(&self) -> Records<T> {
        Records::new(self.clone())
    }
}

/// The records of one type that belong to one tenant.
///
/// You never give the tenant's part of the partition key: the handle adds it.
///
/// A record type with a discriminator has only its own items. Reading an item of another type is an error, and writes leave such items
/// alone (except in batches, which have no conditions).
pub struct Records<T> {
    pub(super) tenant: Tenant,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Records<T> {
    pub(super) fn new(tenant: Tenant) -> Self {
        // Of a type with parameters nothing was evaluated where it was derived, and its table's schema may be made by hand.
        let () = T::HEEDED;
        Self { tenant, record: PhantomData }
    }

    /// The physical table and its schema.
    pub(super) fn table(&self) -> Result<(&str, &TableSchema), Refusal> {
        let logical = T::SCHEMA.table().ok_or(Refusal::NoRecordTable)?;
        let found = self.tenant.logical_table(logical).ok_or_else(|| Refusal::UnknownTable(logical.to_owned()))?;
        Self::heeded_by(found.1)?;
        Ok(found)
    }

    /// Refuses a schema that would store in plaintext what the record encrypts, or without its lookups' tokens.
    pub(super) fn heeded_by(schema: &TableSchema) -> Result<(), Refusal> {
        let record = std::any::type_name::<T>();
        if let Some(attribute) = schema.leaves_plain(&T::SCHEMA) {
            return Err(Refusal::Unregistered { record, attribute });
        }
        match schema.lacks_lookup(&T::SCHEMA) {
            Some(lookup) => Err(Refusal::UnregisteredLookup { record, lookup }),
            None => Ok(()),
        }
    }

    /// The same for a write that the caller has changed: its table and the type of its item may differ by now.
    pub(super) fn check_changed(&self, table: Option<&str>, item: Option<&Item>) -> Result<(), Error> {
        Self::heeded_by(self.tenant.schema(table)?)?;
        item.map_or(Ok(()), check_own::<T>)
    }

    /// The key attributes of an item, which is of this type where the sort key says so.
    pub(super) fn key(&self, schema: &TableSchema, key: PrimaryKey) -> Result<Item, Refusal> {
        let key = key.attributes(schema, self.tenant.id())?;
        match schema.discriminator().filter(|_| schema.is_told_apart_by_sort_key()) {
            Some(attribute) if !is_record::<T>(&key) => {
                Err(Refusal::OtherRecord { record: std::any::type_name::<T>(), attribute: attribute.to_owned() })
            }
            _ => Ok(key),
        }
    }
}

impl<T: Record + Serialize> Records<T> {
    /// The sealed item of a record, as [`put`](Self::put) would store it: for streams and exports. The version, if there is one,
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Tenant::seal`].
    pub async fn seal(&self, record: &T) -> Result<Item, Error> {
        let (_, schema) = self.table()?;
        self.tenant.seal_in(schema, to_item(record)?).await
    }
}

impl<T: Record + DeserializeOwned> Records<T> {
    /// Opens a stored item, however it arrived: from a stream, an export, a plain client.
    ///
    /// # Errors
    ///
    /// As [`Tenant::open`], and when the item is not such a record.
    pub async fn open(&self, item: Item) -> Result<T, Error> {
        let (_, schema) = self.table()?;
        self.found(self.tenant.open_in(schema, item).await?)
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
