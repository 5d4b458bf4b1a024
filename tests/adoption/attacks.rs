//! Leaves that somebody else has made, altered or put back.

use std::time::Duration;
use tenantseal::Error;

use tenantseal::adoption::AdoptionStage;
use tenantseal::error::LeaveErrorKind;

use super::scene::{LEASE, Scene, at, plaintext};
use crate::common::{Contact, contact, id, item, sealing_error};

fn kind(error: &Error) -> Option<LeaveErrorKind> {
    match error.cause() {
        Error::Leave(leave) => Some(leave.kind()),
        _ => None,
    }
}

#[tokio::test]
async fn no_altered_leave_and_none_of_another_tenant_lets_plaintext_in() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let genuine = scene.ledger.leave("acme").await.unwrap();
    let seal = scene.adopting();
    seal.adoption("crm").unwrap().open(&id("globex")).await.unwrap();
    let others = scene.ledger.leave("globex").await.unwrap();
    // Every 7th byte is enough here; core flips every bit.
    let forged = (0..genuine.len()).step_by(7).map(|at| {
        let mut forged = genuine.clone();
        forged[at] ^= 1;
        forged
    });
    for leave in forged.chain([others, genuine[..genuine.len() - 1].to_vec(), Vec::new()]) {
        scene.ledger.plant("acme", &leave).await;
        let acme = scene.acme();
        let read = acme.open("crm", plaintext("c-1")).await.unwrap_err();
        assert_eq!(kind(&read), Some(LeaveErrorKind::Forged), "{read}");
        assert!(read.is_integrity() && !read.is_retryable(), "{read}");
        let write = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
        assert_eq!(kind(&write), Some(LeaveErrorKind::Forged), "{write}");
    }
    scene.ledger.plant("acme", &genuine).await;
    assert!(scene.acme().open("crm", plaintext("c-1")).await.is_ok());
}

#[tokio::test]
async fn a_leave_of_another_table_lets_no_plaintext_in() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let orders = tenantseal::schema::TableSchema::builder("orders").partition_key("tenant_id", "{tenant}");
    let orders = orders.sort_key("contact_id").encrypt("email").build().unwrap();
    let seal = scene.builder().table(orders).adopt("orders", ["email"]).build(&scene.world.app).unwrap();
    let entry = scene.ledger.leave("acme").await.unwrap();
    seal.adoption("orders").unwrap().open(&id("acme")).await.unwrap();
    let of_orders = tenantseal::keys::KeyTable::get(&*scene.ledger, "acme", "leave#orders").await.unwrap().unwrap();
    scene.ledger.plant("acme", &of_orders).await;
    let error = scene.acme().open("crm", plaintext("c-1")).await.unwrap_err();
    assert_eq!(kind(&error), Some(LeaveErrorKind::Forged), "{error}");
    scene.ledger.plant("acme", &entry).await;
}

#[tokio::test]
async fn a_leave_that_is_put_back_is_refused_by_who_saw_the_end() {
    let scene = Scene::at(AdoptionStage::Sealing).await;
    let old = scene.ledger.leave("acme").await.unwrap();
    let seal = scene.adopting();
    let acme = seal.tenant(&id("acme"));
    assert!(acme.open("crm", plaintext("c-1")).await.is_ok());
    scene.flip(AdoptionStage::Closed).await;
    assert!(acme.open("crm", plaintext("c-1")).await.unwrap_err().is_integrity());
    scene.ledger.plant("acme", &old).await;
    scene.world.stack.clock().advance(LEASE);
    // New handles of the process remember, too.
    for acme in [acme, seal.tenant(&id("acme"))] {
        let error = acme.open("crm", plaintext("c-1")).await.unwrap_err();
        assert_eq!(kind(&error), Some(LeaveErrorKind::RolledBack), "{error}");
        assert!(error.is_integrity(), "{error}");
    }
    // Who never saw the end takes it until it expires: docs/THREATS.md says so.
    assert!(scene.acme().open("crm", plaintext("c-1")).await.is_ok());
    // A process without `adopt` never does.
    let error = scene.world.tenant("acme").open("crm", plaintext("c-1")).await.unwrap_err();
    assert!(error.to_string().contains("not sealed"), "{error}");
}

#[tokio::test]
async fn the_plaintext_of_a_suspended_tenant_is_refused() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let acme = scene.acme();
    assert!(acme.open("crm", plaintext("c-1")).await.is_ok());
    let get = || acme.dynamodb().get_item().table_name("crm").set_key(Some(at("c-1"))).send();
    let put = || acme.dynamodb().put_item().table_name("crm").set_item(Some(plaintext("c-1"))).send();
    put().await.unwrap();
    assert_eq!(get().await.unwrap().item, Some(plaintext("c-1")));
    let alias = scene.world.tenancy.alias(&id("acme"));
    let key = scene.world.admin.describe_key().key_id(alias.as_str()).send().await.unwrap().key_metadata.unwrap();
    scene.world.admin.disable_key().key_id(key.key_id).send().await.unwrap();
    // What KMS allowed holds for a quarter of an hour, as for sealed items.
    scene.world.stack.clock().advance(LEASE * 31);
    for acme in [acme, scene.acme()] {
        let error = acme.open("crm", plaintext("c-1")).await.unwrap_err();
        assert!(error.is_revoked(), "{error}");
        let error = acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap_err();
        assert!(error.is_revoked(), "{error}");
    }
    let globex = scene.adopting().tenant(&id("globex"));
    assert!(!globex.open("crm", item(&contact("globex", "c-1"))).await.unwrap_err().is_revoked());
}

#[tokio::test]
async fn a_leave_that_is_known_does_not_outlive_the_tenants_key() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let soon = Duration::from_secs(10);
    let builder = scene.builder().data_key_revalidation(soon).outage_grace(Duration::ZERO);
    let acme = builder.build(&scene.world.app).unwrap().tenant(&id("acme"));
    assert!(acme.open("crm", plaintext("c-1")).await.is_ok());
    let get = || acme.dynamodb().get_item().table_name("crm").set_key(Some(at("c-1"))).send();
    let put = || acme.dynamodb().put_item().table_name("crm").set_item(Some(plaintext("c-1"))).send();
    put().await.unwrap();
    assert_eq!(get().await.unwrap().item, Some(plaintext("c-1")));
    let alias = scene.world.tenancy.alias(&id("acme"));
    let key = scene.world.admin.describe_key().key_id(alias.as_str()).send().await.unwrap().key_metadata.unwrap();
    scene.world.admin.disable_key().key_id(key.key_id).send().await.unwrap();
    let before = scene.gets();
    scene.world.stack.clock().advance(soon + Duration::from_secs(1));
    let error = acme.open("crm", plaintext("c-1")).await.unwrap_err();
    assert!(error.is_revoked(), "{error}");
    assert!(sealing_error(get().await).is_revoked());
    assert!(sealing_error(put().await).is_revoked());
    assert_eq!(scene.gets(), before, "the leave is known");
}
