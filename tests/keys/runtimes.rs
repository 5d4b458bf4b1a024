//! The core scenarios on each kind of runtime.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use futures_util::future::join_all;
use tokio::runtime::{Builder, Runtime};

use crate::common::{World, contact, id, item};

/// One session and one data key for many, sealed and opened; then a revocation.
async fn scenario() {
    let world = World::start(&[]).await;
    let arn = world.onboard("acme").await;
    let seal = world.seal();
    let sealed = (0..1_000).map(|at| {
        let acme = seal.tenant(&id("acme"));
        async move { acme.seal("crm", item(&contact("acme", &format!("c-{at}")))).await.unwrap() }
    });
    let stored = join_all(sealed).await;
    let calls = world.stack.calls();
    assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt")), (1, 1, 0));

    let reader = world.tenant("acme");
    join_all(stored.iter().map(|stored| async { reader.open("crm", stored.clone()).await.unwrap() })).await;
    assert_eq!((calls.count("AssumeRole"), calls.count("GenerateDataKey"), calls.count("Decrypt")), (2, 1, 1));

    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    seal.revoke(&id("acme")).await;
    let acme = seal.tenant(&id("acme"));
    assert!(acme.open("crm", stored[0].clone()).await.unwrap_err().is_revoked());
}

/// An outage and then a re-pointing, with many operations at once.
async fn trouble() {
    let world = World::start(&[]).await;
    let former = world.onboard("acme").await;
    let own = format!("alias/customer-acme/{}", former.rsplit('/').next().unwrap());
    world.admin.create_alias().alias_name(own).target_key_id(&former).send().await.unwrap();
    let retries = RetryConfig::standard().with_max_attempts(1);
    let seal = world.builder().build(&world.app.clone().into_builder().retry_config(retries).build()).unwrap();
    let stored = seal.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let work = |at: usize| {
        let (acme, stored) = (seal.tenant(&id("acme")), stored.clone());
        tokio::spawn(async move {
            if at.is_multiple_of(2) {
                acme.open("crm", stored).await
            } else {
                acme.seal("crm", item(&contact("acme", "c-2"))).await
            }
        })
    };
    world.stack.faults().on("*").fail("ThrottlingException", 400);
    world.stack.clock().advance(Duration::from_secs(20 * 60));
    for served in join_all((0..200).map(work)).await {
        served.unwrap().unwrap();
    }
    world.stack.faults().clear();
    // The circuit is open, and lets a single probe through.
    world.stack.clock().advance(Duration::from_secs(15 * 60));
    while seal.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-2"))).await.is_err() {
        world.stack.clock().advance(Duration::from_secs(30));
    }
    let policy = world.tenancy.key_policy(&id("acme")).unwrap().to_string();
    let key = world.admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap();
    world.admin.update_alias().alias_name("alias/customer-acme").target_key_id(key.key_id).send().await.unwrap();
    world.stack.clock().advance(Duration::from_secs(20 * 60));
    world.stack.calls().reset();
    for served in join_all((0..200).map(work)).await {
        served.unwrap().unwrap();
    }
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 1);
}

async fn scenarios() {
    scenario().await;
    trouble().await;
}

fn workers(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

#[test]
fn on_the_current_thread() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(scenarios());
}

#[test]
fn on_one_worker() {
    let runtime = workers(1);
    runtime.block_on(runtime.spawn(scenarios())).unwrap();
}

#[test]
fn on_four_workers() {
    let runtime = workers(4);
    runtime.block_on(runtime.spawn(scenarios())).unwrap();
}

#[test]
fn inside_a_local_set() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, scenarios());
}
