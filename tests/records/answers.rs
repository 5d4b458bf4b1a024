//! Every write of both faces against whoever loses answers, garbles them, throttles KMS and writes the table: what was stored is stored
//! still, or in the caller's hands, and the error says truly whether the write has happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{Delete, Put, PutRequest, ReturnValue, TransactWriteItem, WriteRequest};
use tenantseal::error::Written;
use tenantseal::{Error, Item, Tenant};

use crate::common::wire::{Reaction, Wire};
use crate::common::{World, id, key, s};
use crate::records::scene::{Person, builder, firm, person};

/// What becomes of the answers to a write, the first of them or all.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Lost(usize),
    /// DynamoDB says that it failed, and has written.
    Failed(usize),
    /// Something says that all is well, in words that nobody can read.
    Garbled(usize),
    /// It is given, and KMS is throttled in a process that has no key.
    Throttled,
    Given,
}

const FATES: [Fate; 8] = [
    Fate::Lost(1),
    Fate::Lost(9),
    Fate::Failed(1),
    Fate::Failed(9),
    Fate::Garbled(1),
    Fate::Garbled(9),
    Fate::Throttled,
    Fate::Given,
];

/// What a write gives back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gives {
    Nothing,
    Old,
    New,
}

/// The writes, by DynamoDB's operation.
const WRITES: [(&str, &str, Gives); 20] = [
    ("put", "PutItem", Gives::Nothing),
    ("put, old", "PutItem", Gives::Old),
    ("put, new", "PutItem", Gives::Nothing),
    ("update", "UpdateItem", Gives::Nothing),
    ("update, old", "UpdateItem", Gives::Old),
    ("update, new", "UpdateItem", Gives::New),
    ("count, new", "UpdateItem", Gives::New),
    ("count, old", "UpdateItem", Gives::Old),
    ("delete", "DeleteItem", Gives::Nothing),
    ("take", "DeleteItem", Gives::Old),
    ("put_many", "BatchWriteItem", Gives::Nothing),
    ("delete_many", "BatchWriteItem", Gives::Nothing),
    ("transaction", "TransactWriteItems", Gives::Nothing),
    ("sdk put, old", "PutItem", Gives::Old),
    ("sdk update, old", "UpdateItem", Gives::Old),
    ("sdk update, new", "UpdateItem", Gives::New),
    ("sdk delete", "DeleteItem", Gives::Nothing),
    ("sdk delete, old", "DeleteItem", Gives::Old),
    ("sdk batch", "BatchWriteItem", Gives::Nothing),
    ("sdk transaction", "TransactWriteItems", Gives::Nothing),
];

/// Writes `p-1`: whether something came back; or this library's error, of an SDK error none.
async fn write(which: &str, acme: &Tenant) -> Result<bool, Option<Error>> {
    let (people, sdk) = (acme.records::<Person>(), acme.dynamodb());
    let record = Person { version: 1, logins: 7, ..person("p-1") };
    let ours = |error: &(dyn std::error::Error + 'static)| Error::find_in(error).cloned();
    let own = || Some(key("acme", "p-1"));
    let mut given: Item = serde_dynamo::to_item(&record).unwrap();
    given.insert("kind".to_owned(), s("person"));
    match which {
        "put" => people.put(&record).await.map(|()| false).map_err(Some),
        "put, old" => people.put(&record).returning_old().await.map(|old| old.is_some()).map_err(Some),
        "put, new" => people.put(&record).returning_new().await.map(|_| true).map_err(Some),
        "update" => people.update("p-1").set("email", "new").await.map(|()| false).map_err(Some),
        "update, old" => {
            let update = people.update("p-1").set("email", "new").returning_old();
            update.await.map(|old| old.is_some()).map_err(Some)
        }
        "update, new" => people.update("p-1").set("email", "new").returning_new().await.map(|_| true).map_err(Some),
        "count, new" => {
            let update = people.update("p-1").add("logins", 1).expect_version(1).returning_new();
            update.await.map(|_| true).map_err(Some)
        }
        "count, old" => {
            let update = people.update("p-1").add("logins", 1).expect_version(1).returning_old();
            update.await.map(|old| old.is_some()).map_err(Some)
        }
        "delete" => people.delete("p-1").await.map(|()| false).map_err(Some),
        "take" => people.take("p-1").await.map(|old| old.is_some()).map_err(Some),
        "put_many" => acme.records().put_many(&[firm("p-1")]).await.map(|()| false).map_err(Some),
        "delete_many" => people.delete_many(["p-1"]).await.map(|()| false).map_err(Some),
        "transaction" => {
            let transaction = acme.transact_write().with(people.put(&record)).with(people.delete("p-9"));
            transaction.await.map(|()| false).map_err(Some)
        }
        "sdk put, old" => {
            let put = sdk.put_item().table_name("crm").set_item(Some(given)).return_values(ReturnValue::AllOld);
            put.send().await.map(|output| output.attributes.is_some()).map_err(|error| ours(&error))
        }
        "sdk update, old" | "sdk update, new" => {
            let asked = if which.ends_with("old") { ReturnValue::AllOld } else { ReturnValue::AllNew };
            let update = sdk.update_item().table_name("crm").set_key(own()).update_expression("SET email = :v");
            let update = update.expression_attribute_values(":v", s("new")).return_values(asked);
            update.send().await.map(|output| output.attributes.is_some()).map_err(|error| ours(&error))
        }
        "sdk delete" | "sdk delete, old" => {
            let asked = which.ends_with("old").then_some(ReturnValue::AllOld);
            let delete = sdk.delete_item().table_name("crm").set_key(own()).set_return_values(asked);
            delete.send().await.map(|output| output.attributes.is_some()).map_err(|error| ours(&error))
        }
        "sdk batch" => {
            let put = PutRequest::builder().set_item(Some(given)).build().unwrap();
            let batch = sdk.batch_write_item();
            let batch = batch.request_items("crm", vec![WriteRequest::builder().put_request(put).build()]);
            batch.send().await.map(|_| false).map_err(|error| ours(&error))
        }
        "sdk transaction" => {
            let put = Put::builder().table_name("crm").set_item(Some(given)).build().unwrap();
            let delete = Delete::builder().table_name("crm").set_key(Some(key("acme", "p-9"))).build().unwrap();
            let transaction = sdk.transact_write_items();
            let transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
            let transaction = transaction.transact_items(TransactWriteItem::builder().delete(delete).build());
            transaction.send().await.map(|_| false).map_err(|error| ours(&error))
        }
        other => panic!("{other}"),
    }
}

async fn is_stored(world: &World) -> Option<Item> {
    let get = world.plain.get_item().table_name("crm").set_key(Some(key("acme", "p-1")));
    get.consistent_read(true).send().await.unwrap().item
}

#[tokio::test]
async fn every_record_is_stored_or_in_hand_whatever_becomes_of_an_answer() {
    let world = World::start(&["acme"]).await;
    let people = builder().build(&world.app).unwrap().tenant(&id("acme")).records::<Person>();
    people.put(&person("p-1")).await.unwrap();
    people.put(&person("p-2")).await.unwrap();
    let (sealed, another) = (world.stored("acme", "p-1").await, world.stored("acme", "p-2").await);
    let with = |name: &str, value| Item::from_iter(sealed.clone().into_iter().chain([(name.to_owned(), value)]));
    let stored = [
        ("sealed", sealed.clone()),
        ("plaintext", with("note", s("in plaintext"))),
        ("moved", with("note", another["note"].clone())),
        ("misshapen", with("logins", s("many"))),
    ];
    for (which, operation, gives) in WRITES {
        for fate in FATES {
            for (what, before) in &stored {
                // What does not open is not changed with what opens it, whatever becomes of the answer: one fate is enough.
                if *what != "sealed" && !matches!(fate, Fate::Given | Fate::Lost(1) | Fate::Throttled) {
                    continue;
                }
                tried(&world, (which, operation, gives), fate, (what, before)).await;
            }
        }
    }
}

async fn tried(
    world: &World,
    (which, operation, gives): (&str, &'static str, Gives),
    fate: Fate,
    (what, before): (&str, &Item),
) {
    let case = format!("{which}, {fate:?}, {what}");
    world.plant(before.clone()).await;
    let (Fate::Lost(losses) | Fate::Failed(losses) | Fate::Garbled(losses)) = fate else {
        return checked(world, Wire::open(), (which, gives), fate, (what, before), &case).await;
    };
    let left = Arc::new(Mutex::new(losses));
    let wire = Wire::scripted(move |sent, _| {
        let mut left = left.lock().unwrap();
        if sent.operation != operation || *left == 0 {
            return Reaction::Forward;
        }
        *left -= 1;
        match fate {
            Fate::Lost(_) => Reaction::Lose,
            Fate::Failed(_) => Reaction::Replace(500, r#"{"__type":"InternalServerError","message":""}"#.to_owned()),
            _ => Reaction::Replace(200, "<html>".to_owned()),
        }
    });
    checked(world, wire, (which, gives), fate, (what, before), &case).await;
}

async fn checked(
    world: &World,
    wire: Wire,
    (which, gives): (&str, Gives),
    fate: Fate,
    (what, before): (&str, &Item),
    case: &str,
) {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let app = world.over(wire).into_builder().retry_config(retries).build();
    let acme = builder().build(&app).unwrap().tenant(&id("acme"));
    if fate == Fate::Throttled {
        world.stack.faults().on("Decrypt").fail("ThrottlingException", 400);
    }
    let answer = write(which, &acme).await;
    world.stack.faults().clear();
    let after = is_stored(world).await;
    let is_changed = after.as_ref() != Some(before);
    match &answer {
        Ok(came) => assert!(*came || gives == Gives::Nothing || !is_changed, "{case}: what was stored is lost"),
        // The SDK's own error is its caller's to judge.
        Err(None) => assert!(which.starts_with("sdk"), "{case}"),
        Err(Some(error)) => {
            match error.written() {
                Written::No => assert!(!is_changed, "{case}: it says that nothing is written: {error}"),
                Written::Yes => assert!(is_changed, "{case}: it says that it is written: {error}"),
                _ => {}
            }
            assert!(!is_changed || !error.is_retryable(), "{case}: it would be repeated: {error}");
            // Nobody but the library's own repository has read before.
            let is_kept = !which.starts_with("sdk") || matches!(fate, Fate::Throttled | Fate::Given);
            let expected = if gives == Gives::New { after.as_ref() } else { Some(before) };
            let is_there = error.items().iter().any(|item| item.sealed() == expected);
            let is_gone = gives == Gives::Old || gives == Gives::New && fate == Fate::Given;
            assert!(!(is_changed && is_kept && is_gone) || is_there, "{case}: what was stored is lost: {error}");
        }
    }
    // Who follows the advice to repeat ends where one write would.
    let mut answer = answer;
    while let Err(Some(error)) = &answer
        && error.is_retryable()
    {
        answer = write(which, &acme).await;
    }
    if which.starts_with("count") && what == "sealed" {
        let logins = &is_stored(world).await.unwrap()["logins"];
        assert_eq!(logins.as_n().unwrap(), "2", "{case}: it counts once");
    }
    // Who does not read before learns after the write that what it gives does not open.
    let learns_late = gives == Gives::New || which.starts_with("sdk") && gives == Gives::Old;
    if matches!(fate, Fate::Throttled | Fate::Given) && what == "sealed" && !learns_late {
        assert!(answer.is_ok(), "{case}: {answer:?}");
    }
}
