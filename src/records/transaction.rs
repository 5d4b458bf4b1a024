//! Transactions over the records of one tenant, of any types.

use std::fmt;
use std::vec::IntoIter;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{self, TransactGetItem, TransactWriteItem};
use serde::de::DeserializeOwned;

use super::condition::{Condition, Writer};
use super::outcome::to_send_error;
use super::precondition::{Asked, own_or_new};
use super::repository::Records;
use super::request::{Pending, fmt_builder, require_built, to_error};
use super::unique::Act;
use super::{Get, PrimaryKey, unique};
use crate::client::Notes;
use crate::error::{Cancelled, Error};
use crate::item::Item;
use crate::schema::Record;
use crate::tenant_seal::Tenant;

impl Tenant {
    /// Writes of the tenant's records, of any types, that all happen or none.
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

    /// Reads the tenant's records, of any types, as of one moment:
    /// `let (contact, order) = acme.transact_get((contacts.get("c-17"), orders.get("o-1"))).await?`.
    pub fn transact_get<R: Reads>(&self, reads: R) -> TransactGet<R::Found> {
        TransactGet::new(self.clone(), reads)
    }
}

impl<T: Record> Records<T> {
    /// A condition on a record that a transaction does not change: see [`Tenant::transact_write`].
    pub fn check(&self, key: impl Into<PrimaryKey>, condition: Condition) -> Check<T> {
        Check::new(self.clone(), key.into(), condition)
    }
}

/// What a transaction can do: a [`Put`](super::Put), [`Update`](super::Update), [`Delete`](super::Delete) or [`Check`].
#[expect(private_bounds, reason = "sealed: DynamoDB knows no other actions")]
pub trait Write: Action {}

/// What a write is in a transaction.
pub(super) trait Action {
    fn action(self) -> Result<Act, Error>;
}

/// Writes that all happen or none: see [`Tenant::transact_write`]. Await it to send it.
#[must_use = "nothing is written before it is awaited"]
pub struct TransactWrite {
    tenant: Tenant,
    actions: Vec<Result<Act, Error>>,
    token: Option<String>,
}

impl TransactWrite {
    pub(crate) fn new(tenant: Tenant) -> Self {
        Self { tenant, actions: Vec::new(), token: None }
    }

    /// Adds a write. A transaction does not return what the write alone would.
    pub fn with(mut self, write: impl Write) -> Self {
        self.actions.push(write.action());
        self
    }

    /// Sets an idempotency token of 1 to 36 characters: the same transaction, sent again within 10 minutes, is carried out once.
    ///
    /// Use one token per transaction and per tenant. DynamoDB does not tell tenants apart, and refuses a token that was used for another
    /// transaction.
    ///
    /// The same transaction has the same actions in the same order with the same values. The library then sends the same bytes, however
    /// its maps and sets were made. That holds in this process, and in others that share its data keys, until the tenant's data keys
    /// are dropped. DynamoDB refuses what is repeated after that; nothing is written twice.
    ///
    /// With values of unique lookups nothing is read first, so that the bytes depend on nothing that is stored. Former values
    /// then keep their claims, which the next writer of such a value finds stale and takes. A value cannot move from one record
    /// of the transaction to another, and `set_if_not_exists` of such an attribute is refused.
    ///
    /// Never reuse a token, not even later. Nonces derive from it, so a reader of the table could tell that an attribute of an item has
    /// a former value again.
    pub fn idempotency_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    async fn send(self) -> Result<(), Error> {
        let Self { tenant, actions, token } = self;
        let acts = actions.into_iter().collect::<Result<Vec<_>, _>>()?;
        if unique::touches_any(&tenant, &acts)? {
            return unique::send_all(&tenant, acts, token).await;
        }
        let (items, asked): (Vec<_>, Vec<_>) = acts.into_iter().map(|act| (act.item, act.asked)).unzip();
        let request = tenant.dynamodb().transact_write_items().set_transact_items(Some(items));
        let (request, notes) = (request.set_client_request_token(token), Notes::default());
        let answer = request.customize().config_override(notes.hook()).send().await;
        answer.map(drop).map_err(|error| {
            match error.as_service_error() {
                // This library's error may travel in any of the SDK's.
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if Error::find_in(&error).is_none() =>
                {
                    let reasons = unique::to_reasons(cancelled.cancellation_reasons(), &asked);
                    Error::Cancelled(Cancelled::new(reasons))
                }
                _ => to_send_error(error, &notes),
            }
        })
    }
}

impl IntoFuture for TransactWrite {
    type Output = Result<(), Error>;
    type IntoFuture = Pending<'static, ()>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for TransactWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactWrite({}, {} actions)", self.tenant.id(), self.actions.len())
    }
}

/// A condition on a record that a transaction leaves as it is; see [`Records::check`].
#[must_use = "a check is given to a transaction"]
pub struct Check<T> {
    records: Records<T>,
    key: PrimaryKey,
    condition: Condition,
}

impl<T: Record> Check<T> {
    pub(super) fn new(records: Records<T>, key: PrimaryKey, condition: Condition) -> Self {
        Self { records, key, condition }
    }
}

impl<T: Record> Write for Check<T> {}

impl<T: Record> Action for Check<T> {
    fn action(self) -> Result<Act, Error> {
        let Self { records, key, condition } = self;
        let (table, schema) = records.table()?;
        let key = records.key(schema, key)?;
        let condition = Condition::all([own_or_new::<T>(), Some(condition)]);
        let mut writer = Writer::<T>::new();
        let condition = writer.condition(condition.as_ref())?;
        let (names, values) = writer.finish();
        let check = types::ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key))
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        let item = TransactWriteItem::builder().condition_check(require_built(check.build())?).build();
        Ok(Act { item, asked: Asked::Condition, is_new: false, has_unique: false })
    }
}

impl<T> fmt::Debug for Check<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Check", &self.records, f)
    }
}

/// Reads of records as of one moment: see [`Tenant::transact_get`]. Await it to send it.
///
/// ```
/// # use serde::de::DeserializeOwned;
/// # async fn example<C: tenantseal::Record + DeserializeOwned + 'static, O: tenantseal::Record + DeserializeOwned + 'static>(
/// #     acme: tenantseal::Tenant, contacts: tenantseal::records::Records<C>, orders: tenantseal::records::Records<O>)
/// # -> Result<(), tenantseal::Error> {
/// let (contact, order): (Option<C>, Option<O>) = acme.transact_get((contacts.get("c-17"), orders.get("o-1"))).await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is read before it is awaited"]
pub struct TransactGet<F> {
    tenant: Tenant,
    actions: Result<Vec<TransactGetItem>, Error>,
    found: fn(&Tenant, &mut Found) -> Result<F, Error>,
}

/// The items of an answer, in the order of the reads.
type Found = IntoIter<Option<Item>>;

impl<F> TransactGet<F> {
    pub(crate) fn new<R: Reads<Found = F>>(tenant: Tenant, reads: R) -> Self {
        Self { tenant, actions: reads.actions(), found: R::found }
    }

    async fn send(self) -> Result<F, Error> {
        let Self { tenant, actions, found } = self;
        let request = tenant.dynamodb().transact_get_items().set_transact_items(Some(actions?));
        let responses = request.send().await.map_err(to_error)?.responses.unwrap_or_default();
        // A read that found nothing has no item, or an empty one.
        let items = responses.into_iter().map(|response| response.item.filter(|item| !item.is_empty()));
        found(&tenant, &mut items.collect::<Vec<_>>().into_iter())
    }
}

impl<F: 'static> IntoFuture for TransactGet<F> {
    type Output = Result<F, Error>;
    type IntoFuture = Pending<'static, F>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<F> fmt::Debug for TransactGet<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactGet({})", self.tenant.id())
    }
}

/// What [`Tenant::transact_get`] can read: a [`Get`], a tuple of up to 8 of these, or a `Vec` of one kind. Sealed.
#[expect(private_bounds, reason = "sealed: what is found must be what was asked for")]
pub trait Reads: Read {
    /// The result: an `Option` of a record for each [`Get`].
    type Found;

    #[doc(hidden)]
    fn found(tenant: &Tenant, items: &mut Found) -> Result<Self::Found, Error>;
}

trait Read {
    fn actions(self) -> Result<Vec<TransactGetItem>, Error>;
}

impl<T: Record + DeserializeOwned> Reads for Get<'_, T> {
    type Found = Option<T>;

    fn found(tenant: &Tenant, items: &mut Found) -> Result<Self::Found, Error> {
        items.next().flatten().map(|item| Records::new(tenant.clone()).found(item)).transpose()
    }
}

impl<T: Record + DeserializeOwned> Read for Get<'_, T> {
    fn actions(self) -> Result<Vec<TransactGetItem>, Error> {
        Ok(vec![self.action()?])
    }
}

impl<T: Record + DeserializeOwned> Reads for Vec<Get<'_, T>> {
    type Found = Vec<Option<T>>;

    fn found(tenant: &Tenant, items: &mut Found) -> Result<Self::Found, Error> {
        let records = Records::new(tenant.clone());
        items.map(|item| item.map(|item| records.found(item)).transpose()).collect()
    }
}

impl<T: Record + DeserializeOwned> Read for Vec<Get<'_, T>> {
    fn actions(self) -> Result<Vec<TransactGetItem>, Error> {
        self.into_iter().map(Get::action).collect()
    }
}

macro_rules! tuples {
    ($(($($record:ident $read:ident),+))*) => {
        $(
            impl<$($record: Record + DeserializeOwned),+> Reads for ($(Get<'_, $record>,)+) {
                type Found = ($(Option<$record>,)+);

                fn found(tenant: &Tenant, items: &mut Found) -> Result<Self::Found, Error> {
                    Ok(($(Get::<'_, $record>::found(tenant, items)?,)+))
                }
            }

            impl<$($record: Record + DeserializeOwned),+> Read for ($(Get<'_, $record>,)+) {
                fn actions(self) -> Result<Vec<TransactGetItem>, Error> {
                    let ($($read,)+) = self;
                    Ok(vec![$($read.action()?),+])
                }
            }
        )*
    };
}

tuples! {
    (A a, B b)
    (A a, B b, C c)
    (A a, B b, C c, D d)
    (A a, B b, C c, D d, E e)
    (A a, B b, C c, D d, E e, F f)
    (A a, B b, C c, D d, E e, F f, G g)
    (A a, B b, C c, D d, E e, F f, G g, H h)
}
