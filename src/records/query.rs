//! Finding records, page by page, as a stream.

use std::fmt;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;

use super::{KeyValue, Records, failed, from_item};
use crate::error::{Error, Refusal};
use crate::item::PrimaryKeyError;
use crate::schema::Record;

/// A query over one tenant's records, not sent before its stream is polled.
///
/// In a table that several record types share, narrow it to this type with [`Query::begins_with`]: an item of another type is an error.
#[must_use = "nothing is asked before the stream is polled"]
pub struct Query<T> {
    records: Records<T>,
    partition: Option<String>,
    sort: Option<(&'static str, Vec<KeyValue>)>,
    customize: Vec<Box<dyn FnOnce(QueryFluentBuilder) -> QueryFluentBuilder + Send>>,
}

impl<T: Record + DeserializeOwned> Query<T> {
    pub(super) fn new(records: Records<T>) -> Self {
        Self { records, partition: None, sort: None, customize: Vec::new() }
    }

    /// What follows the tenant's prefix in the partition key, where the table has such a prefix.
    pub fn partition(mut self, rest: impl Into<String>) -> Self {
        self.partition = Some(rest.into());
        self
    }

    /// Only records whose sort key begins with `prefix`.
    pub fn begins_with(mut self, prefix: impl Into<KeyValue>) -> Self {
        self.sort = Some(("begins_with(#sort_key, :sort0)", vec![prefix.into()]));
        self
    }

    /// Only records whose sort key is between both, which are included.
    pub fn between(mut self, low: impl Into<KeyValue>, high: impl Into<KeyValue>) -> Self {
        self.sort = Some(("#sort_key BETWEEN :sort0 AND :sort1", vec![low.into(), high.into()]));
        self
    }

    /// Changes the SDK's request before it is sent: an index, a filter on plain attributes, the direction,
    /// the size of a page (`limit`).
    pub fn customize(mut self, change: impl FnOnce(QueryFluentBuilder) -> QueryFluentBuilder + Send + 'static) -> Self {
        self.customize.push(Box::new(change));
        self
    }

    /// The records, in the order of their sort keys. A page is asked for when the records before it have been taken.
    pub fn stream(self) -> impl Stream<Item = Result<T, Error>> + Send + Unpin {
        let pages = match self.request() {
            Ok(request) => {
                let pages = request.into_paginator().send();
                let next = |mut pages: aws_smithy_async::future::pagination_stream::PaginationStream<_>| async move {
                    pages.try_next().await.map(|page| page.map(|page| (page, pages)))
                };
                stream::try_unfold(pages, next).map_err(failed).left_stream()
            }
            Err(refusal) => stream::once(async move { Err(Error::from(refusal)) }).right_stream(),
        };
        let records = pages.map_ok(|page: aws_sdk_dynamodb::operation::query::QueryOutput| {
            stream::iter(page.items.unwrap_or_default().into_iter().map(from_item))
        });
        Box::pin(records.try_flatten())
    }

    fn request(self) -> Result<QueryFluentBuilder, Refusal> {
        let Self { records, partition, sort, customize } = self;
        let (table, schema) = records.table()?;
        let mut value = schema.tenant().render(records.tenant.id());
        match (schema.tenant().is_prefix(), partition) {
            (true, Some(rest)) => value.push_str(&rest),
            (true, None) => {
                return Err(PrimaryKeyError::Missing { attribute: schema.partition_key().to_owned() }.into());
            }
            (false, Some(_)) => return Err(Refusal::KeyParts),
            (false, None) => {}
        }
        let mut condition = "#partition_key = :partition_key".to_owned();
        let mut request = records.tenant.dynamodb().query().table_name(table);
        if let Some((test, values)) = sort {
            let sort_key = schema.sort_key().ok_or(Refusal::KeyParts)?;
            condition = format!("{condition} AND {test}");
            request = request.expression_attribute_names("#sort_key", sort_key);
            for (at, value) in values.into_iter().enumerate() {
                request = request.expression_attribute_values(format!(":sort{at}"), value.into());
            }
        }
        let request = request
            .key_condition_expression(condition)
            .expression_attribute_names("#partition_key", schema.partition_key())
            .expression_attribute_values(":partition_key", AttributeValue::S(value));
        Ok(customize.into_iter().fold(request, |request, change| change(request)))
    }
}

impl<T> fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({:?})", self.records)
    }
}
