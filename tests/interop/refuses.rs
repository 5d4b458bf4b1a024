//! What the library refuses, the reader refuses.

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use serde_json::json;
use tenantseal::error::{FormatError, OpenError, OpenFault};
use tenantseal::{Error, Item, Tenant};

use crate::common::key_table::key_id;
use crate::common::{World, s};
use crate::interop::python::python;
use crate::interop::scene::{ENCRYPTED, Shared, Table, b, bare, full};

type Damage = fn(&mut Item, &Others);

/// Other items whose parts are moved.
struct Others {
    /// Of the same key, but for the tenant.
    globex: Item,
    /// Of the same tenant, under another data key.
    neighbour: Item,
}

/// Every way to damage an item by access to the table alone, with the attributes that may be named for it.
const DAMAGES: &[(&str, &[&str], Damage)] = &[
    ("moved from another tenant", &ENCRYPTED, |item, others| {
        let key = item.clone();
        *item = others.globex.clone();
        item.insert("tenant_id".to_owned(), key["tenant_id"].clone());
    }),
    ("an attribute from another tenant", &["text"], |item, others| take(item, "text", &others.globex)),
    ("an updated attribute from another tenant", &["number"], |item, others| take(item, "number", &others.globex)),
    ("two attributes swapped", &["text", "note"], |item, _| {
        let (text, note) = (item["text"].clone(), item["note"].clone());
        item.extend([("text".to_owned(), note), ("note".to_owned(), text)]);
    }),
    ("an updated attribute under another name", &["text"], |item, _| {
        let number = item["number"].clone();
        item.insert("text".to_owned(), number);
    }),
    ("the header of another item", &ENCRYPTED, |item, others| take(item, "_seal", &others.neighbour)),
    ("the header of another tenant", &ENCRYPTED, |item, others| take(item, "_seal", &others.globex)),
    ("an attribute of another item", &["text"], |item, others| take(item, "text", &others.neighbour)),
    ("an updated attribute of another item", &["number"], |item, others| take(item, "number", &others.neighbour)),
    ("all of another item but its key", &ENCRYPTED, |item, others| {
        let key = item["contact_id"].clone();
        item.clone_from(&others.neighbour);
        item.insert("contact_id".to_owned(), key);
    }),
    ("plaintext", &["text"], |item, _| put(item, "text", s("planted"))),
    ("plaintext of another type", &["map"], |item, _| put(item, "map", AttributeValue::M([].into()))),
    ("plain bytes", &["binary"], |item, _| put(item, "binary", b(b"planted bytes that are long enough to be sealed"))),
    ("no bytes", &["text"], |item, _| put(item, "text", b(b""))),
    ("the last byte gone", &["text"], |item, _| edit(item, "text", |bytes| bytes.truncate(bytes.len() - 1))),
    ("the first byte alone", &["text"], |item, _| edit(item, "text", |bytes| bytes.truncate(1))),
    ("no ciphertext", &["text"], |item, _| edit(item, "text", |bytes| bytes.truncate(29))),
    ("a byte more", &["text"], |item, _| edit(item, "text", |bytes| bytes.push(0))),
    ("a bit of the tag", &["list"], |item, _| edit(item, "list", |bytes| *bytes.last_mut().unwrap() ^= 1)),
    ("a bit of the nonce", &["text"], |item, _| edit(item, "text", |bytes| bytes[1] ^= 0x80)),
    ("a reserved form", &["text"], |item, _| edit(item, "text", |bytes| bytes[0] = 0x20)),
    ("an unknown form", &["text"], |item, _| edit(item, "text", |bytes| bytes[0] = 0x14)),
    ("another form", &["text"], |item, _| edit(item, "text", |bytes| bytes[0] = 0x12)),
    ("a record of its own cut off", &["number"], |item, _| edit(item, "number", |bytes| bytes.truncate(40))),
    ("a record of its own dropped", &["number"], |item, _| {
        edit(item, "number", |bytes| {
            let length = usize::from(u16::from_be_bytes([bytes[1], bytes[2]]));
            bytes.splice(..3 + length, [0x11]);
        });
    }),
    ("no header", &ENCRYPTED, |item, _| drop(item.remove("_seal"))),
    ("a header of another type", &ENCRYPTED, |item, _| put(item, "_seal", s("x"))),
    ("the header cut off", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes.truncate(bytes.len() - 1))),
    ("a byte after the header", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes.push(0))),
    ("another version", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[0] = 3)),
    ("a reference that is too long", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[0] = 2)),
    ("a reference that is too short", &ENCRYPTED, |item, _| {
        edit(item, "_seal", |bytes| {
            bytes[0] = 2;
            bytes.truncate(16);
        });
    }),
    ("another key id", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[1] ^= 1)),
    ("another time", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[20] ^= 1)),
    ("another tenant in the context", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[34] ^= 1)),
    ("another check", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[35] ^= 1)),
    ("another Region of the KEK", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[61] ^= 1)),
    ("another wrapped key", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| *bytes.last_mut().unwrap() ^= 1)),
];

fn put(item: &mut Item, name: &str, value: AttributeValue) {
    item.insert(name.to_owned(), value).expect("it was there");
}

fn take(item: &mut Item, name: &str, other: &Item) {
    put(item, name, other[name].clone());
}

fn edit(item: &mut Item, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = item[name].as_b().unwrap().clone().into_inner();
    change(&mut bytes);
    put(item, name, b(&bytes));
}

/// Stores an item whose attribute `number` has a record of its own, under new data keys; gives what is stored.
async fn store(world: &World, table: &Table, tenant: &str, sort_key: &str) -> Item {
    table.put(&table.tenant(world, tenant).dynamodb(), full(tenant, s(sort_key))).await;
    let key = Some(bare(tenant, s(sort_key)));
    let update = table.tenant(world, tenant).dynamodb().update_item().table_name(table.physical);
    let update =
        update.set_key(key.clone()).update_expression("SET #n = :n").expression_attribute_names("#n", "number");
    update.expression_attribute_values(":n", AttributeValue::N("7".to_owned())).send().await.unwrap();
    world.plain.get_item().table_name(table.physical).set_key(key).send().await.unwrap().item.unwrap()
}

async fn refusal(reader: &Tenant, table: &Table, key: Item) -> Error {
    let get = reader.dynamodb().get_item().table_name(table.physical).set_key(Some(key)).send().await;
    crate::common::sealing_error(get)
}

#[tokio::test]
async fn an_independent_reader_refuses_what_we_refuse() {
    let Some(python) = python("an_independent_reader_refuses_what_we_refuse") else { return };
    let world = World::start(&["acme", "globex"]).await;
    let table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    let neighbour = store(&world, &table, "acme", "~ neighbour").await;
    let mut damaged = Vec::new();
    for (what, _, damage) in DAMAGES {
        let mut item = store(&world, &table, "acme", what).await;
        let others = Others { globex: store(&world, &table, "globex", what).await, neighbour: neighbour.clone() };
        damage(&mut item, &others);
        assert_eq!(item["tenant_id"], s("acme"));
        damaged.push(item);
    }
    for answer in python.read(&world, &table.job("acme", "acme")).await {
        assert!(answer.item.is_some(), "undamaged: {answer:?}");
    }

    for item in damaged {
        table.put(&world.plain, item).await;
    }
    let answers = python.read(&world, &table.job("acme", "acme")).await;
    assert_eq!(answers.len(), DAMAGES.len() + 1);
    for answer in answers {
        let sort_key = answer.key["contact_id"]["S"].as_str().unwrap().to_owned();
        let Some((what, may_be_named, _)) = DAMAGES.iter().find(|(what, ..)| *what == sort_key) else {
            assert!(answer.item.is_some(), "{answer:?}");
            continue;
        };
        assert!(answer.item.is_none() && answer.error.is_some(), "{what}: {answer:?}");
        let theirs = answer.attribute.as_deref().unwrap();
        assert!(may_be_named.contains(&theirs), "{what}: {answer:?}");

        let ours = refusal(&table.tenant(&world, "acme"), &table, bare("acme", s(what))).await;
        let repointed = match ours.cause() {
            Error::Open(OpenError::Attribute { fault: OpenFault::OtherKek, .. }) => true,
            Error::KeyService(error) => error.missing_alias().is_some(),
            _ => false,
        };
        let newer = matches!(
            ours.cause(),
            Error::Open(OpenError::Attribute {
                fault: OpenFault::Format(FormatError::UnknownForm(_) | FormatError::UnknownVersion(_)),
                ..
            })
        );
        assert!(ours.is_integrity() || repointed || newer, "{what}: {ours}");
        match ours.cause() {
            Error::Open(OpenError::Attribute { attribute, .. }) => {
                // The library names a header that is malformed itself, which is also "the one that failed".
                assert!(attribute == "_seal" || may_be_named.contains(&attribute.as_str()), "{what}: {ours}");
            }
            // The header names a key that has no alias of the tenant's.
            Error::KeyService(_) => {}
            other => panic!("{what}: {other}"),
        }
    }
}

#[tokio::test]
async fn an_independent_reader_refuses_another_tenants_items() {
    let Some(python) = python("an_independent_reader_refuses_another_tenants_items") else { return };
    let world = World::start(&["acme", "globex"]).await;
    let table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    table.put(&table.tenant(&world, "globex").dynamodb(), full("globex", s("c-1"))).await;
    let bare = bare("globex", s("c-2 nothing sealed"));
    table.put(&world.plain, bare).await;
    world.stack.calls().reset();

    let mut job = table.job("acme", "globex");
    let answers = python.read(&world, &job).await;
    assert_eq!(answers.len(), 2);
    for (answer, stored) in answers.iter().zip(table.stored(&world, "globex").await) {
        assert!(answer.error.is_some() && answer.attribute.as_deref() == Some("tenant_id"), "{answer:?}");
        let ours = table.tenant(&world, "acme").open("things", stored).await.unwrap_err();
        assert!(
            matches!(ours.cause(), Error::Open(OpenError::PrimaryKey(_))) && ours.to_string().contains("`tenant_id`"),
            "{ours}"
        );
    }
    assert_eq!(world.stack.calls().count("Decrypt"), 0);

    // A reader that takes itself for the tenant gets no key with another tenant's session.
    (job.tenant, job.contexts) = ("globex", json!([{ "tenant": "globex" }]));
    let answers = python.read(&world, &job).await;
    assert_eq!(answers[0].error.as_deref(), Some("KMS: AccessDeniedException"));
    job.session = "globex";
    let answers = python.read(&world, &job).await;
    assert!(answers.iter().all(|answer| answer.item.is_some()), "{answers:?}");
}

/// Every way to damage compact items and their entries in the key table.
const COMPACT_DAMAGES: &[(&str, &[&str], Damage)] = &[
    ("an unknown key", &ENCRYPTED, |item, _| edit(item, "_seal", |bytes| bytes[1] ^= 1)),
    ("an unknown key of an attribute", &["number"], |item, _| edit(item, "number", |bytes| bytes[1] ^= 1)),
    ("another tenant's key", &ENCRYPTED, |item, others| take(item, "_seal", &others.globex)),
    ("another key of the tenant", &ENCRYPTED, |item, others| take(item, "_seal", &others.neighbour)),
    ("an attribute under the header's form", &["number"], |item, _| {
        edit(item, "number", |bytes| drop(bytes.splice(..17, [0x11])))
    }),
    ("an attribute cut off within its key id", &["number"], |item, _| edit(item, "number", |bytes| bytes.truncate(16))),
    ("an attribute cut off behind its key id", &["number"], |item, _| edit(item, "number", |bytes| bytes.truncate(45))),
];

#[tokio::test]
async fn an_independent_reader_refuses_forged_references() {
    let Some(python) = python("an_independent_reader_refuses_forged_references") else { return };
    let world = World::with_key_table(&["acme", "globex"]).await;
    let mut table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    (table.shared, table.contexts) = (Shared::Compactly, vec![vec![("env", "test")], vec![]]);
    let neighbour = store(&world, &table, "acme", "~ neighbour").await;
    table.contexts = vec![vec![], vec![("env", "test")]];
    for (what, _, damage) in COMPACT_DAMAGES {
        let mut item = store(&world, &table, "acme", what).await;
        assert_eq!((item["_seal"].as_b().unwrap().as_ref()[0], item["number"].as_b().unwrap().as_ref()[0]), (2, 0x13));
        damage(
            &mut item,
            &Others { globex: store(&world, &table, "globex", what).await, neighbour: neighbour.clone() },
        );
        table.put(&world.plain, item).await;
    }
    let answers = python.read(&world, &table.job("acme", "acme")).await;
    assert_eq!(answers.len(), COMPACT_DAMAGES.len() + 1);
    for answer in answers {
        let sort_key = answer.key["contact_id"]["S"].as_str().unwrap().to_owned();
        let Some((what, may_be_named, _)) = COMPACT_DAMAGES.iter().find(|(what, ..)| *what == sort_key) else {
            assert!(answer.item.is_some(), "{answer:?}");
            continue;
        };
        assert!(
            answer.item.is_none() && may_be_named.contains(&answer.attribute.as_deref().unwrap()),
            "{what}: {answer:?}"
        );
        let ours = refusal(&table.tenant(&world, "acme"), &table, bare("acme", s(what))).await;
        assert!(ours.is_integrity(), "{what}: {ours}");
    }

    // Damage to the key table is damage to the item.
    let mut entries = world.entries("key#").await;
    entries.retain(|(tenant, ..)| tenant == "acme");
    let [(_, first, one), (_, second, two)] = &entries[..] else { panic!("{entries:?}") };
    for (records, readable) in [([two, one], false), ([one, one], false), ([one, two], true)] {
        for (entry, record) in [first, second].into_iter().zip(records) {
            world.plant_entry("acme", entry, b(record)).await;
        }
        let answers = python.read(&world, &table.job("acme", "acme")).await;
        let neighbour = answers.iter().find(|answer| answer.key["contact_id"]["S"] == "~ neighbour").unwrap();
        let ours = table.tenant(&world, "acme").open("things", neighbour_of(&table, &world).await).await;
        let swapped = key_id(&neighbour_of(&table, &world).await) == one[1..17] && records[0] == one;
        assert_eq!(
            (neighbour.item.is_some(), ours.is_ok()),
            (readable || swapped, readable || swapped),
            "{neighbour:?}"
        );
    }
}

async fn neighbour_of(table: &Table, world: &World) -> Item {
    table.stored(world, "acme").await.pop().unwrap()
}
