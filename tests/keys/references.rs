//! What a reference opens with: a record that the key table holds, whatever else is in memory.

use tenantseal::error::{OpenError, OpenFault};
use tenantseal::{Error, Item};

use crate::common::key_table::{b, key_id};
use crate::common::{World, contact, id, item};

#[tokio::test]
async fn a_key_that_came_with_an_item_serves_no_reference_by_itself() {
    let world = World::with_key_table(&["acme"]).await;
    // By a process without a key table: the record lies in the item alone.
    let stored = world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let record = stored["_seal"].clone();
    let mut referring: Item = stored.clone();
    referring.insert("_seal".to_owned(), b(&[&[2][..], &key_id(&stored)].concat()));
    let unknown = |opened: Result<Item, Error>| {
        let error = opened.unwrap_err();
        let Error::Open(OpenError::Attribute { attribute, fault }) = error.cause() else { panic!("{error:?}") };
        assert_eq!((&**attribute, *fault), ("_seal", OpenFault::UnknownKey));
    };
    let process = || world.compact().tenant(&id("acme"));

    let warm = process();
    warm.open("crm", stored.clone()).await.unwrap();
    unknown(warm.open("crm", referring.clone()).await);
    unknown(process().open("crm", referring.clone()).await);

    // With the record in the key table the same key serves, and KMS is not asked again.
    let entry = format!("key#{}", key_id(&stored).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    world.plant_entry("acme", &entry, record).await;
    let warm = process();
    warm.open("crm", stored).await.unwrap();
    world.stack.calls().reset();
    assert_eq!(warm.open("crm", referring.clone()).await.unwrap(), item(&contact("acme", "c-1")));
    assert_eq!(world.key_calls(), 0);

    // Who has read it there once needs no other look: records are not deleted.
    world.delete_entry("acme", &entry).await;
    assert_eq!(warm.open("crm", referring.clone()).await.unwrap(), item(&contact("acme", "c-1")));
    unknown(process().open("crm", referring).await);
}
