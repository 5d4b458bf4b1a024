//! The outcome of a write, also if it failed, if an answer was lost, or if the item that it returned does not open.
//!
//! The SDK retries a request whose answer was lost, and the retry may find what the first attempt did: a version that is one higher,
//! a record that is gone, or its own record where it expects another's.

use aws_sdk_dynamodb::error::SdkError;
use serde::de::DeserializeOwned;

use super::convert::is_record;
use super::precondition::Asked;
use super::repository::Records;
use crate::client::Notes;
use crate::error::{Error, ItemRef, ServiceError, Standing, Unopened, UnopenedItem, Written};
use crate::item::Item;
use crate::schema::Record;

/// Where a write goes: the table and the key of its request, as the caller has left them.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) table: Option<String>,
    pub(super) key: Option<Item>,
}

/// The error of a write, whose failed condition may be a conflict.
pub(super) fn to_write_error<E>(error: SdkError<E>, asked: Asked, notes: &Notes) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
    aws_sdk_dynamodb::Error: From<SdkError<E>>,
{
    let error = to_send_error(error, notes);
    match asked {
        Asked::Version { record } if error.is_condition_failed() => {
            Error::Conflict { record, may_be_own: notes.is_in_doubt() }
        }
        _ => error,
    }
}

/// The error of any request that writes.
pub(super) fn to_send_error<E>(error: SdkError<E>, notes: &Notes) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
    aws_sdk_dynamodb::Error: From<SdkError<E>>,
{
    if let Some(ours) = Error::find_in(&error) {
        let is_known = !notes.is_in_doubt() || ours.is_condition_failed() || ours.written() != Written::No;
        // It kept a repetition from being sent, and says nothing of the attempt before.
        let may_be = || Error::Unopened(Unopened::whole(ours.clone(), Standing::written(Written::Unknown)));
        return if is_known { ours.clone() } else { may_be() };
    }
    let garbled = matches!(error, SdkError::ResponseError(_));
    let written = if garbled || notes.is_in_doubt() { Written::Unknown } else { Written::No };
    Error::DynamoDb(ServiceError::new(error.into(), written))
}

impl<T: Record> Records<T> {
    /// The answer to a write; none when the write failed on its condition, and what is stored shows that an attempt had carried it out
    /// whose answer was lost.
    pub(super) async fn settle<O, E>(
        &self,
        answer: Result<O, SdkError<E>>,
        asked: Asked,
        place: Place,
        notes: &Notes,
    ) -> Result<Option<O>, Error>
    where
        E: std::error::Error + Send + Sync + 'static,
        aws_sdk_dynamodb::Error: From<SdkError<E>>,
    {
        let error = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => to_write_error(error, asked, notes),
        };
        if error.is_condition_failed() && self.is_stored(place, notes).await { Ok(None) } else { Err(error) }
    }

    /// Whether what is stored is what a write sealed of which nobody knows what it did. Nothing is opened for that.
    async fn is_stored(&self, Place { table, key }: Place, notes: &Notes) -> bool {
        if !notes.is_in_doubt() || !notes.has_marks() {
            return false;
        }
        notes.compare();
        let get = self.tenant.dynamodb().get_item().set_table_name(table).set_key(key).consistent_read(true);
        get.customize().config_override(notes.hook()).send().await.is_ok() && notes.is_own()
    }
}

/// What was stored before a write that gives it back, read and opened first: so nothing is replaced or deleted that could not be given
/// back, and it is at hand should an answer be lost.
pub(super) struct Before(Option<(ItemRef, Item)>);

impl Before {
    /// That nothing was read.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// The item as it is stored.
    pub(super) fn item(&self) -> Option<&Item> {
        self.0.as_ref().map(|(_, raw)| raw)
    }

    /// Reads it. An item of another type is nothing of ours: the write asks for its own type.
    pub(super) async fn read<T: Record + DeserializeOwned>(
        records: &Records<T>,
        Place { table, key }: &Place,
    ) -> Result<Self, Error> {
        let notes = Notes::raw();
        let get = records.tenant.dynamodb().get_item().set_table_name(table.clone()).set_key(key.clone());
        let get = get.consistent_read(true).customize().config_override(notes.hook());
        let found = get.send().await.map_err(super::request::to_error)?.item;
        let Some(item) = found.filter(is_record::<T>) else { return Ok(Self(None)) };
        let of = records.tenant.item_ref(table.as_deref(), &item)?;
        records.found(item)?;
        Ok(Self(notes.take_raw().map(|raw| (of, raw))))
    }

    /// The record that was stored, after the write that replaced or deleted exactly this one.
    pub(super) async fn into_record<T: Record + DeserializeOwned>(
        self,
        records: &Records<T>,
    ) -> Result<Option<T>, Error> {
        let Some((of, raw)) = self.0 else { return Ok(None) };
        let lost = |error: Error| error.cause().clone().at(of, Some(raw.clone()), Standing::written(Written::Yes));
        records.open(raw.clone()).await.map(Some).map_err(lost)
    }

    /// An error of the write, with what was stored before where the write may have replaced or deleted it.
    pub(super) fn keep(self, error: Error) -> Error {
        match (self.0, error.written()) {
            // What a write returned is newer than what was read before it.
            _ if error.sealed_item().is_some() => error,
            (_, Written::No) | (None, _) => error,
            (Some((of, raw)), written) => error.at(of, Some(raw), Standing::written(written)),
        }
    }

    /// What a write that leaves a record there gives back, when this is how it was settled.
    pub(super) fn settle_replace<T: Record + DeserializeOwned>(
        self,
        records: &Records<T>,
        settled: Result<Option<Option<Item>>, Error>,
        notes: &Notes,
    ) -> Result<Option<T>, Error> {
        match settled {
            Ok(Some(old)) => self.return_old(records, old, true, notes),
            Ok(None) => Err(self.lost(Written::Yes)),
            Err(error) => Err(self.keep(error)),
        }
    }

    /// What a delete gives back.
    pub(super) fn settle_delete<T: Record + DeserializeOwned>(
        self,
        records: &Records<T>,
        answer: Result<Option<Item>, Error>,
        notes: &Notes,
    ) -> Result<Option<T>, Error> {
        match answer {
            Ok(old) => self.return_old(records, old, false, notes),
            Err(error) => Err(self.keep(error)),
        }
    }

    /// That nobody knows any more what the write brought back.
    fn lost(self, written: Written) -> Error {
        match self.0 {
            Some((of, raw)) => Error::AnswerLost.at(of, Some(raw), Standing::written(written)),
            None => Error::Unopened(Unopened::whole(Error::AnswerLost, Standing::written(written))),
        }
    }

    /// What a write gave back that was answered with `old`. `replaces` is whether it leaves a record there.
    fn return_old<T: Record + DeserializeOwned>(
        self,
        records: &Records<T>,
        old: Option<Item>,
        replaces: bool,
        notes: &Notes,
    ) -> Result<Option<T>, Error> {
        match old {
            // The attempt before may have left it there.
            Some(_) if replaces && notes.may_be_own() => Err(self.lost(Written::Yes)),
            // The attempt before may have deleted it.
            None if !replaces && self.0.is_some() && notes.is_in_doubt() => Err(self.lost(Written::Unknown)),
            Some(old) => match self.0.filter(|(_, raw)| notes.is_in_doubt() && !notes.is_raw(raw)) {
                // The attempt before may have taken the one, and another writer have put the other there.
                Some((of, before)) => {
                    let item = |raw| UnopenedItem::lost(of.clone(), raw);
                    let both = [Some(before), notes.take_raw()].into_iter().flatten().map(item).collect();
                    let lost = Unopened::from_items(both, Standing::written(Written::Yes));
                    Err(lost.map_or(Error::AnswerLost, Error::Unopened))
                }
                None => records.read_returned(old, notes).map(Some),
            },
            None => Ok(None),
        }
    }
}

impl<T: Record + DeserializeOwned> Records<T> {
    /// The record that an item is which was read.
    pub(super) fn found(&self, item: Item) -> Result<T, Error> {
        self.record(item, None, Standing::READ)
    }

    /// The record that is there now, after a write that is known to have been carried out, and whose answer is lost.
    pub(super) async fn read_current(&self, Place { table, key }: Place) -> Result<T, Error> {
        let written = Standing::written(Written::Yes);
        let lost = |error: &Error| Error::Unopened(Unopened::whole(error.cause().clone(), written));
        let get = self.tenant.dynamodb().get_item().set_table_name(table).set_key(key).consistent_read(true);
        let found = get.send().await.map_err(|error| lost(&super::request::to_error(error)))?.item;
        // Another writer may have deleted it since.
        self.record(found.ok_or_else(|| lost(&Error::AnswerLost))?, None, written)
    }

    /// The record that an item is which came back with a write.
    pub(super) fn read_returned(&self, item: Item, notes: &Notes) -> Result<T, Error> {
        self.record(item, notes.take_raw(), Standing::written(Written::Yes))
    }

    fn record(&self, item: Item, raw: Option<Item>, standing: Standing) -> Result<T, Error> {
        let (table, _) = self.table()?;
        let of = self.tenant.item_ref(Some(table), &item)?;
        super::convert::from_item(item).map_err(|error: Error| error.at(of, raw, standing))
    }
}
