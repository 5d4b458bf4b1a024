//! The steps of claims that need no data key: reads of tokens and claims, and the release of stale ones.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::AsyncSleep;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, TransactWriteItem};
use tenantseal_core::keys::cache::backoff::backoff;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::errors::{AwsErrorClass, kind};

use super::actions::check;
use super::entry::{Claims, Spot};
use super::plan::ClaimWrite;
use super::protocol::{Holder, TRIES};
use crate::error::{Cancelled, Error, ItemRef, Reason, ServiceError, Written};
use crate::item::Item;
use crate::schema::TableSchema;

/// The first pause before a transaction is sent again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What came of claiming the token of a stored item.
#[derive(Debug, PartialEq)]
pub(crate) enum Claimed {
    /// The item has the claim. The transactions took so many write units, if their answers said so.
    Own(Option<f64>),
    /// The item has not got the token any more: read it again.
    Changed,
    /// Another item has the value too.
    Item(ItemRef),
}

/// Whose the claim of a token is.
#[derive(Debug, PartialEq)]
pub(crate) enum Whose {
    /// The item's own.
    Own,
    /// Nobody's: there is none, or it is stale.
    Nobody,
    /// This item's, which has the token.
    Other(ItemRef),
}

/// The claims of one tenant, on a plain client of the account and Region that has its items.
#[derive(Debug, Clone)]
pub(crate) struct ClaimStore {
    client: Client,
    table: Arc<str>,
    tenant: TenantId,
}

impl ClaimStore {
    pub(crate) fn new(client: Client, table: Arc<str>, tenant: TenantId) -> Self {
        Self { client, table, tenant }
    }

    /// The claims table's name.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    fn claims(&self) -> Claims<'_> {
        Claims { table: &self.table, tenant: &self.tenant }
    }

    /// The tokens of an item's unique lookups, read consistently. None where there is no item.
    pub(crate) async fn tokens(&self, physical: &str, schema: &TableSchema, key: &Item) -> Result<Item, Error> {
        let unique = schema.lookups().iter().filter(|lookup| lookup.is_unique());
        let names: HashMap<_, _> =
            unique.enumerate().map(|(at, lookup)| (format!("#t{at}"), lookup.stored().to_owned())).collect();
        let mut projection: Vec<_> = names.keys().cloned().collect();
        projection.sort_unstable();
        let get = self.client.get_item().table_name(physical).set_key(Some(key.clone())).consistent_read(true);
        let get = get.projection_expression(projection.join(", ")).set_expression_attribute_names(Some(names));
        Ok(get.send().await.map_err(to_error)?.item.unwrap_or_default())
    }

    /// The primary key of the item that has the claim of a token.
    pub(crate) async fn claimed(&self, spot: &Spot, token: &str) -> Result<Option<Item>, Error> {
        match spot.entry(&self.tenant, token) {
            Some(entry) => self.item_of(&spot.schema, &entry).await,
            None => Ok(None),
        }
    }

    /// An error when DynamoDB cannot read the item that a claim of this token names, because its key has other types than
    /// the table's.
    pub(crate) async fn check_holder(&self, spot: &Spot, token: &str, key: &Item) -> Result<(), Error> {
        match spot.entry(&self.tenant, token) {
            Some(entry) => self.tokens_of_holder(spot, &entry, key).await.map(drop),
            None => Ok(()),
        }
    }

    async fn item_of(&self, schema: &TableSchema, entry: &str) -> Result<Option<Item>, Error> {
        let get = self.client.get_item().table_name(&*self.table).set_key(Some(self.claims().key(entry)));
        let claim = get.consistent_read(true).send().await.map_err(to_error)?.item;
        claim.map(|claim| self.claims().holder(schema, entry, &claim)).transpose()
    }

    /// Whose a claim is that a write of one of the items in `from` could not take.
    pub(crate) async fn holder(&self, write: &ClaimWrite) -> Result<Holder, Error> {
        let ClaimWrite { spot, entry, token, from, .. } = write;
        let Some(key) = self.item_of(&spot.schema, entry).await?.filter(|key| !from.contains(key)) else {
            return Ok(Holder::Free);
        };
        let tokens = self.tokens_of_holder(spot, entry, &key).await?;
        Ok(match tokens.get(spot.lookup().stored()) {
            Some(AttributeValue::S(stored)) if stored == token => Holder::Item(ItemRef::new(&spot.schema, &key)),
            _ => Holder::Stale(key),
        })
    }

    /// The tokens of the item that a claim names. A claim whose key has other types than the table's is forged: no schema
    /// knows them.
    async fn tokens_of_holder(&self, spot: &Spot, entry: &str, key: &Item) -> Result<Item, Error> {
        self.tokens(&spot.physical, &spot.schema, key).await.map_err(|error| match error {
            Error::DynamoDb(error)
                if AwsErrorClass::from_error(error.as_sdk()) == Some(AwsErrorClass::InvalidRequest) =>
            {
                self.claims().forged(entry)
            }
            error => error,
        })
    }

    /// Deletes a claim while this item has it, and has not got the token. If either changes meanwhile, nothing is done.
    pub(crate) async fn release(&self, write: &ClaimWrite, holder: &Item) -> Result<(), Error> {
        let ClaimWrite { spot, token, .. } = write;
        let release = ClaimWrite { to: None, from: vec![holder.clone()], ..write.clone() };
        tracing::info!(tenant = %self.tenant, table = %self.table, lookup = spot.lookup().name(), "a stale claim is released");
        let actions = vec![self.claims().action(&release)?, check(spot, holder, token, false)?];
        self.transact(actions).await.map(drop)
    }

    /// Whose the claim of a token is that this item has, or will have. It reads alone.
    pub(crate) async fn whose(&self, spot: &Spot, key: &Item, token: &str) -> Result<Whose, Error> {
        let Some(write) = self.write_of(spot, key, token) else { return Ok(Whose::Nobody) };
        match self.item_of(&spot.schema, &write.entry).await? {
            None => Ok(Whose::Nobody),
            Some(holder) if holder == *key => Ok(Whose::Own),
            Some(_) => Ok(match self.holder(&write).await? {
                Holder::Item(item) => Whose::Other(item),
                Holder::Free | Holder::Stale(_) => Whose::Nobody,
            }),
        }
    }

    /// Deletes the claim of a token that an item has had, unless the item has it again.
    pub(crate) async fn leave(&self, spot: &Spot, key: &Item, token: &str) -> Result<Option<f64>, Error> {
        let Some(write) = self.write_of(spot, key, token) else { return Ok(None) };
        let actions = vec![self.claims().action(&ClaimWrite { to: None, ..write })?, check(spot, key, token, false)?];
        Ok(self.transact(actions).await?.flatten())
    }

    /// Deletes the claim of a token, if it is this item's, whether or not the item has the token. For retired lookups
    /// alone: nobody claims their values any more.
    pub(crate) async fn forget(&self, spot: &Spot, key: &Item, token: &str) -> Result<Option<f64>, Error> {
        let Some(write) = self.write_of(spot, key, token) else { return Ok(None) };
        let write = ClaimWrite { to: None, ..write };
        for tries in 1..=TRIES {
            if let Some(units) = self.transact(vec![self.claims().action(&write)?]).await? {
                return Ok(units);
            }
            match self.item_of(&spot.schema, &write.entry).await {
                Ok(Some(holder)) if holder == *key => self.pause(tries).await,
                Ok(_) | Err(Error::ForgedClaim { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Err(conflict())
    }

    /// The claim of an item's token, unless it is no token of the tenant's.
    fn write_of(&self, spot: &Spot, key: &Item, token: &str) -> Option<ClaimWrite> {
        let (to, from) = (Some(key.clone()), vec![key.clone()]);
        let entry = spot.entry(&self.tenant, token)?;
        Some(ClaimWrite { spot: spot.clone(), entry, token: token.to_owned(), to, from })
    }

    /// Claims the token that a stored item has, or says whose the claim is. Repeated, it does nothing more.
    pub(crate) async fn claim(&self, spot: &Spot, key: &Item, token: &str) -> Result<Claimed, Error> {
        let Some(write) = self.write_of(spot, key, token) else { return Ok(Claimed::Changed) };
        for tries in 1..=TRIES {
            let actions = vec![self.claims().action(&write)?, check(spot, key, token, true)?];
            if let Some(units) = self.transact(actions).await? {
                return Ok(Claimed::Own(units));
            }
            let tokens = self.tokens(&spot.physical, &spot.schema, key).await?;
            if tokens.get(spot.lookup().stored()).and_then(|stored| stored.as_s().ok()).is_none_or(|now| now != token) {
                return Ok(Claimed::Changed);
            }
            match self.holder(&write).await? {
                Holder::Free => self.pause(tries).await,
                Holder::Item(item) => return Ok(Claimed::Item(item)),
                Holder::Stale(item) => self.release(&write, &item).await?,
            }
        }
        Err(conflict())
    }

    /// Waits before a transaction is sent again; `tries` times it was sent.
    pub(crate) async fn pause(&self, tries: u32) {
        if let Some(sleep) = self.client.config().sleep_impl() {
            sleep.sleep(backoff(PAUSES.0, tries - 1, PAUSES.1)).await;
        }
    }

    /// Sends a transaction. Returns the units that it took, if the answer says so, or `None` where it was not carried
    /// out: a condition failed, or another transaction works on the same items.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Option<Option<f64>>, Error> {
        let request = self.client.transact_write_items().set_transact_items(Some(actions));
        let error = match request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await {
            Ok(output) => {
                let tables = output.consumed_capacity.unwrap_or_default();
                let units: Option<f64> = tables.iter().map(|table| table.capacity_units).sum();
                return Ok(Some(units.filter(|_| !tables.is_empty())));
            }
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(to_error(error));
        };
        let codes = || cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        let is_settled = |code| matches!(code, "None" | "ConditionalCheckFailed" | "TransactionConflict");
        let is_throttled = |code| matches!(code, "ProvisionedThroughputExceeded" | "ThrottlingError");
        if codes().all(is_settled) {
            return Ok(None);
        }
        let is_outage = codes().all(|code| is_settled(code) || is_throttled(code));
        Err(Error::DynamoDb(ServiceError::new(error.into(), Written::No).of_outage(is_outage)))
    }
}

/// Other transactions kept working on the claim, or on its item.
pub(crate) fn conflict() -> Error {
    Error::Cancelled(Cancelled::new(vec![Some(Reason::TransactionConflict)]))
}

/// The error of a step. None of them changes an item, or says that a value is free.
fn to_error<E>(error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    aws_sdk_dynamodb::Error: From<SdkError<E>>,
{
    let is_outage = kind(&error).is_outage();
    Error::DynamoDb(ServiceError::new(error.into(), Written::No).of_outage(is_outage))
}
