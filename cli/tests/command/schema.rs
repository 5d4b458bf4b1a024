//! `schema check`: a lost mark is found, and neither a lock file nor an item harms whoever looks.

use std::collections::HashMap;
use std::process::Output;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use serde_json::{Value, json};
use tenantseal::error::ConfigError;
use tenantseal::schema::{Lock, LockFileError, TableSchema, TableSchemaBuilder};
use tenantseal::{Item, TenantId, TenantSeal, TenantSealBuilder};

use crate::world::{ROLE, World};

const LOCK: &str = "tenantseal.lock.json";

fn crm() -> TableSchemaBuilder {
    TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id").plain("company")
}

fn builder(schema: TableSchema) -> TenantSealBuilder {
    TenantSeal::builder().assume_role(ROLE).table(schema)
}

fn contacts() -> TableSchema {
    crm().encrypt("email").build().unwrap()
}

fn lock(world: &World, schema: &TableSchema) -> String {
    let text = Lock::of([schema]).unwrap().to_string();
    std::fs::write(world.path().join(LOCK), &text).unwrap();
    text
}

fn contact(id: &str) -> Item {
    let values = [("tenant_id", "acme"), ("contact_id", id), ("company", "Example"), ("email", "ada@example.org")];
    values.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

/// A world with 3 sealed contacts, and their lock file.
async fn world() -> World {
    let world = World::start().await;
    world.create_crm_table().await;
    let seal = builder(contacts()).build(&world.service).unwrap();
    let acme = seal.tenant(&TenantId::parse("acme").unwrap()).dynamodb();
    for id in ["c-1", "c-2", "c-3"] {
        acme.put_item().table_name("crm").set_item(Some(contact(id))).send().await.unwrap();
    }
    lock(&world, &contacts());
    world
}

async fn put_plain(world: &World, item: Item) {
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    client.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
}

async fn check(world: &World, further: &[&str]) -> Output {
    let check = ["schema", "check", "--table", "crm", "--profile", "operator"];
    world.run(&[&check[..], further].concat()).await
}

async fn checked(world: &World) -> (Option<i32>, Value) {
    let output = check(world, &["--json"]).await;
    let said = || panic!("{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| said()))
}

fn kinds(data: &Value) -> Vec<(&str, &str)> {
    let findings = data["findings"].as_array().unwrap().iter();
    findings.map(|found| (found["kind"].as_str().unwrap(), found["attribute"].as_str().unwrap_or(""))).collect()
}

#[tokio::test]
async fn a_table_that_is_as_the_lock_file_says_has_no_finding_and_no_key_is_used() {
    let world = world().await;
    let before = world.stack.calls().counts();
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(0), vec![]), "{data:#}");
    assert_eq!(data["sample"]["items"], 3);
    let seen = &data["sample"]["attributes"];
    assert_eq!((&seen["email"]["sealed"], &seen["email"]["plain"]), (&json!(3), &json!({})));
    assert_eq!(seen["company"]["plain"], json!({ "plain": { "S": 3 } }));
    assert_eq!(world.stack.calls().counts(), before, "KMS and STS are not called");
    let text = String::from_utf8(check(&world, &["--sample", "2"]).await.stdout).unwrap();
    // The local DynamoDB has no recovery to ask for.
    assert!(text.contains("2 items sampled") && text.contains("what was checked is as the lock file says"), "{text}");
    let text = String::from_utf8(check(&world, &["--sample", "0"]).await.stdout).unwrap();
    assert!(text.contains("not checked: how attributes are stored: no item was read"), "{text}");
}

/// The promise of the lock file, from end to end: three nets below one slip.
#[tokio::test]
async fn a_lost_mark_fails_the_build_the_test_and_the_check() {
    let world = world().await;
    let text = std::fs::read_to_string(world.path().join(LOCK)).unwrap();
    let lost = || builder(crm().plain("email").build().unwrap());
    builder(contacts()).lock(text.as_str()).build(&world.service).unwrap();

    let built = lost().lock(text.as_str()).build(&world.service);
    assert!(matches!(built, Err(ConfigError::Drift(drift)) if drift.is_weaker()));
    let tested = Lock::check_file(world.path().join(LOCK), &lost().schemas().unwrap());
    assert!(matches!(tested, Err(LockFileError::Drift { .. })), "{tested:?}");

    // The file was changed by hand, without a look: the items still tell.
    lock(&world, &lost().schemas().unwrap()[0]);
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(1), vec![("sealed", "email")]), "{data:#}");
    // The line is gone from the code and the file.
    lock(&world, &crm().build().unwrap());
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(1), vec![("undeclared", "email")]), "{data:#}");
}

#[tokio::test]
async fn plaintext_where_the_lock_file_says_encrypt_is_found() {
    let world = world().await;
    put_plain(&world, contact("c-4")).await;
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(1), vec![("plain", "email")]), "{data:#}");
    assert_eq!(data["sample"]["attributes"]["email"]["plain"], json!({ "encrypt": { "S": 1 } }));
    let text = data["findings"][0]["wrong"].as_str().unwrap();
    assert!(text.contains("plain in 1 of 4 items"), "{text}");
    let shown = check(&world, &[]).await;
    let shown = String::from_utf8([shown.stdout, shown.stderr].concat()).unwrap();
    assert!(!shown.contains("ada@example.org") && shown.contains("1 finding"), "{shown}");
}

/// 1 random value in 128 begins as a sealed one does.
#[tokio::test]
async fn binary_values_that_look_sealed_by_chance_are_no_lost_mark() {
    let world = world().await;
    lock(&world, &crm().encrypt("email").plain("photo").build().unwrap());
    for first in [0x11, 0x00, 0x89] {
        let mut item = contact(&format!("photo-{first}"));
        item.remove("email");
        item.insert("photo".to_owned(), AttributeValue::B(Blob::new([&[first][..], &[7; 60]].concat())));
        item.insert("_seal".to_owned(), AttributeValue::B(Blob::new([1])));
        put_plain(&world, item).await;
    }
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(0), vec![]), "{data:#}");
    assert_eq!(data["sample"]["attributes"]["photo"]["looks_sealed"], 1);
}

#[tokio::test]
async fn the_record_type_of_an_item_says_what_shall_be_sealed() {
    let world = World::start().await;
    world.create_crm_table().await;
    let of = |kind: &str, schema: TableSchemaBuilder| schema.plain("kind").discriminator("kind", kind).build().unwrap();
    let both = builder(of("person", crm().encrypt("email"))).table(of("team", crm().plain("email")));
    lock(&world, &both.schemas().unwrap()[0]);
    for (kind, id) in [("person", "c-1"), ("team", "c-2"), ("robot", "c-3")] {
        let mut item = contact(id);
        item.insert("kind".to_owned(), AttributeValue::S(kind.to_owned()));
        put_plain(&world, item).await;
    }
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(1), vec![("plain", "email")]), "{data:#}");
    assert!(data["findings"][0]["wrong"].as_str().unwrap().contains("1 of 1 items"), "{data:#}");
    assert_eq!(data["sample"]["of_no_type"], 1);
}

#[tokio::test]
async fn keys_and_indexes_are_compared_as_a_service_does_at_its_start() {
    let world = world().await;
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    let attribute = AttributeDefinition::builder().attribute_name("company").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("company").key_type(KeyType::Hash).build().unwrap();
    let projection = Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("email");
    let index = CreateGlobalSecondaryIndexAction::builder().index_name("by-company").key_schema(key);
    let index = index.projection(projection.build()).build().unwrap();
    let update = client.update_table().table_name("crm").attribute_definitions(attribute.build().unwrap());
    update
        .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(index).build())
        .send()
        .await
        .unwrap();
    let (exit, data) = checked(&world).await;
    assert_eq!((exit, kinds(&data)), (Some(1), vec![("table", "")]), "{data:#}");
    let wrong = data["findings"][0]["wrong"].as_str().unwrap();
    assert!(wrong.contains("`by-company` projects the encrypted attribute `email` and not `_seal`"), "{wrong}");

    let keyed = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").plain("contact_id");
    lock(&world, &keyed.encrypt("company").encrypt("email").build().unwrap());
    let (_, data) = checked(&world).await;
    let wrong: Vec<_> = data["findings"].as_array().unwrap().iter().map(|found| found["wrong"].clone()).collect();
    let says = |text: &str| wrong.iter().any(|wrong| wrong.as_str().unwrap().contains(text));
    assert!(says("its sort key `contact_id` is not declared"), "{wrong:?}");
    assert!(says("`by-company` has the encrypted attribute `company` as a key"), "{wrong:?}");
}

#[tokio::test]
async fn a_question_that_got_no_answer_is_no_finding() {
    let world = world().await;
    for (further, exit) in [
        (&["--physical", "elsewhere"][..], 6),
        (&["--profile", "missing"], 4),
        (&["--endpoint-url", "http://127.0.0.1:1"], 5),
        (&["--lock", "missing.json"], 2),
        (&["--sample", "-1"], 2),
    ] {
        let arguments = [&["schema", "check", "--table", "crm"][..], further].concat();
        let own = if further[0] == "--profile" { &[][..] } else { &["--profile", "operator"] };
        let output = world.run(&[&arguments[..], own, &["--json"]].concat()).await;
        let said: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(exit), 0), "{further:?}: {said}");
    }
    let output = world.run(&["schema", "check", "--table", "other", "--profile", "operator"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("the file has: crm"), "{said}");
}

#[tokio::test]
async fn a_hostile_lock_file_is_refused_in_one_line() {
    let world = world().await;
    let good = Lock::of([&contacts()]).unwrap().to_string();
    let hostile = "x\u{1b}]0;pwned\u{7}\u{202e}\r\nFORGED";
    for (text, says) in [
        (good.replace("\"email\"", "\"company\""), "stands twice"),
        (good.replace("\"tenantseal\": 1", "\"tenantseal\": 9"), "has version 9"),
        (good.replace("\"plain\"", &json!(hostile).to_string()), "pwned"),
        (good.replace("\"tenant_id\"", "\"\""), "empty or reserved"),
        (good.replace("{tenant}", "{}"), "tenant template is malformed"),
        ("{\"a\":".repeat(1_000_000), "malformed"),
        (String::new(), "malformed"),
    ] {
        std::fs::write(world.path().join(LOCK), text).unwrap();
        let output = check(&world, &[]).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.contains(says) && said.trim_end().lines().count() == 1 && said.len() < 1_000, "{said:.2000}");
        assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{said:?}");
    }
}

/// A sparse file: more than fits into memory.
#[tokio::test]
async fn a_lock_file_of_any_size_is_refused_before_it_is_read() {
    let world = world().await;
    let file = std::fs::File::create(world.path().join(LOCK)).unwrap();
    for length in [100 << 20, 1 << 40] {
        file.set_len(length).unwrap();
        let said = String::from_utf8(check(&world, &[]).await.stderr).unwrap();
        assert!(said.contains("longer than 8 MiB"), "{said}");
    }
}

/// Whoever writes the table chooses names, as many and as long as an item can have.
#[tokio::test]
async fn hostile_items_are_counted_and_their_names_made_visible() {
    let world = world().await;
    let hostile = "x\u{1b}]0;pwned\u{7}\u{202e}\r\nFORGED";
    let value = || AttributeValue::S("v".to_owned());
    for part in 0..3 {
        let mut item: Item = (0..1_000).map(|at| (format!("{part}-{at}{}", "n".repeat(100)), value())).collect();
        item.extend(contact(&format!("wide-{part}")));
        item.remove("email");
        item.insert(hostile.to_owned(), value());
        put_plain(&world, item).await;
    }
    let mut large: HashMap<_, _> = contact("large");
    large.insert("company".to_owned(), AttributeValue::S("c".repeat(390_000)));
    large.remove("email");
    put_plain(&world, large).await;
    for stored in [vec![], vec![0x11], vec![0x12; 400], vec![0x13; 400], vec![0xff; 400]] {
        let mut item = contact(&format!("forged-{}-{:?}", stored.len(), stored.first()));
        item.insert("email".to_owned(), AttributeValue::B(Blob::new(stored)));
        item.insert("_seal".to_owned(), AttributeValue::S("no header".to_owned()));
        put_plain(&world, item).await;
    }
    let output = check(&world, &[]).await;
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("stored and undeclared"), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']) && said.len() < 10_000, "{said:?}");
    assert!(!said.lines().any(|line| line.trim_start().starts_with("FORGED")), "{said}");
    let (_, data) = checked(&world).await;
    assert_eq!(kinds(&data), [("plain", "email")]);
    assert_eq!(data["sample"]["undeclared"].as_object().unwrap().len(), 1_000);
    assert!(data["sample"]["undeclared_left_off"].as_u64().unwrap() > 1_000);
}
