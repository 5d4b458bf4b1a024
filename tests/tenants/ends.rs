//! A tenant is ended whatever was cut short before, and comes back from it: keys that were adopted, in several Regions, and shared ones.

use aws_sdk_kms::types::KeyState;
use futures_util::future::join_all;
use tenantseal_tenants::Tenants;

use crate::common::id;
use crate::tenants::adopted::by_hand;
use crate::tenants::office::Office;
use crate::tenants::steps::{REGIONS, Step, picture};
use crate::tenants::superseded::killed;

/// How the tenant came to its keys.
#[derive(Debug, Clone, Copy)]
enum Had {
    /// A key that somebody made by hand.
    Adopted,
    /// The same with a replica, also by hand.
    AdoptedWide,
    /// What these steps gave it.
    By(&'static [Step]),
}

const WIDE: Had = Had::By(&[Step::OnboardWide, Step::NewKey]);
const SHARED: Had = Had::By(&[Step::WidePool, Step::OnboardShared]);
/// Onto a shared key, with a key of its own before.
const MOVED: Had = Had::By(&[Step::WidePool, Step::OnboardWide, Step::ToPool]);
/// Off a shared key again.
const BACK: Had = Had::By(&[Step::WidePool, Step::OnboardShared, Step::Out]);

async fn set(had: Had) -> (Office, Tenants) {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    match had {
        Had::By(steps) => Step::perform_all(steps, &tenants).await,
        Had::Adopted | Had::AdoptedWide => {
            let is_wide = matches!(had, Had::AdoptedWide);
            let key = by_hand(&office, "tenantseal: tenant acme", is_wide).await;
            if is_wide {
                let policy = office.tenancy.key_policy(&id("acme")).unwrap().to_string();
                let replica = office.kms(REGIONS[0]).replicate_key().key_id(&key).replica_region(REGIONS[1]);
                replica.policy(policy).description("tenantseal: tenant acme").send().await.unwrap();
                for alias in [format!("alias/customer-acme/{key}"), "alias/customer-acme".to_owned()] {
                    let create = office.kms(REGIONS[1]).create_alias().alias_name(alias).target_key_id(&key);
                    create.send().await.unwrap();
                }
            }
            let entry = tenants.onboard(&id("acme")).await.unwrap();
            assert_eq!(entry.regions.len(), if is_wide { 2 } else { 1 });
            assert_eq!(office.stack.calls().count("CreateKey"), 1, "that by hand");
        }
    }
    (office, tenants)
}

/// How many attempts are made at once: much of the time passes in waiting.
const AT_ONCE: usize = 6;

/// The step is cut short after each of its changes, and the tenant is ended then: that ends as if nothing had happened before, everywhere,
/// and is called off as ever.
async fn ends_after(had: Had, before: &[Step], step: Step) {
    let (office, tenants) = set(had).await;
    Step::Offboard.perform(&tenants).await.unwrap();
    let undisturbed = picture(&office, &tenants).await;
    for first in (1..).step_by(AT_ONCE) {
        let ends = (first..first + AT_ONCE).map(|changes| ends_as(had, before, step, changes, &undisturbed));
        let ended = join_all(ends).await;
        if let Some(at) = ended.iter().position(|ended| *ended) {
            assert!(first + at > 2, "{had:?}, {step:?} does not change much");
            return;
        }
    }
}

/// Gives whether the step had ended before it was cut short after so many changes.
async fn ends_as(had: Had, before: &[Step], step: Step, changes: usize, undisturbed: &str) -> bool {
    let what = format!("{had:?}, {step:?} after {changes}");
    let (office, tenants) = set(had).await;
    let sealed = office.seal("acme").await.unwrap();
    Step::perform_all(before, &tenants).await;
    let ended = killed(&office, step, changes).await;
    Step::Offboard.perform(&tenants).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(picture(&office, &tenants).await, undisturbed, "{what}");
    assert!(office.open_sealed("acme", &sealed).await.is_err(), "{what}");
    let is_pool = |alias: &String| alias.starts_with("alias/customer-pool");
    for region in REGIONS {
        for key in office.keys(region).await.iter().filter(|key| !key.aliases.iter().any(is_pool)) {
            let waits = [KeyState::PendingDeletion, KeyState::PendingReplicaDeletion].contains(&key.state);
            assert!(waits, "{what}: {key:?}");
        }
    }
    // The way back is the same from everywhere.
    if changes % 3 == 1 {
        Step::perform_all(&[Step::Cancel, Step::Resume], &tenants).await;
        office.open_sealed("acme", &sealed).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    ended
}

#[tokio::test]
async fn an_end_follows_a_suspension_that_was_killed_anywhere() {
    for had in [Had::Adopted, Had::AdoptedWide, SHARED, MOVED] {
        ends_after(had, &[], Step::Suspend).await;
    }
}

#[tokio::test]
async fn an_end_follows_a_resumption_that_was_killed_anywhere() {
    for had in [Had::AdoptedWide, WIDE, MOVED] {
        ends_after(had, &[Step::Suspend], Step::Resume).await;
    }
}

#[tokio::test]
async fn an_end_that_was_killed_anywhere_is_repeated() {
    for had in [Had::AdoptedWide, SHARED, BACK] {
        ends_after(had, &[], Step::Offboard).await;
    }
}

#[tokio::test]
async fn an_end_follows_its_own_cancellation_that_was_killed_anywhere() {
    for had in [Had::AdoptedWide, MOVED] {
        ends_after(had, &[Step::Offboard], Step::Cancel).await;
    }
}
