//! The reads of a worker: its own entries must have the content that it wrote, others' must be whole.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_dynamo::from_item;
use tenantseal::Tenant;

use super::{SLOTS, Worker, dynamodb_get};
use crate::Outcome;
use crate::entry::{Entry, INDEX, TABLE, secret};
use crate::fate;
use crate::journal::Fate;

impl Worker {
    pub(super) async fn read(&mut self, kind: &str, tenant: &Tenant, entry: &str) -> Outcome<()> {
        let (id, records) = (tenant.id().as_str(), tenant.records::<Entry>());
        let mine: Vec<_> = (0..SLOTS).map(|slot| self.entry_id(slot)).collect();
        let expected: HashMap<_, _> =
            mine.iter().map(|entry| (entry.as_str(), self.revision(id, entry))).filter(|(_, now)| *now != 0).collect();
        let number = self.journal.begin(kind, id, &[])?;
        let begun = Instant::now();
        // The entries that were read, and those that the read had to return.
        let found: Result<(Vec<Entry>, Vec<&str>), Fate> = match kind {
            "get" => {
                let request = dynamodb_get(&tenant.dynamodb(), id, entry).send().await;
                match request {
                    Ok(answer) => answer
                        .item
                        .map(from_item)
                        .transpose()
                        .map(|found| (found.into_iter().collect(), vec![entry]))
                        .map_err(|error| Fate::Violation(format!("an item that is no entry: {error}"))),
                    Err(error) => Err(fate::from_sdk_result(Err::<(), _>(error), |()| 0)),
                }
            }
            "query-page" => {
                let request = tenant
                    .dynamodb()
                    .query()
                    .table_name(TABLE)
                    .limit(30)
                    .key_condition_expression("tenant_id = :tenant");
                let answer =
                    request.expression_attribute_values(":tenant", AttributeValue::S(id.to_owned())).send().await;
                match answer {
                    // Entries of other workers must be whole; nothing else is known.
                    Ok(answer) => serde_dynamo::from_items(answer.items.unwrap_or_default())
                        .map(|found| (found, vec![]))
                        .map_err(|error| Fate::Violation(format!("an item that is no entry: {error}"))),
                    Err(error) => Err(fate::from_sdk_result(Err::<(), _>(error), |()| 0)),
                }
            }
            "find" | "find-typed" => {
                let sought = secret(id, entry, self.revision(id, entry));
                let found = if kind == "find" {
                    let query = tenant.dynamodb().query().table_name(TABLE).index_name(INDEX);
                    let query = query.key_condition_expression("secret = :secret");
                    let answer = query.expression_attribute_values(":secret", AttributeValue::S(sought)).send().await;
                    answer.map_err(|error| fate::from_sdk_result(Err::<(), _>(error), |()| 0)).and_then(|answer| {
                        serde_dynamo::from_items(answer.items.unwrap_or_default())
                            .map_err(|error| Fate::Violation(format!("an item that is no entry: {error}")))
                    })
                } else {
                    records.find_by("secret", sought).all().await.map_err(|error| fate::from_error(&error))
                };
                // The local server's indexes are never behind.
                found.and_then(|found: Vec<Entry>| match found.iter().find(|found| found.entry_id != entry) {
                    Some(other) => Err(Fate::Violation(format!("{id} found {} by {entry}'s secret", other.entry_id))),
                    None => Ok((found, vec![entry])),
                })
            }
            "query-typed" => {
                let query = records
                    .query()
                    .begins_with(format!("{}-", self.name))
                    .customize(|query| query.consistent_read(true));
                let found: Result<Vec<Entry>, _> = query.stream().try_collect().await;
                found
                    .map(|found| (found, mine.iter().map(String::as_str).collect()))
                    .map_err(|error| fate::from_error(&error))
            }
            "batch-get-typed" => {
                let found = records.get_many(mine.iter().map(String::as_str)).consistent().await;
                let found = found.map(|found| found.into_iter().flatten().collect());
                found
                    .map(|found| (found, mine.iter().map(String::as_str).collect()))
                    .map_err(|error| fate::from_error(&error))
            }
            "transact-get" => {
                let reads: Vec<_> = mine.iter().map(|entry| records.get(entry.as_str())).collect();
                let found = tenant.transact_get(reads).await.map(|found| found.into_iter().flatten().collect());
                found
                    .map(|found| (found, mine.iter().map(String::as_str).collect()))
                    .map_err(|error| fate::from_error(&error))
            }
            _ => {
                let found = records.get(entry).consistent().await.map(|found| found.into_iter().collect());
                found.map(|found| (found, vec![entry])).map_err(|error| fate::from_error(&error))
            }
        };
        let fate = found.map_or_else(|fate| fate, |(found, asked)| judge(id, &found, &asked, &expected));
        self.journal.end(number, begun.elapsed(), &fate)
    }
}

/// Whether the entries are whole, and the requested ones exactly as expected.
fn judge(tenant: &str, found: &[Entry], asked: &[&str], expected: &HashMap<&str, u64>) -> Fate {
    for entry in found {
        if entry.tenant_id != tenant || !entry.is_whole() {
            return Fate::Violation(format!("{tenant} read {} of {}, not whole", entry.entry_id, entry.tenant_id));
        }
    }
    for name in asked {
        let revision = found.iter().find(|entry| entry.entry_id == *name).map(|entry| entry.revision);
        if revision != expected.get(name).copied() {
            return Fate::Violation(format!(
                "{tenant} {name} reads {revision:?}, written was {:?}",
                expected.get(name)
            ));
        }
    }
    Fate::Acknowledged(found.len())
}
