//! `lookup verify`: which tokens are wrong, and how, without a value of any item.

use std::process::Output;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::schema::{Form, Lock, Lookup, LookupBuilder, TableSchema};
use tenantseal::{Item, Tenant, TenantId, TenantSeal};

use crate::world::{ROLE, World};

const KEYS: &str = "keys";
const EMAIL: LookupBuilder<'_> = Lookup::on("email", Form::EMAIL);

fn schema(email: LookupBuilder<'_>) -> TableSchema {
    schema_of("{tenant}", email)
}

fn schema_of(template: &str, email: LookupBuilder<'_>) -> TableSchema {
    TableSchema::builder("crm")
        .partition_key("tenant_id", template)
        .sort_key("contact_id")
        .encrypt("email")
        .encrypt("tags")
        .lookup(email)
        .lookup(Lookup::on("tags", Form::EXACT).each().bits(12))
        .build()
        .unwrap()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn key(tenant: &str, id: &str) -> Item {
    [("tenant_id", tenant), ("contact_id", id)].map(|(name, value)| (name.to_owned(), s(value))).into()
}

fn contact(tenant: &str, id: &str) -> Item {
    let mut item = key(tenant, id);
    item.insert("email".to_owned(), s(&format!("{id}@secret.example")));
    item.insert("tags".to_owned(), AttributeValue::Ss(vec!["vip".to_owned(), "press".to_owned()]));
    item
}

fn tenant(world: &World, tenant: &str) -> Tenant {
    let keys = DynamoDbKeyTable::new(&world.service, KEYS).danger_without_recovery();
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema(EMAIL)).key_table(keys).build(&world.service);
    seal.unwrap().tenant(&TenantId::parse(tenant).unwrap())
}

/// A world with contacts of both tenants, and the lock file.
async fn world() -> World {
    let world = World::start().await;
    world.create_crm_table().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).create_table().await.unwrap();
    for (name, contacts) in [("acme", &["c-1", "c-2", "c-3"][..]), ("globex", &["g-1"])] {
        let client = tenant(&world, name).dynamodb();
        for id in contacts {
            client.put_item().table_name("crm").set_item(Some(contact(name, id))).send().await.unwrap();
        }
    }
    lock(&world, EMAIL);
    world
}

fn lock(world: &World, email: LookupBuilder<'_>) {
    let text = Lock::of([&schema(email)]).unwrap().to_string();
    std::fs::write(world.path().join("tenantseal.lock.json"), text).unwrap();
}

async fn stored(world: &World, id: &str) -> Item {
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    client.get_item().table_name("crm").set_key(Some(key("acme", id))).send().await.unwrap().item.unwrap()
}

/// Changes one attribute of a stored contact of `acme`, as anybody who writes the table can.
async fn tamper(world: &World, id: &str, name: &str, value: Option<AttributeValue>) {
    let mut item = stored(world, id).await;
    item.remove(name);
    item.extend(value.map(|value| (name.to_owned(), value)));
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    client.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
}

async fn verify(world: &World, further: &[&str]) -> Output {
    let verify = ["lookup", "verify", "--table", "crm", "--key-table", KEYS, "--profile", "operator"];
    let output = world.run(&[&verify[..], &["--service-profile", "service"], further].concat()).await;
    let said = String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap();
    assert!(!said.contains("secret.example") && !said.contains("vip"), "no value of an item is shown: {said}");
    output
}

async fn verified(world: &World, further: &[&str]) -> (Option<i32>, Value) {
    let output = verify(world, &[further, &["--json"]].concat()).await;
    let said = || panic!("{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| said()))
}

/// Lookup, state and contact of each finding.
fn findings(data: &Value) -> Vec<(&str, &str, &str)> {
    let all = data["findings"].as_array().unwrap().iter();
    let part = |value| Value::as_str(value).unwrap_or("");
    all.map(|found| (part(&found["lookup"]), part(&found["wrong"]), part(&found["key"]["contact_id"]["S"]))).collect()
}

#[tokio::test]
async fn tokens_that_services_have_written_are_right() {
    let world = world().await;
    let (exit, data) = verified(&world, &[]).await;
    assert_eq!((exit, findings(&data)), (Some(0), vec![]), "{data:#}");
    assert_eq!((&data["items"], &data["tenants"], &data["not_opened"]), (&json!(4), &json!(2), &json!(0)));
    assert_eq!(data["lookups"], json!({ "email": { "current": 4 }, "tags": { "current": 4 } }));
    let (_, data) = verified(&world, &["--tenant", "acme", "--sample", "2"]).await;
    assert_eq!(data["lookups"]["email"], json!({ "current": 2 }));
    let text = String::from_utf8(verify(&world, &[]).await.stdout).unwrap();
    assert!(text.contains("every token is right"), "{text}");
}

/// A table or a tenant of another name has no items either.
#[tokio::test]
async fn where_nothing_is_read_nothing_is_said_to_be_right() {
    let world = world().await;
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    client.delete_item().table_name("crm").set_key(Some(key("globex", "g-1"))).send().await.unwrap();
    let (exit, data) = verified(&world, &["--tenant", "globex"]).await;
    assert_eq!((exit, &data["items"]), (Some(1), &json!(0)), "{data:#}");
    let text = String::from_utf8(verify(&world, &["--tenant", "globex"]).await.stdout).unwrap();
    assert!(text.contains("no item was read") && !text.contains("right"), "{text}");
    // One of several tenants may be new.
    assert_eq!(verified(&world, &[]).await.0, Some(0));
}

/// Claims are for writes.
#[tokio::test]
async fn a_unique_lookup_is_verified_without_a_claims_table() {
    let world = world().await;
    lock(&world, EMAIL.unique());
    let (exit, data) = verified(&world, &["--tenant", "acme"]).await;
    assert_eq!((exit, &data["lookups"]["email"]), (Some(0), &json!({ "current": 3 })), "{data:#}");
}

#[tokio::test]
async fn each_way_in_which_a_token_is_wrong_is_told_apart() {
    let world = world().await;
    let of = |item: Item, name: &str| item[name].clone();
    let others = of(stored(&world, "c-2").await, "_seal_by_email");
    let right = of(stored(&world, "c-1").await, "_seal_by_email").as_s().unwrap().clone();
    let (tenant, rest) = right.split_once('.').unwrap();
    let mark = if rest.starts_with("AA") { "BB" } else { "AA" };
    let others_key = s(&format!("{tenant}.{mark}{}", &rest[2..]));
    for (name, value, expected) in [
        ("_seal_by_email", Some(others), ("email", "stale", "c-1")),
        ("_seal_by_email", Some(others_key), ("email", "other_key", "c-1")),
        ("_seal_by_email", Some(s("globex.AA")), ("email", "other_key", "c-1")),
        ("_seal_by_email", Some(s("")), ("email", "other_key", "c-1")),
        ("_seal_by_email", Some(s("\u{1b}]0;.é")), ("email", "other_key", "c-1")),
        ("_seal_by_email", None, ("email", "missing", "c-1")),
        ("_seal_by_tags", Some(AttributeValue::Ss(vec![right.clone()])), ("tags", "other_key", "c-1")),
        ("_seal_by_tags", Some(AttributeValue::N("1".to_owned())), ("tags", "other_key", "c-1")),
        ("email", None, ("email", "left_over", "c-1")),
    ] {
        let before = stored(&world, "c-1").await;
        tamper(&world, "c-1", name, value.clone().filter(|value| value != &s(""))).await;
        let expected = if value == Some(s("")) { ("email", "missing", "c-1") } else { expected };
        let (exit, data) = verified(&world, &["--tenant", "acme"]).await;
        assert_eq!((exit, findings(&data)), (Some(1), vec![expected]), "{name}: {data:#}");
        for (name, value) in before {
            tamper(&world, "c-1", &name, Some(value)).await;
        }
    }
    let text = String::from_utf8(verify(&world, &["--tenant", "acme"]).await.stdout).unwrap();
    assert!(text.contains("every token is right"), "{text}");
}

#[tokio::test]
async fn an_item_that_does_not_open_is_listed_and_others_go_on() {
    let world = world().await;
    tamper(&world, "c-2", "email", Some(AttributeValue::B(Blob::new([0x11; 60])))).await;
    let (exit, data) = verified(&world, &["--tenant", "acme"]).await;
    assert_eq!((exit, &data["not_opened"], &data["lookups"]["email"]["current"]), (Some(1), &json!(1), &json!(2)));
    let found = findings(&data);
    assert!(found.len() == 1 && found[0].2 == "c-2" && found[0].1.contains("`email` does not open"), "{data:#}");
}

#[tokio::test]
async fn tokens_of_a_retired_lookup_are_left_over() {
    let world = world().await;
    lock(&world, EMAIL.retired());
    let (exit, data) = verified(&world, &["--tenant", "globex"]).await;
    assert_eq!((exit, findings(&data)), (Some(1), vec![("email", "left_over", "g-1")]), "{data:#}");
    assert_eq!(data["lookups"]["tags"], json!({ "current": 1 }));
}

#[tokio::test]
async fn a_tenant_without_keys_is_told_and_no_lookup_key_is_made() {
    let world = world().await;
    let initech = TenantId::parse("initech").unwrap();
    world.tenants().onboard(&initech).await.unwrap();
    world.tenants().suspend(&TenantId::parse("globex").unwrap()).await.unwrap();
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    let entries = || async { client.scan().table_name(KEYS).send().await.unwrap().count };
    let before = entries().await;
    let (exit, data) = verified(&world, &["--tenant", "initech", "--tenant", "globex", "--tenant", "acme"]).await;
    let refused = data["tenants_not_verified"].as_object().unwrap();
    assert_eq!((exit, refused.len(), &data["items"]), (Some(1), 1, &json!(3)), "{data:#}");
    assert_eq!(entries().await, before);
    assert!(refused.contains_key("globex"), "a tenant without items has nothing wrong: {data:#}");
    // With an item, it has a token to make, and no key to make it with.
    let mut moved = stored(&world, "c-1").await;
    moved.insert("tenant_id".to_owned(), s("initech"));
    client.put_item().table_name("crm").set_item(Some(moved)).send().await.unwrap();
    let (_, data) = verified(&world, &["--tenant", "initech"]).await;
    let why = data["tenants_not_verified"]["initech"].as_str().unwrap();
    assert!(why.contains("has no lookup key 1, and this process makes none"), "{why}");
    assert_eq!(entries().await, before);
    client.delete_item().table_name("crm").set_key(Some(key("initech", "c-1"))).send().await.unwrap();
    // Without names, the registry's active tenants are verified.
    let (_, data) = verified(&world, &[]).await;
    assert_eq!(data["tenants"], 2);
}

#[tokio::test]
async fn a_lookup_in_a_form_of_the_application_is_not_checked_and_named() {
    let world = world().await;
    lock(&world, Lookup::on("email", Form::new("own", |text| Some(text.to_owned()))));
    let (exit, data) = verified(&world, &["--tenant", "acme"]).await;
    assert_eq!((exit, &data["not_checked"], &data["lookups"]["email"]), (Some(0), &json!(["email"]), &Value::Null));
    let text = String::from_utf8(verify(&world, &["--tenant", "acme"]).await.stdout).unwrap();
    assert!(text.contains("every token that was checked is right"), "{text}");
    let output = world.run(&["lookup", "verify", "--table", "crm", "--tenant", "acme", "--profile", "operator"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("give --key-table"), "{said}");
}

/// Where a tenant's items are in many partitions, all tenants are found in one pass.
#[tokio::test]
async fn with_a_prefix_template_each_tenant_has_its_sample() {
    let world = World::start().await;
    world.create_crm_table().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).create_table().await.unwrap();
    let keys = DynamoDbKeyTable::new(&world.service, KEYS).danger_without_recovery();
    let schema = schema_of("TENANT#{tenant}#", EMAIL);
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema.clone()).key_table(keys);
    let seal = seal.build(&world.service).unwrap();
    for name in ["acme", "globex"] {
        let client = seal.tenant(&TenantId::parse(name).unwrap()).dynamodb();
        for id in ["c-1", "c-2", "c-3"] {
            let mut item = contact(name, id);
            item.insert("tenant_id".to_owned(), s(&format!("TENANT#{name}#{id}")));
            client.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
        }
    }
    std::fs::write(world.path().join("tenantseal.lock.json"), Lock::of([&schema]).unwrap().to_string()).unwrap();
    let (exit, data) = verified(&world, &["--tenant", "acme", "--tenant", "globex", "--sample", "2"]).await;
    assert_eq!((exit, &data["lookups"]["email"]), (Some(0), &json!({ "current": 4 })), "{data:#}");
    let (_, data) = verified(&world, &["--tenant", "globex"]).await;
    assert_eq!(data["items"], 3, "{data:#}");
}
