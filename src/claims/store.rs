//! The steps of claims that need no data key: reads of tokens and claims, and the release of stale ones.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::AsyncSleep;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use tenantseal_core::keys::cache::backoff::backoff;
use tenantseal_core::tenant::TenantId;
use tenantseal_kms::errors::AwsErrorClass;

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
    /// The item has the claim.
    Own,
    /// The item has not got the token any more: read it again.
    Changed,
    /// Another item has the value too.
    Item(ItemRef),
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
        let ClaimWrite { spot, entry, token, .. } = write;
        let release = ClaimWrite { to: None, from: vec![holder.clone()], ..write.clone() };
        tracing::info!(tenant = %self.tenant, table = %self.table, entry, "a stale claim is released");
        let actions = vec![self.claims().action(&release)?, check(spot, holder, token, false)?];
        self.transact(actions).await.map(drop)
    }

    /// Claims the token that a stored item has, or says whose the claim is. Repeated, it does nothing more.
    #[cfg_attr(not(test), expect(dead_code, reason = "the sweep of a lookup that is built calls it"))]
    pub(crate) async fn claim(&self, spot: &Spot, key: &Item, token: &str) -> Result<Claimed, Error> {
        let Some(entry) = spot.entry(&self.tenant, token) else { return Ok(Claimed::Changed) };
        let (to, from) = (Some(key.clone()), vec![key.clone()]);
        let write = ClaimWrite { spot: spot.clone(), entry, token: token.to_owned(), to, from };
        for tries in 1..=TRIES {
            let actions = vec![self.claims().action(&write)?, check(spot, key, token, true)?];
            if self.transact(actions).await? {
                return Ok(Claimed::Own);
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
        Err(Error::Cancelled(Cancelled::new(vec![Some(Reason::TransactionConflict)])))
    }

    /// Waits before a transaction is sent again; `tries` times it was sent.
    pub(crate) async fn pause(&self, tries: u32) {
        if let Some(sleep) = self.client.config().sleep_impl() {
            sleep.sleep(backoff(PAUSES.0, tries - 1, PAUSES.1)).await;
        }
    }

    /// Sends a transaction. Returns whether it was carried out: not where a condition failed, or where another
    /// transaction works on the same items.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<bool, Error> {
        match self.client.transact_write_items().set_transact_items(Some(actions)).send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if cancelled.cancellation_reasons().iter().all(|reason| {
                        matches!(reason.code(), None | Some("None" | "ConditionalCheckFailed" | "TransactionConflict"))
                    }) =>
                {
                    Ok(false)
                }
                _ => Err(to_error(error)),
            },
        }
    }
}

/// The error of a step. None of them changes an item, or says that a value is free.
fn to_error<E>(error: SdkError<E>) -> Error
where
    aws_sdk_dynamodb::Error: From<SdkError<E>>,
{
    Error::DynamoDb(ServiceError::new(error.into(), Written::No))
}
