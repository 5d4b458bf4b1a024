//! Records page by page, as a stream or counted.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::Select;
use futures_util::future;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use tenantseal_core::format::Identity;

use super::repository::Records;
use super::request::to_error;
use super::shape;
use crate::client::Notes;
use crate::error::Error;
use crate::item::{Item, identity};
use crate::schema::{Record, TableSchema};
use crate::tenant_seal::Tenant;

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

/// How many queries of one stream run at once.
const AT_ONCE: usize = 4;

/// Items as they are found.
pub(super) type Found = Pin<Box<dyn Stream<Item = Result<Result<Item, Error>, Error>> + Send>>;

impl<T: Record + DeserializeOwned> RecordStream<T> {
    pub(super) fn over<P: Paged>(records: Records<T>, request: Result<P, Error>, limit: Option<usize>) -> Self {
        Self::of(records, items(request), limit)
    }

    /// Over the records that several requests find, each once.
    pub(super) fn over_all<P: Paged>(records: Records<T>, requests: Vec<P>, limit: Option<usize>) -> Self {
        let items = items_of_all(&records, requests);
        Self::of(records, items, limit)
    }

    pub(super) fn of(records: Records<T>, items: Found, limit: Option<usize>) -> Self {
        let start = (items, records.tenant, limit.unwrap_or(usize::MAX));
        let records = stream::unfold(start, |(mut items, tenant, left)| async move {
            let next = if left == 0 { None } else { items.next().await }?;
            let next = next.and_then(|item| Records::<T>::new(tenant.clone()).found(item?));
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

/// The items that a request finds, page by page. An outer error ends them.
fn items<P: Paged>(request: Result<P, Error>) -> Found {
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
    pages.map_ok(|items| stream::iter(items.into_iter().map(Ok))).try_flatten().boxed()
}

/// The items that several requests find, each once.
fn items_of_all<T: Record, P: Paged>(records: &Records<T>, requests: Vec<P>) -> Found {
    let is_one = requests.len() == 1;
    let all = stream::iter(requests).map(|request| items(Ok(request)));
    if is_one {
        return all.flatten().boxed();
    }
    let (tenant, mut seen) = (records.tenant.clone(), HashSet::new());
    let mut is_new = move |found: &Result<Result<Item, Error>, Error>| {
        let Ok(Ok(item)) = found else { return true };
        let schema = T::SCHEMA.table().and_then(|logical| tenant.logical_table(logical));
        let identity = schema.and_then(|(_, schema)| identity(schema, tenant.id(), item).ok());
        identity.is_none_or(|identity| seen.insert(identity))
    };
    all.flatten_unordered(AT_ONCE).filter(move |found| future::ready(is_new(found))).boxed()
}

/// Counts the items that several requests find, each once, up to `limit`.
pub(super) async fn count_all<T: Record, P: Paged>(
    records: &Records<T>,
    requests: Vec<P>,
    limit: Option<usize>,
) -> Result<usize, Error> {
    let found = items_of_all(records, requests).take(limit.unwrap_or(usize::MAX));
    found.try_fold(0, |all, item| future::ready(item.map(|_| all + 1))).await
}

/// The items of a page, those that did not open by their errors.
fn each(items: Option<Vec<Item>>, notes: &Notes) -> Vec<Result<Item, Error>> {
    let mut items: Vec<_> = items.unwrap_or_default().into_iter().map(Ok).collect();
    for (at, error) in notes.take_failed() {
        items[at] = Err(error);
    }
    items
}

/// Counts page by page.
pub(super) async fn count<P: Paged>(request: P, limit: Option<usize>) -> Result<usize, Error> {
    let (mut next, mut all) = (Some(request), 0_usize);
    let limit = limit.unwrap_or(usize::MAX);
    while let Some(request) = next.take_if(|_| all < limit) {
        let (found, last) = request.clone().count().await?;
        all += usize::try_from(found).unwrap_or(0);
        next = last.map(|last| request.after(last));
    }
    Ok(all.min(limit))
}

/// The items of a page, and the key at which the next one begins.
type Items = (Vec<Result<Item, Error>>, Option<Item>);

/// A request that answers page by page.
pub(super) trait Paged: Clone + Send + 'static {
    fn page(self) -> impl Future<Output = Result<Items, Error>> + Send;

    /// The request of the next page.
    fn after(self, last: Item) -> Self;

    /// With this limit of a page, unless the caller has set one.
    fn at_most(self, limit: Option<usize>) -> Self;

    /// How many of the matching items there are on this page, and the key at which the next one begins.
    fn count(self) -> impl Future<Output = Result<(i32, Option<Item>), Error>> + Send;

    /// What a page token of this request is bound to.
    fn identity(&self, tenant: &Tenant, schema: &TableSchema) -> Result<Identity, Error>;
}

/// The SDK's builders have the same methods and no trait for them.
macro_rules! paged {
    ($request:ty, $identity:path) => {
        impl Paged for $request {
            async fn page(self) -> Result<Items, Error> {
                let notes = Notes::each();
                let answer = self.customize().config_override(notes.hook()).send().await.map_err(to_error)?;
                Ok((each(answer.items, &notes), answer.last_evaluated_key))
            }

            fn after(self, last: Item) -> Self {
                self.set_exclusive_start_key(Some(last))
            }

            fn at_most(self, limit: Option<usize>) -> Self {
                let limit = limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
                let limit = self.get_limit().or(limit);
                self.set_limit(limit)
            }

            async fn count(self) -> Result<(i32, Option<Item>), Error> {
                let answer = self.select(Select::Count).send().await.map_err(to_error)?;
                Ok((answer.count, answer.last_evaluated_key))
            }

            fn identity(&self, tenant: &Tenant, schema: &TableSchema) -> Result<Identity, Error> {
                $identity(self, tenant, schema)
            }
        }
    };
}

paged!(QueryFluentBuilder, shape::of_query);
paged!(ScanFluentBuilder, shape::of_scan);
