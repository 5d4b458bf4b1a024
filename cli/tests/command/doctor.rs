//! `doctor` against set-ups that are broken in one place each: it names the place, and what it says fixes it.

use serde_json::{Value, json};
use tenantseal::TenantId;

use crate::world::{EVERYTHING, World};

const DOCTOR: [&str; 6] = ["doctor", "--profile", "operator", "--service-profile", "service", "--json"];

/// What doctor says, with `further` arguments.
pub(crate) async fn examined(world: &World, further: &[&str]) -> Value {
    let output = world.run(&[&DOCTOR[..], further].concat()).await;
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(if said["healthy"] == true { 0 } else { 1 }));
    said
}

pub(crate) fn failed(report: &Value) -> Vec<&Value> {
    report["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == "failed").collect()
}

/// The one failed check whose name contains `check`.
pub(crate) fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    let failed = failed(report);
    let found = failed.iter().find(|finding| finding["check"].as_str().unwrap().contains(check));
    found.unwrap_or_else(|| panic!("`{check}` did not fail: {failed:#?}"))
}

async fn key_of(world: &World, tenant: &str) -> String {
    let alias = format!("alias/customer-{tenant}");
    world.kms().describe_key().key_id(alias).send().await.unwrap().key_metadata.unwrap().key_id
}

pub(crate) async fn policy_of(world: &World, tenant: &str) -> Value {
    let answer = world.kms().get_key_policy().key_id(key_of(world, tenant).await).send().await.unwrap();
    serde_json::from_str(&answer.policy.unwrap()).unwrap()
}

pub(crate) async fn put_policy(world: &World, tenant: &str, policy: &Value) {
    let put = world.kms().put_key_policy().key_id(key_of(world, tenant).await).policy(policy.to_string());
    put.send().await.unwrap();
}

/// A policy after the changes that doctor printed.
pub(crate) fn fixed(policy: &Value, changes: &[Value]) -> Value {
    let mut policy = policy.clone();
    let statements = policy["Statement"].as_array_mut().unwrap();
    for change in changes {
        match (change.get("remove"), change.get("add")) {
            (Some(surplus), None) => statements.retain(|statement| statement != surplus),
            (None, Some(missing)) => statements.push(missing.clone()),
            _ => panic!("{change}"),
        }
    }
    policy
}

#[tokio::test]
async fn a_sound_set_up_is_found_healthy_and_nothing_is_changed() {
    let world = World::start().await;
    let before = world.tenants().history(&TenantId::parse("acme").unwrap()).await.unwrap();
    let report = examined(&world, &["acme", "globex"]).await;
    assert_eq!(failed(&report), Vec::<&Value>::new());
    assert_eq!(report["tally"]["skipped"], 0, "{report:#}");
    for proof in [
        "acme's session makes a data key by alias/customer-acme",
        "acme's session is refused a data key by globex's alias",
        "acme's session is refused a data key by its own key ARN",
        "acme's session is refused decrypting without KeyId",
        "acme's session is refused a data key for globex's context",
        "a session tagged acme, without a session policy, is refused globex's alias",
        "globex's session is refused a data key by acme's alias",
    ] {
        let checks = report["checks"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["check"] == proof && check["outcome"] == "passed"), "{proof}");
    }
    assert_eq!(before, world.tenants().history(&TenantId::parse("acme").unwrap()).await.unwrap());
}

#[tokio::test]
async fn a_refusal_is_believed_only_while_the_other_tenants_own_calls_succeed() {
    let world = World::start().await;
    world.kms().disable_key().key_id(key_of(&world, "globex").await).send().await.unwrap();
    let report = examined(&world, &["acme", "globex"]).await;
    finding(&report, "the key is enabled");
    finding(&report, "the registry's entry is correct");
    assert_eq!(report["tally"]["skipped"], 3, "isolation both ways, and the rotation: {report:#}");
}

#[tokio::test]
async fn the_printed_changes_of_a_key_policy_fix_it() {
    let world = World::start().await;
    let sound = policy_of(&world, "globex").await;
    let mut without_tag = sound.clone();
    without_tag["Statement"].as_array_mut().unwrap().retain(|statement| statement["Sid"] != "DenyOtherTenants");
    let mut without_denial = sound.clone();
    without_denial["Statement"].as_array_mut().unwrap().retain(|statement| statement["Effect"] != "Deny");
    without_denial["Statement"].as_array_mut().unwrap().push(json!({ "Effect": "Allow", "Principal": { "AWS": "*" },
        "Action": "kms:*", "Resource": "*", "Condition": { "StringEquals": { "kms:CallerAccount": "111111111111" } } }));
    let mut copied = sound.clone();
    copied["Statement"] = json!([
        { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" }, "Action": "kms:*", "Resource": "*" },
        { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:role/TenantKeys" },
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
            "Condition": { "StringEquals": { "kms:RequestAlias": "alias/customer-globex" } } },
    ]);

    for (broken, leak) in [
        (&without_tag, "a session tagged acme, without a session policy, is refused globex's alias"),
        (&without_denial, "acme's session is refused a data key by globex's alias"),
        (&copied, "a session tagged acme, without a session policy, is refused globex's alias"),
    ] {
        put_policy(&world, "globex", broken).await;
        let report = examined(&world, &["acme", "globex"]).await;
        assert_eq!(finding(&report, leak)["wrong"], "KMS would have answered");
        let changes = finding(&report, "the key policy is the generated one")["changes"].as_array().unwrap().clone();
        assert_eq!(finding(&report, leak)["changes"], json!(changes), "the leak names what fixes it");

        put_policy(&world, "globex", &fixed(broken, &changes)).await;
        assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);
    }
}

/// Trust policies that are wrong are replaced by the statements that doctor prints for `check`.
async fn a_trust_policy_is_fixed(wrong: impl FnOnce(&World) -> Value, check: &str) -> Value {
    let world = World::start().await;
    let keys = world.stack.account("111111111111").unwrap();
    let role = |trust: Value| {
        let role = keys.role("TenantKeys").permission(world.tenancy.role_policy("us-east-1"));
        role.trust(json!({ "Version": "2012-10-17", "Statement": trust })).create().unwrap();
    };
    role(json!([wrong(&world)]));
    let report = examined(&world, &["acme", "globex"]).await;
    let changes = finding(&report, check)["changes"].as_array().unwrap();
    role(changes.iter().map(|change| change["add"].clone()).collect());
    assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);
    report
}

#[tokio::test]
async fn a_role_given_without_the_tag_is_found_and_the_printed_policy_fixes_it() {
    let wrong = |world: &World| json!({ "Effect": "Allow", "Principal": { "AWS": &world.service_arn }, "Action": ["sts:AssumeRole", "sts:TagSession"] });
    let report = a_trust_policy_is_fixed(wrong, "without the session tag").await;
    finding(&report, "without session tag and session policy");
}

#[tokio::test]
async fn a_role_that_nobody_gives_is_found_and_the_printed_policy_fixes_it() {
    let wrong = |_: &World| json!({ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::333333333333:root" }, "Action": "sts:AssumeRole" });
    a_trust_policy_is_fixed(wrong, "can be assumed for a tenant").await;
}

#[tokio::test]
async fn what_an_administrator_forgot_is_found() {
    let world = World::start().await;
    let kms = world.kms();
    let key = key_of(&world, "acme").await;
    kms.disable_key_rotation().key_id(&key).send().await.unwrap();
    kms.delete_alias().alias_name(format!("alias/customer-acme/{key}")).send().await.unwrap();
    // No administrator may create grants under the generated policy; this one has changed it for a while.
    let sound = policy_of(&world, "acme").await;
    let mut open = sound.clone();
    open["Statement"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "Effect": "Allow", "Resource": "*", "Action": "kms:CreateGrant",
        "Principal": { "AWS": "arn:aws:iam::111111111111:root" } }));
    put_policy(&world, "acme", &open).await;
    let role = world.tenancy.role().as_str();
    let grant = kms.create_grant().key_id(&key).grantee_principal(role);
    grant.operations(aws_sdk_kms::types::GrantOperation::Decrypt).send().await.unwrap();
    put_policy(&world, "acme", &sound).await;
    let report = examined(&world, &["acme"]).await;
    let fix = |check| finding(&report, check)["fix"].as_str().unwrap().to_owned();
    assert!(fix("the key is rotated").contains("aws kms enable-key-rotation"));
    assert!(fix("the key has an alias of its own").contains("aws kms create-alias"));
    assert!(fix("no grant bypasses the policies").contains("aws kms revoke-grant"));
    assert_eq!(failed(&report).len(), 3, "{report:#}");
}

#[tokio::test]
async fn an_alias_that_someone_moved_is_found() {
    let world = World::start().await;
    let policy = world.tenancy.key_policy(&TenantId::parse("acme").unwrap()).unwrap();
    let other = world.kms().create_key().policy(policy.to_string()).send().await.unwrap().key_metadata.unwrap().key_id;
    let moved = world.kms().update_alias().alias_name("alias/customer-acme").target_key_id(&other);
    moved.send().await.unwrap();
    let report = examined(&world, &["acme"]).await;
    let found = finding(&report, "the registry's entry is correct");
    assert!(found["wrong"].as_str().unwrap().contains(&other), "{found}");
}

#[tokio::test]
async fn a_tenant_that_nobody_onboarded_is_found() {
    let world = World::start().await;
    let report = examined(&world, &["acme", "initech"]).await;
    assert!(finding(&report, "the alias exists")["fix"].as_str().unwrap().starts_with("tenantseal onboard initech"));
    finding(&report, "the registry's entry is correct");
}

#[tokio::test]
async fn credentials_of_another_account_are_found() {
    let world = World::start().await;
    // Someone who may look at the keys from elsewhere is still not who should onboard there.
    let output = world.run(&["doctor", "acme", "--profile", "stranger", "--service-profile", "service"]).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("222222222222") || said.contains("there is no alias/customer-acme"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn a_role_with_every_permission_is_held_by_the_key_policies() {
    let world = World::start().await;
    let keys = world.stack.account("111111111111").unwrap();
    let role = keys.role("TenantKeys").trust(world.tenancy.trust_policy(&[&world.service_arn]));
    role.permission(EVERYTHING).create().unwrap();
    assert_eq!(examined(&world, &["acme", "globex"]).await["healthy"], true);
}

#[tokio::test]
async fn every_scope_is_proven_with_its_own_policies() {
    let world = World::start().await;
    let keys = world.stack.account("111111111111").unwrap();
    let report = examined(&world, &["acme", "globex", "--scope", "resource-aliases"]).await;
    finding(&report, "the key policy is the generated one");
    for (word, scope) in [
        ("resource-aliases", tenantseal::keys::Scope::ResourceAliases),
        ("resource-tag", tenantseal::keys::Scope::ResourceTag),
    ] {
        let tenancy = world.tenancy.clone().scoped_by(scope);
        let role = keys.role("TenantKeys").trust(tenancy.trust_policy(&[&world.service_arn]));
        role.permission(tenancy.role_policy("us-east-1")).create().unwrap();
        for tenant in ["acme", "globex"] {
            let policy = tenancy.key_policy(&TenantId::parse(tenant).unwrap()).unwrap();
            put_policy(&world, tenant, &serde_json::from_str(&policy.to_string()).unwrap()).await;
        }
        let report = examined(&world, &["acme", "globex", "--scope", word]).await;
        assert_eq!(failed(&report), Vec::<&Value>::new(), "{word}");
    }
}
