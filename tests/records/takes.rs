//! Writes that give back what they replace, change or delete: it is still stored, or in the caller's hands.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use tenantseal::error::Written;
use tenantseal::records::{Records, attribute};
use tenantseal::{Error, Item};

use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id, s};
use crate::records::lost_answers::tapped;
use crate::records::scene::{Person, builder, person};

/// A process that has no key yet.
fn cold(world: &World) -> Records<Person> {
    let once = world.app.clone().into_builder().retry_config(RetryConfig::standard().with_max_attempts(1)).build();
    builder().build(&once).unwrap().tenant(&id("acme")).records()
}

/// `p-1` as a record that does not open, or is none: in plaintext, moved from another item, and of another shape.
async fn hostile(world: &World) -> Vec<(&'static str, Item)> {
    let people = cold(world);
    people.put(&person("p-1")).await.unwrap();
    people.put(&person("p-2")).await.unwrap();
    let stored = world.stored("acme", "p-1").await;
    let with = |name: &str, value| {
        let mut item = stored.clone();
        item.insert(name.to_owned(), value);
        item
    };
    vec![
        ("plaintext", with("note", s("in plaintext"))),
        ("moved", with("note", world.stored("acme", "p-2").await["note"].clone())),
        ("misshapen", with("logins", s("many"))),
    ]
}

fn is_p1(error: &Error) {
    let item = error.item().unwrap_or_else(|| panic!("it names no item: {error}"));
    assert_eq!((item.table(), &item.key()["contact_id"]), ("crm", &s("p-1")));
    assert_eq!(item.to_string(), r#"crm contact_id="p-1" tenant_id="acme""#);
    assert!(!format!("{error} {error:?}").contains("p-1"), "keys are printed where a caller asks for them: {error:?}");
}

#[tokio::test]
async fn a_record_whose_key_cannot_be_had_is_not_taken() {
    let world = World::start(&["acme"]).await;
    cold(&world).put(&person("p-1")).await.unwrap();
    let people = cold(&world);
    world.stack.faults().on("Decrypt").fail("ThrottlingException", 400);
    for error in [
        people.take("p-1").await.unwrap_err(),
        people.put(&Person { version: 1, ..person("p-1") }).returning_old().await.unwrap_err(),
        people.update("p-1").add("logins", 1).returning_old().await.unwrap_err(),
    ] {
        assert!(error.is_retryable() && error.written() == Written::No, "{error}");
        is_p1(&error);
    }
    world.stack.faults().clear();
    let people = cold(&world);
    let taken = people.take("p-1").await.unwrap();
    assert_eq!(taken, Some(Person { version: 1, ..person("p-1") }));
    assert_eq!(people.take("p-1").await.unwrap(), None);
}

#[tokio::test]
async fn what_does_not_open_is_neither_taken_nor_replaced() {
    let world = World::start(&["acme"]).await;
    for (what, item) in hostile(&world).await {
        world.plant(item.clone()).await;
        let people = cold(&world);
        for error in [
            people.take("p-1").await.unwrap_err(),
            people.put(&Person { version: 1, ..person("p-1") }).returning_old().await.unwrap_err(),
            people.update("p-1").set("email", "x").returning_old().await.unwrap_err(),
        ] {
            assert!(error.written() == Written::No && !error.is_retryable(), "{what}: {error}");
            is_p1(&error);
        }
        assert_eq!(world.stored("acme", "p-1").await, item, "{what}");
    }
}

#[tokio::test]
async fn what_is_written_between_the_read_and_the_delete_is_in_the_error() {
    let world = World::start(&["acme"]).await;
    for (what, item) in hostile(&world).await {
        // The read finds nothing: the item came after it.
        let wire = Wire::scripted(|sent, _| match sent.operation == "GetItem" {
            true => Reaction::Alter(Box::new(|_| "{}".to_owned())),
            false => Reaction::Forward,
        });
        let people = builder().build(&world.over(wire)).unwrap().tenant(&id("acme")).records::<Person>();
        for write in ["take", "put", "update"] {
            world.plant(item.clone()).await;
            let error = match write {
                "take" => people.take("p-1").await.unwrap_err(),
                "put" => people.put(&Person { version: 1, ..person("p-1") }).returning_old().await.unwrap_err(),
                _ => people.update("p-1").set("email", "x").returning_old().await.unwrap_err(),
            };
            assert!(error.written() == Written::Yes && !error.is_retryable(), "{what}, {write}: {error}");
            assert_eq!(error.sealed_item(), Some(&item), "{what}, {write}");
            is_p1(&error);
        }
    }
}

#[tokio::test]
async fn a_take_whose_answer_is_lost_has_the_record_in_its_error() {
    let world = World::start(&["acme"]).await;
    let (taps, acme, people) = tapped(&world).await;
    let stored = Person { version: 1, ..person("p-1") };
    // The repetition finds nothing, or no answer comes at all; with a condition, too.
    for (losses, versioned) in [(1, false), (9, false), (1, true), (9, true)] {
        people.put(&person("p-1")).await.unwrap();
        taps.dynamodb.lose("DeleteItem", losses);
        let take = people.take("p-1");
        let take = if versioned { take.expect_version(1) } else { take };
        let error = take.await.unwrap_err();
        taps.dynamodb.lose("", 0);
        assert_eq!(error.written(), Written::Unknown, "{error}");
        assert!(!error.is_retryable());
        is_p1(&error);
        let opened = acme.open(error.item().unwrap().table(), error.sealed_item().unwrap().clone()).await.unwrap();
        assert_eq!(people.open(error.sealed_item().unwrap().clone()).await.unwrap(), stored);
        assert_eq!(opened["note"], s(&stored.note));
        assert_eq!(people.get("p-1").consistent().await.unwrap(), None);
    }
    // Where there was nothing, nothing is in doubt.
    taps.dynamodb.lose("DeleteItem", 1);
    assert_eq!(people.take("p-9").await.unwrap(), None);
}

#[tokio::test]
async fn the_record_before_a_write_whose_answer_is_lost_is_in_the_error() {
    let world = World::start(&["acme"]).await;
    let (taps, _, people) = tapped(&world).await;
    let before = people.put(&person("p-1")).returning_new().await.unwrap();
    for losses in [1, 9] {
        for write in ["PutItem", "UpdateItem", "UpdateItem of plain attributes"] {
            world
                .plain
                .delete_item()
                .table_name("crm")
                .set_key(Some(crate::common::key("acme", "p-1")))
                .send()
                .await
                .unwrap();
            people.put(&person("p-1")).await.unwrap();
            taps.dynamodb.lose(write.split(' ').next().unwrap(), losses);
            let error = match write {
                "PutItem" => people.put(&Person { logins: 5, ..before.clone() }).returning_old().await.unwrap_err(),
                "UpdateItem" => people.update("p-1").set("email", "new").returning_old().await.unwrap_err(),
                _ => people.update("p-1").add("logins", 5).returning_old().await.unwrap_err(),
            };
            taps.dynamodb.lose("", 0);
            let known = if losses == 1 { Written::Yes } else { Written::Unknown };
            assert_eq!(error.written(), known, "{write}: {error}");
            assert_eq!(people.open(error.sealed_item().unwrap().clone()).await.unwrap(), before, "{write}");
        }
    }
}

#[tokio::test]
async fn a_sum_that_does_not_come_back_is_written_and_not_retryable() {
    let world = World::start(&["acme"]).await;
    cold(&world).put(&person("p-1")).await.unwrap();
    let people = cold(&world);
    world.stack.faults().on("Decrypt").fail("ThrottlingException", 400);
    let error = people.update("p-1").add("logins", 1).returning_new().await.unwrap_err();
    assert!(error.written() == Written::Yes && !error.is_retryable(), "{error}");
    assert!(error.cause().is_retryable(), "opening it may succeed later: {error}");
    world.stack.faults().clear();
    let people = cold(&world);
    let sealed = error.sealed_item().unwrap().clone();
    assert_eq!(people.open(sealed).await.unwrap().logins, 2);
    assert_eq!(people.get("p-1").consistent().await.unwrap().unwrap().logins, 2);
}

#[tokio::test]
async fn a_take_with_a_condition_that_does_not_hold_takes_nothing() {
    let world = World::start(&["acme"]).await;
    let people = cold(&world);
    people.put(&person("p-1")).await.unwrap();
    let error = people.take("p-1").condition(attribute("logins").equals(99)).await.unwrap_err();
    assert!(error.is_condition_failed() && error.written() == Written::No, "{error}");
    assert!(people.get("p-1").await.unwrap().is_some());
}

#[tokio::test]
async fn a_take_that_may_have_taken_two_records_has_both_in_its_error() {
    let world = World::start(&["acme"]).await;
    let people = cold(&world);
    people.put(&person("p-1")).await.unwrap();
    let first = world.stored("acme", "p-1").await;
    people.update("p-1").set("email", "another's").await.unwrap();
    let second = world.stored("acme", "p-1").await;
    for write in ["take", "update"] {
        world.plant(first.clone()).await;
        // Of the first attempt nobody knows what it did; another writer is there before the second.
        let wire = Wire::scripted(move |sent, before| match (sent.operation.as_str(), before) {
            ("DeleteItem" | "UpdateItem", 0) => Reaction::Answer(500, "{}".to_owned()),
            _ => Reaction::Forward,
        });
        let retries = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(500));
        let app = world.over(wire.clone()).into_builder().retry_config(retries).build();
        let people = builder().build(&app).unwrap().tenant(&id("acme")).records::<Person>();
        let other_writer = async {
            while !wire.sent().iter().any(|sent| ["DeleteItem", "UpdateItem"].contains(&&*sent.operation)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            world.plant(second.clone()).await;
        };
        let written = async {
            match write {
                "take" => people.take("p-1").await,
                _ => people.update("p-1").set("email", "x").returning_old().await,
            }
        };
        let (answer, ()) = tokio::join!(written, other_writer);
        let error = answer.expect_err("one record is given, and the other is lost");
        let kept: Vec<_> = error.items().iter().map(|item| item.sealed().unwrap()).collect();
        assert_eq!((error.written(), kept), (Written::Yes, vec![&first, &second]), "{write}: {error}");
        assert!(!error.is_retryable());
        is_p1(&error);
    }
}

#[tokio::test]
async fn a_record_that_is_used_before_it_is_deleted_outlives_whoever_uses_it() {
    let world = World::start(&["acme"]).await;
    cold(&world).put(&person("p-1")).await.unwrap();
    // One process dies after it has read the record.
    cold(&world).get("p-1").consistent().await.unwrap().unwrap();
    let (taps, _, people) = tapped(&world).await;
    let read = people.get("p-1").consistent().await.unwrap().unwrap();
    // Somebody changes it while it is used: it stays.
    people.update("p-1").set("email", "new@example.org").await.unwrap();
    let error = people.delete("p-1").expect_version(read.version).await.unwrap_err();
    assert!(error.is_conflict() && error.written() == Written::No, "{error}");
    let read = people.get("p-1").consistent().await.unwrap().unwrap();
    assert_eq!(read.email.as_deref(), Some("new@example.org"));
    // The answer is lost, and the repetition finds nothing: it may be one's own delete, and is.
    taps.dynamodb.lose("DeleteItem", 1);
    let error = people.delete("p-1").expect_version(read.version).await.unwrap_err();
    assert!(error.is_conflict() && error.written() == Written::Unknown && !error.is_retryable(), "{error}");
    assert_eq!(people.get("p-1").consistent().await.unwrap(), None);
}
