//! A write that brings an item back which does not open: the error has the item, and says whether the write has happened.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use tenantseal::audit::{AuditSink, DataKeyUse, Purpose};
use tenantseal::{Error, Item, Tenant, Written};

use crate::common::{Contact, World, contact, id, item, key, s};

/// The writes that bring back what was stored, by operation and what they ask for.
const WRITES: [(&str, ReturnValue); 6] = [
    ("PutItem", ReturnValue::AllOld),
    ("DeleteItem", ReturnValue::AllOld),
    ("UpdateItem", ReturnValue::AllOld),
    ("UpdateItem", ReturnValue::AllNew),
    ("UpdateItem", ReturnValue::UpdatedOld),
    ("UpdateItem", ReturnValue::UpdatedNew),
];

/// This library's error of one write of `c-1`, on a condition if there is one.
async fn write(dynamodb: &Client, operation: &str, asked: &ReturnValue, condition: Option<&str>) -> Option<Error> {
    let shown = condition.map(|_| ReturnValuesOnConditionCheckFailure::AllOld);
    let condition = condition.map(str::to_owned);
    let (own, asked) = (Some(key("acme", "c-1")), asked.clone());
    fn ours<T, E: std::error::Error + 'static>(answer: Result<T, E>) -> Option<Error> {
        answer.err().map(|error| Error::of(&error).unwrap_or_else(|| panic!("{error}")).clone())
    }
    match operation {
        "PutItem" => {
            let put = dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
            let put = put.return_values(asked).set_condition_expression(condition);
            ours(put.set_return_values_on_condition_check_failure(shown).send().await)
        }
        "DeleteItem" => {
            let delete = dynamodb.delete_item().table_name("crm").set_key(own);
            let delete = delete.return_values(asked).set_condition_expression(condition);
            ours(delete.set_return_values_on_condition_check_failure(shown).send().await)
        }
        "UpdateItem" => {
            // Not the header's key: `notes` and the rest still rely on that.
            let update = dynamodb.update_item().table_name("crm").set_key(own).update_expression("REMOVE notes");
            let update = update.return_values(asked).set_condition_expression(condition);
            ours(update.set_return_values_on_condition_check_failure(shown).send().await)
        }
        other => panic!("{other}"),
    }
}

/// `acme` in a process that has no key yet and asks once.
fn hasty(world: &World) -> Tenant {
    let once = world.app.clone().into_builder().retry_config(RetryConfig::standard().with_max_attempts(1)).build();
    world.builder().build(&once).unwrap().tenant(&id("acme"))
}

/// What may be stored for `c-1`: sealed by a process whose keys another has to ask KMS for, in plaintext, and another item's bytes.
async fn stored(world: &World) -> [(&'static str, Item); 3] {
    let contacts = world.tenant("acme").records::<Contact>();
    contacts.put(&contact("acme", "c-1")).await.unwrap();
    contacts.put(&contact("acme", "c-2")).await.unwrap();
    let (sealed, another) = (world.stored("acme", "c-1").await, world.stored("acme", "c-2").await);
    let with = |value| Item::from_iter(sealed.clone().into_iter().chain([("notes".to_owned(), value)]));
    [("cold", sealed.clone()), ("plaintext", with(s("plaintext"))), ("moved", with(another["notes"].clone()))]
}

async fn is_stored(world: &World) -> Option<Item> {
    world.plain.get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap().item
}

#[tokio::test]
async fn whatever_a_write_brings_back_and_cannot_open_is_in_its_error() {
    let world = World::start(&["acme"]).await;
    for (what, before) in stored(&world).await {
        for (operation, asked) in &WRITES {
            world.plant(before.clone()).await;
            world.stack.faults().clear();
            let acme = hasty(&world);
            world.stack.faults().on("Decrypt").fail("ThrottlingException", 400);
            let scenario = format!("{what}, {operation}, {asked}");
            let error = write(&acme.dynamodb(), operation, asked, None).await;
            let after = is_stored(&world).await;
            // What it removed is not in the answer, and the rest opens.
            if what != "cold" && matches!(asked, ReturnValue::AllNew | ReturnValue::UpdatedNew) {
                continue;
            }
            // What it removed was all that was asked for.
            let Some(error) = error else {
                assert_eq!((what, asked), ("cold", &ReturnValue::UpdatedNew), "{scenario}");
                continue;
            };
            assert_eq!(error.written(), Written::Yes, "{scenario}: {error}");
            assert!(!error.is_retryable(), "{scenario}: {error}");
            assert_ne!(after, Some(before.clone()), "{scenario}");
            // In the caller's hands as it was stored, before or after.
            let given = error.sealed_item().unwrap();
            let is_new = *asked == ReturnValue::AllNew;
            assert_eq!(given, if is_new { after.as_ref().unwrap() } else { &before }, "{scenario}");
            let of = error.item().unwrap();
            assert_eq!((of.table(), of.key()), ("crm", &key("acme", "c-1")), "{scenario}");
            // And it opens when that is possible.
            world.stack.faults().clear();
            let opened = world.tenant("acme").open(of.table(), given.clone()).await;
            match what {
                "cold" => assert_eq!(opened.unwrap()["email"], s("c-1@example.org"), "{scenario}"),
                _ => assert!(opened.unwrap_err().is_integrity(), "{scenario}"),
            }
        }
    }
}

#[tokio::test]
async fn a_failed_condition_that_shows_what_does_not_open_has_written_nothing() {
    let world = World::start(&["acme"]).await;
    for (what, before) in stored(&world).await {
        for (operation, asked) in &WRITES[..3] {
            world.plant(before.clone()).await;
            world.stack.faults().clear();
            let acme = hasty(&world);
            world.stack.faults().on("Decrypt").fail("ThrottlingException", 400);
            let condition = Some("attribute_not_exists(tenant_id)");
            let error = write(&acme.dynamodb(), operation, asked, condition).await.unwrap();
            let scenario = format!("{what}, {operation}: {error}");
            assert_eq!(error.written(), Written::No, "{scenario}");
            assert!(error.is_condition_failed(), "{scenario}");
            // The key of what was moved could not be had either.
            assert_eq!(error.is_retryable(), what != "plaintext", "{scenario}");
            assert_eq!(error.sealed_item(), Some(&before), "{scenario}");
            assert_eq!(is_stored(&world).await, Some(before.clone()), "{scenario}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_transaction_names_the_items_that_do_not_open() {
    let world = World::start(&["acme"]).await;
    let [_, (_, before), _] = stored(&world).await;
    world.plant(before.clone()).await;
    let absent = "attribute_not_exists(tenant_id)";
    let shown = ReturnValuesOnConditionCheckFailure::AllOld;
    let put =
        Put::builder().table_name("crm").set_item(Some(item(&contact("acme", "c-1")))).condition_expression(absent);
    let put = put.return_values_on_condition_check_failure(shown.clone()).build().unwrap();
    let update =
        Update::builder().table_name("crm").set_key(Some(key("acme", "c-2"))).update_expression("REMOVE notes");
    let update = update.condition_expression(absent).return_values_on_condition_check_failure(shown.clone());
    let delete = Delete::builder().table_name("crm").set_key(Some(key("acme", "c-3"))).build().unwrap();
    let transaction = world.tenant("acme").dynamodb().transact_write_items();
    let transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
    let transaction = transaction.transact_items(TransactWriteItem::builder().update(update.build().unwrap()).build());
    let transaction = transaction.transact_items(TransactWriteItem::builder().delete(delete).build());
    let error = transaction.send().await.unwrap_err();
    let error = Error::of(&error).unwrap();
    assert!(error.is_condition_failed() && error.is_integrity() && error.written() == Written::No, "{error}");
    let named: Vec<_> = error.items().iter().map(|item| item.item().key()["contact_id"].clone()).collect();
    assert_eq!(named, [s("c-1")]);
    assert_eq!(error.sealed_item(), Some(&before));
}

#[tokio::test]
async fn what_went_with_a_lost_answer_is_not_called_nothing_or_old() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let app = app.into_builder().retry_config(retries).build();
    let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
    for (operation, asked) in [&WRITES[0], &WRITES[1], &WRITES[2], &WRITES[4]] {
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        taps.dynamodb.lose(operation, 1);
        let error = write(&acme.dynamodb(), operation, asked, None).await;
        let error = error.unwrap_or_else(|| panic!("{operation} {asked}"));
        let written = if *operation == "DeleteItem" { Written::Unknown } else { Written::Yes };
        assert!(matches!(error.cause(), Error::AnswerLost) && error.written() == written, "{operation}: {error}");
        assert!(!error.is_retryable());
        // Without a loss they answer as ever.
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        assert!(write(&acme.dynamodb(), operation, asked, None).await.is_none());
    }
}

/// Nobody keeps the trail of what is opened.
struct Broken;

impl AuditSink for Broken {
    fn record(&self, key: &DataKeyUse<'_>) {
        assert_eq!(key.purpose, Purpose::Seal, "nobody keeps the trail");
    }
}

#[tokio::test]
async fn when_the_audit_sink_panics_after_a_write_the_error_has_the_item() {
    let world = World::start(&["acme"]).await;
    let [(_, before), ..] = stored(&world).await;
    let audited = || -> Tenant {
        let builder = world.builder().audit(Arc::new(Broken));
        builder.build(&world.app).unwrap().tenant(&id("acme"))
    };
    for (operation, asked) in &WRITES[..3] {
        world.plant(before.clone()).await;
        let error = write(&audited().dynamodb(), operation, asked, None).await.unwrap();
        assert!(matches!(error.cause(), Error::Audit), "{error}");
        assert_eq!((error.written(), error.sealed_item()), (Written::Yes, Some(&before)), "{operation}");
    }
    world.plant(before.clone()).await;
    let read = audited().records::<Contact>().get("c-1").await.unwrap_err();
    assert!(read.written() == Written::No && read.item().is_some() && read.sealed_item().is_none(), "{read}");
    let given = audited().open("crm", before.clone()).await.unwrap_err();
    assert_eq!(given.sealed_item(), Some(&before));
}
