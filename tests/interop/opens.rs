//! What the library stored, the reader opens, and sees what the application sees.

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use serde_json::Value;
use tenantseal::{Item, Tenant};

use crate::common::{World, id, s};
use crate::interop::python::{Python, python, to_json, without_order};
use crate::interop::scene::{Shared, Table, b, bare, empty, extreme, full, map, n, with};

/// The first bytes of the sealed attributes in an item.
fn forms(stored: &Item) -> Vec<(&str, u8)> {
    let sealed = stored.iter().filter(|(name, _)| !name.starts_with("_seal"));
    let bytes = sealed.filter_map(|(name, value)| Some((&**name, *value.as_b().ok()?.as_ref().first()?)));
    let mut forms: Vec<_> = bytes.filter(|(name, _)| *name != "contact_id").collect();
    forms.sort_unstable();
    forms
}

/// Both read the partition, and see the same; gives what they see.
async fn compare(python: &Python, world: &World, table: &Table, tenant: &str, partition: &str) -> Vec<Value> {
    let seen = table.seen(&table.tenant(world, tenant), partition).await;
    let seen: Vec<_> = seen.iter().map(to_json).map(without_order).collect();
    let answers = python.read(world, &table.job(tenant, partition)).await;
    assert_eq!(answers.len(), seen.len());
    for (answer, seen) in answers.into_iter().zip(&seen) {
        match answer.item {
            Some(item) => assert_eq!(&without_order(item), seen),
            None => panic!("{answer:?}"),
        }
    }
    seen
}

async fn update(tenant: &Tenant, table: &str, key: Item, expression: &str, values: &[(&str, AttributeValue)]) {
    let update = tenant.dynamodb().update_item().table_name(table).set_key(Some(key)).update_expression(expression);
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let update = update.expression_attribute_names("#map", "map").expression_attribute_names("#text", "text");
    update.set_expression_attribute_values(Some(values)).send().await.unwrap();
}

#[tokio::test]
async fn the_readers_own_tests_pass_when_tenantseal_python_is_set() {
    let Some(python) = python("the_readers_own_tests_pass") else { return };
    let output = python.unit_tests().await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.contains("Ran 0 tests"), "{text}");
}

#[tokio::test]
async fn an_independent_reader_opens_what_we_stored() {
    let Some(python) = python("an_independent_reader_opens_what_we_stored") else { return };
    let world = World::start(&["acme", "globex"]).await;
    let table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    for tenant in ["acme", "globex"] {
        let writer = table.tenant(&world, tenant);
        for item in [
            full(tenant, s("c-1")),
            empty(tenant, s("c-2")),
            extreme(tenant, s("c-3")),
            with(bare(tenant, s("c-4 nothing encrypted")), [("company", s("Example Ltd"))]),
            full(tenant, s("c-5 updated")),
            full(tenant, s("c-6 updated twice")),
            full(tenant, s("c-8 known by others")),
        ] {
            table.put(&writer.dynamodb(), item).await;
        }
        // Each under another data key than the header's.
        let values = [(":t", s("changed")), (":m", map([("changed", n("1e1"))]))];
        let set = "SET #text = :t, #map = :m REMOVE flag";
        for sort_key in ["c-5 updated", "c-6 updated twice", "c-7 created by an update"] {
            update(&table.tenant(&world, tenant), "things", bare(tenant, s(sort_key)), set, &values).await;
        }
        let again = table.tenant(&world, tenant);
        let key = bare(tenant, s("c-6 updated twice"));
        update(&again, "things", key, "SET #map = :m, #text = if_not_exists(#text, :t)", &values).await;
    }
    // Names that the schema does not have, and one that is reserved.
    let mut known = table.stored(&world, "acme").await.pop().unwrap();
    assert_eq!(known["contact_id"], s("c-8 known by others"));
    known = with(known, [("legacy", map([("_seal", s("x"))])), ("_seal_mac", b(b"mac")), ("_sealed", s("x"))]);
    table.put(&world.plain, known).await;

    for tenant in ["acme", "globex"] {
        let stored = table.stored(&world, tenant).await;
        let headers: Vec<_> = stored.iter().map(|item| item.contains_key("_seal")).collect();
        assert_eq!(headers, [true, true, true, true, true, true, false, true]);
        assert_eq!(forms(&stored[0]).len(), 11);
        assert!(forms(&stored[0]).iter().all(|(_, form)| *form == 0x11));
        assert_eq!(forms(&stored[3]), []);
        for updated in &stored[4..6] {
            let own = |(name, form): &(&str, u8)| (*form == 0x12) == ["map", "text"].contains(name);
            assert!(forms(updated).len() == 10 && forms(updated).iter().all(own), "{:?}", forms(updated));
        }
        assert_eq!(forms(&stored[6]), [("map", 0x12), ("text", 0x12)]);

        world.stack.calls().reset();
        let seen = compare(&python, &world, &table, tenant, tenant).await;
        assert_eq!(seen.len(), 8);
        assert_eq!(seen[1]["text"]["S"], "");
        assert_eq!(seen[4]["text"]["S"], "changed");
        assert_eq!(seen[4].get("flag"), None);
        assert_eq!(seen[7].get("legacy").is_some(), tenant == "acme");
        let mut calls = world.stack.calls().records().into_iter().map(|record| record.call);
        assert!(calls.all(|call| call.session_name.is_none_or(|name| name == id(tenant).session_name())));
    }
}

#[tokio::test]
async fn an_independent_reader_knows_every_key_and_name_of_a_table() {
    let Some(python) = python("an_independent_reader_knows_every_key_and_name_of_a_table") else { return };
    let world = World::start(&["acme"]).await;
    let numbered = Table::create(&world, "numbered", "TENANT#{tenant}#", Some(ScalarAttributeType::N)).await;
    let keyed = Table::create(&world, "keyed", "{tenant}", Some(ScalarAttributeType::B)).await;
    let alone = Table::create(&world, "alone", "{tenant}/settings", None).await;
    let mut restored = Table::create(&world, "restored", "{tenant}", Some(ScalarAttributeType::S)).await;
    for (table, partition, sort_keys) in [
        (&numbered, "TENANT#acme#contacts", ["-1e3", "-0.05", "0.00", "1.50", "15e1"].map(n).map(Some).to_vec()),
        (&keyed, "acme", [&b"\0"[..], b"binary", b"\xff"].map(b).map(Some).to_vec()),
        (&alone, "acme/settings", vec![None]),
    ] {
        for sort_key in &sort_keys {
            table.put(&table.tenant(&world, "acme").dynamodb(), full(partition, sort_key.clone())).await;
        }
        assert_eq!(compare(&python, &world, table, "acme", partition).await.len(), sort_keys.len());
    }

    // One table under a logical name that is not its own, with static pairs, some items under former ones.
    restored.schema = Table::create(&world, "ledger", "{tenant}", Some(ScalarAttributeType::S)).await.schema;
    let epochs = [vec![], vec![("env", "test")], vec![("zone", "eu"), ("env", "prod"), ("a", "é")]];
    for (at, pairs) in epochs.iter().enumerate() {
        restored.contexts = vec![pairs.clone()];
        let writer = restored.tenant(&world, "acme");
        restored.put(&writer.dynamodb(), full("acme", s(&format!("c-{at}")))).await;
    }
    restored.contexts = epochs.into_iter().rev().collect();
    assert_eq!(compare(&python, &world, &restored, "acme", "acme").await.len(), 3);
}

#[tokio::test]
async fn an_independent_reader_opens_what_a_multi_region_key_wraps() {
    let Some(python) = python("an_independent_reader_opens_what_a_multi_region_key_wraps") else { return };
    let world = World::start(&[]).await;
    let policy = world.tenancy.key_policy(&id("acme")).unwrap().to_string();
    let key = world.admin.create_key().multi_region(true).policy(policy).send().await.unwrap().key_metadata.unwrap();
    let alias = world.tenancy.alias(&id("acme"));
    world.admin.create_alias().alias_name(alias.as_str()).target_key_id(key.key_id).send().await.unwrap();
    let table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    table.put(&table.tenant(&world, "acme").dynamodb(), full("acme", s("c-1"))).await;
    let header = table.stored(&world, "acme").await[0]["_seal"].as_b().unwrap().clone().into_inner();
    assert!(header.windows(11).any(|window| window == b"\x02\x09us-east-1"));
    assert_eq!(compare(&python, &world, &table, "acme", "acme").await.len(), 1);
}

#[tokio::test]
async fn an_independent_reader_opens_compact_items_with_the_key_table() {
    let Some(python) = python("an_independent_reader_opens_compact_items") else { return };
    let world = World::with_key_table(&["acme"]).await;
    let mut table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    let set = "SET #text = :t, #map = :m REMOVE flag";
    let values = [(":t", s("changed")), (":m", map([("changed", n("1e1"))]))];
    // Each by a process of its own, with and without static pairs.
    let pairs = vec![("zone", "eu"), ("a", "é")];
    for (at, (put, updated)) in [
        (Shared::Not, Shared::Compactly),
        (Shared::Compactly, Shared::Not),
        (Shared::Compactly, Shared::WithRecords),
        (Shared::WithRecords, Shared::Compactly),
        (Shared::Compactly, Shared::Compactly),
    ]
    .into_iter()
    .enumerate()
    {
        (table.shared, table.contexts) = (put, vec![vec![], pairs.clone()]);
        let sort_key = s(&format!("c-{at}"));
        table.put(&table.tenant(&world, "acme").dynamodb(), full("acme", sort_key.clone())).await;
        // An item that never had a header, too.
        (table.shared, table.contexts) = (updated, vec![pairs.clone(), vec![]]);
        for sort_key in [sort_key, s(&format!("~{at}"))] {
            update(&table.tenant(&world, "acme"), "things", bare("acme", sort_key), set, &values).await;
        }
    }
    table.shared = Shared::Compactly;
    let stored = table.stored(&world, "acme").await;
    let versions = stored.iter().filter_map(|item| Some(item.get("_seal")?.as_b().unwrap().as_ref()[0]));
    assert_eq!(versions.collect::<Vec<_>>(), [1, 2, 2, 1, 2]);
    let updated = stored.iter().map(|item| item["text"].as_b().unwrap().as_ref()[0]).collect::<Vec<_>>();
    assert_eq!(updated, [0x13, 0x12, 0x12, 0x13, 0x13, 0x13, 0x12, 0x12, 0x13, 0x13]);
    assert_eq!(compare(&python, &world, &table, "acme", "acme").await.len(), 10);
}

#[tokio::test]
async fn an_independent_reader_opens_items_of_a_former_key() {
    let Some(python) = python("an_independent_reader_opens_items_of_a_former_key") else { return };
    let world = World::start(&[]).await;
    let former = world.onboard("acme").await;
    let table = Table::create(&world, "things", "{tenant}", Some(ScalarAttributeType::S)).await;
    table.put(&table.tenant(&world, "acme").dynamodb(), full("acme", s("c-1"))).await;
    world.repoint("acme").await;
    let key_id = former.rsplit('/').next().unwrap();
    let alias = format!("{}/{key_id}", world.tenancy.alias(&id("acme")).as_str());
    world.admin.create_alias().alias_name(alias).target_key_id(key_id).send().await.unwrap();
    table.put(&table.tenant(&world, "acme").dynamodb(), full("acme", s("c-2"))).await;
    assert_eq!(compare(&python, &world, &table, "acme", "acme").await.len(), 2);
}
