//! Requests and opens another tenant's items with a tenant's handle: every attempt must be refused.

use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_dynamo::to_item;
use tenantseal::{Error, Tenant, TenantId};

use super::{SLOTS, Worker, dynamodb_get, key};
use crate::Outcome;
use crate::entry::{Entry, TABLE, tenant_id};
use crate::journal::Fate;

impl Worker {
    pub(super) async fn foreign(&mut self, kind: &str, tenant: &Tenant) -> Outcome<()> {
        let other = tenant_id(self.zipf.draw(&mut self.random))?;
        if other == *tenant.id() {
            return Ok(());
        }
        let entry = self.entry_id(self.random.clone().usize(..SLOTS));
        let number = self.journal.begin(kind, tenant.id().as_str(), &[])?;
        let begun = Instant::now();
        let fate = match kind {
            "foreign-request" => self.foreign_request(tenant, &other, &entry).await?,
            _ => self.foreign_item(tenant, &other, &entry).await,
        };
        self.journal.end(number, begun.elapsed(), &fate)
    }

    async fn foreign_request(&mut self, tenant: &Tenant, other: &TenantId, entry: &str) -> Outcome<Fate> {
        let (other, dynamodb) = (other.as_str(), tenant.dynamodb());
        let refused = match self.random.u8(..4) {
            0 => is_refused(dynamodb_get(&dynamodb, other, entry).send().await),
            1 => {
                let item = to_item(Entry::new(other, entry, 1))?;
                is_refused(dynamodb.put_item().table_name(TABLE).set_item(Some(item)).send().await)
            }
            2 => is_refused(dynamodb.delete_item().table_name(TABLE).set_key(Some(key(other, entry))).send().await),
            _ => {
                let query = dynamodb.query().table_name(TABLE).key_condition_expression("tenant_id = :other");
                is_refused(
                    query.expression_attribute_values(":other", AttributeValue::S(other.to_owned())).send().await,
                )
            }
        };
        Ok(match refused {
            true => Fate::Acknowledged(0),
            false => Fate::Violation(format!("{} was not refused what is {other}'s", tenant.id())),
        })
    }

    async fn foreign_item(&self, tenant: &Tenant, other: &TenantId, entry: &str) -> Fate {
        let stolen = match dynamodb_get(&self.plain, other.as_str(), entry).send().await {
            Ok(answer) => answer.item,
            Err(_) => return Fate::NotSent("connection".to_owned()),
        };
        let Some(stolen) = stolen else { return Fate::Acknowledged(0) };
        // Unchanged, and in the tenant's own partition.
        let mut moved = stolen.clone();
        moved.insert("tenant_id".to_owned(), AttributeValue::S(tenant.id().as_str().to_owned()));
        let as_it_is = tenant.open(TABLE, stolen).await;
        let moved = tenant.open(TABLE, moved).await;
        match (as_it_is, moved) {
            (Err(_), Err(_)) => Fate::Acknowledged(0),
            _ => Fate::Violation(format!("{} opened what is {other}'s", tenant.id())),
        }
    }
}

fn is_refused<T, E: std::error::Error + 'static>(result: Result<T, E>) -> bool {
    result.is_err_and(|error| matches!(Error::find_in(&error), Some(Error::Refused(_))))
}
