//! Finds the record that has a unique value by its claim, with consistent reads alone.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use tenantseal_kms::errors::AwsErrorClass;

use super::{FindBy, Question, choose, own_type, parts_of};
use crate::claims::{Spot, conflict};
use crate::error::{Error, Refusal};
use crate::expression::Fresh;
use crate::item::Item;
use crate::records::condition::{Condition, Writer};
use crate::records::convert::is_record;
use crate::records::stream::{Found, Paged};
use crate::records::values::{Given, Use};
use crate::schema::{LookupState, Record};
use crate::tenant_seal::Tenant;

/// How often a claim is followed that another writer changes meanwhile.
const TRIES: u32 = 4;

impl<T: Record + DeserializeOwned> FindBy<'_, T> {
    /// Whether claims answer: a unique lookup in service is asked for consistent reads.
    pub(super) fn asks_claims(&self) -> Result<bool, Error> {
        let (_, schema) = self.read.records.table()?;
        let found = choose::<T>(schema, &self.lookup, &self.sought)?;
        Ok(self.is_consistent && found.is_unique() && found.state() == LookupState::Ready)
    }

    /// The items that have the values by their claims.
    pub(super) fn claimed(self) -> Result<Found, Error> {
        let Self { mut read, lookup, sought, keys, partition, is_consistent: _ } = self;
        let records = read.records.clone();
        if partition.is_some() {
            return Err(Refusal::PrimaryKeyParts.into());
        }
        let (table, schema) = records.table()?;
        let found = choose::<T>(schema, &lookup, &sought)?;
        let values = match sought {
            Question::Equals(values) => values,
            Question::BeginsWith(value) => vec![value],
        };
        let of_parts = |value: &Given| {
            let parts = found.parts().iter().zip(parts_of(found, value)?);
            let values = parts.map(|(part, value)| value.to_attribute_value::<T>(part.attribute(), Use::Equal));
            values.collect::<Result<Vec<_>, Error>>()
        };
        let values = values.iter().map(of_parts).collect::<Result<_, _>>()?;
        let by_key = schema.is_told_apart_by_sort_key();
        let own = own_type::<T>(schema).filter(|_| !by_key).map(|(_, own)| own);
        let filter = Condition::all([own, keys, read.take_filter()]);
        let request = records.tenant.dynamodb().query().table_name(table).consistent_read(true);
        let request = read.change(request);
        let request = Writer::<T>::beside(&request).finish_into(request, filter.as_ref())?;
        let spot = records.tenant.spot(table, found)?;
        let is_own: fn(&Item) -> bool = if by_key { is_record::<T> } else { |_| true };
        Ok(ByClaim { tenant: records.tenant, spot, request, is_own }.items(values))
    }
}

/// What a claim is asked for.
struct ByClaim {
    tenant: Tenant,
    spot: Spot,
    /// The query of the item that a claim names, with its filter and without its key condition.
    request: QueryFluentBuilder,
    /// Whether an item with this primary key is of the record type; a key that does not say so is.
    is_own: fn(&Item) -> bool,
}

impl ByClaim {
    /// The items that have these values of the lookup's parts, one after the other.
    fn items(self, sought: Vec<Vec<AttributeValue>>) -> Found {
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
            let Some(key) = claimed.as_ref().filter(|key| (self.is_own)(key)) else { return Ok(None) };
            let (items, _) = match self.query(key).page().await {
                Ok(page) => page,
                Err(error) => {
                    // What DynamoDB refuses may be the claim's key and not the caller's filter.
                    if matches!(&error, Error::DynamoDb(error) if AwsErrorClass::from_error(error.as_sdk()) == Some(AwsErrorClass::InvalidRequest))
                    {
                        store.check_holder(spot, &token, key).await?;
                    }
                    return Err(error);
                }
            };
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
        // Not none: the value may have an item all the while.
        Err(conflict())
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
