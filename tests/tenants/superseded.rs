//! A suspension does not wait for what others have left unfinished, and loses none of it.

use aws_sdk_kms::types::KeyState;
use tenantseal_tenants::{Error, State, Tenants};

use crate::common::id;
use crate::tenants::interrupted::Interrupted;
use crate::tenants::office::Office;
use crate::tenants::steps::{REGIONS, Step, picture};

/// Kills the step after its n-th change. Gives whether it ended before.
pub(crate) async fn killed(office: &Office, step: Step, changes: usize) -> bool {
    let process = Interrupted::after_changes(changes);
    let its = process.tenants(office);
    tokio::select! {
        result = step.perform(&its) => { result.unwrap(); true }
        () = process.served() => false,
    }
}

async fn seals(office: &Office, region: &str) -> bool {
    let kms = office.session("acme", region).await;
    let request = kms.generate_data_key().key_id("alias/customer-acme").number_of_bytes(32);
    request.encryption_context("tenant", "acme").send().await.is_ok()
}

/// The step is cut short anywhere, the tenant is suspended, by a run that is cut short as well, and comes back: in the end all is as if the
/// step had not been disturbed.
async fn waits_aside(before: &[Step], step: Step, ends_as: Step) {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    Step::perform_all(before, &tenants).await;
    step.perform(&tenants).await.unwrap();
    let undisturbed = picture(&office, &tenants).await;
    for changes in 1.. {
        let (office, registry) = Office::with_table().await;
        let tenants = office.builder(registry).build(&office.admin).unwrap();
        Step::perform_all(before, &tenants).await;
        let sealed = office.seal("acme").await;
        if killed(&office, step, changes).await {
            assert!(changes > 2, "{step:?} does not change much");
            return;
        }
        let entry = tenants.registry().get(&id("acme")).await.unwrap().unwrap();
        if entry.pending.is_none() {
            continue;
        }
        killed(&office, Step::Suspend, changes % 4 + 1).await;
        let entry = tenants.suspend(&id("acme")).await.unwrap();
        assert_eq!((entry.state, entry.paused.is_some(), entry.pending), (State::Suspended, true, None));
        for region in REGIONS {
            assert!(!seals(&office, region).await, "{step:?} after {changes} in {region}");
        }
        if let Ok(sealed) = &sealed {
            assert!(office.open_sealed("acme", sealed).await.is_err(), "{step:?} after {changes}");
        }
        killed(&office, Step::Resume, changes % 3 + 1).await;
        let entry = tenants.registry().get(&id("acme")).await.unwrap().unwrap();
        if entry.paused.is_some() {
            tenants.resume(&id("acme")).await.unwrap();
        }
        if let Ok(sealed) = &sealed {
            office.open_sealed("acme", sealed).await.unwrap();
        }
        ends_as.perform(&tenants).await.unwrap_or_else(|error| panic!("{step:?} after {changes}: {error}"));
        assert_eq!(picture(&office, &tenants).await, undisturbed, "{step:?} after {changes}");
    }
}

#[tokio::test]
async fn a_change_of_keys_waits_while_its_tenant_is_suspended() {
    waits_aside(&[Step::OnboardWide], Step::NewKey, Step::NewKey).await;
}

#[tokio::test]
async fn a_move_to_a_shared_key_and_back_waits_while_its_tenant_is_suspended() {
    waits_aside(&[Step::WidePool, Step::OnboardWide], Step::ToPool, Step::ToPool).await;
    waits_aside(&[Step::WidePool, Step::OnboardShared], Step::Out, Step::Out).await;
}

#[tokio::test]
async fn an_onboarding_and_a_rotation_wait_while_their_tenant_is_suspended() {
    waits_aside(&[], Step::OnboardWide, Step::OnboardWide).await;
    waits_aside(&[Step::WidePool], Step::OnboardShared, Step::OnboardShared).await;
    waits_aside(&[Step::OnboardWide], Step::OnDemand, Step::OnDemand).await;
}

#[tokio::test]
async fn a_run_that_was_superseded_does_nothing_more_and_says_so() {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    Step::Onboard.perform(&tenants).await.unwrap();
    let process = Interrupted::after_changes(3);
    let its = process.tenants(&office);
    let mut run = Box::pin(Step::NewKey.perform(&its));
    tokio::select! {
        result = &mut run => panic!("{result:?}"),
        () = process.served() => {}
    }
    tenants.suspend(&id("acme")).await.unwrap();
    let left = picture(&office, &tenants).await;
    process.release();
    let told = run.await.unwrap_err();
    assert!(matches!(told, Error::Overtaken(_)), "{told}");
    // But for the key that it had created and could not write down: nobody needs that one.
    assert_eq!(picture(&office, &tenants).await, left.replace("orphan Enabled", "orphan PendingDeletion"));
}

/// Every key that the tenant has, also one that was created and not written down, is deleted, and those that were come back.
#[tokio::test]
async fn an_end_leaves_no_key_of_what_was_put_aside() {
    for changes in 1.. {
        let (office, registry) = Office::with_table().await;
        let tenants: Tenants = office.builder(registry).build(&office.admin).unwrap();
        Step::Onboard.perform(&tenants).await.unwrap();
        if killed(&office, Step::NewKey, changes).await {
            return;
        }
        if tenants.suspend(&id("acme")).await.unwrap().paused.is_none() {
            continue;
        }
        tenants.offboard(&id("acme")).window_days(7).await.unwrap();
        let keys = office.keys(REGIONS[0]).await;
        assert!(keys.iter().all(|key| key.state == KeyState::PendingDeletion), "after {changes}: {keys:?}");
        tenants.cancel_offboard(&id("acme")).await.unwrap();
        tenants.resume(&id("acme")).await.unwrap();
        let rotated = tenants.rotate(&id("acme")).new_key().await.unwrap();
        assert_eq!(rotated.entry.generations.len(), 2, "after {changes}");
        let sealed = office.seal("acme").await.unwrap();
        office.open_sealed("acme", &sealed).await.unwrap();
    }
}
