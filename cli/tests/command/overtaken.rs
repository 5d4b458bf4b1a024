//! Two processes: one is stopped between two requests, and goes on when the other has done something else.

use std::process::Output;

use crate::world::World;

/// Runs `stopped` until its first call of `operation`, which is not answered before `since` have been run.
async fn stopped_at(world: &World, operation: &str, stopped: &[&str], since: &[&[&str]]) -> Output {
    let profile = ["--yes", "--profile", "operator"];
    let before = world.stack.calls().count(operation);
    world.stack.faults().on(operation).times(1).hang();
    let stopped = [stopped, &profile].concat();
    let run = world.run(&stopped);
    let meanwhile = async {
        while world.stack.calls().count(operation) == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for arguments in since {
            let output = world.run(&[arguments, &profile[..]].concat()).await;
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        world.stack.faults().clear();
    };
    tokio::join!(run, meanwhile).0
}

fn assert_lost(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.starts_with("error: tenant `acme` was changed by others") && said.contains("show acme --history"),
        "{said}"
    );
    assert_eq!(said.trim_end().lines().count(), 1);
}

async fn state(world: &World, tenant: &str) -> serde_json::Value {
    let output = world.run(&["show", tenant, "--json", "--profile", "operator"]).await;
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::json!([shown["entry"]["state"], shown["keys"][0]["state"]])
}

#[tokio::test]
async fn a_suspension_that_wakes_up_late_disables_nothing() {
    let world = World::start().await;
    let output =
        stopped_at(&world, "DescribeKey", &["suspend", "acme"], &[&["suspend", "acme"], &["resume", "acme"]]).await;
    assert_lost(&output);
    assert_eq!(state(&world, "acme").await, serde_json::json!(["active", "Enabled"]));
}

#[tokio::test]
async fn an_offboarding_that_wakes_up_late_deletes_nothing() {
    let world = World::start().await;
    let since: [&[&str]; 3] = [&["offboard", "acme"], &["cancel-offboard", "acme"], &["resume", "acme"]];
    // Its key is disabled; what it would do next is to have it deleted.
    let output = stopped_at(&world, "DisableKey", &["offboard", "acme"], &since).await;
    assert_lost(&output);
    assert_eq!(
        state(&world, "acme").await,
        serde_json::json!(["active", "Disabled"]),
        "its last request was on the way"
    );
    assert!(world.run(&["resume", "acme", "--profile", "operator"]).await.status.success());
    assert_eq!(state(&world, "acme").await, serde_json::json!(["active", "Enabled"]));
}
