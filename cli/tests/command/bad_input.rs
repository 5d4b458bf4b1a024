//! Bad input: one line that says what to do, an exit code other than 0, and never a backtrace.

use std::process::Output;
use std::time::Duration;

use futures_util::future::join_all;

use crate::world::{EVERYTHING, World};

/// What a failed command said in its one line on stderr.
fn one_line(output: &Output, exit: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "{said}");
    for word in ["panicked", "backtrace", "Error {", "SdkError"] {
        assert!(!said.contains(word), "{said}");
    }
    said
}

/// The same command again with `--json`: the same code, and one JSON object in one line.
async fn also_in_json(world: &World, arguments: &[&str], further: &[(&str, &str)], exit: i32) {
    let output = world.run_with(&[arguments, &["--json"]].concat(), further).await;
    assert_eq!(output.status.code(), Some(exit));
    let said: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(said["error"]["exit"], exit);
    assert!(!said["error"]["message"].as_str().unwrap().is_empty());
}

async fn refused(world: &World, arguments: &[&str], exit: i32, says: &str) {
    refused_with(world, arguments, &[("AWS_PROFILE", "operator")], exit, says).await;
}

async fn refused_with(world: &World, arguments: &[&str], further: &[(&str, &str)], exit: i32, says: &str) {
    let further = [&[("RUST_BACKTRACE", "1")], further].concat();
    let said = one_line(&world.run_with(arguments, &further).await, exit);
    assert!(said.contains(says), "`{says}` is not in: {said}");
    also_in_json(world, arguments, &further, exit).await;
}

#[tokio::test]
async fn a_tenant_that_is_unknown_or_none_at_all() {
    let world = World::start().await;
    for command in ["show", "rotate", "suspend", "resume", "offboard", "cancel-offboard"] {
        refused(&world, &[command, "nobody"], 6, "not in the registry: onboard it first").await;
    }
    let output = world.run(&["show", "acme*"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("1 to 48 characters of [A-Za-z0-9_-]") && said.contains("know it as _acme_2A"), "{said}");
    also_in_json(&world, &["show", "acme*"], &[], 2).await;
}

#[tokio::test]
async fn credentials_of_the_wrong_account() {
    let world = World::start().await;
    for command in ["onboard", "rotate", "suspend"] {
        let arguments = [command, "acme", "--profile", "stranger"];
        refused(&world, &arguments, 4, "account 222222222222, but the tenants' keys belong in account 111111111111")
            .await;
    }
}

#[tokio::test]
async fn a_missing_permission() {
    let world = World::start().await;
    let says = "kms:CreateKey in us-east-1: AccessDeniedException";
    refused(&world, &["onboard", "initech", "--profile", "nobody"], 4, says).await;
    refused(&world, &["show", "acme", "--profile", "nobody"], 4, "lack that permission").await;
    refused(&world, &["doctor", "acme", "--profile", "nobody"], 4, "lack that permission").await;
}

#[tokio::test]
async fn a_malformed_role_alias_or_arn() {
    let world = World::start().await;
    for role in ["TenantKeys", "arn:aws:iam::1:role/x", "arn:aws:iam::111111111111:role/*", ""] {
        refused(&world, &["list", "--role", role], 2, "arn:<partition>:iam::<12-digit account>:role/<name>").await;
    }
    refused(&world, &["list", "--alias", "alias/aws/{tenant}"], 2, "text of its own").await;
    refused(&world, &["policy", "trust", "--service", "*"], 2, "not the ARN of a role or user").await;
    let table = ["policy", "dynamodb", "acme", "--table-arn", "arn:aws:dynamodb:*:*:table/*"];
    refused(&world, &table, 2, "not the ARN of a table").await;
    let table = "arn:aws:dynamodb:us-east-1:111111111111:table/crm";
    let index = ["policy", "dynamodb", "acme", "--table-arn", table, "--index", "*"];
    refused(&world, &index, 2, "not the name of an index").await;
    let output = world.run(&["policy", "dynamodb", "acme", "--table-arn", table, "--index", "by-tenant"]).await;
    assert!(String::from_utf8(output.stdout).unwrap().contains("table/crm/index/by-tenant\""));
    refused_with(&world, &["list"], &[("TENANTSEAL_ROLE", ""), ("AWS_PROFILE", "operator")], 2, "--role").await;
}

#[tokio::test]
async fn expired_and_unknown_credentials() {
    let world = World::start().await;
    let keys = world.stack.account("111111111111").unwrap();
    let admin = keys.user("admin").permission(EVERYTHING).create().unwrap();
    let trust = serde_json::json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": { "AWS": admin.user_arn() }, "Action": "sts:AssumeRole" }] });
    let role = keys.role("Operators").trust(trust).permission(EVERYTHING).create().unwrap();
    let session = world.session(&admin, role.arn()).await;
    let session: Vec<_> = session.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(world.run_with(&["show", "acme"], &session).await.status.success());
    world.stack.clock().advance(Duration::from_secs(7_200));
    refused_with(&world, &["show", "acme"], &session, 4, "have expired: get new ones").await;
    refused_with(&world, &["onboard", "acme"], &session, 4, "have expired: get new ones").await;
    refused_with(&world, &["doctor", "acme"], &session, 4, "have expired: get new ones").await;

    let made_up = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")];
    refused_with(&world, &["show", "acme"], &made_up, 4, "AWS does not know these credentials").await;
    refused(&world, &["onboard", "acme", "--profile", "missing"], 4, "choose a --profile that exists").await;
    refused_with(&world, &["doctor", "acme"], &[], 4, "choose a --profile that exists").await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_or_is_not_aws() {
    let world = World::start().await;
    let down = ["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_DYNAMODB"];
    let mut further = down.map(|name| (name, "http://127.0.0.1:1")).to_vec();
    further.push(("AWS_PROFILE", "operator"));
    let key = r#"{"tenant_id":{"S":"acme"}}"#;
    let commands: [&[&str]; 5] = [
        &["list"],
        &["onboard", "initech"],
        &["doctor", "acme"],
        &["init"],
        &["inspect", "--table", "crm", "--key", key],
    ];
    join_all(commands.map(|command| refused_with(&world, command, &further, 5, "the endpoint does not answer"))).await;
}

#[tokio::test]
async fn throttling_is_told_from_refusal() {
    let world = World::start().await;
    world.stack.faults().on("DescribeKey").fail("ThrottlingException", 400);
    refused(&world, &["suspend", "acme", "--yes"], 5, "AWS is throttling: try again later").await;
}

#[tokio::test]
async fn a_registry_table_or_item_that_is_not_there() {
    let world = World::start().await;
    refused(&world, &["list", "--registry", "elsewhere"], 6, "`tenantseal init` creates it").await;
    let key = r#"{"tenant":{"S":"nobody"},"row":{"S":"current"}}"#;
    refused(&world, &["inspect", "--table", "tenantseal-tenants", "--key", key], 6, "no such item").await;
    refused(&world, &["inspect", "--table", "elsewhere", "--key", key], 6, "check the table's name").await;
}

#[tokio::test]
async fn a_state_that_does_not_allow_it() {
    let world = World::start().await;
    refused(&world, &["cancel-offboard", "acme"], 3, "is active, so").await;
    for command in ["suspend", "offboard"] {
        refused(&world, &[command, "acme"], 3, "no terminal to ask on; give --yes").await;
    }
    assert!(world.run(&["suspend", "acme", "--yes", "--profile", "operator"]).await.status.success());
    refused(&world, &["rotate", "acme"], 3, "is suspended, so `rotate` is not possible").await;
}

#[tokio::test]
async fn a_configuration_file_that_is_missing_or_malformed() {
    let world = World::start().await;
    refused(&world, &["list", "--config", "missing.toml"], 2, "missing.toml").await;
    std::fs::write(world.path().join("tenantseal.toml"), "registry = \"x\"\nrolle = \"y\"\n").unwrap();
    refused(&world, &["list"], 2, "tenantseal.toml, line 2: unknown field `rolle`").await;
    std::fs::write(world.path().join("tenantseal.toml"), "registry = \"elsewhere\"\nprofile = \"operator\"\n").unwrap();
    refused_with(&world, &["list"], &[], 6, "table `elsewhere`").await;
    let output = world.run(&["list", "--registry", "tenantseal-tenants"]).await;
    assert!(output.status.success(), "an argument wins over the file");
}

#[tokio::test]
async fn no_region() {
    let world = World::start().await;
    let nowhere = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", ""), ("AWS_PROFILE", "operator")];
    refused_with(&world, &["list"], &nowhere, 2, "which Region?; give --region").await;
}

#[tokio::test]
async fn an_item_that_is_none() {
    let world = World::start().await;
    for (content, says) in [
        ("", "the input is empty"),
        ("no", "not DynamoDB JSON"),
        ("[1]", "not DynamoDB JSON"),
        ("{\"a\":1}", "not DynamoDB JSON"),
    ] {
        std::fs::write(world.path().join("item.json"), content).unwrap();
        refused(&world, &["inspect", "item.json"], 2, says).await;
    }
    refused(&world, &["inspect", "missing.json"], 2, "missing.json").await;
    std::fs::write(world.path().join("item.json"), r#"{"_seal":{"B":"AQAB"}}"#).unwrap();
    let output = world.run(&["inspect", "item.json"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("malformed: the stored bytes end too early"));
}

#[tokio::test]
async fn a_record_that_would_overwrite_another() {
    let world = World::start().await;
    std::fs::write(world.path().join("acme.md"), "").unwrap();
    let arguments = ["offboard", "acme", "--yes", "--report", "acme.md"];
    refused(&world, &arguments, 2, "there is a record already").await;
    refused(&world, &["offboard", "acme", "--yes", "--report", "missing/acme"], 2, "there is no such folder").await;
    assert!(
        world.run(&["rotate", "acme", "--on-demand", "--profile", "operator"]).await.status.success(),
        "acme is still active"
    );
}
