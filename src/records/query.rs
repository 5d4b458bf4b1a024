//! Finds records, page by page, as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use tenantseal_core::tenant::TenantId;

use super::PrimaryKeyValue;
use super::condition::{Condition, Writer, attribute};
use super::convert::own_attribute;
use super::reading::Reading;
use super::repository::Records;
use super::request::{fmt_builder, to_error};
use crate::client::Notes;
use crate::error::{Error, Refusal};
use crate::item::{Item, PrimaryKeyError};
use crate::schema::{Record, TableSchema};

impl<T: Record + DeserializeOwned> Records<T> {
    /// Finds the tenant's records: all of them, or those that meet one sort key condition. See [`Query`].
    pub fn query<'a>(&self) -> Query<'a, T> {
        Query::new(self.clone())
    }

    /// Reads the whole table or an index for the tenant's records of this type. [`query`](Self::query) costs less where it suffices.
    /// See [`Scan`].
    pub fn scan<'a>(&self) -> Scan<'a, T> {
        Scan::new(self.clone())
    }
}

/// What a query asks of the sort key.
enum Sort {
    BeginsWith(PrimaryKeyValue),
    Between(PrimaryKeyValue, PrimaryKeyValue),
}

/// A query over one tenant's records. It is sent when its stream is polled.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// use tenantseal::records::attribute;
///
/// let found = contacts.query().begins_with("c-").filter(attribute("company").exists()).limit(20).stream();
/// let contacts: Vec<_> = found.try_collect().await?;
/// # Ok(()) }
/// ```
///
/// In a table that several record types share, it finds only this type if the type has a discriminator. On an index whose keys contain
/// the discriminator, and with your own sort key condition, test the discriminator yourself. Without a discriminator narrow the query
/// with [`Query::begins_with`]: an item of another type is an error.
#[must_use = "nothing is sent before the stream is polled"]
pub struct Query<'a, T> {
    read: Reading<'a, T, QueryFluentBuilder>,
    partition: Option<String>,
    sort: Option<Sort>,
    index: Option<(String, Condition)>,
    descending: bool,
}

impl<'a, T: Record + DeserializeOwned> Query<'a, T> {
    pub(super) fn new(records: Records<T>) -> Self {
        Self { read: Reading::new(records), partition: None, sort: None, index: None, descending: false }
    }

    /// The text after the tenant's prefix in the partition key, where the table has such a prefix.
    pub fn partition(mut self, rest: impl Into<String>) -> Self {
        self.partition = Some(rest.into());
        self
    }

    /// Only records whose sort key begins with `prefix`.
    pub fn begins_with(mut self, prefix: impl Into<PrimaryKeyValue>) -> Self {
        self.sort = Some(Sort::BeginsWith(prefix.into()));
        self
    }

    /// Only records whose sort key is between both values, inclusive.
    pub fn between(mut self, low: impl Into<PrimaryKeyValue>, high: impl Into<PrimaryKeyValue>) -> Self {
        self.sort = Some(Sort::Between(low.into(), high.into()));
        self
    }

    /// Queries an index, by a condition on its keys: `.index("by-company", attribute("company").equals("Example Ltd"))`.
    ///
    /// The index must project what the record needs, the header `_seal` and the discriminator. If the tenant's attribute is among the
    /// index's keys, the condition must test it too.
    pub fn index(mut self, name: impl Into<String>, keys: Condition) -> Self {
        self.index = Some((name.into(), keys));
        self
    }

    /// Only records that meet this condition. DynamoDB reads, and charges for, the others too.
    pub fn filter(mut self, condition: Condition) -> Self {
        self.read.filter(condition);
        self
    }

    /// At most this many records.
    pub fn limit(mut self, records: usize) -> Self {
        self.read.limit = Some(records);
        self
    }

    /// In descending order of sort keys.
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// Changes the SDK's request before it is sent: a consistent read, the size of a page (`limit`). A projection must keep what the
    /// record and its discriminator need. A filter that you set here is joined with the repository's; a key condition replaces the
    /// repository's.
    pub fn customize(mut self, change: impl FnOnce(QueryFluentBuilder) -> QueryFluentBuilder + Send + 'a) -> Self {
        self.read.customize(change);
        self
    }

    /// The records, in the order of their sort keys. See [`RecordStream`].
    pub fn stream(self) -> RecordStream<T> {
        let (records, limit) = (self.read.records.clone(), self.read.limit);
        RecordStream::over(records, self.request(), limit)
    }

    fn request(self) -> Result<QueryFluentBuilder, Error> {
        let Self { mut read, partition, sort, index, descending } = self;
        let (records, limit) = (read.records.clone(), read.limit);
        let (table, schema) = records.table()?;
        let own = own_attribute::<T>().filter(|(name, _)| !index.as_ref().is_some_and(|(_, keys)| keys.names(name)));
        let own = own.map(|(name, value)| attribute(name).is(AttributeValue::S(value.to_owned())));
        let (index, keys) = match index {
            Some(_) if partition.is_some() || sort.is_some() => return Err(Refusal::PrimaryKeyParts.into()),
            Some((name, keys)) => (Some(name), keys),
            None => (None, keys::<T>(schema, records.tenant.id(), partition, sort)?),
        };
        let request = records.tenant.dynamodb().query().table_name(table).set_index_name(index);
        let request = read.change(request);
        let mut writer = Writer::beside(&request);
        let keys = match request.get_key_condition_expression() {
            Some(given) => Some(given.clone()),
            None => writer.condition(Some(&keys))?,
        };
        let mut request = read.write_filter(own, request.set_key_condition_expression(keys), writer)?;
        if descending {
            request = request.scan_index_forward(false);
        }
        // No page is larger than the limit, unless a filter drops some of its records.
        let page = limit.and_then(|limit| i32::try_from(limit).ok()).filter(|page| *page > 0);
        if request.get_filter_expression().is_none() && request.get_limit().is_none() {
            request = request.set_limit(page);
        }
        Ok(request)
    }
}

/// The tenant's part of the table: a partition, and a condition on its sort keys.
fn keys<T: Record>(
    schema: &TableSchema,
    tenant: &TenantId,
    partition: Option<String>,
    sort: Option<Sort>,
) -> Result<Condition, Refusal> {
    let mut value = schema.tenant().render(tenant);
    match (schema.tenant().is_prefix(), partition) {
        (true, Some(rest)) => value.push_str(&rest),
        (true, None) => {
            return Err(PrimaryKeyError::Missing { attribute: schema.partition_key().to_owned() }.into());
        }
        (false, Some(_)) => return Err(Refusal::PrimaryKeyParts),
        (false, None) => {}
    }
    let own = T::SCHEMA.discriminator().filter(|_| schema.is_told_apart_by_sort_key());
    let partition = attribute(schema.partition_key()).is(AttributeValue::S(value));
    let Some(sort) = sort.or_else(|| own.map(|(_, own)| Sort::BeginsWith(own.into()))) else { return Ok(partition) };
    let sort_key = attribute(schema.sort_key().ok_or(Refusal::PrimaryKeyParts)?);
    Ok(partition.and(match sort {
        Sort::BeginsWith(prefix) => sort_key.key_begins_with(prefix),
        Sort::Between(low, high) => sort_key.key_between(low, high),
    }))
}

impl<T> fmt::Debug for Query<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Query", &self.read.records, f)
    }
}

/// A scan for one tenant's records of one type. It is sent when its stream is polled.
///
/// ```
/// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
/// # -> Result<(), tenantseal::Error> {
/// use tenantseal::records::attribute;
///
/// let found = contacts.scan().filter(attribute("company").equals("Analytical Engines")).stream();
/// let contacts: Vec<_> = found.try_collect().await?;
/// # Ok(()) }
/// ```
///
/// DynamoDB reads, and charges for, the whole table or index. A type without a discriminator must be alone in the table, or selected
/// with [`Scan::filter`].
#[must_use = "nothing is sent before the stream is polled"]
pub struct Scan<'a, T> {
    read: Reading<'a, T, ScanFluentBuilder>,
}

impl<'a, T: Record + DeserializeOwned> Scan<'a, T> {
    pub(super) fn new(records: Records<T>) -> Self {
        Self { read: Reading::new(records) }
    }

    /// Only records that meet this condition.
    pub fn filter(mut self, condition: Condition) -> Self {
        self.read.filter(condition);
        self
    }

    /// At most this many records.
    pub fn limit(mut self, records: usize) -> Self {
        self.read.limit = Some(records);
        self
    }

    /// Changes the SDK's request before it is sent: an index, a segment, the size of a page (`limit`). A filter that you set here is
    /// joined with the repository's.
    pub fn customize(mut self, change: impl FnOnce(ScanFluentBuilder) -> ScanFluentBuilder + Send + 'a) -> Self {
        self.read.customize(change);
        self
    }

    /// The records, in no particular order. See [`RecordStream`].
    pub fn stream(self) -> RecordStream<T> {
        let (records, limit) = (self.read.records.clone(), self.read.limit);
        RecordStream::over(records, self.request(), limit)
    }

    fn request(self) -> Result<ScanFluentBuilder, Error> {
        let Self { mut read } = self;
        let records = read.records.clone();
        let (table, schema) = records.table()?;
        let own = T::SCHEMA.discriminator().map(|(name, value)| {
            if schema.is_told_apart_by_sort_key() {
                attribute(name).key_begins_with(value.into())
            } else {
                attribute(name).is(AttributeValue::S(value.to_owned()))
            }
        });
        let request = read.change(records.tenant.dynamodb().scan().table_name(table));
        let writer = Writer::beside(&request);
        read.write_filter(own, request, writer)
    }
}

impl<T> fmt::Debug for Scan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_builder("Scan", &self.read.records, f)
    }
}

/// Records as they are found.
///
/// It requests a page once the records before it are consumed, and not earlier. Consume it with [`next`](Self::next) or
/// [`try_collect`](Self::try_collect), or as a [`Stream`].
///
/// A record that does not open, or is not of this type, is an error that names it (`error.item()`), and the next record follows. The
/// same holds if its data key is not available: stop if `error.is_revoked()`, or if waiting is better. The stream ends when DynamoDB
/// fails.
#[must_use = "nothing is sent before the stream is polled"]
pub struct RecordStream<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T: Record + DeserializeOwned> RecordStream<T> {
    fn over<P: Page>(records: Records<T>, request: Result<P, Error>, limit: Option<usize>) -> Self {
        let pages = match request {
            Ok(request) => {
                let next = |request: Option<P>| async move {
                    let Some(request) = request else { return Ok(None) };
                    let (items, last) = request.clone().page().await?;
                    Ok(Some((items, last.map(|last| request.after(last)))))
                };
                stream::try_unfold(Some(request), next).left_stream()
            }
            Err(error) => stream::once(async move { Err(error) }).right_stream(),
        };
        let items = pages.map_ok(stream::iter).try_flatten().boxed();
        let start = (items, records.tenant, limit.unwrap_or(usize::MAX));
        let records = stream::unfold(start, |(mut items, tenant, left)| async move {
            let next = if left == 0 { None } else { items.next().await }?;
            let next = next.and_then(|item| Records::<T>::new(tenant.clone()).found(item));
            // What is no record does not count.
            let left = left - usize::from(next.is_ok());
            Some((next, (items, tenant, left)))
        });
        Self(records.boxed())
    }

    /// The next record, if there is one.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        self.0.next().await
    }

    /// All records that are left.
    ///
    /// # Errors
    ///
    /// The first error.
    pub async fn try_collect<C: Default + Extend<T>>(self) -> Result<C, Error> {
        self.0.try_collect().await
    }
}

impl<T> Stream for RecordStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for RecordStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordStream<{}>", std::any::type_name::<T>())
    }
}

/// The items of a page, those that did not open by their errors.
fn each(items: Option<Vec<Item>>, notes: &Notes) -> Vec<Result<Item, Error>> {
    let mut items: Vec<_> = items.unwrap_or_default().into_iter().map(Ok).collect();
    for (at, error) in notes.take_failed() {
        items[at] = Err(error);
    }
    items
}

/// The items of a page, and the key at which the next one begins.
type Items = (Vec<Result<Item, Error>>, Option<Item>);

/// A request that answers page by page.
trait Page: Clone + Send + 'static {
    fn page(self) -> impl Future<Output = Result<Items, Error>> + Send;

    /// The request of the next page.
    fn after(self, last: Item) -> Self;
}

impl Page for QueryFluentBuilder {
    async fn page(self) -> Result<Items, Error> {
        let notes = Notes::each();
        let answer = self.customize().config_override(notes.hook()).send().await.map_err(to_error)?;
        Ok((each(answer.items, &notes), answer.last_evaluated_key))
    }

    fn after(self, last: Item) -> Self {
        self.set_exclusive_start_key(Some(last))
    }
}

impl Page for ScanFluentBuilder {
    async fn page(self) -> Result<Items, Error> {
        let notes = Notes::each();
        let answer = self.customize().config_override(notes.hook()).send().await.map_err(to_error)?;
        Ok((each(answer.items, &notes), answer.last_evaluated_key))
    }

    fn after(self, last: Item) -> Self {
        self.set_exclusive_start_key(Some(last))
    }
}
