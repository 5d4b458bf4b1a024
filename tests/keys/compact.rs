//! Compact tables: items that refer to the key table and carry no key record.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, KeysAndAttributes, Put, PutRequest, ReturnValue, TransactWriteItem, Update, WriteRequest,
};
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::keys::KeyTableErrorKind as Kind;
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant};

use crate::common::key_table::{b, key_id, key_table, throttled, to_key_table};
use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item, key, s, sealing_error};

/// The first byte of each encrypted attribute that is there, and of the header.
fn forms(stored: &Item) -> HashMap<&str, u8> {
    let names = ["_seal", "email", "notes", "api_keys"];
    names.into_iter().filter_map(|name| Some((name, *stored.get(name)?.as_b().unwrap().as_ref().first()?))).collect()
}

fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> (String, OpenFault) {
    match result.unwrap_err().cause() {
        Error::Open(OpenError::Attribute { attribute, fault }) => (attribute.clone(), *fault),
        other => panic!("expected a faulty attribute, got {other:?}"),
    }
}

/// Sets the attribute `email` of an item that may not be there.
async fn set_email(tenant: &Tenant, contact_id: &str, email: &str) -> Option<Item> {
    let update = tenant.dynamodb().update_item().table_name("crm").set_key(Some(key(tenant.id().as_str(), contact_id)));
    let update = update.update_expression("SET email = :e").expression_attribute_values(":e", s(email));
    update.return_values(ReturnValue::AllNew).send().await.unwrap().attributes
}

#[tokio::test]
async fn items_refer_to_their_key_and_come_back() {
    let world = World::with_key_table(&["acme"]).await;
    let acme = world.compact().tenant(&id("acme"));
    let records = acme.records::<Contact>();
    records.put(&contact("acme", "c-1")).await.unwrap();
    let stored = world.stored("acme", "c-1").await;
    assert_eq!(forms(&stored), [("_seal", 2), ("email", 0x11), ("notes", 0x11), ("api_keys", 0x11)].into());
    assert_eq!(stored["_seal"].as_b().unwrap().as_ref().len(), 17);
    assert_eq!(world.entries("key#").await[0].1, format!("key#{}", hex(&key_id(&stored))));

    let updated = set_email(&acme, "c-1", "new@example.org").await.unwrap();
    assert_eq!(updated["email"], s("new@example.org"));
    set_email(&acme, "c-2 created by an update", "new@example.org").await.unwrap();
    for contact_id in ["c-1", "c-2 created by an update"] {
        let stored = world.stored("acme", contact_id).await;
        let own = stored["email"].as_b().unwrap().as_ref();
        assert_eq!(own[..17], [&[0x13][..], &key_id(&world.stored("acme", "c-1").await)].concat());
    }
    assert!(!world.stored("acme", "c-2 created by an update").await.contains_key("_seal"));

    // Another process reads what this one wrote: one unwrap, one read of the key table.
    let wire = Wire::open();
    let config = world.over(wire.clone());
    let reader = world.builder().key_table(key_table(&config)).build(&config).unwrap().tenant(&id("acme"));
    world.stack.calls().reset();
    let read = reader.records::<Contact>().get("c-1").await.unwrap().unwrap();
    assert_eq!(read, Contact { email: "new@example.org".to_owned(), ..contact("acme", "c-1") });
    let page = reader.dynamodb().query().table_name("crm").key_condition_expression("tenant_id = :t");
    let page = page.expression_attribute_values(":t", s("acme")).send().await.unwrap();
    assert_eq!(page.items().len(), 2);
    assert_eq!(world.stack.calls().count("Decrypt"), 1);
    assert_eq!(wire.sent().iter().filter(|sent| to_key_table(sent)).count(), 1);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_overhead_is_at_most_45_bytes_an_item_and_45_an_attribute() {
    let world = World::with_key_table(&["acme"]).await;
    let acme = world.compact().tenant(&id("acme"));
    let encoded = |value: &str| 1 + value.len();
    let emails = ["", "a@example.org", &"x".repeat(10_000)];
    for email in emails {
        let plain = Contact { email: email.to_owned(), notes: None, ..contact("acme", "c-1") };
        acme.records::<Contact>().put(&plain).await.unwrap();
        let put = world.stored("acme", "c-1").await;
        set_email(&acme, "c-1", email).await;
        let updated = world.stored("acme", "c-1").await;
        let size = |stored: &Item, name: &str| stored[name].as_b().unwrap().as_ref().len();
        // DynamoDB counts an item by the names and the values of its attributes, a binary by its bytes (developer guide, "Item sizes").
        assert_eq!("_seal".len() + size(&put, "_seal"), 22);
        assert_eq!(size(&put, "email") - encoded(email), 29);
        assert_eq!(size(&updated, "email") - encoded(email), 45);
    }
}

#[tokio::test]
async fn batches_and_transactions_mix_compact_tables_with_others() {
    let world = World::with_key_table(&["acme"]).await;
    world.create_table("ledger").await;
    let ledger = TableSchema::builder("ledger").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let ledger = ledger.encrypt("email").build().unwrap();
    let seal = world.sharing().compact("crm").table(ledger).build(&world.app).unwrap();
    let dynamodb = seal.tenant(&id("acme")).dynamodb();
    let line = |contact_id: &str| {
        let mut item = key("acme", contact_id);
        item.insert("email".to_owned(), s("line@example.org"));
        item
    };
    let put = |item| WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap());
    dynamodb
        .batch_write_item()
        .request_items("crm", vec![put(item(&contact("acme", "c-1"))).build()])
        .request_items("ledger", vec![put(line("c-1")).build()])
        .send()
        .await
        .unwrap();
    let put = Put::builder().table_name("crm").set_item(Some(item(&contact("acme", "c-2")))).build().unwrap();
    let update = |table: &str, contact_id: &str| {
        let update = Update::builder().table_name(table).set_key(Some(key("acme", contact_id)));
        let update = update.update_expression("SET email = :e");
        update.expression_attribute_values(":e", s("changed@example.org")).build().unwrap()
    };
    let delete = Delete::builder().table_name("ledger").set_key(Some(key("acme", "nobody"))).build().unwrap();
    let transact = || {
        dynamodb
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put.clone()).build())
            .transact_items(TransactWriteItem::builder().update(update("crm", "c-1")).build())
            .transact_items(TransactWriteItem::builder().update(update("ledger", "c-1")).build())
            .transact_items(TransactWriteItem::builder().delete(delete.clone()).build())
            .client_request_token("token-1")
    };
    transact().send().await.unwrap();
    // The same request again is the same bytes.
    transact().send().await.unwrap();

    let stored = |table: &'static str, contact_id: &'static str| {
        let get = world.plain.get_item().table_name(table).set_key(Some(key("acme", contact_id)));
        async move { get.send().await.unwrap().item.unwrap() }
    };
    let (one, two, line) = (stored("crm", "c-1").await, stored("crm", "c-2").await, stored("ledger", "c-1").await);
    assert_eq!(forms(&one), [("_seal", 2), ("email", 0x13), ("notes", 0x11), ("api_keys", 0x11)].into());
    assert_eq!(forms(&two), [("_seal", 2), ("email", 0x11), ("notes", 0x11), ("api_keys", 0x11)].into());
    assert_eq!(forms(&line), [("_seal", 1), ("email", 0x12)].into());
    assert!(key_id(&one) == key_id(&two) && key_id(&two) == key_id(&line), "one data key serves them all");

    let reader = world.sharing().compact("crm").table(seal_schema()).build(&world.app).unwrap();
    let keys = |ids: &[&str]| {
        let keys = ids.iter().map(|contact_id| key("acme", contact_id)).collect();
        KeysAndAttributes::builder().set_keys(Some(keys)).build().unwrap()
    };
    let get = reader.tenant(&id("acme")).dynamodb().batch_get_item();
    let get = get.request_items("crm", keys(&["c-1", "c-2"])).request_items("ledger", keys(&["c-1"]));
    let items: Vec<Item> = get.send().await.unwrap().responses.unwrap().into_values().flatten().collect();
    assert_eq!(items.len(), 3);
    assert_eq!(items.iter().filter(|item| item["email"] == s("changed@example.org")).count(), 2);
}

fn seal_schema() -> TableSchema {
    let ledger = TableSchema::builder("ledger").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    ledger.encrypt("email").build().unwrap()
}

#[tokio::test]
async fn a_table_becomes_compact_and_ceases_to_be_while_everything_opens() {
    let world = World::with_key_table(&["acme"]).await;
    let with_record = || world.sharing().build(&world.app).unwrap().tenant(&id("acme"));
    let compact = || world.compact().tenant(&id("acme"));
    for (first, then) in [(with_record(), compact()), (compact(), with_record())] {
        first.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        first.records::<Contact>().put(&contact("acme", "c-2")).await.unwrap();
        set_email(&first, "c-2", "first@example.org").await;
        // An item of both kinds.
        set_email(&then, "c-1", "then@example.org").await;
        let forms_of = forms_of(&world, "c-1").await;
        assert_ne!(forms_of.0 == 2, forms_of.1 == 0x13, "{forms_of:?}");
        then.records::<Contact>().put(&contact("acme", "c-3")).await.unwrap();
        for reader in [with_record(), compact()] {
            let contacts = reader.records::<Contact>();
            assert_eq!(contacts.get("c-1").await.unwrap().unwrap().email, "then@example.org");
            assert_eq!(contacts.get("c-2").await.unwrap().unwrap().email, "first@example.org");
            assert_eq!(contacts.get("c-3").await.unwrap().unwrap(), contact("acme", "c-3"));
        }
    }
}

async fn forms_of(world: &World, contact_id: &str) -> (u8, u8) {
    let stored = world.stored("acme", contact_id).await;
    let forms = forms(&stored);
    (forms["_seal"], forms["email"])
}

#[tokio::test]
async fn without_a_key_table_the_error_names_what_to_configure() {
    let world = World::with_key_table(&["acme"]).await;
    let writer = world.compact().tenant(&id("acme"));
    writer.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    set_email(&writer, "c-2", "x@example.org").await;
    world.stack.calls().reset();
    let reader = world.tenant("acme");
    for (contact_id, named) in [("c-1", "_seal"), ("c-2", "email")] {
        let get = reader.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", contact_id))).send().await;
        let error = sealing_error(get);
        assert!(error.to_string().contains("TenantSealBuilder::key_table"), "{error}");
        assert!(!error.is_integrity());
        assert_eq!(fault::<()>(Err(error)), (named.to_owned(), OpenFault::NoKeyTable));
    }
    assert_eq!(world.stack.calls().count("Decrypt"), 0);
}

#[tokio::test]
async fn a_reference_opens_only_with_the_tenants_own_record_of_that_very_key() {
    let world = World::with_key_table(&["acme", "globex"]).await;
    let acme = world.compact().tenant(&id("acme"));
    let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let globex = world.compact().tenant(&id("globex"));
    let theirs = globex.seal("crm", item(&contact("globex", "c-1"))).await.unwrap();
    // Another data key of the same tenant.
    let other = world.sharing().compact("crm").data_key_rotation(std::time::Duration::from_secs(3_600));
    let other = other.build(&world.app).unwrap().tenant(&id("acme"));
    let other = other.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();

    let entry = |item: &Item| format!("key#{}", hex(&key_id(item)));
    let record_of = |tenant: &'static str, item: &Item| {
        let (entries, entry) = (world.entries("key#"), entry(item));
        async move { entries.await.into_iter().find(|(of, name, _)| of == tenant && *name == entry).unwrap().2 }
    };
    let (own, foreign, second) =
        (record_of("acme", &stored).await, record_of("globex", &theirs).await, record_of("acme", &other).await);
    let flipped = |at: usize| {
        let mut record = own.clone();
        record[at] ^= 1;
        b(&record)
    };
    let with_header = |header: &AttributeValue| {
        let mut item = stored.clone();
        item.insert("_seal".to_owned(), header.clone());
        item
    };
    let read = |item: Item| {
        let reader = world.compact().tenant(&id("acme"));
        async move { fault(reader.open("crm", item).await) }
    };
    let named = |fault| ("_seal".to_owned(), fault);

    world.stack.calls().reset();
    // The id of another tenant's key is unknown here; also when its record was copied: then its context is another's.
    assert_eq!(read(with_header(&theirs["_seal"])).await, named(OpenFault::UnknownKey));
    world.plant_entry("acme", &entry(&theirs), b(&foreign)).await;
    assert_eq!(read(with_header(&theirs["_seal"])).await, named(OpenFault::ForeignContext));
    for (record, fault) in [
        (b(&foreign), OpenFault::ForgedRecord),
        (b(&second), OpenFault::ForgedRecord),
        (b(b""), OpenFault::Format(tenantseal::error::FormatError::Truncated)),
        (s("record"), OpenFault::Format(tenantseal::error::FormatError::Truncated)),
        (b(&[&[2][..], &key_id(&stored)].concat()), OpenFault::Format(tenantseal::error::FormatError::NotARecord)),
    ] {
        world.plant_entry("acme", &entry(&stored), record).await;
        assert_eq!(read(stored.clone()).await, named(fault));
    }
    assert_eq!(world.stack.calls().count("Decrypt"), 0);
    for (at, fault) in [(20, OpenFault::ForgedRecord), (own.len() - 1, OpenFault::WrappedDataKey)] {
        world.plant_entry("acme", &entry(&stored), flipped(at)).await;
        assert_eq!(read(stored.clone()).await, named(fault));
    }
    world.delete_entry("acme", &entry(&stored)).await;
    assert_eq!(read(stored.clone()).await, named(OpenFault::UnknownKey));
    // The right key for the wrong item.
    assert_eq!(read(with_header(&other["_seal"])).await.1, OpenFault::NotAuthentic);
    // Put right, it opens.
    world.plant_entry("acme", &entry(&stored), b(&own)).await;
    let reader = world.compact().tenant(&id("acme"));
    assert_eq!(reader.open("crm", stored).await.unwrap(), item(&contact("acme", "c-1")));
}

#[tokio::test]
async fn an_attribute_moved_between_forms_does_not_open() {
    let world = World::with_key_table(&["acme"]).await;
    let acme = world.compact().tenant(&id("acme"));
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    let put = world.stored("acme", "c-1").await;
    set_email(&acme, "c-1", "x@example.org").await;
    let updated = world.stored("acme", "c-1").await;
    let bytes = |item: &Item| item["email"].as_b().unwrap().as_ref().to_vec();
    let with = |bytes: Vec<u8>| {
        let mut item = updated.clone();
        item.insert("email".to_owned(), b(&bytes));
        acme.open("crm", item)
    };
    let from_11 = [&[0x13][..], &key_id(&put), &bytes(&put)[1..]].concat();
    let from_13 = [&[0x11][..], &bytes(&updated)[17..]].concat();
    for moved in [from_11, from_13] {
        assert_eq!(fault(with(moved).await), ("email".to_owned(), OpenFault::NotAuthentic));
    }
    for end in [1, 16, 17, 28, 29, 45] {
        assert_eq!(fault(with(bytes(&updated)[..end].to_vec()).await).0, "email");
    }
    with(bytes(&updated)).await.unwrap();
}

#[tokio::test]
async fn forged_references_cost_one_read_each_for_a_while() {
    let world = World::with_key_table(&["acme"]).await;
    let wire = Wire::open();
    let config = world.over(wire.clone());
    let seal = world.builder().key_table(key_table(&config)).compact("crm").build(&config).unwrap();
    let acme = seal.tenant(&id("acme"));
    let mut stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    stored.insert("_seal".to_owned(), b(&[&[2][..], &[7; 16]].concat()));
    let before = wire.sent().len();
    world.stack.calls().reset();
    for _ in 0..20 {
        assert_eq!(fault(acme.open("crm", stored.clone()).await).1, OpenFault::UnknownKey);
    }
    assert_eq!(wire.sent().len() - before, 1);
    assert_eq!(world.key_calls(), 0);
}

#[tokio::test]
async fn while_the_key_table_fails_compact_tables_fail_for_now_and_others_go_on() {
    let world = World::with_key_table(&["acme"]).await;
    world.create_table("ledger").await;
    let down = Arc::new(AtomicBool::new(true));
    let wire = Wire::scripted({
        let down = Arc::clone(&down);
        move |sent, _| match down.load(Ordering::Relaxed) && to_key_table(sent) {
            true => throttled(),
            false => Reaction::Forward,
        }
    });
    let config = world.over(wire);
    let sharing = world.builder().key_table(key_table(&config)).compact("crm").table(seal_schema());
    let acme = sharing.build(&config).unwrap().tenant(&id("acme"));
    let compact = || async {
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
        put.send().await
    };
    let line = || async {
        let put = acme.dynamodb().put_item().table_name("ledger").set_item(Some(key("acme", "c-1")));
        put.item("email", s("x")).send().await.unwrap();
        let get = world.plain.get_item().table_name("ledger").set_key(Some(key("acme", "c-1")));
        get.send().await.unwrap().item.unwrap()
    };
    for _ in 0..2 {
        let error = sealing_error(compact().await);
        assert!(error.is_retryable(), "{error}");
        assert!(matches!(&error, Error::KeyTable(error) if *error.kind() == Kind::Unavailable), "{error}");
        assert_eq!(forms(&line().await)["_seal"], 1);
    }
    down.store(false, Ordering::Relaxed);
    compact().await.unwrap();
    assert_eq!(forms(&world.stored("acme", "c-1").await)["_seal"], 2);
    assert_eq!(key_id(&line().await), key_id(&world.stored("acme", "c-1").await));

    // Reading needs the table once per key, and says so when it fails.
    down.store(true, Ordering::Relaxed);
    acme.records::<Contact>().get("c-1").await.unwrap().unwrap();
    let reader = world.builder().key_table(key_table(&config)).build(&config).unwrap().tenant(&id("acme"));
    let error = reader.records::<Contact>().get("c-1").await.unwrap_err();
    assert!(error.is_retryable() && matches!(error.cause(), Error::KeyTable(_)), "{error}");
}

#[tokio::test]
async fn a_page_reads_each_record_once_and_all_at_the_same_time() {
    let world = World::with_key_table(&["acme"]).await;
    let mut items = Vec::new();
    for hours in 1..=8 {
        let writer = world.sharing().compact("crm").data_key_rotation(std::time::Duration::from_secs(hours * 3_600));
        let writer = writer.build(&world.app).unwrap().tenant(&id("acme"));
        for at in 0..5 {
            let contact = contact("acme", &format!("c-{hours}-{at}"));
            items.push(writer.seal("crm", item(&contact)).await.unwrap());
        }
    }
    let wire = Wire::open();
    let config = world.over(wire.clone());
    let reader = world.builder().key_table(key_table(&config)).build(&config).unwrap().tenant(&id("acme"));
    world.stack.calls().reset();
    assert_eq!(reader.open_all("crm", items).await.unwrap().len(), 40);
    assert_eq!(world.stack.calls().count("Decrypt"), 8);
    assert_eq!(wire.bodies("GetItem").len(), 8);
    for body in wire.bodies("GetItem") {
        assert!(String::from_utf8_lossy(&body).contains(r#""ConsistentRead":true"#));
    }
}
