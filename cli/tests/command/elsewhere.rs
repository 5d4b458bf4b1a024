//! A registry that says something else than KMS, and Regions that are out: what `doctor` and `show` say of them, and what that fixes.

use serde_json::Value;
use tenantseal::TenantId;
use tenantseal_local::Stack;

use crate::doctor::{examined, finding};
use crate::world::World;

const ABROAD: &str = "eu-central-1";
const OPERATOR: [&str; 2] = ["--profile", "operator"];

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// A world in which `wide` has a key in two Regions.
async fn wide() -> World {
    let world = World::start().await;
    world.tenants().onboard(&tenant("wide")).replicas([ABROAD]).await.unwrap();
    world
}

/// Runs a command as it was printed, with the operator's profile.
async fn run(world: &World, printed: &str) -> std::process::Output {
    let words: Vec<_> = printed.split(' ').collect();
    assert_eq!(words[0], "tenantseal", "{printed}");
    world.run(&[&words[1..], &OPERATOR].concat()).await
}

/// Has somebody write the registry's entry.
async fn write(world: &World, whom: &str, change: impl FnOnce(&mut tenantseal_tenants::Entry)) {
    let tenants = world.tenants();
    let mut entry = tenants.registry().get(&tenant(whom)).await.unwrap().unwrap();
    change(&mut entry);
    entry.version += 1;
    tenants.registry().put(&entry).await.unwrap();
}

fn is_out(stack: &Stack, region: &str) {
    stack.faults().on("*").in_region(region).when(|call| call.key_id.is_some()).disconnect();
}

#[tokio::test]
async fn an_unlisted_region_is_found_and_the_printed_command_fixes_it() {
    let world = wide().await;
    write(&world, "wide", |entry| entry.regions.truncate(1)).await;
    let shown = run(&world, "tenantseal show wide").await;
    assert!(String::from_utf8(shown.stdout).unwrap().contains("eu-central-1 (not in the registry)"));
    let report = examined(&world, &["wide"]).await;
    let fix = finding(&report, "the registry's entry is correct")["fix"].as_str().unwrap().to_owned();
    let printed = fix.split("; ").nth(1).unwrap().split(" lists it").next().unwrap();
    // The first run says who was wrong and corrects the entry; the second one ends.
    assert_eq!(run(&world, printed).await.status.code(), Some(3), "{fix}");
    let again = run(&world, printed).await;
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(examined(&world, &["wide"]).await["healthy"], true);
}

#[tokio::test]
async fn another_tenants_key_in_the_registry_is_shown_and_put_behind_no_alias() {
    let world = World::start().await;
    let globex = world.tenants().registry().get(&tenant("globex")).await.unwrap().unwrap();
    write(&world, "acme", |entry| entry.generations.clone_from(&globex.generations)).await;
    let shown = run(&world, "tenantseal show acme").await;
    assert!(String::from_utf8(shown.stdout).unwrap().contains("(not made for this tenant)"));
    let report = examined(&world, &["acme"]).await;
    let fix = finding(&report, "the registry's entry is correct")["fix"].as_str().unwrap();
    assert!(!fix.contains("update-alias") && fix.contains("tenantseal show acme --history"), "{fix}");
}

#[tokio::test]
async fn doctor_finds_nothing_wrong_with_a_replica_looked_at_in_its_own_region() {
    let world = wide().await;
    let report = examined(&world, &["wide", "--region", ABROAD]).await;
    let checks = report["checks"].as_array().unwrap();
    let known = checks.iter().find(|check| check["check"] == "the registry's entry is correct").unwrap();
    assert_eq!(known["outcome"], "passed", "{known:#}");
}

#[tokio::test]
async fn a_region_that_is_out_is_named_and_the_rest_is_shown() {
    let world = wide().await;
    is_out(&world.stack, ABROAD);
    let shown = run(&world, "tenantseal show wide").await;
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.status.code(), Some(5), "{text}{}", String::from_utf8_lossy(&shown.stderr));
    assert!(text.contains("Enabled") && text.contains("unknown (kms:DescribeKey in eu-central-1"), "{text}");
    let shown = run(&world, "tenantseal show wide --json").await;
    let data: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(data["keys"][0]["state"], "Enabled");
    assert!(data["keys"][1]["unknown"].as_str().unwrap().contains(ABROAD));
}

/// The help of `not made for`, whoever changed the description.
#[tokio::test]
async fn a_key_with_a_foreign_description_is_described_anew_as_printed() {
    let world = World::start().await;
    let key =
        world.kms().describe_key().key_id("alias/customer-acme").send().await.unwrap().key_metadata.unwrap().key_id;
    let describe = |key: String, text: String| {
        let request = world.kms().update_key_description().key_id(key).description(text);
        async move { request.send().await.unwrap() }
    };
    describe(key.clone(), "tenantseal: tenant acme-2, operation 0".to_owned()).await;
    let refused = run(&world, "tenantseal suspend acme --yes").await;
    let told = String::from_utf8(refused.stderr).unwrap();
    let printed = told.split("after all:").nth(1).unwrap_or_else(|| panic!("{told}")).trim();
    let (words, text) = printed.split_once(" --description ").unwrap();
    let words: Vec<_> = words.split(' ').collect();
    let ["aws", "kms", "update-key-description", "--region", "us-east-1", "--key-id", named] = words[..] else {
        panic!("{printed}")
    };
    describe(named.to_owned(), text.trim_matches('"').to_owned()).await;
    let again = run(&world, "tenantseal suspend acme --yes").await;
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}
