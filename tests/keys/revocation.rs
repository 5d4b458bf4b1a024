//! A revocation reaches whatever of a tenant is in memory or on its way there.

use std::time::Duration;

use tenantseal::{Tenant, TenantSeal};
use tenantseal_local::Call;

use crate::common::{World, contact, id, item};

async fn seal_one(tenant: &Tenant) -> Result<tenantseal::Item, tenantseal::Error> {
    tenant.seal("crm", item(&contact(tenant.id().as_str(), "c-1"))).await
}

/// Other tenants take the room of whoever was there. moka evicts in batches, at the latest at the next use after a third of a second.
async fn crowd_out(seal: &TenantSeal, others: &[&str]) {
    for _ in 0..2 {
        for other in others {
            seal_one(&seal.tenant(&id(other))).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    seal_one(&seal.tenant(&id(others[0]))).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_made_room_for_others_is_revoked_wherever_it_is_cached() {
    let others = ["t1", "t2", "t3", "t4"];
    let world = World::start(&["acme", "t1", "t2", "t3", "t4"]).await;
    let seal = world.builder().data_key_capacity(2).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    let is_acme = |call: &Call| call.session_name.as_deref() == Some("tenant-acme");
    let made = || {
        let records = world.stack.calls().records();
        records.iter().filter(|record| record.call.operation == "GenerateDataKey" && is_acme(&record.call)).count()
    };
    let asked = async |count| {
        let asked = async {
            while made() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), asked).await.expect("it was not asked again");
    };
    // A flight that began before its tenant was revoked asks again; before the second answer comes it is revoked once more.
    world.stack.faults().on("GenerateDataKey").when(is_acme).delay(Duration::from_secs(2));
    let sealing = tokio::spawn({
        let acme = acme.clone();
        async move { seal_one(&acme).await }
    });
    asked(1).await;
    // Without a key it makes no room for others.
    crowd_out(&seal, &others).await;
    assert_eq!(made(), 1);
    seal.revoke(&id("acme")).await;
    asked(2).await;
    seal.revoke(&id("acme")).await;
    world.stack.faults().clear();
    sealing.await.unwrap().unwrap();
    assert_eq!(made(), 3, "the answer to a request from before the revocation was used");

    // A handle that outlived an eviction, and was filled again since.
    crowd_out(&seal, &others).await;
    seal_one(&acme).await.unwrap();
    seal_one(&acme).await.unwrap();
    assert_eq!(made(), 4, "it had made room, and then was cached");
    seal.revoke(&id("acme")).await;
    seal_one(&acme).await.unwrap();
    assert_eq!(made(), 5);
}

#[tokio::test]
async fn a_handle_that_outlives_an_eviction_counts_towards_the_capacity_again() {
    let others = ["t1", "t2", "t3", "t4"];
    let world = World::start(&["acme", "t1", "t2", "t3", "t4"]).await;
    let seal = world.builder().data_key_capacity(2).build(&world.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    for round in 1..=3 {
        world.stack.calls().reset();
        seal_one(&acme).await.unwrap();
        assert_eq!(world.stack.calls().count("GenerateDataKey"), 1, "round {round}");
        crowd_out(&seal, &others).await;
    }
}

#[tokio::test]
async fn a_key_requested_before_a_revocation_does_not_come_back_after_it() {
    let world = World::start(&[]).await;
    let arn = world.onboard("acme").await;
    let elsewhere = world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    world.stack.faults().on("*").delay(Duration::from_millis(300));
    let opening = tokio::spawn({
        let (acme, stored) = (acme.clone(), elsewhere.clone());
        async move { acme.open("crm", stored).await }
    });
    let sealing = tokio::spawn({
        let acme = acme.clone();
        async move { acme.seal("crm", item(&contact("acme", "c-2"))).await }
    });
    // Both are under way.
    while world.stack.calls().count("Decrypt") == 0 || world.stack.calls().count("GenerateDataKey") < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seal.revoke(&id("acme")).await;
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    // Neither uses what it had asked for before.
    assert!(opening.await.unwrap().unwrap_err().is_revoked());
    assert!(sealing.await.unwrap().unwrap_err().is_revoked());
    world.stack.faults().clear();
    assert!(acme.open("crm", elsewhere).await.unwrap_err().is_revoked());
    assert!(acme.seal("crm", item(&contact("acme", "c-3"))).await.unwrap_err().is_revoked());
}

#[tokio::test]
async fn a_session_that_is_on_its_way_while_its_tenant_is_revoked_is_not_used() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    world.stack.faults().on("AssumeRole").delay(Duration::from_millis(300));
    let sealing = tokio::spawn({
        let acme = seal.tenant(&id("acme"));
        async move { seal_one(&acme).await }
    });
    while world.stack.calls().count("AssumeRole") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seal.revoke(&id("acme")).await;
    sealing.await.unwrap().unwrap();
    assert_eq!(world.stack.calls().count("AssumeRole"), 2, "the session from before the revocation was used");
}

#[tokio::test]
async fn callers_after_a_revocation_do_not_join_an_earlier_session_request() {
    let world = World::start(&["acme"]).await;
    let stored = seal_one(&world.tenant("acme")).await.unwrap();
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    world.stack.calls().reset();
    world.stack.faults().on("AssumeRole").delay(Duration::from_secs(2));
    let sealing = tokio::spawn({
        let acme = acme.clone();
        async move { seal_one(&acme).await }
    });
    while world.stack.calls().count("AssumeRole") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.stack.faults().clear();
    seal.revoke(&id("acme")).await;
    acme.open("crm", stored).await.unwrap();
    assert!(!sealing.is_finished(), "it waited for the session from before");
    assert_eq!(world.stack.calls().count("AssumeRole"), 2);
    sealing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_revoked_tenant_does_not_use_up_the_quota_of_all() {
    let world = World::start(&[]).await;
    let arn = world.onboard("acme").await;
    let stored = world.tenant("acme").seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    let acme = world.tenant("acme");
    world.stack.calls().reset();
    for _ in 0..50 {
        assert!(acme.open("crm", stored.clone()).await.unwrap_err().is_revoked());
    }
    assert_eq!(world.stack.calls().count("AssumeRole"), 1);
    assert!(world.stack.calls().count("Decrypt") <= 3, "{}", world.stack.calls().count("Decrypt"));
}
