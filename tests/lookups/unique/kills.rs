//! Writers that die at any step, and answers that are lost, leave nothing that cannot be taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use tenantseal::error::Written;

use super::scene::{Member, assert_unique, builder, claiming_world, expire, member, tenant};
use crate::common::id;
use crate::common::key_table::to_key_table;
use crate::common::wire::{Reaction, Wire};

/// The operations of a write with claims.
const STEPS: [&str; 2] = ["GetItem", "TransactWriteItems"];

/// Kills a writer at its step `at`: before the request is sent, or once it is carried out. Returns whether it came so
/// far.
async fn killed_at(at: usize, carried_out: bool) -> bool {
    let world = claiming_world(&["acme"]).await;
    let members = tenant(&world, "acme").records::<Member>();
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    members.put(&member("m-2", "old@example.org")).await.unwrap();
    expire(&world, "m-1").await;
    let steps = Arc::new(AtomicUsize::new(0));
    let taken = Arc::clone(&steps);
    let wire = Wire::scripted(move |sent, _| match STEPS.contains(&sent.operation.as_str()) && !to_key_table(sent) {
        true if taken.fetch_add(1, Ordering::SeqCst) == at => {
            if carried_out {
                Reaction::Lose
            } else {
                Reaction::Hang
            }
        }
        _ => Reaction::Forward,
    });
    let config = world.over(wire).into_builder().retry_config(RetryConfig::disabled()).build();
    let dying = builder(&config).build(&config).unwrap().tenant(&id("acme")).records::<Member>();
    // It takes a value whose claim is stale, and has a former one. It ends when its request hangs or its answer is lost.
    let write = dying.put(&member("m-2", "ada@example.org"));
    let outcome = tokio::time::timeout(Duration::from_millis(300), write).await;
    let came_so_far = steps.load(Ordering::SeqCst) > at;
    assert_eq!(came_so_far, !matches!(outcome, Ok(Ok(()))), "{outcome:?}");
    assert_unique(&world).await;
    // Each value that no item has can be taken.
    for (contact, email) in [("m-4", "ada@example.org"), ("m-5", "old@example.org")] {
        if let Err(error) = members.put(&member(contact, email)).await {
            assert!(error.is_not_unique(), "{error}");
            let holder = members.find_by("email", email).consistent().one().await.unwrap().unwrap();
            assert_eq!(holder.contact_id, "m-2");
        }
    }
    assert_unique(&world).await;
    came_so_far
}

#[tokio::test]
async fn a_writer_may_die_at_any_step() {
    for carried_out in [false, true] {
        let mut at = 0;
        while killed_at(at, carried_out).await {
            at += 1;
        }
        assert_eq!(at, 7, "read, write, whose claim (2 reads), release, read, write");
    }
}

#[tokio::test]
async fn a_lost_answer_is_told_and_a_repetition_ends_right() {
    let world = claiming_world(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let app = app.into_builder().retry_config(retries).build();
    let members = builder(&app).build(&app).unwrap().tenant(&id("acme")).records::<Member>();
    members.put(&member("m-1", "ada@example.org")).await.unwrap();
    taps.dynamodb.lose("TransactWriteItems", 1);
    members.update("m-1").set("email", "b@example.org").add("logins", 1).await.unwrap();
    assert_eq!(members.get("m-1").consistent().await.unwrap().unwrap().logins, 1, "carried out once");
    taps.dynamodb.lose("TransactWriteItems", 1);
    members.put(&member("m-2", "c@example.org")).if_not_exists().await.unwrap();
    taps.dynamodb.lose("TransactWriteItems", 9);
    let error = members.put(&member("m-2", "ada@example.org")).await.unwrap_err();
    assert!(error.written() == Written::Unknown && !error.is_retryable() && !error.is_not_unique(), "{error}");
    let taking = members.take("m-1").await.unwrap_err();
    assert!(taking.written() == Written::Unknown && taking.sealed_item().is_some(), "{taking}");
    taps.dynamodb.lose("", 0);
    assert_unique(&world).await;
    members.put(&member("m-2", "ada@example.org")).await.unwrap();
    members.delete("m-1").await.unwrap();
    assert_unique(&world).await;
}

#[tokio::test]
async fn a_transaction_in_conflict_is_sent_again() {
    let world = claiming_world(&["acme"]).await;
    let conflict = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]}"#;
    let wire = |conflicts: usize| {
        Wire::scripted(move |sent, before| match sent.operation == "TransactWriteItems" && before < conflicts {
            true => Reaction::Answer(400, conflict.to_owned()),
            false => Reaction::Forward,
        })
    };
    let put = async |wire: &Wire, contact: &str| {
        let config = world.over(wire.clone());
        let members = builder(&config).build(&config).unwrap().tenant(&id("acme")).records::<Member>();
        members.put(&member(contact, "ada@example.org")).await
    };
    put(&wire(2), "m-1").await.unwrap();
    assert_unique(&world).await;
    let always = wire(99);
    let error = put(&always, "m-1").await.unwrap_err();
    assert!(error.is_retryable() && error.http_status() == 503 && !error.is_not_unique(), "{error}");
    assert_eq!(always.bodies("TransactWriteItems").len(), 8);
}
