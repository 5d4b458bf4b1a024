//! No tenant uses up what another needs: calls of STS and KMS, sessions and room in the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tenantseal::{Error, Item, TenantSeal};
use tenantseal_local::Call;

use crate::common::{World, contact, id, item};

const SECOND: Duration = Duration::from_secs(1);

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("t{at}")).collect()
}

async fn put(seal: &TenantSeal, tenant: &str) -> Result<Item, Error> {
    seal.tenant(&id(tenant)).seal("crm", item(&contact(tenant, "c-1"))).await
}

/// Calls of an operation in one tenant's session.
fn calls(world: &World, operation: &str, tenant: &str) -> usize {
    let session = format!("tenant-{tenant}");
    let own = |call: &Call| call.operation == operation && call.session_name.as_deref() == Some(&session);
    world.stack.calls().records().iter().filter(|record| own(&record.call)).count()
}

#[tokio::test]
async fn a_session_is_kept_whoever_else_is_revoked_while_it_is_made() {
    let world = World::start(&["acme", "globex"]).await;
    let stored = put(&world.seal(), "acme").await.unwrap();
    let seal = Arc::new(world.seal());
    put(&seal, "globex").await.unwrap();
    world.stack.calls().reset();
    world.stack.faults().on("AssumeRole").delay(SECOND / 2);
    let sealing = tokio::spawn({
        let seal = Arc::clone(&seal);
        async move { put(&seal, "acme").await }
    });
    while world.stack.calls().count("AssumeRole") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seal.revoke(&id("globex")).await;
    sealing.await.unwrap().unwrap();
    seal.tenant(&id("acme")).open("crm", stored).await.unwrap();
    assert_eq!(calls(&world, "AssumeRole", "acme"), 1);
}

#[tokio::test]
async fn a_healthy_tenant_beside_a_hundred_suspended_ones_assumes_its_role_once() {
    let suspended = names(100);
    let world = World::start(&["acme"]).await;
    let keys = join_all(suspended.iter().map(|tenant| world.onboard(tenant))).await;
    join_all(keys.iter().map(|key| world.admin.disable_key().key_id(key).send())).await.into_iter().for_each(
        |disabled| {
            disabled.unwrap();
        },
    );
    let mut stored = Vec::new();
    for _ in 0..30 {
        stored.push(put(&world.seal(), "acme").await.unwrap());
    }
    world.stack.calls().reset();
    let is_acme = |call: &Call| call.session_name.as_deref() == Some("tenant-acme");
    world.stack.faults().on("AssumeRole").when(is_acme).delay(SECOND * 6 / 5);
    let seal = Arc::new(world.seal());
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = suspended.into_iter().map(|tenant| {
        let (seal, stop) = (Arc::clone(&seal), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert!(put(&seal, &tenant).await.unwrap_err().is_revoked());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    });
    let traffic: Vec<_> = traffic.collect();
    for stored in stored {
        seal.tenant(&id("acme")).open("crm", stored).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for tenant in traffic {
        tenant.await.unwrap();
    }
    assert_eq!(calls(&world, "AssumeRole", "acme"), 1, "for 30 opens");
}

#[tokio::test]
async fn a_suspended_tenant_keeps_its_session_and_is_asked_for_once_a_minute() {
    let world = World::start(&[]).await;
    let arn = world.onboard("acme").await;
    let stored = put(&world.seal(), "acme").await.unwrap();
    let seal = world.seal();
    put(&seal, "acme").await.unwrap();
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    world.stack.calls().reset();
    // The lease is over. Then ten minutes of traffic, in the middle of the life of its session.
    world.stack.clock().advance(SECOND * 16 * 60);
    for second in 0..600 {
        let error = match second % 2 {
            0 => put(&seal, "acme").await.unwrap_err(),
            _ => seal.tenant(&id("acme")).open("crm", stored.clone()).await.unwrap_err(),
        };
        assert!(error.is_revoked(), "{error}");
        world.stack.clock().advance(SECOND);
    }
    let asked = calls(&world, "GenerateDataKey", "acme") + calls(&world, "Decrypt", "acme");
    assert_eq!(calls(&world, "AssumeRole", "acme"), 0);
    assert!(asked <= 40, "a suspended tenant was asked for {asked} times in ten minutes");

    world.admin.enable_key().key_id(&arn).send().await.unwrap();
    let mut waited = 0;
    while put(&seal, "acme").await.is_err() {
        world.stack.clock().advance(SECOND);
        waited += 1;
        assert!(waited <= 60, "it was resumed a minute ago");
    }
    seal.tenant(&id("acme")).open("crm", stored).await.unwrap();
    assert_eq!(calls(&world, "AssumeRole", "acme"), 0);
}

#[tokio::test]
async fn a_tenant_that_is_onboarded_under_traffic_is_served_within_seconds() {
    let world = World::start(&[]).await;
    let seal = world.seal();
    for _ in 0..120 {
        assert!(put(&seal, "acme").await.unwrap_err().is_retryable());
        world.stack.clock().advance(SECOND);
    }
    let asked = calls(&world, "GenerateDataKey", "acme");
    assert!(asked <= 60, "asked {asked} times in two minutes");
    world.onboard("acme").await;
    let mut waited = 0;
    while put(&seal, "acme").await.is_err() {
        world.stack.clock().advance(SECOND);
        waited += 1;
        assert!(waited <= 5, "it was onboarded {waited} seconds ago");
    }
}

#[tokio::test]
async fn made_up_tenants_push_out_no_session_of_those_that_have_keys() {
    let world = World::start(&["acme"]).await;
    let elsewhere = put(&world.seal(), "acme").await.unwrap();
    let seal = world.seal();
    put(&seal, "acme").await.unwrap();
    world.stack.calls().reset();
    for at in 0..1_100 {
        put(&seal, &format!("nobody-{at}")).await.unwrap_err();
    }
    seal.tenant(&id("acme")).open("crm", elsewhere).await.unwrap();
    assert_eq!(calls(&world, "AssumeRole", "acme"), 0);
}

#[tokio::test]
async fn made_up_tenants_take_no_room_from_those_that_have_keys() {
    const ROOM: usize = 40;
    let tenants = names(ROOM / 2);
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let seal = world.builder().data_key_capacity(ROOM as u64).build(&world.app).unwrap();
    let mut stored = Vec::new();
    for tenant in &tenants {
        stored.push(put(&seal, tenant).await.unwrap());
    }
    // Handles alone, and handles whose use fails.
    for at in 0..20_000 {
        drop(seal.tenant(&id(&format!("nobody-{at}"))));
    }
    for at in 0..ROOM * 5 {
        put(&seal, &format!("nobody-{at}")).await.unwrap_err();
    }
    // moka evicts in batches, at the latest at the next use after a third of a second.
    tokio::time::sleep(SECOND / 2).await;
    for tenant in &tenants {
        seal.tenant(&id(tenant));
    }
    world.stack.calls().reset();
    for (tenant, stored) in tenants.iter().zip(stored) {
        seal.tenant(&id(tenant)).open("crm", stored).await.unwrap();
        put(&seal, tenant).await.unwrap();
    }
    assert_eq!(world.key_calls(), 0, "tenants that do not exist took the place of those that do");
}
