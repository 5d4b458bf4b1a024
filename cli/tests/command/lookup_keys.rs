//! `doctor` and a tenant's lookup keys: entries that a former KMS key wraps, that were moved, doubled or lost.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tenantseal::TenantId;
use tenantseal::keys::DynamoDbKeyTable;

use crate::doctor::examined;
use crate::lookup_show::{KEYS, put, s, seal};
use crate::world::World;

const SOUND: &str = "its lookup keys decode, and belong where they are";
const NUMBERED: &str = "each of its lookup keys is there once, and none is missing";
const WRAPPED: &str = "its lookup keys are wrapped by its present key";

/// A world in which `acme` has a lookup key.
async fn world() -> World {
    let world = World::start().await;
    world.create_crm_table().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).danger_without_recovery().create_table().await.unwrap();
    put(&seal(&world), "acme", "c-1", Some("ada@x.org")).await;
    world
}

/// The checks of a tenant's lookup keys, by their names.
async fn checks(world: &World, tenant: &str) -> Vec<Value> {
    let report = examined(world, &["acme", "globex", "--key-table", KEYS]).await;
    let area = format!("tenant {tenant}");
    let of_lookups =
        |check: &&Value| check["area"] == *area && check["check"].as_str().unwrap().contains("lookup keys");
    report["checks"].as_array().unwrap().iter().filter(of_lookups).cloned().collect()
}

async fn check(world: &World, tenant: &str, name: &str) -> Value {
    let checks = checks(world, tenant).await;
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("{checks:#?}")).clone()
}

/// The only entry of `acme`: its name and record.
async fn entry(world: &World) -> (String, AttributeValue) {
    let query = Client::new(&world.operator).query().table_name(KEYS);
    let query = query.key_condition_expression("tenant = :t AND begins_with(entry, :e)");
    let query = query.expression_attribute_values(":t", s("acme")).expression_attribute_values(":e", s("lookup#"));
    let mut items = query.send().await.unwrap().items.unwrap();
    assert_eq!(items.len(), 1);
    let mut item = items.remove(0);
    (item["entry"].as_s().unwrap().clone(), item.remove("record").unwrap())
}

async fn plant(world: &World, tenant: &str, name: &str, record: AttributeValue) {
    let put = Client::new(&world.operator).put_item().table_name(KEYS).item("tenant", s(tenant));
    put.item("entry", s(name)).item("record", record).send().await.unwrap();
}

#[tokio::test]
async fn lookup_keys_in_order_are_found_so_and_others_have_no_line() {
    let world = world().await;
    let checks = checks(&world, "acme").await;
    let passed: Vec<_> = checks.iter().map(|check| (check["outcome"].as_str().unwrap(), &check["found"])).collect();
    let key =
        world.kms().describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap().key_id;
    assert_eq!(passed, [("passed", &"1 entry".into()), ("passed", &"number 1".into()), ("passed", &key.into())]);
    assert!(self::checks(&world, "globex").await.is_empty());
}

#[tokio::test]
async fn an_entry_of_a_former_key_is_named_until_it_is_wrapped_again() {
    let world = world().await;
    let acme = TenantId::parse("acme").unwrap();
    let former = world.kms().describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap();
    let policy = world.tenancy.key_policy(&acme).unwrap().to_string();
    let key = world.kms().create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id;
    world.kms().update_alias().alias_name("alias/customer-acme").target_key_id(&key).send().await.unwrap();
    let found = check(&world, "acme", WRAPPED).await;
    let (wrong, fix) = (found["wrong"].as_str().unwrap(), found["fix"].as_str().unwrap());
    assert!(wrong.starts_with("1 of its entries still name a former key, `lookup#"), "{wrong}");
    assert!(wrong.ends_with(&former.key_id) && fix.ends_with(&format!("do not delete {}", former.key_id)), "{fix}");
    // As the fix says: the first process that uses it wraps it again.
    put(&seal(&world), "acme", "c-2", Some("eve@x.org")).await;
    assert_eq!(check(&world, "acme", WRAPPED).await["found"], *key);
}

#[tokio::test]
async fn entries_that_were_altered_or_moved_are_named() {
    let world = world().await;
    let (name, record) = entry(&world).await;
    plant(&world, "globex", &name, record.clone()).await;
    let found = check(&world, "globex", SOUND).await;
    assert!(found["wrong"].as_str().unwrap().ends_with("its data key was made for another tenant"), "{found}");
    assert_eq!(check(&world, "globex", WRAPPED).await["outcome"], "skipped");

    let bytes = record.as_b().unwrap().as_ref().to_vec();
    for (planted, record, fault) in [
        (
            "lookup#00112233445566778899aabbccddeeff#1",
            bytes.clone(),
            "its data key was made for other static pairs than its name says",
        ),
        ("lookup#\u{1b}[2J#1", b"nothing".to_vec(), "it is not a lookup record"),
        ("lookup#x#0", bytes.clone(), "its name has no number of 1 to 65535"),
        ("lookup#x#70000", bytes.clone(), "its name has no number of 1 to 65535"),
        (name.as_str(), bytes[..40].to_vec(), "its bytes end too early"),
    ] {
        plant(&world, "acme", planted, AttributeValue::B(record.into())).await;
        let found = check(&world, "acme", SOUND).await;
        assert!(found["wrong"].as_str().unwrap().ends_with(fault), "{planted:?}: {found}");
        let delete = Client::new(&world.operator).delete_item().table_name(KEYS).key("tenant", s("acme"));
        delete.key("entry", s(planted)).send().await.unwrap();
    }
}

#[tokio::test]
async fn second_keys_of_one_number_and_missing_numbers_are_named() {
    let world = world().await;
    let (name, record) = entry(&world).await;
    let third = format!("{}3", name.strip_suffix('1').unwrap());
    plant(&world, "acme", &third, record).await;
    let found = check(&world, "acme", NUMBERED).await;
    assert_eq!(found["wrong"], "there is lookup key 3 and none before it but 1");
    assert!(found["fix"].as_str().unwrap().starts_with("restore the entry of lookup key 2"));

    // A process with other static pairs, which does not list the former ones.
    let schema = tenantseal::schema::TableSchema::builder("crm").partition_key("tenant_id", "{tenant}");
    let lookup = tenantseal::schema::Lookup::on("email", tenantseal::schema::Form::EMAIL);
    let schema = schema.sort_key("contact_id").encrypt("email").lookup(lookup).build().unwrap();
    let keys = DynamoDbKeyTable::new(&world.operator, KEYS).danger_without_recovery();
    let other = tenantseal::TenantSeal::builder().assume_role(crate::world::ROLE).table(schema).key_table(keys);
    let other = other.context("env", "prod").build(&world.service).unwrap();
    put(&other, "acme", "c-2", Some("eve@x.org")).await;
    let found = check(&world, "acme", NUMBERED).await;
    assert!(
        found["wrong"].as_str().unwrap().starts_with("lookup key 1 is there under several static pairs"),
        "{found}"
    );
}

/// Whoever writes the key table decides how many entries there are, and not how much memory `doctor` takes.
#[tokio::test]
async fn more_entries_than_a_tenant_can_use_are_told_and_not_examined() {
    let world = world().await;
    let (_, record) = entry(&world).await;
    for number in 0..1_000 {
        plant(&world, "acme", &format!("lookup#x#{number}"), record.clone()).await;
    }
    let checks = checks(&world, "acme").await;
    assert_eq!(checks.len(), 1, "{checks:#?}");
    assert_eq!(checks[0]["wrong"], "it has more than 1000 entries of lookup keys");
}
