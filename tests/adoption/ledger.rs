//! How often the ledger is asked, and what happens when it does not answer.

use std::sync::atomic::Ordering;

use tenantseal::Error;
use tenantseal::adoption::AdoptionStage;
use tenantseal::error::LeaveErrorKind;

use super::scene::{LEASE, Scene, plaintext};
use crate::common::{Contact, contact, id};

#[tokio::test]
async fn the_ledger_is_asked_once_a_minute_for_a_tenant() {
    for stage in [AdoptionStage::Plain, AdoptionStage::Closed, AdoptionStage::None] {
        let scene = Scene::at(stage).await;
        scene.world.plant(plaintext("c-1")).await;
        let (seal, before) = (scene.adopting(), scene.gets());
        let acme = seal.tenant(&id("acme"));
        for minute in 1..=3 {
            let reads = (0..20).map(|_| acme.open("crm", plaintext("c-1")));
            futures_util::future::join_all(reads).await;
            for n in 0..5 {
                let _ = acme.records::<Contact>().get("c-1").await;
                acme.records::<Contact>().put(&contact("acme", &format!("c-{}", 10 + n))).await.unwrap();
                // Handles come and go.
                let _ = seal.tenant(&id("acme")).open("crm", plaintext("c-1")).await;
            }
            assert_eq!(scene.gets() - before, minute, "{stage:?}");
            scene.world.stack.clock().advance(LEASE);
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_while_no_plaintext_is_met_or_sent() {
    let scene = Scene::at(AdoptionStage::Closed).await;
    scene.world.tenant("acme").records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    let (acme, before) = (scene.acme(), scene.gets());
    assert!(acme.records::<Contact>().get("c-1").await.unwrap().is_some());
    acme.records::<Contact>().update("c-1").set("company", "Other Ltd").await.unwrap();
    acme.records::<Contact>().delete("c-1").await.unwrap();
    assert_eq!(scene.gets(), before);
}

#[tokio::test]
async fn a_ledger_out_of_reach_fails_only_what_needs_a_leave() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    scene.world.plant(plaintext("plain")).await;
    scene.world.tenant("acme").records::<Contact>().put(&contact("acme", "sealed")).await.unwrap();
    scene.ledger.is_down.store(true, Ordering::Relaxed);
    let acme = scene.acme();
    let contacts = acme.records::<Contact>();
    assert!(contacts.get("sealed").await.unwrap().is_some());
    contacts.update("sealed").set("company", "Other Ltd").await.unwrap();
    for error in [
        contacts.get("plain").await.unwrap_err(),
        contacts.put(&contact("acme", "c-2")).await.unwrap_err(),
        contacts.update("sealed").set("email", "new@example.org").await.unwrap_err(),
        acme.open("crm", plaintext("plain")).await.unwrap_err(),
    ] {
        let is_unavailable =
            matches!(error.cause(), Error::Leave(leave) if leave.kind() == LeaveErrorKind::Unavailable);
        assert!(is_unavailable && error.is_retryable() && !error.is_integrity(), "{error}");
        assert_eq!(error.http_status(), 503);
    }
    // Of several items, those that need no leave are given where each is opened by itself.
    let sealed = scene.world.stored("acme", "sealed").await;
    let each = acme.open_each("crm", vec![plaintext("plain"), sealed]).await.unwrap();
    assert!(each[0].is_err() && each[1].is_ok());
    scene.ledger.is_down.store(false, Ordering::Relaxed);
    assert!(contacts.get("plain").await.unwrap().is_some());
}

#[tokio::test]
async fn a_leave_that_is_known_serves_through_an_outage_for_its_minute() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    let acme = scene.acme();
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    scene.ledger.is_down.store(true, Ordering::Relaxed);
    acme.records::<Contact>().put(&contact("acme", "c-2")).await.unwrap();
    scene.world.stack.clock().advance(LEASE);
    assert!(acme.records::<Contact>().put(&contact("acme", "c-3")).await.unwrap_err().is_retryable());
}
