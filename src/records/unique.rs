//! Writes with claims of unique values: the steps of [`claims::write`] on the tenant's client.
//!
//! [`claims::write`]: crate::claims::write

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use futures_util::future;
use serde::de::DeserializeOwned;

use super::outcome::{Before, Place, to_send_error};
use super::precondition::Asked;
use super::repository::Records;
use crate::claims::{self, ClaimStore, ClaimWrite, Holder, Sent, Steps, Stored};
use crate::client::{Claiming, Notes};
use crate::error::{Cancelled, Error, Reason, ServiceError, Written};
use crate::item::Item;
use crate::schema::Record;
use crate::tenant_seal::Tenant;

/// An action of a transaction.
pub(super) struct Act {
    pub(super) item: TransactWriteItem,
    /// What it means when its condition fails.
    pub(super) asked: Asked,
    /// Whether it asks that there is no such item.
    pub(super) is_new: bool,
    /// Whether items of its record type may have unique values.
    pub(super) has_unique: bool,
}

impl<T: Record> Records<T> {
    /// Whether the type's items may have unique values, so that writes bring claims. Items of other types in the table cost
    /// nothing.
    pub(super) fn has_unique(&self) -> Result<bool, Error> {
        let (_, schema) = self.table()?;
        let mut unique = schema.lookups().iter().filter(|lookup| lookup.is_unique());
        Ok(unique.any(|lookup| lookup.parts().iter().any(|part| T::SCHEMA.field(part.attribute()).is_some())))
    }
}

/// Sends one write with its claims.
pub(super) async fn send_one(tenant: &Tenant, act: Act) -> Result<(), Error> {
    let mut transaction = Transaction::new(tenant, vec![act], None)?;
    transaction.is_single = true;
    claims::write(&mut transaction).await
}

/// Sends writes with their claims: all, or none.
pub(super) async fn send_all(tenant: &Tenant, acts: Vec<Act>, token: Option<String>) -> Result<(), Error> {
    claims::write(&mut Transaction::new(tenant, acts, token)?).await
}

/// Sends one write with its claims, on the condition that the record is the one that was read before. Returns it.
pub(super) async fn send_returning<T: Record + DeserializeOwned>(
    records: &Records<T>,
    act: Act,
    place: Place,
) -> Result<Option<T>, Error> {
    let mut transaction = Transaction::new(&records.tenant, vec![act], None)?;
    transaction.is_single = true;
    let mut returning = Returning { transaction, records, place, before: Before::nothing() };
    match claims::write(&mut returning).await {
        Ok(()) => returning.before.into_record(records).await,
        Err(error) => Err(returning.before.keep(error)),
    }
}

/// Where an action goes.
pub(super) fn place(tenant: &Tenant, act: &Act) -> Result<Place, Error> {
    let (table, item) = target(&act.item);
    let schema = tenant.schema(table)?;
    let key = item.into_iter().filter(|(name, _)| schema.key_names().any(|key| key == name.as_str())).collect();
    Ok(Place { table: table.map(str::to_owned), key: Some(key) })
}

/// Whether any of the actions writes or removes a unique value.
pub(super) fn touches_any(tenant: &Tenant, acts: &[Act]) -> Result<bool, Error> {
    for act in acts {
        if is_touched(tenant, act)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the action writes or removes a unique value.
pub(super) fn is_touched(tenant: &Tenant, act: &Act) -> Result<bool, Error> {
    Ok(act.has_unique && tenant.touches_unique(&act.item)?)
}

/// One transaction of writes and claims.
struct Transaction<'a> {
    tenant: &'a Tenant,
    store: ClaimStore,
    acts: Vec<Act>,
    token: Option<String>,
    /// Whether the caller asked for one write, and no transaction.
    is_single: bool,
}

impl<'a> Transaction<'a> {
    fn new(tenant: &'a Tenant, acts: Vec<Act>, token: Option<String>) -> Result<Self, Error> {
        Ok(Self { tenant, store: tenant.claims()?, acts, token, is_single: false })
    }

    /// What is stored before this action, as far as it matters.
    async fn stored(&self, act: &Act) -> Result<Stored, Error> {
        if !is_touched(self.tenant, act)? {
            return Ok(Stored::Untouched);
        }
        if self.token.is_some() {
            return Ok(Stored::Unknown);
        }
        // The action itself asks that nothing is there.
        if act.is_new {
            return Ok(Stored::Tokens(Item::new()));
        }
        let Place { table, key } = place(self.tenant, act)?;
        let (schema, table) = (self.tenant.schema(table.as_deref())?, table.unwrap_or_default());
        Ok(Stored::Tokens(self.store.tokens(&table, schema, &key.unwrap_or_default()).await?))
    }

    /// What the caller is told of a cancelled transaction.
    fn to_error(&self, reasons: &[Option<Reason>]) -> Error {
        let own = &reasons[..reasons.len().min(self.acts.len())];
        match (self.is_single, own.first(), self.acts.first().map(|act| act.asked)) {
            (true, Some(Some(Reason::Conflict)), Some(Asked::Version { record })) => {
                Error::Conflict { record, may_be_own: false }
            }
            (true, Some(Some(Reason::ConditionFailed)), _) => {
                let failed = ConditionalCheckFailedException::builder().message("The conditional request failed");
                let failed = aws_sdk_dynamodb::Error::ConditionalCheckFailedException(failed.build());
                Error::DynamoDb(ServiceError::new(failed, Written::No))
            }
            // Reasons of claims alone are DynamoDB's, and not the caller's actions'.
            _ if own.iter().all(Option::is_none) => Error::Cancelled(Cancelled::new(reasons.to_vec())),
            _ => Error::Cancelled(Cancelled::new(own.to_vec())),
        }
    }
}

/// The table and the key of an action; of a put, all of its item.
fn target(action: &TransactWriteItem) -> (Option<&str>, Item) {
    let TransactWriteItem { put, update, delete, .. } = action;
    match (put, update, delete) {
        (Some(put), ..) => (Some(&put.table_name), put.item.clone()),
        (_, Some(update), _) => (Some(&update.table_name), update.key.clone()),
        (.., Some(delete)) => (Some(&delete.table_name), delete.key.clone()),
        _ => (None, Item::new()),
    }
}

impl Steps for Transaction<'_> {
    async fn read(&mut self) -> Result<Vec<Stored>, Error> {
        future::try_join_all(self.acts.iter().map(|act| self.stored(act))).await
    }

    fn is_conditional(&self, action: usize) -> bool {
        let Some(Act { item, .. }) = self.acts.get(action) else { return false };
        let TransactWriteItem { put, update, delete, .. } = item;
        let conditions = [
            put.as_ref().and_then(|put| put.condition_expression.as_ref()),
            update.as_ref().and_then(|update| update.condition_expression.as_ref()),
            delete.as_ref().and_then(|delete| delete.condition_expression.as_ref()),
        ];
        conditions.iter().any(Option::is_some)
    }

    async fn send(&mut self, stored: &[Stored], left: &BTreeSet<String>) -> Result<Sent, Error> {
        let claiming = Claiming::new(stored.to_vec(), left.clone());
        let notes = Notes::with_claims(claiming.clone());
        let items = self.acts.iter().map(|act| act.item.clone()).collect();
        let request = self.tenant.dynamodb().transact_write_items().set_transact_items(Some(items));
        let request = request.set_client_request_token(self.token.clone()).customize();
        let Err(error) = request.config_override(notes.hook()).send().await else { return Ok(Sent::Done) };
        match error.as_service_error() {
            // This library's error may travel in any of the SDK's.
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                if Error::find_in(&error).is_none() =>
            {
                let asked: Vec<_> = self.acts.iter().map(|act| act.asked).collect();
                let reasons = to_reasons(cancelled.cancellation_reasons(), &asked);
                let error = self.to_error(&reasons);
                Ok(Sent::Cancelled { reasons, claims: claiming.sent(), error })
            }
            _ => Err(to_send_error(error, &notes)),
        }
    }

    async fn holder(&mut self, write: &ClaimWrite) -> Result<Holder, Error> {
        self.store.holder(write).await
    }

    async fn release(&mut self, write: &ClaimWrite, holder: &Item) -> Result<(), Error> {
        self.store.release(write, holder).await
    }

    async fn pause(&mut self, tries: u32) {
        self.store.pause(tries).await;
    }
}

/// DynamoDB's reasons, interpreted by the condition of each action.
pub(super) fn to_reasons(reasons: &[CancellationReason], asked: &[Asked]) -> Vec<Option<Reason>> {
    let reason = |(at, reason): (usize, &CancellationReason)| match reason.code()? {
        "None" => None,
        "ConditionalCheckFailed" => Some(match asked.get(at) {
            Some(Asked::Version { .. }) => Reason::Conflict,
            _ => Reason::ConditionFailed,
        }),
        "TransactionConflict" => Some(Reason::TransactionConflict),
        "ProvisionedThroughputExceeded" | "ThrottlingError" => Some(Reason::Throttled),
        other => Some(Reason::Other(other.to_owned())),
    };
    reasons.iter().enumerate().map(reason).collect()
}

/// A transaction whose write returns the record that was there before.
struct Returning<'a, T> {
    transaction: Transaction<'a>,
    records: &'a Records<T>,
    place: Place,
    before: Before,
}

impl<T: Record + DeserializeOwned> Steps for Returning<'_, T> {
    /// Reads and opens it, so that nothing is replaced or deleted that could not be returned.
    async fn read(&mut self) -> Result<Vec<Stored>, Error> {
        self.before = Before::read(self.records, &self.place).await?;
        Ok(vec![Stored::Whole(self.before.item().cloned())])
    }

    fn is_conditional(&self, action: usize) -> bool {
        self.transaction.is_conditional(action)
    }

    async fn send(&mut self, stored: &[Stored], left: &BTreeSet<String>) -> Result<Sent, Error> {
        self.transaction.send(stored, left).await
    }

    async fn holder(&mut self, write: &ClaimWrite) -> Result<Holder, Error> {
        self.transaction.holder(write).await
    }

    async fn release(&mut self, write: &ClaimWrite, holder: &Item) -> Result<(), Error> {
        self.transaction.release(write, holder).await
    }

    async fn pause(&mut self, tries: u32) {
        self.transaction.pause(tries).await;
    }
}
