//! The core scenarios on each kind of runtime.

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

fn workers(count: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(count).enable_all().build().unwrap()
}

#[test]
fn on_the_current_thread() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(scenario());
}

#[test]
fn on_one_worker() {
    let runtime = workers(1);
    runtime.block_on(runtime.spawn(scenario())).unwrap();
}

#[test]
fn on_four_workers() {
    let runtime = workers(4);
    runtime.block_on(runtime.spawn(scenario())).unwrap();
}

#[test]
fn inside_a_local_set() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, scenario());
}
