//! Whoever writes the registry, the items, a key policy or AWS's answers writes on an operator's terminal: visibly, and in the line it belongs to.

use std::collections::HashMap;
use std::process::Output;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tenantseal::TenantId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::World;

/// Sets the title, goes red, clears the screen by a C1 control, turns the direction of text around, and forges a line.
const HOSTILE: &str =
    "x\u{1b}]0;pwned\u{7}\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\r\nFORGED\n\u{1b}[1;1HFORGED\u{85}\u{200f}";

const REGISTRY: &str = "tenantseal-tenants";

type Item = HashMap<String, AttributeValue>;

/// What a command printed is lines of its own, in which nothing is obeyed.
fn assert_visible(output: &Output, said_by: &str) {
    for stream in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(stream).unwrap();
        let obeyed = |c: char| (c.is_control() && c != '\n') || ['\u{200f}', '\u{2028}', '\u{202e}'].contains(&c);
        assert!(!text.contains(obeyed), "{said_by}: {text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("FORGED")), "{said_by}: {text}");
    }
}

async fn run(world: &World, arguments: &[&str]) -> Output {
    let output = world.run(&[arguments, &["--profile", "operator", "--service-profile", "service"]].concat()).await;
    assert_visible(&output, &arguments.join(" "));
    // As in a terminal: with colours of its own.
    let colourful = world.run(&[arguments, &["--profile", "operator", "--color", "always"]].concat()).await;
    for stream in [&colourful.stdout, &colourful.stderr] {
        let text = String::from_utf8_lossy(stream);
        assert!(!text.contains(['\u{7}', '\u{9b}', '\u{202e}', '\r']) && !text.contains("\u{1b}]"), "{text:?}");
    }
    output
}

/// The rows of acme's entry: the current one and its history.
async fn rows(world: &World) -> Vec<Item> {
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    let query = client.query().table_name(REGISTRY).key_condition_expression("tenant = :t");
    let query = query.expression_attribute_values(":t", AttributeValue::S("acme".to_owned()));
    query.send().await.unwrap().items.unwrap()
}

async fn write(world: &World, row: Item) {
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    client.put_item().table_name(REGISTRY).set_item(Some(row)).send().await.unwrap();
}

/// Calls `change` with the path of each string in a value.
fn strings(value: &mut AttributeValue, path: &str, change: &mut impl FnMut(&str, &mut String)) {
    match value {
        AttributeValue::S(text) => change(path, text),
        AttributeValue::M(map) => {
            map.iter_mut().for_each(|(name, value)| strings(value, &format!("{path}.{name}"), change))
        }
        AttributeValue::L(list) => list.iter_mut().for_each(|value| strings(value, path, change)),
        _ => {}
    }
}

/// A row in which the strings at these paths are hostile.
fn with(mut row: Item, paths: &[&str]) -> Item {
    for (name, value) in &mut row {
        strings(value, name, &mut |path, text| {
            if paths.contains(&path) {
                *text = HOSTILE.to_owned();
            }
        });
    }
    row
}

#[tokio::test]
async fn a_hostile_registry_is_shown_and_not_obeyed() {
    let world = World::start().await;
    // An operation that has begun, so that the entry has all that an entry can have.
    world.stack.faults().on("DisableKey").fail("AccessDeniedException", 400);
    run(&world, &["suspend", "acme", "--yes"]).await;
    world.stack.faults().clear();

    let commands: [&[&str]; 4] = [&["show", "acme", "--history"], &["list"], &["doctor", "acme"], &["onboard", "acme"]];
    let free = ["alias", "by", "pending.by", "pending.id"];
    let honest = rows(&world).await;
    for row in honest.clone() {
        write(&world, with(row, &free)).await;
    }
    for command in commands {
        let output = run(&world, command).await;
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            said.contains(r"\u{1b}]0;pwned\u{7}") || command[0] == "list",
            "{command:?} shows what is there: {said}"
        );
    }
    let output = run(&world, &["show", "acme", "--history", "--json"]).await;
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["entry"]["by"], HOSTILE);

    // Each field by itself, those too that make the entry unreadable.
    let mut paths = Vec::new();
    for row in &honest {
        for (name, value) in &mut row.clone() {
            strings(value, name, &mut |path, _| paths.push(path.to_owned()));
        }
    }
    paths.sort();
    paths.dedup();
    paths.retain(|path| !["tenant", "row", "listed"].contains(&path.as_str()));
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        for row in honest.clone() {
            write(&world, with(row, &[&path])).await;
        }
        for command in [&commands[0], &commands[1]] {
            run(&world, command).await;
        }
    }
}

#[tokio::test]
async fn a_hostile_key_policy_is_shown_and_not_obeyed() {
    let world = World::start().await;
    let key = world.kms().describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap();
    let tenant = TenantId::parse("acme").unwrap();
    let mut policy: Value = serde_json::from_str(&world.tenancy.key_policy(&tenant).unwrap().to_string()).unwrap();
    policy["Statement"][0]["Condition"] = serde_json::json!({ "StringNotEquals": { "kms:CallerAccount": HOSTILE } });
    world.kms().put_key_policy().key_id(key.key_id).policy(policy.to_string()).send().await.unwrap();
    let output = run(&world, &["doctor", "acme"]).await;
    assert!(String::from_utf8(output.stdout).unwrap().contains("pwned"));
}

#[tokio::test]
async fn a_hostile_answer_of_aws_is_shown_and_not_obeyed() {
    let world = World::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let body = serde_json::json!({ "__type": "x#AccessDeniedException", "message": HOSTILE, "Message": HOSTILE })
            .to_string();
        let answer =
            format!("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = connection.read(&mut [0; 65_536]).await;
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    let key = r#"{"tenant_id":{"S":"acme"}}"#;
    let commands: [&[&str]; 4] =
        [&["list"], &["show", "acme"], &["init"], &["inspect", "--table", "crm", "--key", key]];
    for command in commands {
        let services = ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_DYNAMODB"];
        let mut further = services.map(|service| (service, url.as_str())).to_vec();
        further.push(("AWS_PROFILE", "operator"));
        let output = world.run_with(command, &further).await;
        assert_visible(&output, &command.join(" "));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("pwned"), "{command:?}: {said}");
    }
    answering.abort();
}

#[tokio::test]
async fn a_hostile_argument_is_shown_and_not_obeyed() {
    let world = World::start().await;
    for arguments in [&["show", HOSTILE][..], &[HOSTILE], &["list", "--alias", HOSTILE], &["inspect", HOSTILE]] {
        // What is given is the caller's own, line breaks included.
        let output = world.run(&[arguments, &["--color", "always"]].concat()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(['\u{7}', '\u{9b}', '\u{202e}', '\r']) && !said.contains("\u{1b}]"), "{said:?}");
    }
}

#[tokio::test]
async fn a_hostile_item_is_recorded_and_not_obeyed() {
    let world = World::start().await;
    world.create_crm_table().await;
    let schema = tenantseal::schema::TableSchema::builder("crm").partition_key("tenant_id", "{tenant}");
    let schema = schema.sort_key("contact_id").encrypt("email").plain(HOSTILE).build().unwrap();
    let seal = tenantseal::TenantSeal::builder().assume_role(crate::world::ROLE).table(schema);
    let acme = seal.build(&world.service).unwrap().tenant(&TenantId::parse("acme").unwrap());
    let item = [("tenant_id", "acme"), ("contact_id", HOSTILE), ("email", "ada@example.org"), (HOSTILE, "plain")];
    let item: Item = item.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into();
    acme.dynamodb().put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();

    let key = serde_json::json!({ "tenant_id": { "S": "acme" }, "contact_id": { "S": HOSTILE } }).to_string();
    let output = run(&world, &["inspect", "--table", "crm", "--key", &key]).await;
    assert!(String::from_utf8(output.stdout).unwrap().contains(r"x\u{1b}]0;pwned"));
    let offboard = ["offboard", "acme", "--yes", "--report", "acme", "--sample-table", "crm"];
    let output = world.run(&[&offboard[..], &["--profile", "operator", "--service-profile", "service"]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_visible(&output, "offboard");
    for record in ["acme.md", "acme.json"] {
        let text = std::fs::read_to_string(world.path().join(record)).unwrap();
        let obeyed = |c: char| (c.is_control() && c != '\n') || ['\u{200f}', '\u{2028}', '\u{202e}'].contains(&c);
        assert!(text.contains("pwned") && !text.contains(obeyed), "{record}: {text:?}");
    }
    let data: Value = serde_json::from_str(&std::fs::read_to_string(world.path().join("acme.json")).unwrap()).unwrap();
    assert_eq!(data["samples"]["items"][0]["key"]["contact_id"]["S"], HOSTILE);
}
