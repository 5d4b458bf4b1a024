//! A tenant's client beside the plain client, on the same local server, in one run: `cargo bench --bench client`.
//!
//! Both take turns in short rounds, so that a noisy machine disturbs both alike. The item has 1 KiB, three of its five attributes
//! encrypted; the data key is warm. The server runs in the same process, so a round includes its work, the same for both.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use futures_util::{StreamExt, stream};
use std::sync::Arc;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::TableSchema;
use tenantseal::{TenantId, TenantSeal};
use tenantseal_local::Stack;

const TABLE: &str = "bench";
const ITEMS: usize = 100;
const ROUNDS: usize = 12;

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Put,
    Get,
    Update,
    QueryPage,
}

#[tokio::main]
async fn main() {
    let stack = Stack::start().await.unwrap();
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let key = stack.account("222222222222").unwrap().user("bench").permission(everything).create().unwrap();
    let aws = stack.sdk_config(&key);
    let plain = Client::new(&aws);
    create_table(&plain).await;
    let schema = TableSchema::builder(TABLE).partition_key("pk", "{tenant}").sort_key("sk");
    let schema = (0..3).fold(schema, |schema, at| schema.encrypt(format!("secret{at}")));
    let seal = TenantSeal::builder()
        .key_service(Arc::new(InMemoryKeyService::new()))
        .table(schema.build().unwrap())
        .build(&aws)
        .unwrap();
    let sealing = seal.tenant(&TenantId::parse("sealed").unwrap()).dynamodb();
    let clients = [("plain", plain), ("sealed", sealing)];
    for (tenant, client) in &clients {
        for at in 0..ITEMS {
            run(client, tenant, Operation::Put, at).await;
        }
    }

    println!("operation    in flight   plain op/s  sealed op/s   ratio   p50 plain  p50 sealed   difference");
    for (name, operation, count) in [
        ("put", Operation::Put, 400),
        ("get", Operation::Get, 400),
        ("update", Operation::Update, 400),
        ("query 100", Operation::QueryPage, 40),
    ] {
        for in_flight in [1, 8, 64] {
            let mut measured = [(Duration::ZERO, Vec::new()), (Duration::ZERO, Vec::new())];
            for round in 0..ROUNDS {
                for turn in 0..2 {
                    let at = (turn + round) % 2;
                    let (tenant, client) = &clients[at];
                    let begun = Instant::now();
                    let times: Vec<Duration> = stream::iter(0..count)
                        .map(|at| async move {
                            let begun = Instant::now();
                            run(client, tenant, operation, at % ITEMS).await;
                            begun.elapsed()
                        })
                        .buffer_unordered(in_flight)
                        .collect()
                        .await;
                    // The first round warms up.
                    if round > 0 {
                        measured[at].0 += begun.elapsed();
                        measured[at].1.extend(times);
                    }
                }
            }
            let [plain, sealed] = measured.map(|(took, mut times)| {
                times.sort_unstable();
                (times.len() as f64 / took.as_secs_f64(), times[times.len() / 2])
            });
            println!(
                "{name:<10}   {in_flight:>9}   {:>10.0}  {:>11.0}   {:>5.3}   {:>9.0?}   {:>9.0?}   {:>+7.1} µs",
                plain.0,
                sealed.0,
                sealed.0 / plain.0,
                plain.1,
                sealed.1,
                (sealed.1.as_secs_f64() - plain.1.as_secs_f64()) * 1e6,
            );
        }
    }
}

async fn run(client: &Client, tenant: &str, operation: Operation, at: usize) {
    let (pk, sk) = (AttributeValue::S(tenant.to_owned()), AttributeValue::S(format!("item-{at:04}")));
    let text = || AttributeValue::S("x".repeat(330));
    let key = || HashMap::from([("pk".to_owned(), pk.clone()), ("sk".to_owned(), sk.clone())]);
    match operation {
        Operation::Put => {
            let mut item = key();
            item.extend((0..3).map(|at| (format!("secret{at}"), text())));
            client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
        }
        Operation::Get => {
            let found = client.get_item().table_name(TABLE).set_key(Some(key())).send().await.unwrap();
            assert_eq!(found.item.unwrap().len(), 5);
        }
        Operation::Update => {
            let update = client.update_item().table_name(TABLE).set_key(Some(key()));
            let update = update.update_expression("SET secret0 = :v").expression_attribute_values(":v", text());
            update.send().await.unwrap();
        }
        Operation::QueryPage => {
            let query = client.query().table_name(TABLE).key_condition_expression("pk = :pk");
            let page = query.expression_attribute_values(":pk", pk).send().await.unwrap();
            assert_eq!(page.items().len(), ITEMS);
        }
    }
}

async fn create_table(client: &Client) {
    let mut table = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    }
    table.send().await.unwrap();
}
