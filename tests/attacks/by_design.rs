//! What is not detected, asserted so that docs/THREATS.md stays true: when one of these fails, the document must change.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};

use crate::attacks::victim::{ENCRYPTED, attack, store};
use crate::common::wire::Wire;
use crate::common::{Contact, World, contact, id, item, key, s};

#[tokio::test]
async fn an_earlier_value_of_the_same_attribute_of_the_same_item_opens_again() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    let before = store(&world, &seal, "acme", "c-1").await;
    let mut newer = contact("acme", "c-1");
    newer.email = "new@example.org".to_owned();
    newer.notes = Some("new notes on c-1".to_owned());
    acme.records::<Contact>().put(&newer).await.unwrap();
    // A value with a record of its own, also when the item was deleted and made again.
    for deleted in [false, true] {
        if deleted {
            acme.records::<Contact>().delete("c-1").await.unwrap();
            acme.records::<Contact>().put(&newer).await.unwrap();
        }
        let mut rolled_back = world.stored("acme", "c-1").await;
        rolled_back.insert("notes".to_owned(), before["notes"].clone());
        let opened = attack(&acme, rolled_back).await.unwrap();
        assert_eq!((&opened["notes"], &opened["email"]), (&s("notes on c-1"), &s("new@example.org")));
    }
    // A value without one, as long as the header is of the same data key.
    let mut rolled_back = world.stored("acme", "c-1").await;
    rolled_back.insert("email".to_owned(), before["email"].clone());
    assert_eq!(attack(&acme, rolled_back).await.unwrap()["email"], s("c-1@example.org"));
    // The whole item.
    world.plant(before).await;
    assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
}

#[tokio::test]
async fn encrypted_attributes_that_are_deleted_read_as_absent() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let stored = store(&world, &seal, "acme", "c-1").await;
    for gone in ENCRYPTED {
        let (mut remaining, mut expected) = (stored.clone(), item(&contact("acme", "c-1")));
        remaining.remove(gone);
        expected.remove(gone);
        assert_eq!(attack(&seal.tenant(&id("acme")), remaining).await, Some(expected));
    }
}

#[tokio::test]
async fn plain_attributes_can_be_changed_added_and_deleted() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    let stored = store(&world, &seal, "acme", "c-1").await;
    let mut changed = stored.clone();
    changed.insert("company".to_owned(), AttributeValue::Bool(true));
    changed.insert("added".to_owned(), s("by someone"));
    let opened = attack(&acme, changed).await.unwrap();
    assert_eq!((&opened["company"], &opened["added"]), (&AttributeValue::Bool(true), &s("by someone")));
    let mut without = stored;
    without.remove("company");
    assert!(!attack(&acme, without).await.unwrap().contains_key("company"));
}

#[tokio::test]
async fn an_item_that_is_deleted_is_gone_and_one_that_is_copied_back_is_there() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    let stored = store(&world, &seal, "acme", "c-1").await;
    world.plain.delete_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap();
    assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), None);
    world.plant(stored).await;
    assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
}

#[tokio::test]
async fn equal_values_of_one_attribute_show_under_a_token_that_is_used_again() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let dynamodb = world.tenant_over("acme", wire.clone()).dynamodb();
    // What DynamoDB is given. Within ten minutes it refuses another content under one token; later it stores that.
    let written = async |token: Option<&str>, contact_id: &str, email: &str| {
        let mut item = item(&contact("acme", contact_id));
        item.insert("email".to_owned(), s(email));
        item.insert("notes".to_owned(), s(email));
        let put = Put::builder().table_name("crm").set_item(Some(item)).build().unwrap();
        let put = TransactWriteItem::builder().put(put).build();
        let transaction = dynamodb.transact_write_items().set_client_request_token(token.map(str::to_owned));
        let _ = transaction.transact_items(put).send().await;
        let body: serde_json::Value =
            serde_json::from_slice(wire.bodies("TransactWriteItems").last().unwrap()).unwrap();
        ["email", "notes"].map(|name| body["TransactItems"][0]["Put"]["Item"][name]["B"].as_str().unwrap().to_owned())
    };
    let [email, notes] = written(Some("token"), "c-1", "a").await;
    assert_eq!(written(Some("token"), "c-1", "a").await, [email.clone(), notes.clone()]);
    // Not that another is another, nor anything between attributes, items and tokens, or without a token.
    assert_ne!(email, notes);
    for (token, contact_id, value) in
        [(Some("token"), "c-1", "b"), (Some("token"), "c-2", "a"), (Some("another"), "c-1", "a"), (None, "c-1", "a")]
    {
        let others = written(token, contact_id, value).await;
        assert!(!others.contains(&email) && !others.contains(&notes), "{token:?} {contact_id} {value}");
    }
    assert_eq!(written(Some("token"), "c-1", "a").await, [email, notes], "the value is the former one again");
}
