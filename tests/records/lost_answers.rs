//! Answers that are lost: the SDK repeats the request, and finds what its first attempt did.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use tenantseal::error::Written;
use tenantseal::records::{Records, attribute};
use tenantseal::{Error, Tenant};

use crate::common::{Taps, World, id};
use crate::records::scene::{Person, acme, builder, person};

/// `acme` over taps, with quick retries, and its people.
pub(crate) async fn tapped(world: &World) -> (Taps, Tenant, Records<Person>) {
    let (taps, app) = world.tapped().await;
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let acme = builder().build(&app.into_builder().retry_config(retries).build()).unwrap().tenant(&id("acme"));
    let people = acme.records::<Person>();
    (taps, acme, people)
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_is_not_its_own_conflict() {
    let world = World::start(&["acme"]).await;
    let (taps, _, people) = tapped(&world).await;
    taps.dynamodb.lose("PutItem", 1);
    let first = people.put(&person("p-1")).returning_new().await.unwrap();
    assert_eq!(first.version, 1);
    taps.dynamodb.lose("PutItem", 1);
    people.put(&Person { logins: 7, ..first }).await.unwrap();
    let stored = people.get("p-1").consistent().await.unwrap().unwrap();
    assert_eq!((stored.logins, stored.version), (7, 2));
    taps.dynamodb.lose("PutItem", 1);
    people.put(&person("p-2")).if_not_exists().await.unwrap();
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_is_not_its_own_conflict() {
    let world = World::start(&["acme"]).await;
    let (taps, _, people) = tapped(&world).await;
    people.put(&person("p-1")).await.unwrap();
    taps.dynamodb.lose("UpdateItem", 1);
    people.update("p-1").set("email", "a@example.org").expect_version(1).await.unwrap();
    taps.dynamodb.lose("UpdateItem", 1);
    let update = people.update("p-1").set("email", "b@example.org").expect_version(2);
    assert_eq!(update.returning_new().await.unwrap().version, 3);
}

#[tokio::test]
async fn where_nothing_tells_ones_own_write_the_error_says_that_it_may_be() {
    let world = World::start(&["acme"]).await;
    let (taps, _, people) = tapped(&world).await;
    people.put(&person("p-1")).await.unwrap();
    // Nothing of it is sealed, so nothing of it is unique.
    taps.dynamodb.lose("UpdateItem", 1);
    let update = people.update("p-1").set("logins", 5).expect_version(1).await.unwrap_err();
    taps.dynamodb.lose("DeleteItem", 1);
    let delete = people.delete("p-1").expect_version(2).await.unwrap_err();
    for error in [update, delete] {
        assert!(matches!(error, Error::Conflict { may_be_own: true, .. }), "{error}");
        assert!(error.is_conflict() && error.written() == Written::Unknown && !error.is_retryable());
        assert!(error.to_string().contains("this very write may"), "{error}");
    }
    taps.dynamodb.lose("DeleteItem", 1);
    people.put(&person("p-2")).await.unwrap();
    let error = people.delete("p-2").if_exists().await.unwrap_err();
    assert!(error.is_condition_failed() && error.written() == Written::Unknown, "{error}");
}

#[tokio::test]
async fn a_conflict_with_another_writer_stays_one_when_an_answer_is_lost() {
    let world = World::start(&["acme"]).await;
    let (taps, _, people) = tapped(&world).await;
    let read = people.put(&person("p-1")).returning_new().await.unwrap();
    acme(&world).records::<Person>().put(&Person { logins: 9, ..read.clone() }).await.unwrap();
    // Both answers say so, and one is lost.
    taps.dynamodb.lose("PutItem", 1);
    let error = people.put(&Person { logins: 8, ..read.clone() }).await.unwrap_err();
    assert!(error.is_conflict() && error.written() == Written::Unknown, "{error}");
    // Nothing is lost: then nothing is in doubt.
    let error = people.put(&Person { logins: 8, ..read }).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { may_be_own: false, .. }) && error.written() == Written::No, "{error}");
    assert_eq!(people.get("p-1").await.unwrap().unwrap().logins, 9);
}

#[tokio::test]
async fn a_transaction_whose_answer_is_lost_is_carried_out_once() {
    let world = World::start(&["acme"]).await;
    let (taps, acme, people) = tapped(&world).await;
    people.put(&person("p-1")).await.unwrap();
    taps.dynamodb.lose("TransactWriteItems", 1);
    let read = people.get("p-1").await.unwrap().unwrap();
    let write = acme.transact_write().with(people.put(&read)).with(people.update("p-2").set("logins", 1));
    let error = write.await.unwrap_err();
    // The update finds no record: cancelled, and so nothing is in doubt.
    assert!(error.is_condition_failed() && error.written() == Written::No, "{error}");
    taps.dynamodb.lose("TransactWriteItems", 1);
    acme.transact_write().with(people.put(&read)).with(people.put(&person("p-2"))).await.unwrap();
    assert_eq!(people.get("p-1").consistent().await.unwrap().unwrap().version, 2);
    taps.dynamodb.lose("TransactWriteItems", 9);
    let error = acme.transact_write().with(people.put(&person("p-3"))).await.unwrap_err();
    assert_eq!(error.written(), Written::Unknown, "{error}");
    taps.dynamodb.lose("", 0);
    assert!(people.get("p-3").await.unwrap().is_some());
}

#[tokio::test]
async fn what_was_not_sent_is_known_not_to_be_written() {
    let world = World::start(&["acme"]).await;
    let (_, _, people) = tapped(&world).await;
    world.stack.faults().on("GenerateDataKey").fail("ThrottlingException", 400);
    let error = people.put(&person("p-1")).await.unwrap_err();
    assert!(error.is_retryable() && error.written() == Written::No, "{error}");
    world.stack.faults().clear();
    people.put(&person("p-1")).await.unwrap();
    let error = people.put(&person("p-1")).condition(attribute("logins").equals(99)).await.unwrap_err();
    assert_eq!(error.written(), Written::No, "{error}");
}
