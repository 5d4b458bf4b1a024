//! Finds the record that has a unique value by its claim, with consistent reads alone.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::stream::{Found, Paged};
use crate::claims::Spot;
use crate::error::Error;
use crate::expression::Fresh;
use crate::item::Item;
use crate::tenant_seal::Tenant;

/// How often a claim is followed that another writer changes meanwhile.
const TRIES: u32 = 4;

/// What a claim is asked for.
pub(super) struct ByClaim {
    pub(super) tenant: Tenant,
    pub(super) spot: Spot,
    /// The query of the item that a claim names, with its filter and without its key condition.
    pub(super) request: QueryFluentBuilder,
}

impl ByClaim {
    /// The items that have these values of the lookup's parts, one after the other.
    pub(super) fn items(self, sought: Vec<Vec<AttributeValue>>) -> Found {
        let found = stream::unfold((self, sought.into_iter()), |(by, mut sought)| async move {
            let values = sought.next()?;
            Some((by.item(&values).await, (by, sought)))
        });
        found.try_filter_map(async |found| Ok(found)).boxed()
    }

    /// The item that has these values.
    async fn item(&self, values: &[AttributeValue]) -> Result<Option<Result<Item, Error>>, Error> {
        let Self { tenant, spot, .. } = self;
        let values: Vec<_> = values.iter().collect();
        let token = tenant.token_of(&spot.schema, spot.lookup(), &values).await?;
        let Some(asked) = spot.lookup().asked(&values)? else { return Ok(None) };
        let store = tenant.claims()?;
        let mut claimed = store.claimed(spot, &token).await?;
        for _ in 0..TRIES {
            let Some(key) = &claimed else { return Ok(None) };
            let (items, _) = self.query(key).page().await?;
            for found in items {
                let Ok(item) = &found else { return Ok(Some(found)) };
                let parts = spot.lookup().parts().iter().map(|part| item.get(part.attribute()));
                if parts.collect::<Option<Vec<_>>>().is_some_and(|values| spot.lookup().answers(&asked, &values)) {
                    return Ok(Some(found));
                }
            }
            // Another record may have got the value between the two reads.
            let now = store.claimed(spot, &token).await?;
            if now == claimed {
                return Ok(None);
            }
            claimed = now;
        }
        Ok(None)
    }

    /// The query of the item with this primary key. Unlike a read of one item, it takes a filter.
    fn query(&self, key: &Item) -> QueryFluentBuilder {
        let mut names = self.request.get_expression_attribute_names().clone().unwrap_or_default();
        let mut values = self.request.get_expression_attribute_values().clone().unwrap_or_default();
        let mut tests = Vec::new();
        for (attribute, value) in key {
            let name = Fresh::new('#', &|placeholder: &str| names.contains_key(placeholder)).placeholder();
            let sent = Fresh::new(':', &|placeholder: &str| values.contains_key(placeholder)).placeholder();
            tests.push(format!("{name} = {sent}"));
            names.insert(name, attribute.clone());
            values.insert(sent, value.clone());
        }
        let query = self.request.clone().key_condition_expression(tests.join(" AND "));
        query.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values))
    }
}
