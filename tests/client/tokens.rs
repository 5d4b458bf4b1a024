//! A transaction that is repeated with its ClientRequestToken is the same request, byte for byte.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use tenantseal::{Record, TenantSeal, TenantSealBuilder};

use crate::common::key_table::key_table;
use crate::common::wire::Wire;
use crate::common::{ROLE, World, id, key, s};

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Labelled {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    labels: HashMap<String, String>,
    kinds: Vec<String>,
    #[seal(encrypt)]
    secrets: HashMap<String, String>,
    #[seal(encrypt)]
    notes: String,
}

fn builder() -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).record::<Labelled>()
}

/// A map of 20 members, made from the back when `turned`. Each map has an order of its own anyway.
fn map(turned: bool, member: impl Fn(usize) -> AttributeValue) -> AttributeValue {
    let mut members: Vec<_> = (0..20).map(|at| (format!("m{at} \u{e9}\u{1}\"/\u{1f600}"), member(at))).collect();
    if turned {
        members.reverse();
    }
    AttributeValue::M(members.into_iter().collect())
}

fn set(turned: bool) -> Vec<String> {
    let mut set: Vec<_> = (0..20).map(|at| at.to_string()).collect();
    if turned {
        set.reverse();
    }
    set
}

/// A transaction that says the same however its maps and sets were made.
async fn transact(dynamodb: &Client, token: &str, turned: bool) -> bool {
    let labels =
        || map(turned, |at| if at % 2 == 0 { s("x") } else { map(turned, |_| AttributeValue::Ns(set(turned))) });
    let mut item: Vec<_> = key("acme", "c-1").into_iter().collect();
    item.extend([
        ("labels".to_owned(), labels()),
        ("kinds".to_owned(), AttributeValue::Ss(set(turned))),
        ("secrets".to_owned(), labels()),
        ("notes".to_owned(), AttributeValue::Ss(set(turned))),
    ]);
    let put = Put::builder().table_name("crm").set_item(Some(item.into_iter().collect())).build().unwrap();
    let values: HashMap<_, _> = [(":labels".to_owned(), labels()), (":secrets".to_owned(), labels())].into();
    let names = [("#labels".to_owned(), "labels".to_owned()), ("#secrets".to_owned(), "secrets".to_owned())];
    let update = Update::builder()
        .table_name("crm")
        .set_key(Some(key("acme", "c-2")))
        .update_expression("SET #labels = :labels, #secrets = :secrets, notes = :secrets")
        .set_expression_attribute_names(Some(names.into()))
        .set_expression_attribute_values(Some(values));
    let transaction = dynamodb.transact_write_items().client_request_token(token);
    let transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
    let transaction = transaction.transact_items(TransactWriteItem::builder().update(update.build().unwrap()).build());
    transaction.send().await.is_ok()
}

#[tokio::test]
async fn a_repetition_is_the_same_bytes_however_its_maps_and_sets_were_made() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let dynamodb = builder().build(&world.over(wire.clone())).unwrap().tenant(&id("acme")).dynamodb();
    for turned in [false, true, false] {
        assert!(transact(&dynamodb, "token", turned).await);
    }
    let bodies = wire.bodies("TransactWriteItems");
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{}", String::from_utf8_lossy(&bodies[1]));
    // It says what the SDK would have said.
    let sealed = world.stored("acme", "c-1").await;
    assert!(transact(&world.plain, "plain", false).await);
    let plain = world.stored("acme", "c-1").await;
    assert_eq!(arranged(&sealed["labels"]), arranged(&plain["labels"]));
    assert_eq!(arranged(&sealed["kinds"]), arranged(&plain["kinds"]));
}

/// A value without the order of its sets.
fn arranged(value: &AttributeValue) -> AttributeValue {
    let sorted = |set: &[String]| {
        let mut set = set.to_vec();
        set.sort();
        set
    };
    match value {
        AttributeValue::M(members) => {
            AttributeValue::M(members.iter().map(|(name, member)| (name.clone(), arranged(member))).collect())
        }
        AttributeValue::Ss(set) => AttributeValue::Ss(sorted(set)),
        AttributeValue::Ns(set) => AttributeValue::Ns(sorted(set)),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_repetition_by_another_process_of_the_fleet_is_the_same_bytes() {
    let world = World::with_key_table(&["acme"]).await;
    let wire = Wire::open();
    for turned in [false, true] {
        let sharing = builder().key_table(key_table(&world.app));
        let dynamodb = sharing.build(&world.over(wire.clone())).unwrap().tenant(&id("acme")).dynamodb();
        assert!(transact(&dynamodb, "token", turned).await, "DynamoDB takes it for the same request");
    }
    let bodies = wire.bodies("TransactWriteItems");
    assert_eq!(bodies[0], bodies[1]);
}
