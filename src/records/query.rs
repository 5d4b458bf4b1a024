//! Finds records, page by page, as a stream.

use std::fmt;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use tenantseal_core::tenant::TenantId;

use super::PrimaryKeyValue;
use super::condition::{Condition, Writer, attribute};
use super::convert::own_attribute;
use super::key;
use super::page::{self, Page, PageToken};
use super::reading::Reading;
use super::repository::Records;
use super::request::fmt_builder;
use super::stream::{RecordStream, count};
use crate::error::{Error, Refusal};
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

    /// One page of the records, from the beginning or from the token of the page before: for lists that a client asks for.
    ///
    /// It is one request. [`limit`](Self::limit) bounds the records that DynamoDB reads for it, before a filter: such a page
    /// may have fewer records, or none, and a next one all the same.
    ///
    /// ```
    /// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
    /// # -> Result<(), tenantseal::Error> {
    /// let first = contacts.query().limit(20).page(None).await?;
    /// if let Some(token) = &first.next {
    ///     let second = contacts.query().limit(20).page(Some(token)).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refusal::PageToken`] when the token was not made for this tenant and this query.
    pub async fn page(self, token: Option<&PageToken>) -> Result<Page<T>, Error> {
        let (records, limit) = (self.read.records.clone(), self.read.limit);
        page::page(records, self.request()?, limit, token).await
    }

    /// How many records there are, up to [`limit`](Self::limit). DynamoDB reads, and charges for, each of them; nothing is
    /// opened, so no data key is needed.
    ///
    /// # Errors
    ///
    /// When DynamoDB fails.
    pub async fn count(self) -> Result<usize, Error> {
        let limit = self.read.limit;
        count(self.request()?, limit).await
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
    let value = key::partition(schema, tenant, partition)?;
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

    /// One page of the records, from the beginning or from the token of the page before: for lists that a client asks for.
    ///
    /// It is one request. [`limit`](Self::limit) bounds the records that DynamoDB reads for it, before a filter: such a page
    /// may have fewer records, or none, and a next one all the same.
    ///
    /// ```
    /// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
    /// # -> Result<(), tenantseal::Error> {
    /// let first = contacts.scan().limit(20).page(None).await?;
    /// if let Some(token) = &first.next {
    ///     let second = contacts.scan().limit(20).page(Some(token)).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refusal::PageToken`] when the token was not made for this tenant and this query.
    pub async fn page(self, token: Option<&PageToken>) -> Result<Page<T>, Error> {
        let (records, limit) = (self.read.records.clone(), self.read.limit);
        page::page(records, self.request()?, limit, token).await
    }

    /// How many records there are, up to [`limit`](Self::limit). DynamoDB reads, and charges for, each of them; nothing is
    /// opened, so no data key is needed.
    ///
    /// # Errors
    ///
    /// When DynamoDB fails.
    pub async fn count(self) -> Result<usize, Error> {
        let limit = self.read.limit;
        count(self.request()?, limit).await
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
