//! A key table and compact items: created, examined, shown, and sampled at the end of a tenant.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tenantseal::keys::{DynamoDbKeyTable, KeyTable};
use tenantseal::schema::TableSchema;
use tenantseal::{TenantId, TenantSeal};

use crate::world::{ROLE, World};

const KEYS: &str = "keys";
const RECOVERY: &str = "aws dynamodb update-continuous-backups --table-name keys \
                        --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true";

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The checks of the key table.
async fn examined(world: &World, table: &str) -> Vec<Value> {
    let doctor =
        ["doctor", "acme", "globex", "--profile", "operator", "--service-profile", "service", "--json", "--key-table"];
    let output = world.run(&[&doctor[..], &[table]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    let checks = json(&output)["checks"].as_array().unwrap().clone();
    let of_table = |check: &Value| check["area"] == format!("key table {table}");
    assert!(checks.iter().all(|check| of_table(check) || check["outcome"] == "passed"), "{checks:#?}");
    checks.into_iter().filter(of_table).collect()
}

/// Has a service put an item of `acme` that refers to the key table, and update one attribute of it.
async fn put_a_compact_item(world: &World) {
    world.create_crm_table().await;
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let schema = schema.encrypt("email").encrypt("phone").build().unwrap();
    let keys = DynamoDbKeyTable::new(&world.operator, KEYS).danger_without_recovery();
    let config = &world.service;
    let builder = TenantSeal::builder().assume_role(ROLE).table(schema).key_table(keys).compact("crm");
    let acme = builder.build(config).unwrap().tenant(&TenantId::parse("acme").unwrap());
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let key = || [("tenant_id", s("acme")), ("contact_id", s("c-1"))].map(|(name, value)| (name.to_owned(), value));
    let mut item: HashMap<_, _> = key().into();
    item.insert("email".to_owned(), s("ada@example.org"));
    acme.dynamodb().put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
    let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(key().into()));
    let update = update.update_expression("SET phone = :phone").expression_attribute_values(":phone", s("+44"));
    update.send().await.unwrap();
}

#[tokio::test]
async fn doctor_finds_what_a_key_table_lacks_and_init_creates_it() {
    let world = World::start().await;
    let checks = examined(&world, KEYS).await;
    assert_eq!((&checks[0]["wrong"], &checks[1]["outcome"]), (&"it does not exist".into(), &"skipped".into()));
    assert!(checks[0]["fix"].as_str().unwrap().starts_with("tenantseal init --key-table keys"), "{checks:#?}");

    let init = ["init", "--profile", "operator", "--json", "--key-table", KEYS];
    for _ in 0..2 {
        let output = world.run(&init).await;
        let said = json(&output);
        // The table is there, and lacks what the server of the local stack has not.
        assert_eq!((&said["key_table"]["table"], output.status.code()), (&KEYS.into(), Some(1)), "{said}");
    }
    DynamoDbKeyTable::new(&world.operator, KEYS).danger_without_recovery().check().await.unwrap();

    // The server of the local stack has no backups: what cannot be restored must not be found healthy.
    let checks = examined(&world, KEYS).await;
    assert_eq!((&checks[0]["outcome"], &checks[1]["outcome"]), (&"passed".into(), &"failed".into()), "{checks:#?}");
    assert!(checks[1]["fix"].as_str().unwrap().starts_with(RECOVERY), "{checks:#?}");

    let checks = examined(&world, "tenantseal-tenants").await;
    assert!(checks[0]["wrong"].as_str().unwrap().contains("it is not a key table"), "{checks:#?}");
    let output = world.run(&["init", "--profile", "operator", "--key-table", "tenantseal-tenants"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_key_table_may_stand_in_the_environment_and_in_the_file() {
    let world = World::start().await;
    let init = ["init", "--dry-run"];
    let printed = |output: std::process::Output| String::from_utf8(output.stdout).unwrap();
    assert!(!printed(world.run(&init).await).contains("would create the table keys"));
    let in_environment = world.run_with(&init, &[("TENANTSEAL_KEY_TABLE", KEYS)]).await;
    assert!(printed(in_environment).contains("would create the table keys"));
    std::fs::write(world.path().join("tenantseal.toml"), "key_table = \"keys\"\n").unwrap();
    assert!(printed(world.run(&init).await).contains("would create the table keys"));
}

#[tokio::test]
async fn a_compact_item_is_shown_and_sampled_by_the_records_in_the_key_table() {
    let world = World::start().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).create_table().await.unwrap();
    put_a_compact_item(&world).await;

    let key = r#"{"tenant_id":{"S":"acme"},"contact_id":{"S":"c-1"}}"#;
    let output = world.run(&["inspect", "--profile", "operator", "--table", "crm", "--key", key, "--json"]).await;
    assert_eq!(output.status.code(), Some(0));
    let seen = json(&output);
    let data_key = seen["header"]["data_key"].as_str().unwrap().to_owned();
    assert_eq!(seen["header"]["key_table_entry"], format!("key#{data_key}"));
    let attributes = seen["attributes"].as_array().unwrap();
    let form = |name: &str| &attributes.iter().find(|attribute| attribute["name"] == name).unwrap()["form"];
    assert_eq!((form("email"), form("phone")), (&"0x11".into(), &"0x13".into()), "{seen:#}");

    let offboard = ["offboard", "acme", "--yes", "--profile", "operator", "--service-profile", "service"];
    let sample = |report: &'static str| ["--report", report, "--sample-table", "crm"];
    let output = world.run(&[&offboard[..], &sample("with"), &["--key-table", KEYS]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("not tried"));
    let record = |name: &str| std::fs::read_to_string(world.path().join(name)).unwrap();
    let data: Value = serde_json::from_str(&record("with.json")).unwrap();
    let sampled = &data["samples"]["data_keys"][&data_key]["answers"]["us-east-1"];
    assert_eq!((&sampled["before"], data["samples"]["skipped"].to_string()), (&"unwrapped".into(), "{}".to_owned()));
    assert_ne!(sampled["after"], "unwrapped", "{data:#}");
    assert!(!record("with.md").contains("Not tried"));
}

#[tokio::test]
async fn references_that_cannot_be_followed_are_counted() {
    let world = World::start().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).create_table().await.unwrap();
    put_a_compact_item(&world).await;
    DynamoDbKeyTable::new(&world.operator, "empty").create_table().await.unwrap();

    let offboard = ["offboard", "acme", "--yes", "--profile", "operator", "--service-profile", "service"];
    for (report, further, why) in [
        ("without", &[][..], "no --key-table was given"),
        ("lost", &["--key-table", "empty"], "the key table has no record of it"),
    ] {
        let sample = ["--report", report, "--sample-table", "crm"];
        let output = world.run(&[&offboard[..], &sample, further].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("1 sampled data keys of compact items were not tried"), "{said}");
        let text = std::fs::read_to_string(world.path().join(format!("{report}.md"))).unwrap();
        assert!(text.contains("**Not tried**: 1.") && text.contains(why), "{text}");
    }
    let sample = ["--report", "machines", "--sample-table", "crm", "--json"];
    let said = json(&world.run(&[&offboard[..], &sample].concat()).await);
    assert_eq!(said["samples"], serde_json::json!({ "still_open": 0, "unanswered": 0, "skipped": 1 }));
}

/// Services try the tenant's alias first, so a proof that tries the key's own alias alone proves nothing of them.
#[tokio::test]
async fn a_sample_is_tried_by_the_tenants_alias_and_by_the_keys_own() {
    let world = World::start().await;
    DynamoDbKeyTable::new(&world.operator, KEYS).create_table().await.unwrap();
    put_a_compact_item(&world).await;
    let key = world.kms().describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap();
    let own = format!("alias/customer-acme/{}", key.key_id);
    world.kms().delete_alias().alias_name(&own).send().await.unwrap();

    let offboard = ["offboard", "acme", "--yes", "--profile", "operator", "--service-profile", "service"];
    let sample = ["--report", "acme", "--sample-table", "crm", "--key-table", KEYS];
    let output = world.run(&[&offboard[..], &sample].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let data: Value = serde_json::from_str(&std::fs::read_to_string(world.path().join("acme.json")).unwrap()).unwrap();
    let data_keys = data["samples"]["data_keys"].as_object().unwrap();
    assert!(!data_keys.is_empty());
    for tried in data_keys.values().map(|tried| &tried["answers"]["us-east-1"]) {
        assert_eq!(tried["before"], "unwrapped", "{tried}");
        let after = tried["after"].as_str().unwrap();
        assert!(after.contains("Exception by alias/customer-acme, NotFoundException by"), "{after}");
        assert!(after.ends_with(&own), "{after}");
    }
}
