//! What is sealed already is not sealed once more: without its header it would be lost.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, PutRequest, TransactWriteItem, Update, WriteRequest};
use tenantseal::error::{ConfigError, Refusal, SealError};
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant, TenantSeal};

use crate::common::{Contact, ROLE, World, contact, id, item, key, s, sealing_error};

/// Every way to write this item, or this value of its `email`.
async fn refused_everywhere(acme: &Tenant, given: &Item, attribute: &str) {
    let is_refused = |way: &str, error: Error| {
        let refused = matches!(&error, Error::Seal(SealError::AlreadySealed(name)) if name == attribute);
        assert!(refused, "{way}: {error}");
        assert!(error.to_string().contains("sealed already: read the item with its tenant's client"), "{way}: {error}");
        // The name of the header is nobody's own.
        assert_eq!(error.to_string().contains("own_bytes"), attribute != "_seal", "{way}: {error}");
    };
    let dynamodb = acme.dynamodb();
    let put = dynamodb.put_item().table_name("crm").set_item(Some(given.clone()));
    is_refused("put", sealing_error(put.send().await));
    let put = PutRequest::builder().set_item(Some(given.clone())).build().unwrap();
    let batch = dynamodb.batch_write_item();
    let batch = batch.request_items("crm", vec![WriteRequest::builder().put_request(put).build()]);
    is_refused("batch", sealing_error(batch.send().await));
    let put = Put::builder().table_name("crm").set_item(Some(given.clone())).build().unwrap();
    let transaction = dynamodb.transact_write_items();
    let transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
    is_refused("transaction", sealing_error(transaction.send().await));
    is_refused("seal", acme.seal("crm", given.clone()).await.unwrap_err());
    if attribute == "email" {
        let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-9")));
        for expression in ["SET email = :v", "SET email = if_not_exists(email, :v)"] {
            let update = update.clone().update_expression(expression);
            let update = update.expression_attribute_values(":v", given["email"].clone());
            is_refused(expression, sealing_error(update.send().await));
        }
        let update = Update::builder().table_name("crm").set_key(Some(key("acme", "c-9")));
        let update =
            update.update_expression("SET email = :v").expression_attribute_values(":v", given["email"].clone());
        let transaction = dynamodb.transact_write_items();
        let update = TransactWriteItem::builder().update(update.build().unwrap()).build();
        is_refused("update in a transaction", sealing_error(transaction.transact_items(update).send().await));
        let update = acme.records::<Contact>().update("c-9").set("email", serde_bytes(&given["email"]));
        // It knows the field's type as well, which holds no bytes.
        let refused = update.await.unwrap_err();
        assert!(
            matches!(&refused, Error::Refused(Refusal::Value { attribute, .. }) if attribute == "email"),
            "{refused}"
        );
    }
}

/// Bytes that serialize as bytes.
fn serde_bytes(value: &AttributeValue) -> impl serde::Serialize + use<> {
    struct Bytes(Vec<u8>);
    impl serde::Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
    Bytes(value.as_b().unwrap().clone().into_inner())
}

#[tokio::test]
async fn what_a_plain_client_has_read_is_not_sealed_once_more() {
    let world = World::start(&["acme", "globex"]).await;
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    globex.records::<Contact>().put(&contact("globex", "c-1")).await.unwrap();
    acme.records::<Contact>().put(&contact("acme", "c-2")).await.unwrap();
    acme.records::<Contact>().update("c-2").set("email", "by an update").await.unwrap();
    // As it was read, it has its header.
    refused_everywhere(&acme, &world.stored("acme", "c-1").await, "_seal").await;
    for (tenant, contact_id) in [("acme", "c-1"), ("acme", "c-2"), ("globex", "c-1")] {
        let stored = world.stored(tenant, contact_id).await;
        // One value of it, in an item that is acme's, without the header.
        let given = Item::from_iter(
            item(&contact("acme", "c-9")).into_iter().chain([("email".to_owned(), stored["email"].clone())]),
        );
        refused_everywhere(&acme, &given, "email").await;
    }
    assert!(acme.records::<Contact>().get("c-9").await.unwrap().is_none());
}

/// `acme` of a table with an encrypted attribute of bytes, which are said to be its own or not.
fn of_thumbnails(world: &World, own: bool) -> Tenant {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let builder = TenantSeal::builder().assume_role(ROLE).table(schema.encrypt("thumbnail").build().unwrap());
    let builder = if own { builder.own_bytes("crm", "thumbnail") } else { builder };
    builder.build(&world.app).unwrap().tenant(&id("acme"))
}

#[tokio::test]
async fn bytes_of_ones_own_are_sealed_however_they_begin() {
    let world = World::start(&["acme"]).await;
    let (strict, own) = (of_thumbnails(&world, false), of_thumbnails(&world, true));
    let of = |bytes: Vec<u8>| {
        let mut item = key("acme", "c-1");
        item.insert("thumbnail".to_owned(), AttributeValue::B(Blob::new(bytes)));
        item
    };
    // Of all first bytes two are refused, in values that are long enough to be sealed ones.
    for first in 0..=u8::MAX {
        let given = of([first].repeat(64));
        assert_eq!(strict.seal("crm", given.clone()).await.is_err(), matches!(first, 0x11 | 0x13), "{first:#x}");
        let sealed = own.seal("crm", given.clone()).await.unwrap();
        assert_eq!(own.open("crm", sealed).await.unwrap(), given);
    }
    strict.seal("crm", of([0x11].repeat(29))).await.unwrap();
    strict.seal("crm", of([0x13].repeat(45))).await.unwrap();
    // What carries its key record is known for certain, whatever was said.
    own.dynamodb()
        .update_item()
        .table_name("crm")
        .set_key(Some(key("acme", "c-1")))
        .update_expression("SET thumbnail = :v")
        .expression_attribute_values(":v", AttributeValue::B(Blob::new([0x11].repeat(64))))
        .send()
        .await
        .unwrap();
    let by_update = world.stored("acme", "c-1").await;
    assert!(matches!(own.seal("crm", by_update).await.unwrap_err(), Error::Seal(SealError::AlreadySealed(_))));
    for (table, attribute) in [("crm", "contact_id"), ("crm", "other"), ("other", "thumbnail")] {
        let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
        let builder = TenantSeal::builder().assume_role(ROLE).table(schema.encrypt("thumbnail").build().unwrap());
        let error = builder.own_bytes(table, attribute).build(&world.app).unwrap_err();
        assert!(matches!(error, ConfigError::OwnBytes { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_expression_that_names_the_header_is_told_what_has_it() {
    let world = World::start(&["acme"]).await;
    let update = world.tenant("acme").dynamodb().update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let update = update.update_expression("SET #h = :v").expression_attribute_names("#h", "_seal");
    let error = sealing_error(update.expression_attribute_values(":v", s("x")).send().await);
    assert!(error.to_string().contains("An item that has `_seal` is sealed already"), "{error}");
}
