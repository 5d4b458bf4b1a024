//! Each proof of isolation can fail: a policy is broken so that it must, and doctor names the leak and what closes it.

use serde_json::{Value, json};

use crate::doctor::{examined, failed, finding, fixed, policy_of, put_policy};
use crate::world::World;

/// What must be refused to acme's session, or to one that lacks a part.
const REFUSED: [&str; 12] = [
    "acme's session is refused a data key by globex's alias",
    "acme's session is refused a data key by globex's alias for acme's context",
    "acme's session is refused a data key by globex's key ARN",
    "acme's session is refused decrypting globex's data key by globex's alias",
    "acme's session is refused decrypting globex's data key without KeyId",
    "acme's session is refused a data key for globex's context",
    "acme's session is refused a data key without a context",
    "acme's session is refused a data key by its own key ARN",
    "acme's session is refused decrypting by its own key ARN",
    "acme's session is refused decrypting without KeyId",
    "a session tagged acme, without a session policy, is refused globex's alias",
    "a session tagged acme, with globex's session policy, is refused globex's alias",
];

/// Breaks both tenants' key policies; `leaks` must be found and nothing else of `REFUSED`, and what is printed closes them.
async fn leaks_and_is_fixed(breaks: impl Fn(&mut Vec<Value>), leaks: &[&str]) {
    let world = World::start().await;
    let mut broken = Vec::new();
    for tenant in ["acme", "globex"] {
        let mut policy = policy_of(&world, tenant).await;
        breaks(policy["Statement"].as_array_mut().unwrap());
        put_policy(&world, tenant, &policy).await;
        broken.push((tenant, policy));
    }
    let report = examined(&world, &["acme", "globex"]).await;
    let found: Vec<_> = failed(&report).iter().map(|check| check["check"].as_str().unwrap()).collect();
    let found: Vec<_> = REFUSED.into_iter().filter(|check| found.contains(check)).collect();
    assert_eq!(found, leaks);
    for leak in leaks {
        let leak = finding(&report, leak);
        assert_eq!(leak["wrong"], "KMS would have answered");
        assert!(!leak["changes"].as_array().unwrap().is_empty(), "{leak}");
    }
    for (tenant, policy) in broken {
        let area = format!("tenant {tenant}");
        let of_tenant = failed(&report).into_iter().find(|check| check["area"] == area.as_str()).unwrap();
        put_policy(&world, tenant, &fixed(&policy, of_tenant["changes"].as_array().unwrap())).await;
    }
    assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);
}

fn allow(principal: &str, condition: Value) -> Value {
    json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*", "Resource": "*", "Condition": condition })
}

#[tokio::test]
async fn every_proof_fails_on_keys_that_let_everybody_in() {
    // A statement for everybody is limited by no session policy.
    let breaks = |statements: &mut Vec<Value>| *statements = vec![allow("*", json!({}))];
    leaks_and_is_fixed(breaks, &REFUSED).await;
}

#[tokio::test]
async fn keys_that_insist_on_an_alias_but_on_no_context() {
    let by_alias = json!({ "StringLike": { "kms:RequestAlias": "alias/customer-*" } });
    let breaks = |statements: &mut Vec<Value>| {
        statements.retain(|statement| statement["Effect"] != "Deny");
        statements.push(allow("*", by_alias.clone()));
    };
    let leaks = [REFUSED[0], REFUSED[1], REFUSED[3], REFUSED[5], REFUSED[6], REFUSED[10], REFUSED[11]];
    leaks_and_is_fixed(breaks, &leaks).await;
}

#[tokio::test]
async fn keys_that_insist_on_a_context_but_on_no_alias() {
    let breaks = |statements: &mut Vec<Value>| {
        let tenant = statements.iter().find_map(|statement| {
            let text = statement.to_string();
            ["acme", "globex"].into_iter().find(|tenant| text.contains(&format!("alias/customer-{tenant}\"")))
        });
        let condition = json!({ "StringEquals": { "kms:EncryptionContext:tenant": tenant.unwrap() } });
        statements.retain(|statement| statement["Effect"] != "Deny");
        statements.push(allow("*", condition));
    };
    let leaks = REFUSED.into_iter().filter(|check| !check.contains("context")).collect::<Vec<_>>();
    leaks_and_is_fixed(breaks, &leaks).await;
}

#[tokio::test]
async fn keys_that_do_not_ask_for_the_tag() {
    let breaks = |statements: &mut Vec<Value>| statements.retain(|statement| statement["Sid"] != "DenyOtherTenants");
    leaks_and_is_fixed(breaks, &[REFUSED[10], REFUSED[11]]).await;
}

#[tokio::test]
async fn a_role_or_a_key_that_refuses_its_own_tenant_is_found_and_fixed() {
    const OWN: &str = "acme's session makes a data key by alias/customer-acme";
    let world = World::start().await;
    let keys = world.stack.account("111111111111").unwrap();
    let role = |statements: Value| {
        let role = keys.role("TenantKeys").trust(world.tenancy.trust_policy(&[&world.service_arn]));
        role.permission(json!({ "Version": "2012-10-17", "Statement": statements })).create().unwrap();
    };
    let denied = json!({ "Effect": "Deny", "Action": "kms:GenerateDataKey", "Resource": "*" });
    role(json!([denied]));
    let report = examined(&world, &["acme", "globex"]).await;
    let changes = finding(&report, OWN)["changes"].as_array().unwrap();
    role(changes.iter().map(|change| change["add"].clone()).collect());
    assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);

    let mut policy = policy_of(&world, "acme").await;
    policy["Statement"].as_array_mut().unwrap().retain(|statement| statement["Sid"] != "TenantData");
    put_policy(&world, "acme", &policy).await;
    role(json!([]));
    let report = examined(&world, &["acme", "globex"]).await;
    let changes = finding(&report, OWN)["changes"].as_array().unwrap().clone();
    put_policy(&world, "acme", &fixed(&policy, &changes)).await;
    assert_eq!(
        policy_of(&world, "acme").await["Statement"].as_array().unwrap().len(),
        policy["Statement"].as_array().unwrap().len() + 1
    );
}

#[tokio::test]
async fn a_grant_that_leaks_is_named_with_the_command_that_revokes_it() {
    let world = World::start().await;
    let sound = policy_of(&world, "acme").await;
    let key =
        world.kms().describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap().key_id;
    let mut open = sound.clone();
    open["Statement"].as_array_mut().unwrap().push(allow("arn:aws:iam::111111111111:root", json!({})));
    put_policy(&world, "acme", &open).await;
    let grant = world.kms().create_grant().key_id(&key).grantee_principal(world.tenancy.role().as_str());
    grant.operations(aws_sdk_kms::types::GrantOperation::Decrypt).send().await.unwrap();
    put_policy(&world, "acme", &sound).await;
    let report = examined(&world, &["acme", "globex"]).await;
    let fix = finding(&report, "no grant bypasses the policies")["fix"].as_str().unwrap();
    let words: Vec<_> = fix.split(' ').collect();
    let ["aws", "kms", "revoke-grant", "--key-id", key, "--grant-id", grant] = words[..] else { panic!("{fix}") };
    world.kms().revoke_grant().key_id(key).grant_id(grant).send().await.unwrap();
    assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);
}

#[tokio::test]
async fn doctor_needs_no_more_than_the_operators_policy() {
    let world = World::start().await;
    let table = "arn:aws:dynamodb:us-east-1:111111111111:table/tenantseal-tenants";
    let keys = world.stack.account("111111111111").unwrap();
    // The profile `operator` is this user's.
    keys.user("operator").permission(world.tenancy.operator_policy("us-east-1", table)).create().unwrap();
    assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);
}
