//! Samples of an offboarding are tried wherever they may open, and the record says which Region answered what.

use std::collections::HashMap;
use std::process::Output;

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kms::types::Tag;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tenantseal::schema::TableSchema;
use tenantseal::{Item, TenantId, TenantSeal};

use crate::world::{ROLE, World};

const HOME: &str = "us-east-1";
const ABROAD: &str = "eu-central-1";
/// Where no key is that the registry or KMS names.
const ELSEWHERE: &str = "eu-west-1";

/// A world whose tenant `wide` has a key in two Regions, with a table, and a role that may be used everywhere.
async fn wide() -> World {
    let world = World::start().await;
    world.tenants().onboard(&TenantId::parse("wide").unwrap()).replicas([ABROAD]).await.unwrap();
    let role = world.stack.account("111111111111").unwrap().role("TenantKeys");
    let role = role.trust(world.tenancy.trust_policy(&[&world.service_arn]));
    role.permission(world.tenancy.role_policy("*")).create().unwrap();
    world.create_crm_table().await;
    world
}

fn in_region(config: &SdkConfig, region: &'static str) -> SdkConfig {
    config.to_builder().region(Region::new(region)).build()
}

/// An item that a service in this Region has sealed, as it is stored.
async fn sealed(world: &World, region: &'static str, contact: &str) -> Item {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let seal = TenantSeal::builder().assume_role(ROLE).table(schema.encrypt("email").build().unwrap());
    let wide = seal.build(&in_region(&world.service, region)).unwrap().tenant(&TenantId::parse("wide").unwrap());
    let item = [("tenant_id", "wide"), ("contact_id", contact), ("email", "ada@example.org")];
    let item: HashMap<_, _> = item.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into();
    wide.seal("crm", item).await.unwrap()
}

async fn put(world: &World, item: Item) {
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    client.put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
}

/// Ends `wide`. Gives what the command said, the data keys of its record, and the record's text.
async fn offboarded(world: &World) -> (Output, Vec<Value>, String) {
    recorded(world, "wide").await
}

/// The same with another name of the record.
async fn recorded(world: &World, report: &str) -> (Output, Vec<Value>, String) {
    let offboard = ["offboard", "wide", "--yes", "--report", report, "--sample-table", "crm", "--json"];
    let output = world.run(&[&offboard[..], &["--profile", "operator", "--service-profile", "service"]].concat()).await;
    let read = |name: &str| std::fs::read_to_string(world.path().join(name));
    let text = read(&format!("{report}.md")).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let data: Value = serde_json::from_str(&read(&format!("{report}.json")).unwrap()).unwrap();
    let data_keys = data["samples"]["data_keys"].as_object().unwrap().values().cloned().collect();
    (output, data_keys, text)
}

fn tally(output: &Output) -> Value {
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["samples"].clone()
}

#[tokio::test]
async fn a_sample_is_tried_in_every_region_of_the_tenant() {
    let world = wide().await;
    put(&world, sealed(&world, HOME, "c-1").await).await;
    let (output, data_keys, text) = offboarded(&world).await;
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(tally(&output), json!({ "still_open": 0, "unanswered": 0, "skipped": 0 }));
    for region in [HOME, ABROAD] {
        let answers = &data_keys[0]["answers"][region];
        assert_eq!(answers["before"], "unwrapped", "{data_keys:#?}");
        assert_eq!(answers["after"], "KMSInvalidStateException", "{data_keys:#?}");
        assert!(text.contains(&format!("| {region} | unwrapped | KMSInvalidStateException |")), "{text}");
    }
}

/// Neither the registry nor KMS names the Region: the record of the sampled key alone does.
#[tokio::test]
async fn a_sample_that_opens_in_a_region_that_nobody_lists_is_found() {
    let world = wide().await;
    let kms = aws_sdk_kms::Client::new(&in_region(&world.operator, ELSEWHERE));
    let wide = TenantId::parse("wide").unwrap();
    let tag = Tag::builder().tag_key("TenantId").tag_value("wide").build().unwrap();
    let made = kms.create_key().policy(world.tenancy.key_policy(&wide).unwrap().to_string()).tags(tag).send().await;
    let key = made.unwrap().key_metadata.unwrap().key_id;
    kms.create_alias().alias_name("alias/customer-wide").target_key_id(key).send().await.unwrap();
    put(&world, sealed(&world, ELSEWHERE, "c-1").await).await;
    let (output, data_keys, text) = offboarded(&world).await;
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(tally(&output), json!({ "still_open": 1, "unanswered": 0, "skipped": 0 }));
    assert_eq!(data_keys[0]["answers"][ELSEWHERE]["after"], "unwrapped", "{data_keys:#?}");
    assert_ne!(data_keys[0]["answers"][HOME]["after"], "unwrapped", "{data_keys:#?}");
    assert!(text.contains("refused everywhere now: 0"), "{text}");
}

/// The tenant is ended all the same, and nothing is claimed of the Region that did not answer.
#[tokio::test]
async fn a_region_that_does_not_answer_is_not_taken_for_one_that_refuses() {
    join_all([None, Some("ThrottlingException")].map(async |code| {
        let world = wide().await;
        put(&world, sealed(&world, HOME, "c-1").await).await;
        let fault = world.stack.faults().on("Decrypt").in_region(ABROAD);
        let why = match code {
            Some(code) => {
                fault.fail(code, 400);
                code
            }
            None => {
                fault.disconnect();
                "unreachable"
            }
        };
        let (output, data_keys, text) = offboarded(&world).await;
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(tally(&output), json!({ "still_open": 0, "unanswered": 1, "skipped": 0 }));
        let no_answer = format!("no answer ({why})");
        let expected = json!({ "before": no_answer, "after": no_answer });
        assert_eq!(data_keys[0]["answers"][ABROAD], expected, "{data_keys:#?}");
        assert_eq!(data_keys[0]["answers"][HOME]["after"], "KMSInvalidStateException");
        assert!(text.contains("refused everywhere now: 0"), "{text}");
        // As docs/COMMAND.md says: once it answers, the same with another record.
        world.stack.faults().clear();
        let (output, _, text) = recorded(&world, "again").await;
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("refused everywhere now: 1"), "{text}");
    }))
    .await;
}

/// A sealed item is anybody's: the Region that it names is asked and keeps no tenant from being ended.
#[tokio::test]
async fn a_sample_that_names_a_made_up_region_keeps_no_tenant_from_being_ended() {
    let world = wide().await;
    put(&world, sealed(&world, HOME, "c-1").await).await;
    for (contact, made_up) in [("c-2", "zz-made-9"), ("c-3", "US-EAST-1")] {
        let mut item = sealed(&world, HOME, contact).await;
        let AttributeValue::B(header) = &item["_seal"] else { panic!("{item:?}") };
        let mut bytes = header.clone().into_inner();
        let at = bytes.windows(HOME.len()).position(|window| window == HOME.as_bytes()).unwrap();
        bytes[at..at + HOME.len()].copy_from_slice(made_up.as_bytes());
        item.insert("_seal".to_owned(), AttributeValue::B(Blob::new(bytes)));
        put(&world, item).await;
    }
    let (output, data_keys, text) = offboarded(&world).await;
    let code = output.status.code().unwrap();
    assert!(code <= 1, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(tally(&output)["still_open"], 0, "{text}");
    assert_eq!(data_keys.len(), 3);
    let shown = String::from_utf8(world.run(&["show", "wide", "--profile", "operator"]).await.stdout).unwrap();
    assert!(shown.contains("offboarded"), "{shown}");
}
