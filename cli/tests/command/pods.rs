//! `doctor` with a service whose own session has transitive tags, as EKS Pod Identity gives them.

use aws_credential_types::Credentials;
use aws_sdk_sts::types::Tag;
use serde_json::{Value, json};

use crate::doctor::{examined, failed, finding};
use crate::pod_tags::POD;
use crate::world::{EVERYTHING, World};

const ASSUMED: &str = "the role can be assumed for a tenant";
const BOTH: [&str; 2] = ["acme", "globex"];

/// Makes the profile `service` that of a session with these transitive tags; gives the ARN of its role.
async fn in_a_pod(world: &World, tags: &[(&str, &str)]) -> String {
    let role = world.stack.account("222222222222").unwrap().role("crm-pod").permission(EVERYTHING);
    let role = role.trust(json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": { "AWS": "222222222222" }, "Action": ["sts:AssumeRole", "sts:TagSession"] }] }));
    let role = role.create().unwrap();
    let mut request = aws_sdk_sts::Client::new(&world.service).assume_role().role_arn(role.arn());
    for (key, value) in tags {
        request = request.tags(Tag::builder().key(*key).value(*value).build().unwrap()).transitive_tag_keys(*key);
    }
    let session = request.role_session_name("eks-production-crm-7d9c5b8f64-376f3cff").send().await.unwrap();
    let session = session.credentials.unwrap();
    let (id, secret, token) = (session.access_key_id, session.secret_access_key, session.session_token);
    world.set_profile("service", &Credentials::new(id, secret, Some(token), None, "test"));
    role.arn().to_owned()
}

fn trust(world: &World, statements: Value) {
    let role = world.stack.account("111111111111").unwrap().role("TenantKeys");
    let role = role.permission(world.tenancy.role_policy("us-east-1"));
    role.trust(json!({ "Version": "2012-10-17", "Statement": statements })).create().unwrap();
}

/// Deploys what doctor printed, as it was printed.
fn deploy(world: &World, finding: &Value) {
    let changes = finding["changes"].as_array().unwrap();
    assert!(!changes.is_empty(), "{finding:#}");
    trust(world, changes.iter().map(|change| change["add"].clone()).collect());
}

/// The trust policy of releases that knew no inherited tags and left the session's name open.
fn former(service: &str) -> Value {
    json!([{ "Effect": "Allow", "Principal": { "AWS": service }, "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": { "StringLike": { "aws:RequestTag/TenantId": "?*" },
            "ForAllValues:StringEquals": { "aws:TagKeys": ["TenantId"] } } }])
}

#[tokio::test]
async fn a_pod_that_is_refused_is_found_and_the_printed_statements_fix_it() {
    let world = World::start().await;
    let service = in_a_pod(&world, &POD).await;
    trust(&world, former(&service));
    let report = examined(&world, &BOTH).await;
    let finding = finding(&report, ASSUMED);
    assert!(finding["fix"].as_str().unwrap().contains("EKS Pod Identity"), "{finding:#}");
    deploy(&world, finding);
    assert_eq!(examined(&world, &BOTH).await["healthy"], true);
}

#[tokio::test]
async fn further_inherited_tags_are_named_and_the_printed_statements_fix_it() {
    let world = World::start().await;
    let service = in_a_pod(&world, &[&POD[..], &[("Team", "crm")]].concat()).await;
    let sound = serde_json::from_str::<Value>(&world.tenancy.trust_policy(&[&service]).to_string()).unwrap();
    trust(&world, sound["Statement"].clone());
    let report = examined(&world, &BOTH).await;
    let fix = finding(&report, ASSUMED)["fix"].as_str().unwrap().to_owned();
    assert!(fix.contains("transitiveTagKeys") && fix.contains("--inherited-tag"), "{fix}");
    // As it says.
    let named = POD.iter().map(|(key, _)| *key).chain(["Team"]).flat_map(|key| ["--inherited-tag", key]);
    let named: Vec<_> = BOTH.into_iter().chain(named).collect();
    let report = examined(&world, &named).await;
    deploy(&world, finding(&report, ASSUMED));
    assert_eq!(examined(&world, &named).await["healthy"], true);
    // In the settings, too, and they are what `policy trust` prints.
    std::fs::write(world.path().join("tenantseal.toml"), r#"inherited_tags = ["Team", "Purpose"]"#).unwrap();
    let printed = world.run(&["policy", "trust", "--service", &service, "--json"]).await.stdout;
    let printed: Value = serde_json::from_slice(&printed).unwrap();
    let tags = &printed["Statement"][1]["Condition"]["ForAllValues:StringEquals"]["sts:TransitiveTagKeys"];
    assert_eq!(*tags, json!(["Team", "Purpose"]));
    let refused = world.run(&["policy", "trust", "--service", &service, "--inherited-tag", "tenantid"]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

#[tokio::test]
async fn an_inherited_tenant_is_found_with_what_to_do() {
    let world = World::start().await;
    let service = in_a_pod(&world, &[("TenantId", "acme")]).await;
    let sound = serde_json::from_str::<Value>(&world.tenancy.trust_policy(&[&service]).to_string()).unwrap();
    trust(&world, sound["Statement"].clone());
    let report = examined(&world, &BOTH).await;
    let fix = finding(&report, ASSUMED)["fix"].as_str().unwrap();
    assert!(fix.contains("TenantId") && fix.contains("must not set it as transitive"), "{fix}");
    in_a_pod(&world, &[]).await;
    assert_eq!(examined(&world, &BOTH).await["healthy"], true);
}

#[tokio::test]
async fn inherited_tags_that_leave_no_room_are_found_with_what_to_do() {
    let world = World::start().await;
    let long = "x".repeat(160);
    let service = in_a_pod(&world, &[&POD[..5], &[("kubernetes-pod-uid", &long)]].concat()).await;
    let sound = serde_json::from_str::<Value>(&world.tenancy.trust_policy(&[&service]).to_string()).unwrap();
    trust(&world, sound["Statement"].clone());
    let report = examined(&world, &BOTH).await;
    let fix = finding(&report, ASSUMED)["fix"].as_str().unwrap();
    assert!(fix.contains("--disable-session-tags"), "{fix}");
    in_a_pod(&world, &[]).await;
    assert_eq!(examined(&world, &BOTH).await["healthy"], true);
}

#[tokio::test]
async fn a_role_that_lets_services_name_sessions_is_found_and_fixed() {
    let world = World::start().await;
    trust(&world, former(&world.service_arn));
    let report = examined(&world, &BOTH).await;
    assert_eq!(failed(&report).len(), 1, "{report:#}");
    deploy(&world, finding(&report, "the role is refused under a session name that is not the tenant's"));
    assert_eq!(examined(&world, &BOTH).await["healthy"], true);
}
