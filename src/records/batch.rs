//! Many records in one call, in concurrent batches of DynamoDB's size. Unprocessed requests are sent again.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::config::{AsyncSleep, SharedAsyncSleep};
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantseal_core::format::Identity;
use tenantseal_core::keys::cache::backoff::backoff;

use super::PrimaryKey;
use super::convert::to_item;
use super::outcome::to_send_error;
use super::repository::Records;
use super::request::{Pending, fmt_builder, require_built, to_error};
use crate::client::Notes;
use crate::error::{Error, ItemRef, NotWritten, Refusal, Standing, Unopened};
use crate::item::{Item, PrimaryKeyError, identity};
use crate::schema::Record;

impl<T: Record> Records<T> {
    /// Deletes the records with these keys, in batches of 25, up to 4 of them concurrently. See [`WriteMany`].
    pub fn delete_many<K: Into<PrimaryKey>>(&self, keys: impl IntoIterator<Item = K>) -> WriteMany<T> {
        WriteMany::for_keys(self.clone(), keys.into_iter().map(Into::into))
    }
}

impl<T: Record + Serialize> Records<T> {
    /// Stores many records, in batches of 25, up to 4 of them concurrently. See [`WriteMany`].
    pub fn put_many<'r>(&self, records: impl IntoIterator<Item = &'r T>) -> WriteMany<T>
    where
        T: 'r,
    {
        WriteMany::for_records(self.clone(), records)
    }
}

impl<T: Record + DeserializeOwned> Records<T> {
    /// The records with these primary keys, in the same order; `None` where there is no record. See [`GetMany`].
    pub fn get_many<K: Into<PrimaryKey>>(&self, keys: impl IntoIterator<Item = K>) -> GetMany<T> {
        GetMany::new(self.clone(), keys.into_iter().map(Into::into).collect())
    }
}

/// The most keys of one BatchGetItem (API reference).
const GETS: usize = 100;
/// The most requests of one BatchWriteItem (API reference).
const WRITES: usize = 25;
/// How many batches are in flight.
const AT_ONCE: usize = 4;

/// Exponential backoff with full jitter and a maximum. Progress resets it.
struct Backoff {
    sleep: Option<SharedAsyncSleep>,
    failed: u32,
}

impl Backoff {
    const BASE: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_secs(5);
    /// How many consecutive attempts may process nothing.
    const ATTEMPTS: u32 = 8;

    fn new(client: &aws_sdk_dynamodb::Client) -> Self {
        Self { sleep: client.config().sleep_impl(), failed: 0 }
    }

    /// Waits before the next attempt; false after the last one.
    async fn again(&mut self, progress: bool) -> bool {
        self.failed = if progress { 1 } else { self.failed + 1 };
        let Some(sleep) = self.sleep.as_ref().filter(|_| self.failed < Self::ATTEMPTS) else { return false };
        sleep.sleep(backoff(Self::BASE, self.failed - 1, Self::MOST)).await;
        true
    }
}

/// Refuses a duplicate primary key: DynamoDB would refuse it, or the order of the two writes would be random.
fn refuse_twice<'i>(identities: impl IntoIterator<Item = &'i Identity>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    if identities.into_iter().all(|identity| seen.insert(identity)) { Ok(()) } else { Err(Refusal::PrimaryKeyTwice) }
}

/// A read of many records. Await it to send it.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned + 'static>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// let found: Vec<Option<T>> = contacts.get_many(["c-1", "c-2"]).await?;
/// # Ok(()) }
/// ```
///
/// It returns the records in the order of their primary keys, and `None` where there is no record. It requests unprocessed keys again,
/// with backoff; after 8 consecutive attempts that return nothing, the error is [`Error::Unprocessed`]. No primary key may appear
/// twice. If some records do not open, `error.items()` names all of them; [`each`](Self::each) returns the others.
#[must_use = "nothing is read before it is awaited"]
pub struct GetMany<T> {
    records: Records<T>,
    keys: Vec<PrimaryKey>,
    consistent: bool,
}

impl<T: Record + DeserializeOwned> GetMany<T> {
    pub(super) fn new(records: Records<T>, keys: Vec<PrimaryKey>) -> Self {
        Self { records, keys, consistent: false }
    }

    /// Makes the read consistent: it sees every write that succeeded before. Costs twice as much.
    pub fn consistent(mut self) -> Self {
        self.consistent = true;
        self
    }

    /// Returns each record, or the error that names it, in the order of the primary keys. One that does not open does not withhold the
    /// others.
    pub fn each(self) -> GetEach<T> {
        GetEach(self)
    }

    async fn send(self) -> Result<Vec<Option<T>>, Error> {
        let found = self.found().await?;
        let (mut all, mut unopened) = (Vec::with_capacity(found.len()), Vec::new());
        for found in found {
            match found {
                Ok(found) => all.push(found),
                Err(error) if error.items().is_empty() => return Err(error),
                Err(error) => unopened.extend_from_slice(error.items()),
            }
        }
        match Unopened::from_items(unopened, Standing::READ) {
            Some(unopened) => Err(Error::Unopened(unopened)),
            None => Ok(all),
        }
    }

    async fn found(self) -> Result<Vec<Found<T>>, Error> {
        let Self { records, keys, consistent } = self;
        let (_, schema) = records.table()?;
        let placed = |key| {
            let key = records.key(schema, key)?;
            Ok((identity(schema, records.tenant.id(), &key)?, key))
        };
        let keys = keys.into_iter().map(placed).collect::<Result<Vec<_>, Refusal>>()?;
        refuse_twice(keys.iter().map(|(identity, _)| identity))?;
        let chunks: Vec<Vec<(Identity, Item)>> = keys.chunks(GETS).map(<[_]>::to_vec).collect();
        let batches = stream::iter(chunks.into_iter().map(|keys| Self::batch(&records, keys, consistent)));
        let found: Vec<Vec<Option<Result<Item, Error>>>> = batches.buffered(AT_ONCE).try_collect().await?;
        let record = |found: Option<Result<Item, Error>>| found.map(|item| records.found(item?)).transpose();
        Ok(found.into_iter().flatten().map(record).collect())
    }

    async fn batch(
        records: &Records<T>,
        keys: Vec<(Identity, Item)>,
        consistent: bool,
    ) -> Result<Vec<Option<Result<Item, Error>>>, Error> {
        let (table, schema) = records.table()?;
        let client = records.tenant.dynamodb();
        let mut backoff = Backoff::new(&client);
        let mut found: HashMap<Identity, Result<Item, Error>> = HashMap::new();
        let (identities, mut left): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        loop {
            let asked = left.len();
            let request =
                KeysAndAttributes::builder().set_keys(Some(left)).set_consistent_read(consistent.then_some(true));
            let request = client.batch_get_item().request_items(table, require_built(request.build())?);
            let notes = Notes::each();
            let answer = request.customize().config_override(notes.hook()).send().await.map_err(to_error)?;
            let mut errors: HashMap<usize, Error> = notes.take_failed().into_iter().collect();
            for (at, item) in answer.responses.into_iter().flatten().flat_map(|(_, items)| items).enumerate() {
                let item = errors.remove(&at).map_or(Ok(item), Err);
                let key = match &item {
                    Ok(item) => item,
                    Err(error) => error.item().map(ItemRef::key).ok_or_else(|| error.clone())?,
                };
                // One that was not asked for has no place among those that were.
                let identity = identity(schema, records.tenant.id(), key);
                let identity =
                    identity.map_err(|other| item.as_ref().err().cloned().unwrap_or(Refusal::from(other).into()))?;
                found.insert(identity, item);
            }
            left =
                answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, unprocessed)| unprocessed.keys).collect();
            if left.is_empty() {
                break;
            }
            if !backoff.again(left.len() < asked).await {
                return Err(Error::Unprocessed { count: left.len(), may_be_written: false });
            }
        }
        Ok(identities.iter().map(|identity| found.remove(identity)).collect())
    }
}

impl<T: Record + DeserializeOwned + 'static> IntoFuture for GetMany<T> {
    type Output = Result<Vec<Option<T>>, Error>;
    type IntoFuture = Pending<'static, Vec<Option<T>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<T> fmt::Debug for GetMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("GetMany", &self.records, f)
    }
}

/// A record that was asked for: none when it is not there.
type Found<T> = Result<Option<T>, Error>;

/// A read of many records, each by itself; see [`GetMany::each`]. Await it to send it.
#[must_use = "nothing is read before it is awaited"]
pub struct GetEach<T>(GetMany<T>);

impl<T: Record + DeserializeOwned + 'static> IntoFuture for GetEach<T> {
    type Output = Result<Vec<Result<Option<T>, Error>>, Error>;
    type IntoFuture = Pending<'static, Vec<Result<Option<T>, Error>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.found())
    }
}

impl<T> fmt::Debug for GetEach<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("GetEach", &self.0.records, f)
    }
}

/// Puts or deletes of many records. Await it to send them.
///
/// It sends unprocessed writes again, with backoff, until 8 consecutive attempts do nothing. If some writes fail, it still tries all
/// others, and [`Error::NotWritten`] says which failed and why.
///
/// DynamoDB has no conditions in batches. So a batch cannot put records with a version (a transaction can), and may replace or delete
/// an item of another type. If a primary key appears twice, or is another tenant's, nothing is sent.
#[must_use = "nothing is written before it is awaited"]
pub struct WriteMany<T> {
    records: Records<T>,
    writes: Result<Vec<Wanted>, Error>,
}

enum Wanted {
    Put(Item),
    Delete(PrimaryKey),
}

/// A write of a batch, with its item's identity and where it stood among those that were given.
#[derive(Clone)]
struct Placed {
    at: usize,
    identity: Identity,
    request: WriteRequest,
}

impl<T: Record> WriteMany<T> {
    pub(super) fn for_keys(records: Records<T>, keys: impl Iterator<Item = PrimaryKey>) -> Self {
        Self { records, writes: Ok(keys.map(Wanted::Delete).collect()) }
    }

    pub(super) fn for_records<'r>(records: Records<T>, of: impl IntoIterator<Item = &'r T>) -> Self
    where
        T: Serialize + 'r,
    {
        let writes = match T::SCHEMA.version() {
            Some(attribute) => Err(Refusal::VersionInBatch { attribute: attribute.to_owned() }.into()),
            None => of.into_iter().map(|record| to_item(record).map(Wanted::Put)).collect(),
        };
        Self { records, writes }
    }

    async fn send(self) -> Result<(), Error> {
        let Self { records, writes } = self;
        let (_, schema) = records.table()?;
        let identity_of = |item: &Item| identity(schema, records.tenant.id(), item).map_err(Refusal::from);
        let mut placed = Vec::new();
        for (at, wanted) in writes?.into_iter().enumerate() {
            let (identity, request) = match wanted {
                Wanted::Put(item) => {
                    let identity = identity_of(&item)?;
                    let put = PutRequest::builder().set_item(Some(item));
                    (identity, WriteRequest::builder().put_request(require_built(put.build())?).build())
                }
                Wanted::Delete(key) => {
                    let key = records.key(schema, key)?;
                    let identity = identity_of(&key)?;
                    let delete = DeleteRequest::builder().set_key(Some(key));
                    (identity, WriteRequest::builder().delete_request(require_built(delete.build())?).build())
                }
            };
            placed.push(Placed { at, identity, request });
        }
        refuse_twice(placed.iter().map(|write| &write.identity))?;
        let chunks: Vec<Vec<Placed>> = placed.chunks(WRITES).map(<[Placed]>::to_vec).collect();
        let batches = stream::iter(chunks.into_iter().map(|writes| Self::batch(&records, writes)));
        let mut failed: Vec<(usize, Error)> = batches.buffer_unordered(AT_ONCE).concat().await;
        if failed.is_empty() {
            return Ok(());
        }
        failed.sort_unstable_by_key(|(at, _)| *at);
        Err(Error::NotWritten(NotWritten::new(failed)))
    }

    /// Writes one batch. Returns the writes that failed, or may have failed.
    async fn batch(records: &Records<T>, mut left: Vec<Placed>) -> Vec<(usize, Error)> {
        let every = |left: Vec<Placed>, error: Error| left.into_iter().map(|write| (write.at, error.clone())).collect();
        let (table, schema) = match records.table() {
            Ok(found) => found,
            Err(refusal) => return every(left, refusal.into()),
        };
        let client = records.tenant.dynamodb();
        let mut backoff = Backoff::new(&client);
        // Of all requests: what one is said to have left undone, an earlier one whose answer was lost may have done.
        let notes = Notes::default();
        loop {
            let requests = left.iter().map(|write| write.request.clone()).collect();
            let request = client.batch_write_item().request_items(table, requests).customize();
            let answer = match request.config_override(notes.hook()).send().await {
                Ok(answer) => answer,
                Err(error) => match to_send_error(error, &notes) {
                    // Nothing of it was sent, for the sake of perhaps a single one: those that can be sealed are found by halves.
                    Error::Seal(_) if left.len() > 1 => {
                        let other = left.split_off(left.len() / 2);
                        let mut failed = Box::pin(Self::batch(records, left)).await;
                        failed.extend(Box::pin(Self::batch(records, other)).await);
                        return failed;
                    }
                    error => return every(left, error),
                },
            };
            let unprocessed = answer.unprocessed_items.into_iter().flatten().flat_map(|(_, requests)| requests);
            let keys = unprocessed.filter_map(|request| match (request.put_request, request.delete_request) {
                (Some(put), _) => Some(put.item),
                (None, delete) => delete.map(|delete| delete.key),
            });
            let unprocessed = keys.map(|key| identity(schema, records.tenant.id(), &key));
            let unprocessed: Vec<Identity> = match unprocessed.collect::<Result<_, PrimaryKeyError>>() {
                Ok(unprocessed) => unprocessed,
                Err(error) => return every(left, Refusal::from(error).into()),
            };
            let asked = left.len();
            left.retain(|write| unprocessed.contains(&write.identity));
            if left.is_empty() {
                return Vec::new();
            }
            if !backoff.again(left.len() < asked).await {
                let (count, may_be_written) = (left.len(), notes.is_in_doubt());
                return every(left, Error::Unprocessed { count, may_be_written });
            }
        }
    }
}

impl<T: Record + 'static> IntoFuture for WriteMany<T> {
    type Output = Result<(), Error>;
    type IntoFuture = Pending<'static, ()>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<T> fmt::Debug for WriteMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("WriteMany", &self.records, f)
    }
}
