//! What was asked for is done or refused by name, also by a run that takes up what another one has left unfinished.

use tenantseal_tenants::{State, Tier};

use crate::common::id;
use crate::tenants::interrupted::Interrupted;
use crate::tenants::office::Office;
use crate::tenants::steps::{REGIONS, Step};

/// An office whose tenant has an operation that was cut short right after it was written down.
async fn cut_short(before: &[Step], step: Step) -> (Office, tenantseal_tenants::Tenants) {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    Step::perform_all(before, &tenants).await;
    let process = Interrupted::after_changes(1);
    let its = process.tenants(&office);
    tokio::select! {
        result = step.perform(&its) => panic!("{result:?}"),
        () = process.served() => {}
    }
    (office, tenants)
}

#[tokio::test]
async fn a_rotation_now_is_not_lost_to_an_automatic_one_that_was_cut_short() {
    let (office, tenants) = cut_short(&[Step::Onboard], Step::Every120).await;
    let rotated = tenants.rotate(&id("acme")).on_demand().await.unwrap();
    assert_eq!(office.stack.calls().count("RotateKeyOnDemand"), 1);
    let shown = tenants.show(&id("acme")).await.unwrap();
    assert_eq!((shown.keys[0].rotation_days, shown.keys[0].rotations), (Some(120), Some(1)));
    assert_eq!((rotated.entry.pending, rotated.cost.now), (None, 1));
}

#[tokio::test]
async fn a_period_is_not_lost_to_a_rotation_now_that_was_cut_short() {
    let (office, tenants) = cut_short(&[Step::Onboard], Step::OnDemand).await;
    tenants.rotate(&id("acme")).every_days(100).await.unwrap();
    assert_eq!(office.stack.calls().count("RotateKeyOnDemand"), 1);
    let shown = tenants.show(&id("acme")).await.unwrap();
    assert_eq!((shown.keys[0].rotation_days, shown.keys[0].rotations), (Some(100), Some(1)));
}

#[tokio::test]
async fn one_period_is_not_taken_for_another() {
    let (_office, tenants) = cut_short(&[Step::Onboard], Step::Every120).await;
    tenants.rotate(&id("acme")).every_days(100).await.unwrap();
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].rotation_days, Some(100));
}

#[tokio::test]
async fn a_new_key_is_not_answered_by_a_move_that_was_cut_short() {
    let (_office, tenants) = cut_short(&[Step::Pool, Step::Onboard], Step::ToPool).await;
    let refused = tenants.rotate(&id("acme")).new_key().await.unwrap_err().to_string();
    assert!(refused.contains("shared (pool)") && refused.contains("run that again first"), "{refused}");
    // To the letter: that again, and then what was asked for.
    let moved = tenants.move_to(&id("acme"), Tier::Shared { pool: id("pool") }).await.unwrap();
    assert_eq!(moved.entry.generations.len(), 2);
    let new = tenants.rotate(&id("acme")).new_key().await.unwrap();
    assert_eq!((new.entry.tier, new.entry.generations.len()), (Tier::Dedicated, 3));
}

#[tokio::test]
async fn replicas_that_are_asked_for_an_active_tenant_are_made() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).replicas([REGIONS[1]]).await.unwrap();
    let sealed = office.seal("acme").await.unwrap();
    let third = "eu-west-1";
    let entry = tenants.onboard(&id("acme")).replicas([third]).await.unwrap();
    assert_eq!((entry.state, entry.pending, entry.regions.last().unwrap().as_str()), (State::Active, None, third));
    let abroad = office.session("acme", third).await;
    let request = abroad.decrypt().key_id("alias/customer-acme").ciphertext_blob(sealed.1);
    request.encryption_context("tenant", "acme").send().await.unwrap();
    assert_eq!(tenants.show(&id("acme")).await.unwrap().keys.len(), 3);
}

#[tokio::test]
async fn replicas_of_a_single_region_key_are_refused_and_a_new_key_has_them() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("acme")).await.unwrap();
    let old = office.seal("acme").await.unwrap();
    let refused = tenants.onboard(&id("acme")).replicas([REGIONS[1]]).await.unwrap_err().to_string();
    assert!(refused.contains("is a single-Region key") && refused.contains("new key"), "{refused}");
    let entry = tenants.check(&id("acme"), tenantseal_tenants::Operation::Rekey).await.unwrap().unwrap();
    assert_eq!(entry.pending, None, "nothing has begun");
    let rotated = tenants.rotate(&id("acme")).new_key().replicas([REGIONS[1]]).await.unwrap();
    assert_eq!(rotated.entry.regions, REGIONS);
    let abroad = office.session("acme", REGIONS[1]).await;
    let request = abroad.generate_data_key().key_id("alias/customer-acme").number_of_bytes(32);
    request.encryption_context("tenant", "acme").send().await.unwrap();
    office.open_sealed("acme", &old).await.unwrap();
    // Its two keys are in different Regions, and go out of service and come back together.
    tenants.suspend(&id("acme")).await.unwrap();
    tenants.resume(&id("acme")).await.unwrap();
    office.open_sealed("acme", &old).await.unwrap();
}

#[tokio::test]
async fn a_tier_that_an_active_tenant_does_not_have_is_refused_by_name() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("pool")).create_pool().await.unwrap();
    tenants.onboard(&id("acme")).await.unwrap();
    let refused = tenants.onboard(&id("acme")).in_pool(&id("pool")).await.unwrap_err().to_string();
    assert!(refused.contains("`acme` is dedicated, not shared (pool)") && refused.contains("move_to"), "{refused}");
    tenants.onboard(&id("tiny")).in_pool(&id("pool")).await.unwrap();
    tenants.onboard(&id("tiny")).in_pool(&id("pool")).await.unwrap();
    let refused = tenants.onboard(&id("tiny")).replicas([REGIONS[1]]).await.unwrap_err().to_string();
    assert!(refused.contains("pool `pool` has no key in eu-central-1"), "{refused}");
    let refused =
        tenants.onboard(&id("new")).in_pool(&id("pool")).replicas([REGIONS[1]]).await.unwrap_err().to_string();
    assert!(refused.contains("pool `pool` has no key in eu-central-1"), "{refused}");
}

#[tokio::test]
async fn an_onboarding_that_takes_up_another_does_what_it_was_asked_for_too() {
    let (_office, tenants) = cut_short(&[], Step::OnboardWide).await;
    let entry = tenants.onboard(&id("acme")).replicas(["eu-west-1"]).await.unwrap();
    assert_eq!(entry.regions, [REGIONS[0], REGIONS[1], "eu-west-1"]);
}
