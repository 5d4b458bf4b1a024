//! One of a writer's tasks. It alone writes its entries, one operation after the other, and so knows their content.

mod foreign;
mod reads;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use serde_dynamo::to_item;
use tenantseal::records::attribute;
use tenantseal::{Item, Tenant, TenantSeal};

use crate::Outcome;
use crate::entry::{Entry, TABLE, secret, tenant_id};
use crate::fate;
use crate::journal::{EntryKey, Fate, Journal, Possible, add, conclude};
use crate::zipf::Zipf;

/// The number of a worker's entries per tenant.
const SLOTS: usize = 4;

/// An entry whose write has an unknown outcome is left alone this long, so that a late request cannot meet a later one.
const SETTLING: Duration = Duration::from_secs(2);

/// What all workers of a process share.
pub(crate) type Shared = (TenantSeal, Client, Arc<Journal>, Arc<Zipf>);

/// See the module.
pub(crate) struct Worker {
    name: String,
    seal: TenantSeal,
    /// A plain client.
    plain: Client,
    journal: Arc<Journal>,
    zipf: Arc<Zipf>,
    random: fastrand::Rng,
    entries: HashMap<EntryKey, State>,
}

struct State {
    possible: Possible,
    since: Instant,
}

/// The kinds of operation and how often each is chosen, in 100.
const MIX: [(&str, u32); 22] = [
    ("put", 12),
    ("put-typed", 10),
    ("get", 10),
    ("get-typed", 10),
    ("update", 8),
    ("update-typed", 7),
    ("put-if", 5),
    ("put-if-false", 4),
    ("update-if-typed", 4),
    ("delete", 3),
    ("delete-typed", 3),
    ("query-page", 3),
    ("query-typed", 4),
    ("find", 2),
    ("find-typed", 3),
    ("batch-write", 2),
    ("batch-write-typed", 2),
    ("batch-get-typed", 2),
    ("transact-write", 4),
    ("transact-get", 2),
    ("foreign-request", 3),
    ("foreign-item", 2),
];

impl Worker {
    pub(crate) fn new(
        name: String,
        (seal, plain, journal, zipf): Shared,
        random: fastrand::Rng,
        entries: HashMap<EntryKey, Possible>,
    ) -> Self {
        let since = Instant::now();
        let entries = entries.into_iter().map(|(key, possible)| (key, State { possible, since })).collect();
        Self { name, seal, plain, journal, zipf, random, entries }
    }

    /// Works until told to stop.
    pub(crate) async fn run(mut self, stopping: Arc<AtomicBool>) -> Outcome<()> {
        while !stopping.load(Ordering::Relaxed) {
            let tenant = tenant_id(self.zipf.draw(&mut self.random))?;
            let tenant = self.seal.tenant(&tenant);
            if self.settled(&tenant).await? {
                self.operate(&tenant).await?;
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    async fn operate(&mut self, tenant: &Tenant) -> Outcome<()> {
        let mut draw = self.random.u32(..MIX.iter().map(|(_, weight)| weight).sum::<u32>());
        let chosen = MIX.iter().find(|(_, weight)| {
            let chosen = draw < *weight;
            draw = draw.saturating_sub(*weight);
            chosen
        });
        let kind = chosen.map_or("get", |(kind, _)| kind);
        let first = self.random.usize(..SLOTS);
        let (id, entry) = (tenant.id().as_str().to_owned(), self.entry_id(first));
        let now = self.revision(&id, &entry);
        let next = self.journal.number();
        let put = Entry::new(&id, &entry, next);
        let records = tenant.records::<Entry>();
        let dynamodb = tenant.dynamodb();
        let one = |_: &_| 1;
        match kind {
            "put" => {
                let request = dynamodb.put_item().table_name(TABLE).set_item(Some(to_item(&put)?));
                let call = async { fate::from_sdk_result(request.send().await, |_| 1) };
                self.write(kind, &id, vec![(entry, next)], call).await
            }
            "put-typed" => {
                let call = async { fate::from_result(records.put(&put).await, one) };
                self.write(kind, &id, vec![(entry, next)], call).await
            }
            "put-if" | "put-if-false" => {
                // A check of the stored revision, or of one that never existed.
                let expected = if kind == "put-if" { now } else { next };
                let mut request = dynamodb.put_item().table_name(TABLE).set_item(Some(to_item(&put)?));
                request = match expected {
                    0 => request.condition_expression("attribute_not_exists(entry_id)"),
                    expected => request
                        .condition_expression("revision = :expected")
                        .expression_attribute_values(":expected", AttributeValue::N(expected.to_string())),
                };
                let call = async { fate::from_sdk_result(request.send().await, |_| 1) };
                if kind == "put-if" {
                    return self.write(kind, &id, vec![(entry, next)], held(call)).await;
                }
                // Nothing is written, so this revision must never be found.
                let call = async {
                    match call.await {
                        Fate::Acknowledged(_) => Fate::Violation("a condition held that is false".to_owned()),
                        other => other,
                    }
                };
                self.write(kind, &id, vec![], call).await
            }
            "update" | "update-typed" | "update-if-typed" if now == 0 => Ok(()),
            "update" => {
                let request = dynamodb
                    .update_item()
                    .table_name(TABLE)
                    .set_key(Some(key(&id, &entry)))
                    .update_expression("SET revision = :revision, secret = :secret")
                    .condition_expression("attribute_exists(entry_id)")
                    .expression_attribute_values(":revision", AttributeValue::N(next.to_string()))
                    .expression_attribute_values(":secret", AttributeValue::S(secret(&id, &entry, next)));
                let call = async { fate::from_sdk_result(request.send().await, |_| 1) };
                self.write(kind, &id, vec![(entry, next)], call).await
            }
            "update-typed" => {
                let update = records.update(&*entry).set("revision", next).set("secret", secret(&id, &entry, next));
                let call = async { fate::from_result(update.await, one) };
                self.write(kind, &id, vec![(entry.clone(), next)], call).await
            }
            "update-if-typed" => {
                let update = records.update(&*entry).set("revision", next).set("secret", secret(&id, &entry, next));
                let call = async { fate::from_result(update.condition(attribute("revision").equals(now)).await, one) };
                self.write(kind, &id, vec![(entry.clone(), next)], held(call)).await
            }
            "delete" => {
                let request = dynamodb.delete_item().table_name(TABLE).set_key(Some(key(&id, &entry)));
                let call = async { fate::from_sdk_result(request.send().await, |_| 0) };
                self.write(kind, &id, vec![(entry, 0)], call).await
            }
            "delete-typed" => {
                let call = async { fate::from_result(records.delete(&*entry).await, |_: &_| 0) };
                self.write(kind, &id, vec![(entry.clone(), 0)], call).await
            }
            "batch-write" | "batch-write-typed" => self.batch(kind, tenant).await,
            "transact-write" => self.transact(kind, tenant).await,
            "foreign-request" | "foreign-item" => self.foreign(kind, tenant).await,
            _ => self.read(kind, tenant, &entry).await,
        }
    }

    /// All entries of the tenant: some put, some deleted.
    async fn batch(&mut self, kind: &str, tenant: &Tenant) -> Outcome<()> {
        let id = tenant.id().as_str().to_owned();
        let mut writes = Vec::new();
        for slot in 0..SLOTS {
            let deleted = kind == "batch-write" && self.random.u8(..4) == 0;
            writes.push((self.entry_id(slot), if deleted { 0 } else { self.journal.number() }));
        }
        let puts: Vec<_> = writes.iter().map(|(entry, revision)| Entry::new(&id, entry, *revision)).collect();
        if kind == "batch-write-typed" {
            let call = async { fate::from_result(tenant.records::<Entry>().put_many(&puts).await, |()| SLOTS) };
            return self.write(kind, &id, writes, call).await;
        }
        let mut requests = Vec::new();
        for put in &puts {
            let request = WriteRequest::builder();
            requests.push(match put.revision {
                0 => {
                    let key = key(&id, &put.entry_id);
                    request.delete_request(DeleteRequest::builder().set_key(Some(key)).build()?).build()
                }
                _ => request.put_request(PutRequest::builder().set_item(Some(to_item(put)?)).build()?).build(),
            });
        }
        let sealed = puts.iter().filter(|put| put.revision != 0).count();
        let request = tenant.dynamodb().batch_write_item().request_items(TABLE, requests);
        let call = async {
            match request.send().await {
                Ok(answer) if answer.unprocessed_items().is_some_and(|left| !left.is_empty()) => {
                    Fate::Unknown("unprocessed".to_owned())
                }
                answer => fate::from_sdk_result(answer, |_| sealed),
            }
        };
        self.write(kind, &id, writes, call).await
    }

    /// A transaction on all entries of the tenant: absent ones are put; others are put, updated, deleted or only
    /// checked.
    async fn transact(&mut self, kind: &str, tenant: &Tenant) -> Outcome<()> {
        let (id, records) = (tenant.id().as_str().to_owned(), tenant.records::<Entry>());
        let mut transaction = tenant.transact_write();
        let (mut writes, mut sealed) = (Vec::new(), 0);
        for slot in 0..SLOTS {
            let (entry, next) = (self.entry_id(slot), self.journal.number());
            let now = self.revision(&id, &entry);
            let there = || attribute("revision").equals(now);
            let put = Entry::new(&id, &entry, next);
            match self.random.u8(..4) {
                _ if now == 0 => transaction = transaction.with(records.put(&put).if_not_exists()),
                0 => transaction = transaction.with(records.put(&put).condition(there())),
                1 => {
                    let update = records.update(&*entry).set("revision", next).set("secret", secret(&id, &entry, next));
                    transaction = transaction.with(update.condition(there()));
                }
                2 => {
                    transaction = transaction.with(records.delete(&*entry).condition(there()));
                    writes.push((entry, 0));
                    continue;
                }
                _ => {
                    transaction = transaction.with(records.check(&*entry, there()));
                    continue;
                }
            }
            sealed += 1;
            writes.push((entry, next));
        }
        let call = async { fate::from_result(transaction.await, |()| sealed) };
        self.write(kind, &id, writes, call).await
    }

    /// Journals a write before and after, and tracks the revisions that it makes possible.
    async fn write(
        &mut self,
        kind: &str,
        tenant: &str,
        writes: Vec<(String, u64)>,
        call: impl Future<Output = Fate>,
    ) -> Outcome<()> {
        let number = self.journal.begin(kind, tenant, &writes)?;
        let begun = Instant::now();
        let fate = call.await;
        self.journal.end(number, begun.elapsed(), &fate)?;
        for (entry, revision) in writes {
            let since = Instant::now();
            let state = self.entries.entry((tenant.to_owned(), entry));
            let state = state.or_insert_with(|| State { possible: vec![0], since });
            add(&mut state.possible, revision);
            conclude(&mut state.possible, revision, &fate);
            state.since = since;
        }
        Ok(())
    }

    /// Whether the revision of each of the tenant's entries is known. Unknown ones are read once their waiting time is
    /// over.
    async fn settled(&mut self, tenant: &Tenant) -> Outcome<bool> {
        let id = tenant.id().as_str();
        for slot in 0..SLOTS {
            let entry = self.entry_id(slot);
            let Some(state) = self.entries.get_mut(&(id.to_owned(), entry.clone())) else { continue };
            if state.possible.len() == 1 {
                continue;
            }
            if state.since.elapsed() < SETTLING {
                return Ok(false);
            }
            state.since = Instant::now();
            let number = self.journal.begin("settle", id, &[])?;
            let begun = Instant::now();
            let found = tenant.records::<Entry>().get(&*entry).consistent().await;
            let fate = match &found {
                Ok(Some(found)) if !found.is_whole() => Fate::Violation(format!("{id} {entry} is not whole")),
                Ok(found) => {
                    let revision = found.as_ref().map_or(0, |found| found.revision);
                    if state.possible.contains(&revision) {
                        state.possible = vec![revision];
                        self.journal.settle(id, &entry, revision)?;
                        Fate::Acknowledged(found.iter().count())
                    } else {
                        Fate::Violation(format!(
                            "{id} {entry} has revision {revision}, possible are {:?}",
                            state.possible
                        ))
                    }
                }
                Err(error) => fate::from_error(error),
            };
            self.journal.end(number, begun.elapsed(), &fate)?;
            if state.possible.len() > 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The revision of an entry that is settled.
    fn revision(&self, tenant: &str, entry: &str) -> u64 {
        let state = self.entries.get(&(tenant.to_owned(), entry.to_owned()));
        state.and_then(|state| state.possible.first().copied()).unwrap_or_default()
    }

    fn entry_id(&self, slot: usize) -> String {
        format!("{}-{slot}", self.name)
    }
}

/// A write whose condition must hold, because nobody else writes the entry. If DynamoDB says that it failed, an attempt
/// whose answer was lost has already written.
async fn held(call: impl Future<Output = Fate>) -> Fate {
    match call.await {
        Fate::ConditionFailed => Fate::Acknowledged(1),
        other => other,
    }
}

fn dynamodb_get(
    dynamodb: &Client,
    tenant: &str,
    entry: &str,
) -> aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder {
    dynamodb.get_item().table_name(TABLE).set_key(Some(key(tenant, entry))).consistent_read(true)
}

/// The primary key of an entry.
pub(crate) fn key(tenant: &str, entry: &str) -> Item {
    [("tenant_id", tenant), ("entry_id", entry)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        .into()
}
