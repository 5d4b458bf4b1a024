//! Many records at once: chunks, order, what DynamoDB leaves unprocessed, and what failed.

use std::collections::HashMap;

use serde_json::{Value, json};
use tenantseal::Error;
use tenantseal::error::{PrimaryKeyError, Refusal, Written};

use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{Contact, World, contact};
use crate::records::scene::{Person, acme, person};

fn contacts(count: usize) -> Vec<Contact> {
    (0..count).map(|at| contact("acme", &format!("c-{at:03}"))).collect()
}

#[tokio::test]
async fn many_records_are_put_read_in_order_and_deleted_in_chunks() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let records = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let all = contacts(130);
    records.put_many(&all).await.unwrap();
    assert_eq!(wire.bodies("BatchWriteItem").len(), 6);
    assert!(world.stored("acme", "c-129").await["email"].is_b());

    let keys = (0..131).rev().map(|at| format!("c-{at:03}"));
    let found = records.get_many(keys).consistent().await.unwrap();
    assert_eq!(wire.bodies("BatchGetItem").len(), 2);
    assert_eq!(found[0], None);
    assert!(found[1..].iter().flatten().eq(all.iter().rev()));

    records.delete_many(all.iter().map(|contact| &*contact.contact_id)).await.unwrap();
    assert!(records.get_many(["c-000", "c-129"]).await.unwrap().iter().all(Option::is_none));
    assert_eq!(records.get_many(Vec::<String>::new()).await.unwrap(), []);
    records.put_many([]).await.unwrap();
}

/// Leaves all but one write of each request unprocessed: forwards the first alone would need another body, so it answers itself.
fn halving(operation: &'static str, times: usize) -> Wire {
    Wire::scripted(move |sent: &Sent, before| {
        if sent.operation != operation || before >= times {
            return Reaction::Forward;
        }
        let request: Value = serde_json::from_slice(&sent.body).unwrap();
        let items = request["RequestItems"].clone();
        let answer = match operation {
            "BatchWriteItem" => json!({ "UnprocessedItems": items }),
            _ => json!({ "Responses": {}, "UnprocessedKeys": items }),
        };
        Reaction::Answer(200, answer.to_string())
    })
}

#[tokio::test]
async fn what_is_left_unprocessed_is_asked_for_again() {
    let world = World::start(&["acme"]).await;
    let all = contacts(3);
    let wire = halving("BatchWriteItem", 2);
    let records = world.tenant_over("acme", wire.clone()).records::<Contact>();
    records.put_many(&all).await.unwrap();
    assert_eq!(wire.bodies("BatchWriteItem").len(), 3);

    let wire = halving("BatchGetItem", 2);
    let records = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let found = records.get_many(["c-002", "c-000"]).await.unwrap();
    assert_eq!(found, [Some(all[2].clone()), Some(all[0].clone())]);
    assert_eq!(wire.bodies("BatchGetItem").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_stays_unprocessed_is_an_error_after_a_bounded_number_of_attempts() {
    let world = World::start(&["acme"]).await;
    world.tenant("acme").records::<Contact>().put(&contact("acme", "c-000")).await.unwrap();
    let wire = halving("BatchWriteItem", usize::MAX);
    let records = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let error = records.put_many(&contacts(26)).await.unwrap_err();
    let Error::NotWritten(writes) = &error else { panic!("{error}") };
    assert_eq!(writes.failed().map(|(at, _)| at).collect::<Vec<_>>(), (0..26).collect::<Vec<_>>());
    assert!(writes.failed().all(|(_, error)| matches!(error, Error::Unprocessed { .. })));
    assert!(error.is_retryable());
    assert_eq!(wire.bodies("BatchWriteItem").len(), 2 * 8);

    let wire = halving("BatchGetItem", usize::MAX);
    let records = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let error = records.get_many(["c-000"]).await.unwrap_err();
    assert!(matches!(error, Error::Unprocessed { count: 1, .. }), "{error}");
    assert_eq!(wire.bodies("BatchGetItem").len(), 8);
}

#[tokio::test]
async fn one_failed_batch_is_reported_and_the_others_are_written() {
    let world = World::start(&["acme"]).await;
    let broken = |sent: &Sent, _| {
        let breaks = sent.operation == "BatchWriteItem" && String::from_utf8_lossy(&sent.body).contains("\"c-030\"");
        let refused = r#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}"#;
        if breaks { Reaction::Answer(400, refused.to_owned()) } else { Reaction::Forward }
    };
    let records = world.tenant_over("acme", Wire::scripted(broken)).records::<Contact>();
    let error = records.put_many(&contacts(60)).await.unwrap_err();
    let Error::NotWritten(writes) = &error else { panic!("{error}") };
    let failed: HashMap<usize, bool> = writes.failed().map(|(at, e)| (at, matches!(e, Error::DynamoDb(_)))).collect();
    assert_eq!(failed.len(), 25);
    assert!((25..50).all(|at| failed[&at]));
    assert!(!error.is_retryable());
    let found = records.get_many((0..60).map(|at| format!("c-{at:03}"))).await.unwrap();
    assert_eq!(found.iter().flatten().count(), 35);
}

#[tokio::test]
async fn a_batch_that_would_lose_something_is_refused() {
    let world = World::start(&["acme"]).await;
    let records = world.tenant("acme").records::<Contact>();
    let twice = [contact("acme", "c-1"), contact("acme", "c-1")];
    assert!(matches!(records.put_many(&twice).await.unwrap_err(), Error::Refused(Refusal::PrimaryKeyTwice)));
    assert!(matches!(records.get_many(["a", "a"]).await.unwrap_err(), Error::Refused(Refusal::PrimaryKeyTwice)));
    let versioned = acme(&world).records::<Person>().put_many(&[person("p-1")]).await.unwrap_err();
    assert!(matches!(versioned, Error::Refused(Refusal::VersionInBatch { .. })), "{versioned}");
    let foreign = records.put_many(&[contact("acme", "c-1"), contact("globex", "c-1")]).await.unwrap_err();
    assert!(matches!(foreign, Error::Refused(Refusal::PrimaryKey(PrimaryKeyError::ForeignTenant { .. }))), "{foreign}");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_unprocessed_after_a_lost_answer_may_be_written() {
    let world = World::start(&["acme"]).await;
    for ends in ["throttled", "refused"] {
        let wire = Wire::scripted(move |sent: &Sent, before| match (sent.operation.as_str(), before) {
            ("BatchWriteItem", 0) => Reaction::Lose,
            ("BatchWriteItem", 2..) if ends == "refused" => {
                let refused = r#"{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"no"}"#;
                Reaction::Answer(400, refused.to_owned())
            }
            ("BatchWriteItem", _) => {
                let request: Value = serde_json::from_slice(&sent.body).unwrap();
                Reaction::Answer(200, json!({ "UnprocessedItems": request["RequestItems"] }).to_string())
            }
            _ => Reaction::Forward,
        });
        let records = world.tenant_over("acme", wire).records::<Contact>();
        let error = records.put_many(&contacts(2)).await.unwrap_err();
        let Error::NotWritten(writes) = &error else { panic!("{error}") };
        assert!(writes.failed().all(|(_, error)| error.written() == Written::Unknown), "{ends}: {error}");
        assert!(error.written() == Written::Unknown && !error.is_retryable(), "{ends}: {error}");
        // It is.
        assert!(world.stored("acme", "c-000").await["email"].is_b());
        world
            .plain
            .delete_item()
            .table_name("crm")
            .set_key(Some(crate::common::key("acme", "c-000")))
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_record_that_cannot_be_sealed_does_not_stop_its_batch() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let records = world.tenant_over("acme", wire.clone()).records::<Contact>();
    let mut all = contacts(30);
    for at in [3, 17, 29] {
        all[at].email = "x".repeat(500_000);
    }
    let error = records.put_many(&all).await.unwrap_err();
    let Error::NotWritten(writes) = &error else { panic!("{error}") };
    let failed: Vec<_> = writes.failed().collect();
    assert_eq!(failed.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [3, 17, 29], "{error}");
    assert!(failed.iter().all(|(_, error)| matches!(error, Error::Seal(_))), "{error}");
    assert!(error.written() == Written::No && !error.is_retryable());
    let found = records.get_many(all.iter().map(|contact| &*contact.contact_id)).await.unwrap();
    let written: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(written, (0..30).map(|at| ![3, 17, 29].contains(&at)).collect::<Vec<_>>());
}
