//! Counts what a lookup finds, and lists it page by page.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::de::DeserializeOwned;

use super::FindBy;
use crate::error::{Error, Refusal};
use crate::records::condition::Writer;
use crate::records::page::{self, Page, PageToken};
use crate::records::stream::count_all;
use crate::schema::{Record, TableSchema};

impl<T: Record + DeserializeOwned> FindBy<'_, T> {
    /// How many records there are, up to [`limit`](Self::limit).
    ///
    /// Each is compared as in [`all`](Self::all), so nobody who writes the table can make it count more: a copied token
    /// counts nothing. Only the keys and what the lookup compares are fetched and opened, unless you set a projection.
    ///
    /// # Errors
    ///
    /// The first error.
    pub async fn count(self) -> Result<usize, Error> {
        if self.asks_claims()? {
            // Each value has one claim at most.
            let found: Vec<T> = self.all().await?;
            return Ok(found.len());
        }
        let (records, limit) = (self.read.records.clone(), self.read.limit);
        let (_, schema) = records.table()?;
        let requests = self.requests()?.into_iter().map(|request| of_keys::<T>(schema, request));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        count_all(&records, requests, limit).await
    }

    /// One page of the records, from the beginning or from the token of the page before: for lists that a client asks for.
    ///
    /// It is one request. [`limit`](Self::limit) bounds the records that DynamoDB reads for it, before they are compared:
    /// such a page may have fewer records, or none, and a next one all the same. The token is good for the same tenant,
    /// lookup and value, and shows none of them. Claims have no pages: with [`consistent`](Self::consistent) DynamoDB
    /// refuses a page of a global index.
    ///
    /// ```
    /// # async fn example<T: tenantseal::Record + serde::de::DeserializeOwned>(contacts: tenantseal::records::Records<T>)
    /// # -> Result<(), tenantseal::Error> {
    /// let first = contacts.find_by("city", "London").limit(20).page(None).await?;
    /// if let Some(token) = &first.next {
    ///     let second = contacts.find_by("city", "London").limit(20).page(Some(token)).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refusal::PageToken`] when the token was not made for this tenant and this question, and
    /// [`Refusal::PageOfSeveral`] with [`any_of`](super::any_of), unless it has one value.
    pub async fn page(self, token: Option<&PageToken>) -> Result<Page<T>, Error> {
        let (records, limit, lookup) = (self.read.records.clone(), self.read.limit, self.lookup.clone());
        let mut requests = self.requests()?;
        match requests.pop() {
            None => Ok(Page { records: Vec::new(), next: None }),
            Some(request) if requests.is_empty() => page::page(records, request, limit, token).await,
            Some(_) => Err(Refusal::PageOfSeveral { lookup }.into()),
        }
    }
}

/// Asks for the keys alone. The client adds what it opens and compares.
fn of_keys<T: Record>(schema: &TableSchema, request: QueryFluentBuilder) -> Result<QueryFluentBuilder, Error> {
    if request.get_projection_expression().is_some() || request.get_select().is_some() {
        return Ok(request);
    }
    let mut writer = Writer::<T>::beside(&request);
    let keys = schema.key_names().map(|name| writer.name(name)).collect::<Result<Vec<_>, _>>()?;
    let (names, values) = writer.finish();
    let request = request.set_expression_attribute_names(names).set_expression_attribute_values(values);
    Ok(request.projection_expression(keys.join(", ")))
}
