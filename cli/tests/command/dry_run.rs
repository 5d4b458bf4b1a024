//! `--dry-run` of every command that changes something: it says what would be done, and changes nothing.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::world::World;

type Row = HashMap<String, AttributeValue>;

/// Commands that change something, with what makes them possible.
const COMMANDS: [&[&str]; 13] = [
    &["init", "--key-table", "keys"],
    &["onboard", "initech", "umbrella"],
    &["onboard", "initech", "--replica", "eu-central-1", "--wait"],
    &["onboard", "smalls", "--as-pool"],
    &["onboard", "tiny", "--pool", "pool"],
    &["rotate", "acme", "--every", "90"],
    &["rotate", "acme", "--on-demand"],
    &["rotate", "acme", "--new-key"],
    &["rotate", "acme", "--to-pool", "pool"],
    &["suspend", "acme"],
    &["resume", "suspended"],
    &["offboard", "acme", "--report", "record", "--sample-table", "crm"],
    &["cancel-offboard", "ended"],
];

/// What of the stack a change would show in: calls that change something, and the registry with its history.
async fn world_now(world: &World) -> (BTreeMap<String, u64>, Vec<String>, Vec<Row>) {
    let reads = ["Get", "List", "Describe", "AssumeRole"];
    let calls = world.stack.calls().counts().into_iter().map(|((_, operation), count)| (operation, count));
    let calls = calls.filter(|(operation, _)| !reads.iter().any(|read| operation.starts_with(read))).collect();
    let client = aws_sdk_dynamodb::Client::new(&world.operator);
    let tables = client.list_tables().send().await.unwrap().table_names.unwrap();
    let mut items = client.scan().table_name("tenantseal-tenants").send().await.unwrap().items.unwrap();
    items.sort_by_key(|item| ["tenant", "row"].map(|name| item[name].as_s().unwrap().clone()));
    (calls, tables, items)
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let world = World::start().await;
    let tenants = world.tenants();
    let id = |tenant| tenantseal::TenantId::parse(tenant).unwrap();
    tenants.onboard(&id("pool")).create_pool().await.unwrap();
    for tenant in ["suspended", "ended"] {
        tenants.onboard(&id(tenant)).await.unwrap();
    }
    tenants.suspend(&id("suspended")).await.unwrap();
    tenants.offboard(&id("ended")).await.unwrap();
    let before = world_now(&world).await;
    for arguments in COMMANDS {
        for further in [&["--dry-run"][..], &["-n", "--json"], &["--dry-run", "--yes"]] {
            let output = world.run(&[arguments, further, &["--profile", "operator"]].concat()).await;
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(
                said.starts_with(if further.contains(&"--json") { "{\"dry_run\":true" } else { "would " }),
                "{said}"
            );
        }
    }
    let after = world_now(&world).await;
    assert_eq!((&before.0, &before.1), (&after.0, &after.1));
    assert!(before.2 == after.2, "the registry has changed");
    let files: Vec<_> = std::fs::read_dir(world.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["credentials"], "no record was written");
}

#[tokio::test]
async fn a_dry_run_refuses_what_the_command_would_refuse() {
    let world = World::start().await;
    let id = |tenant| tenantseal::TenantId::parse(tenant).unwrap();
    world.tenants().onboard(&id("pool")).create_pool().await.unwrap();
    world.tenants().onboard(&id("member")).in_pool(&id("pool")).await.unwrap();
    for (arguments, exit) in [
        (&["suspend", "nobody"][..], 6),
        (&["cancel-offboard", "acme"], 3),
        (&["onboard", "tiny", "--pool", "acme"], 3),
        (&["onboard", "tiny", "--pool", "nobody"], 3),
        (&["rotate", "acme", "--to-pool", "nobody"], 3),
        (&["rotate", "acme", "--every", "30"], 2),
        (&["rotate", "acme"], 2),
        (&["rotate", "member", "--on-demand"], 3),
        (&["rotate", "member"], 3),
        (&["rotate", "pool", "--new-key"], 3),
    ] {
        let arguments = [arguments, &["--profile", "operator"]].concat();
        let real = world.run(&arguments).await;
        assert_eq!(real.status.code(), Some(exit), "{arguments:?}: {}", String::from_utf8_lossy(&real.stderr));
        let rehearsed = world.run(&[&arguments[..], &["--dry-run"]].concat()).await;
        assert_eq!(
            rehearsed.status.code(),
            Some(exit),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&rehearsed.stdout)
        );
    }
}
