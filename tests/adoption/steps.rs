//! The steps of an adoption: their order, and what undoes them.

use std::time::Duration;

use tenantseal::adoption::{AdoptionError, AdoptionStage as Stage, NotPassed};
use tenantseal::error::{AdoptFault, ConfigError};
use tenantseal::schema::{Form, Lookup, TableSchema};

use super::scene::{ADOPTED, FENCE, LEASE, Scene};
use crate::common::{World, id};

#[tokio::test]
async fn each_step_is_taken_from_its_stage_alone() {
    let scene = Scene::start().await;
    let seal = scene.adopting();
    let (crm, acme) = (seal.adoption("crm").unwrap(), id("acme"));
    let refused_at = |error: AdoptionError| match error {
        AdoptionError::Stage { stage, .. } => stage,
        other => panic!("{other}"),
    };
    assert_eq!(crm.status(&acme).await.unwrap().stage(), Stage::None);
    assert_eq!(refused_at(crm.seal(&acme).await.unwrap_err()), Stage::None);
    assert_eq!(refused_at(crm.back(&acme).await.unwrap_err()), Stage::None);
    assert_eq!(refused_at(crm.close(&acme).await.unwrap_err()), Stage::None);

    let opened = crm.open(&acme).await.unwrap();
    assert_eq!((opened.stage(), opened.is_in_force(), opened.fence()), (Stage::Plain, true, None));
    assert_eq!(opened.attributes(), ["api_keys", "email", "notes"]);
    assert_eq!(opened.expires().unwrap(), opened.issued().unwrap() + Duration::from_secs(30 * 86_400));
    assert_eq!(refused_at(crm.close(&acme).await.unwrap_err()), Stage::Plain);
    let renewed = crm.open(&acme).await.unwrap();
    assert!(renewed.serial() > opened.serial());

    let sealing = crm.seal(&acme).await.unwrap();
    assert_eq!(sealing.fence(), Some(sealing.issued().unwrap() + FENCE));
    assert_eq!(crm.seal(&acme).await.unwrap().serial(), sealing.serial(), "the fence does not move");
    assert_eq!(refused_at(crm.open(&acme).await.unwrap_err()), Stage::Sealing);
    assert_eq!(refused_at(crm.open_again(&acme).await.unwrap_err()), Stage::Sealing);
    assert_eq!(crm.back(&acme).await.unwrap().stage(), Stage::Plain);
    let sealing = crm.seal(&acme).await.unwrap();
    crm.record_pass(&acme, &sealing, sealing.fence().unwrap(), 0).await.unwrap();
    assert_eq!(crm.status(&acme).await.unwrap().may_close(), Ok(()));
    let closed = crm.close(&acme).await.unwrap();
    assert_eq!((closed.stage(), closed.is_in_force()), (Stage::Closed, false));
    assert_eq!(crm.close(&acme).await.unwrap().serial(), closed.serial());
    for refused in [crm.open(&acme).await, crm.seal(&acme).await, crm.back(&acme).await] {
        assert_eq!(refused_at(refused.unwrap_err()), Stage::Closed);
    }
    let again = crm.open_again(&acme).await.unwrap();
    assert_eq!((again.stage(), again.attributes()), (Stage::Plain, renewed.attributes()));
    assert!(again.serial() > closed.serial());
}

#[tokio::test]
async fn nothing_is_closed_without_a_clean_pass_behind_the_fence() {
    let scene = Scene::at(Stage::Plain).await;
    let seal = scene.adopting();
    let (crm, acme) = (seal.adoption("crm").unwrap(), id("acme"));
    let not_passed = |error: AdoptionError| match error {
        AdoptionError::NotPassed { why, .. } => why,
        other => panic!("{other}"),
    };
    let first = crm.seal(&acme).await.unwrap();
    assert_eq!(not_passed(crm.close(&acme).await.unwrap_err()), NotPassed::None);
    let fence = first.fence().unwrap();
    crm.record_pass(&acme, &first, fence - Duration::from_secs(1), 0).await.unwrap();
    assert_eq!(not_passed(crm.close(&acme).await.unwrap_err()), NotPassed::TooEarly);
    crm.record_pass(&acme, &first, fence, 3).await.unwrap();
    assert_eq!(not_passed(crm.close(&acme).await.unwrap_err()), NotPassed::Failed(3));
    crm.record_pass(&acme, &first, fence, 0).await.unwrap();
    // Plaintext was written again since: the pass says nothing any more.
    crm.back(&acme).await.unwrap();
    scene.world.stack.clock().advance(LEASE);
    let second = crm.seal(&acme).await.unwrap();
    assert_eq!(not_passed(crm.close(&acme).await.unwrap_err()), NotPassed::None);
    crm.record_pass(&acme, &second, second.fence().unwrap(), 0).await.unwrap();
    crm.close(&acme).await.unwrap();
}

#[tokio::test]
async fn a_forged_leave_is_an_error_of_every_step_but_opening_again() {
    let scene = Scene::at(Stage::Plain).await;
    let seal = scene.adopting();
    let (crm, acme) = (seal.adoption("crm").unwrap(), id("acme"));
    scene.ledger.plant("acme", b"\x01\x01").await;
    for refused in [crm.status(&acme).await, crm.open(&acme).await, crm.seal(&acme).await, crm.close(&acme).await] {
        assert!(refused.unwrap_err().is_integrity());
    }
    assert_eq!(crm.open_again(&acme).await.unwrap().stage(), Stage::Plain);
}

#[tokio::test]
async fn a_leave_lasts_at_most_90_days() {
    let scene = Scene::start().await;
    let (seal, acme) = (scene.adopting(), id("acme"));
    let lasting = |days: u64| seal.adoption("crm").unwrap().lasting(Duration::from_secs(days * 86_400));
    for days in [0, 91] {
        assert!(matches!(lasting(days).open(&acme).await, Err(AdoptionError::Lasting)), "{days} days");
    }
    lasting(90).open(&acme).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_adopted_is_refused_at_build() {
    let world = World::start(&[]).await;
    let ledger = || tenantseal::keys::InMemoryKeyTable::new();
    let fault = |builder: tenantseal::TenantSealBuilder| match builder.build(&world.app) {
        Err(ConfigError::Adopt { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(world.builder().adopt("crm", ADOPTED)), AdoptFault::NoLedger);
    assert_eq!(fault(world.builder().ledger(ledger()).adopt("orders", ["email"])), AdoptFault::UnknownTable);
    for attribute in ["company", "tenant_id", "unknown"] {
        let builder = world.builder().ledger(ledger()).adopt("crm", ["email", attribute]);
        assert_eq!(fault(builder), AdoptFault::NotEncrypted(attribute.to_owned()));
    }
    let looked_up = TableSchema::builder("people").partition_key("tenant_id", "{tenant}").encrypt("email");
    let looked_up = looked_up.lookup(Lookup::on("email", Form::EMAIL).building()).build().unwrap();
    let builder = world.builder().key_table(ledger()).ledger(ledger()).table(looked_up).adopt("people", ["email"]);
    assert_eq!(fault(builder), AdoptFault::Lookup("email".to_owned()));
    let seal = world.builder().ledger(ledger()).build(&world.app).unwrap();
    assert!(matches!(seal.adoption("crm"), Err(AdoptionError::NotAdopted(table)) if table == "crm"));
    assert!(matches!(world.seal().adoption("crm"), Err(AdoptionError::NoLedger)));
}
