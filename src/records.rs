//! The typed repository: records in and out, on the tenant's own client.
//!
//! Every request is a builder that is awaited: `contacts.put(&ada).if_not_exists().await?`. Names of attributes are those that are
//! stored, and a name that the record does not declare is refused before anything is sent.

mod batch;
mod condition;
mod convert;
mod delete;
mod get;
mod key;
mod outcome;
mod precondition;
mod put;
mod query;
mod request;
mod transaction;
mod update;
mod values;

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Refusal};
use crate::item::Item;
use crate::schema::{Record, TableSchema};
use crate::tenant_seal::Tenant;

pub use crate::error::{Cancelled, NotWritten, Reason};
pub use batch::{GetEach, GetMany, WriteMany};
pub use condition::{Attribute, Condition, attribute};
pub use delete::Delete;
pub use get::Get;
pub use key::{Key, KeyValue};
pub use put::Put;
pub use query::{Query, RecordStream, Scan};
pub use request::{New, Nothing, Old};
pub use transaction::{Check, Reads, TransactGet, TransactWrite, Write};
pub use update::Update;

use convert::{check_own, is_of, to_item};

impl Tenant {
    /// The typed repository of one record type.
    pub fn records<T: Record>(&self) -> Records<T> {
        Records::new(self.clone())
    }

    /// Writes of the tenant's records, of any types, that happen together or not at all.
    ///
    /// ```
    /// # use tenantseal::records::{Records, attribute};
    /// # async fn example<C: tenantseal::Record + serde::Serialize, O: tenantseal::Record>(
    /// #     acme: tenantseal::Tenant, contacts: Records<C>, orders: Records<O>, contact: C) -> Result<(), tenantseal::Error> {
    /// acme.transact_write()
    ///     .with(contacts.put(&contact).if_not_exists())
    ///     .with(orders.update("o-1").add("lines", 1).condition(attribute("status").equals("open")))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn transact_write(&self) -> TransactWrite {
        TransactWrite::new(self.clone())
    }

    /// Reads of the tenant's records, of any types, at one moment:
    /// `let (contact, order) = acme.transact_get((contacts.get("c-17"), orders.get("o-1"))).await?`.
    pub fn transact_get<R: Reads>(&self, reads: R) -> TransactGet<R::Found> {
        TransactGet::new(self.clone(), reads)
    }
}

/// The records of one type that belong to one tenant.
///
/// The tenant's part of the partition key is never given: it is the handle's.
///
/// A record type with a discriminator has only its own items: reading another type's is an error, and its writes do not touch them
/// (only batches cannot ask for that).
pub struct Records<T> {
    tenant: Tenant,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Records<T> {
    pub(crate) fn new(tenant: Tenant) -> Self {
        // Of a type with parameters nothing was evaluated where it was derived, and its table's schema may be made by hand.
        let () = T::HEEDED;
        Self { tenant, record: PhantomData }
    }

    /// The physical table and its schema.
    fn table(&self) -> Result<(&str, &TableSchema), Refusal> {
        let logical = T::SCHEMA.table().ok_or(Refusal::NoRecordTable)?;
        let found = self.tenant.table_of(logical).ok_or_else(|| Refusal::UnknownTable(logical.to_owned()))?;
        Self::heeded_by(found.1)?;
        Ok(found)
    }

    /// Refuses a schema that would store as it is what the record encrypts.
    fn heeded_by(schema: &TableSchema) -> Result<(), Refusal> {
        match schema.leaves_plain(&T::SCHEMA) {
            Some(attribute) => Err(Refusal::Unregistered { record: std::any::type_name::<T>(), attribute }),
            None => Ok(()),
        }
    }

    /// The same of a write that the caller has changed: it may go to another table, and its item may be of another type by now.
    fn check_changed(&self, table: Option<&str>, item: Option<&Item>) -> Result<(), Error> {
        Self::heeded_by(self.tenant.schema(table)?)?;
        item.map_or(Ok(()), check_own::<T>)
    }

    /// The key attributes of an item, which is of this type where the sort key says so.
    fn key(&self, schema: &TableSchema, key: Key) -> Result<Item, Refusal> {
        let key = key.attributes(schema, self.tenant.id())?;
        match schema.discriminator().filter(|_| schema.is_told_apart_by_sort_key()) {
            Some(attribute) if !is_of::<T>(&key) => {
                Err(Refusal::OtherRecord { record: std::any::type_name::<T>(), attribute: attribute.to_owned() })
            }
            _ => Ok(key),
        }
    }

    /// Deletes the record with this key, if there is one. Needs no data key.
    pub fn delete<'a>(&self, key: impl Into<Key>) -> Delete<'a, T> {
        Delete::new(self.clone(), key.into())
    }

    /// Changes some attributes of one record in one round trip, without reading it. See [`Update`].
    pub fn update<'a>(&self, key: impl Into<Key>) -> Update<'a, T> {
        Update::new(self.clone(), key.into())
    }

    /// A condition on a record that a transaction does not change: see [`Tenant::transact_write`].
    pub fn check(&self, key: impl Into<Key>, condition: Condition) -> Check<T> {
        Check::new(self.clone(), key.into(), condition)
    }

    /// Deletes the records with these keys, 25 at a time and up to four such batches at once. See [`WriteMany`].
    pub fn delete_many<K: Into<Key>>(&self, keys: impl IntoIterator<Item = K>) -> WriteMany<T> {
        WriteMany::of_keys(self.clone(), keys.into_iter().map(Into::into))
    }
}

impl<T: Record + Serialize> Records<T> {
    /// Stores a record, replacing what is there. Await it, or set a condition first. See [`Put`].
    ///
    /// Its partition key must be the tenant's.
    pub fn put<'a>(&self, record: &T) -> Put<'a, T> {
        Put::new(self.clone(), record)
    }

    /// Stores many records, 25 at a time and up to four such batches at once. See [`WriteMany`].
    pub fn put_many<'r>(&self, records: impl IntoIterator<Item = &'r T>) -> WriteMany<T>
    where
        T: 'r,
    {
        WriteMany::of_records(self.clone(), records)
    }

    /// The sealed item of a record, as [`put`](Self::put) would store it: for streams and exports. The version, if there is one,
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Tenant::seal`].
    pub async fn seal(&self, record: &T) -> Result<Item, Error> {
        let (table, _) = self.table()?;
        self.tenant.seal(table, to_item(record)?).await
    }
}

impl<T: Record + DeserializeOwned> Records<T> {
    /// The record with this key, if there is one. Await it, or ask for a consistent read first.
    ///
    /// # Errors
    ///
    /// When the stored item does not open, or is not such a record.
    pub fn get<'a>(&self, key: impl Into<Key>) -> Get<'a, T> {
        Get::new(self.clone(), key.into())
    }

    /// Deletes the record with this key and gives it back: short for `delete(key).returning_old()`.
    ///
    /// You alone have the record then. A process that ends before it has used the record takes it along, and so does whoever drops the
    /// future on its way. So what is done with the record is done at most once.
    ///
    /// Where a record must not be lost, read it, use it, and delete what was read. What is done with it is then done at least once:
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
    /// `error.is_conflict()` says that somebody has changed or deleted the record since: read again. After a lost answer it may be this very
    /// delete, and then there is nothing to be read. A type without a version needs a plain attribute that each write changes, for
    /// [`condition`](Delete::condition).
    pub fn take<'a>(&self, key: impl Into<Key>) -> Delete<'a, T, Old> {
        self.delete(key).returning_old()
    }

    /// The records with these keys, in the order of the keys; none where there is no record. See [`GetMany`].
    pub fn get_many<K: Into<Key>>(&self, keys: impl IntoIterator<Item = K>) -> GetMany<T> {
        GetMany::new(self.clone(), keys.into_iter().map(Into::into).collect())
    }

    /// Finds the tenant's records: all of them, or those under one sort key condition. See [`Query`].
    pub fn query<'a>(&self) -> Query<'a, T> {
        Query::new(self.clone())
    }

    /// Reads the whole table or an index for the tenant's records of this type; [`query`](Self::query) costs less where it can be
    /// used. See [`Scan`].
    pub fn scan<'a>(&self) -> Scan<'a, T> {
        Scan::new(self.clone())
    }

    /// Opens a stored item, however it arrived: from a stream, an export, a plain client.
    ///
    /// # Errors
    ///
    /// As [`Tenant::open`], and when the item is not such a record.
    pub async fn open(&self, item: Item) -> Result<T, Error> {
        let (table, _) = self.table()?;
        self.found(self.tenant.open(table, item).await?)
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
