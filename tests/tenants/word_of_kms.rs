//! Where a tenant's keys are is what KMS says: a registry that says something else, and Regions that are out.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kms::types::KeyState;
use tenantseal_tenants::{Entry, InMemoryRegistry, Operation, Registry, State, Tenants};

use crate::common::id;
use crate::tenants::office::Office;
use crate::tenants::steps::REGIONS;

const HOME: &str = REGIONS[0];
const ABROAD: &str = REGIONS[1];

/// Operators of one registry, which the test can write as well.
struct Desk {
    office: Office,
    registry: Arc<InMemoryRegistry>,
    tenants: Tenants,
}

impl Desk {
    async fn open() -> Self {
        let office = Office::open().await;
        let registry = Arc::new(InMemoryRegistry::default());
        let tenants = office.without_waits(registry.clone()).build(&office.admin).unwrap();
        Self { office, registry, tenants }
    }

    /// Has somebody write the registry's entry of acme.
    async fn write(&self, change: impl FnOnce(&mut Entry)) {
        let mut entry = self.registry.get(&id("acme")).await.unwrap().unwrap();
        change(&mut entry);
        entry.version += 1;
        self.registry.put(&entry).await.unwrap();
    }

    /// The states of the one key that acme has, by Region.
    async fn states(&self) -> [Option<KeyState>; 2] {
        let mut states = [const { None }; 2];
        for (state, region) in states.iter_mut().zip(REGIONS) {
            *state = self.office.keys(region).await.into_iter().next().map(|key| key.state);
        }
        states
    }

    /// Whether the tenant's session still makes data keys there.
    async fn seals(&self, region: &str) -> bool {
        let kms = self.office.session("acme", region).await;
        let request = kms.generate_data_key().key_id("alias/customer-acme").number_of_bytes(32);
        request.encryption_context("tenant", "acme").send().await.is_ok()
    }

    /// A replica that someone has made by hand, with the generated policy and the tenant's alias.
    async fn replicate_by_hand(&self) {
        let key = self.office.keys(HOME).await.remove(0).id;
        let policy = self.office.tenancy.key_policy(&id("acme")).unwrap().to_string();
        let request = self.office.kms(HOME).replicate_key().key_id(&key).replica_region(ABROAD).policy(policy);
        request.send().await.unwrap();
        let request = self.office.kms(ABROAD).create_alias().alias_name("alias/customer-acme").target_key_id(key);
        request.send().await.unwrap();
    }
}

/// A multi-Region key whose replica was given back, so that it has none.
async fn with_a_primary_alone() -> Desk {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).replicas(["eu-west-3"]).await.unwrap();
    let key = desk.office.keys("eu-west-3").await.remove(0).id;
    desk.office.kms("eu-west-3").schedule_key_deletion().key_id(key).pending_window_in_days(7).send().await.unwrap();
    desk.office.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    desk.write(|entry| entry.regions.truncate(1)).await;
    desk
}

#[tokio::test]
async fn a_replica_that_somebody_made_by_hand_is_suspended_too() {
    let desk = with_a_primary_alone().await;
    desk.replicate_by_hand().await;
    assert!(desk.seals(ABROAD).await);
    let told = desk.tenants.suspend(&id("acme")).await;
    assert!(!desk.seals(ABROAD).await, "suspended: {told:?}");
    assert!(!desk.seals(HOME).await);
    let told = told.unwrap_err().to_string();
    assert!(told.contains("does not list eu-central-1"), "{told}");
    // The entry says now what KMS says; the same operation ends, and the rest of the life is as ever.
    let entry = desk.tenants.suspend(&id("acme")).await.unwrap();
    assert_eq!((entry.state, &entry.regions[..]), (State::Suspended, &REGIONS.map(str::to_owned)[..]));
    desk.tenants.resume(&id("acme")).await.unwrap();
    assert!(desk.seals(ABROAD).await && desk.seals(HOME).await);
}

#[tokio::test]
async fn a_replica_that_somebody_made_by_hand_is_deleted_too() {
    let desk = with_a_primary_alone().await;
    desk.replicate_by_hand().await;
    let told = desk.tenants.offboard(&id("acme")).window_days(7).await;
    assert!(!desk.seals(ABROAD).await, "offboarded: {told:?}");
    let gone = [Some(KeyState::PendingReplicaDeletion), Some(KeyState::PendingDeletion)];
    assert_eq!(desk.states().await, gone);
    assert!(told.unwrap_err().to_string().contains("does not list eu-central-1"));
    let report = desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap();
    assert_eq!((report.entry.state, report.keys.len()), (State::Offboarded, 2));
    assert_eq!(desk.tenants.cancel_offboard(&id("acme")).await.unwrap().regions, REGIONS);
    assert_eq!(desk.states().await, [Some(KeyState::Disabled), Some(KeyState::Disabled)]);
}

#[tokio::test]
async fn a_wrong_region_in_the_entry_neither_hides_a_key_nor_ends_it() {
    for wrong in [vec!["eu-west-9".to_owned()], vec!["x.example.com/".to_owned()], Vec::new()] {
        let desk = Desk::open().await;
        desk.tenants.onboard(&id("acme")).await.unwrap();
        desk.write(|entry| entry.regions.clone_from(&wrong)).await;
        let told = desk.tenants.offboard(&id("acme")).window_days(7).await;
        assert!(!desk.seals(HOME).await, "{wrong:?}: {told:?}");
        assert_eq!(desk.states().await[0], Some(KeyState::PendingDeletion), "{wrong:?}");
        let told = told.unwrap_err().to_string();
        assert!(told.contains("does not list us-east-1"), "{told}");
        assert!(wrong.iter().all(|wrong| told.contains(&format!("{wrong:?}"))), "{told}");
        let report = desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap();
        assert_eq!((report.entry.regions, report.keys.len()), (vec![HOME.to_owned()], 1));
    }
}

#[tokio::test]
async fn a_key_that_the_entry_lacks_is_found_by_the_tenants_alias() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap();
    desk.tenants.rotate(&id("acme")).new_key().await.unwrap();
    // The former key opens old items by an alias of its own.
    for keep in [1, 0] {
        desk.write(|entry| drop(entry.generations.drain(..entry.generations.len() - keep))).await;
        let told = desk.tenants.suspend(&id("acme")).await.unwrap_err().to_string();
        assert!(told.contains("lacks"), "{told}");
        for region in REGIONS {
            let keys = desk.office.keys(region).await;
            assert!(keys.iter().all(|key| key.state == KeyState::Disabled), "{keys:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_kms_does_not_know_is_done_with_only_after_its_day() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).await.unwrap();
    let key = desk.office.keys(HOME).await.remove(0).id;
    desk.office.kms(HOME).schedule_key_deletion().key_id(key).pending_window_in_days(7).send().await.unwrap();
    desk.office.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    for told in [
        desk.tenants.suspend(&id("acme")).await.unwrap_err().to_string(),
        desk.tenants.offboard(&id("acme")).await.unwrap_err().to_string(),
    ] {
        assert!(told.contains("KMS has no key"), "{told}");
    }
}

#[tokio::test]
async fn an_offboarding_repeated_after_the_deletion_lets_the_tenant_begin_anew() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).await.unwrap();
    desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap();
    desk.office.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    let report = desk.tenants.offboard(&id("acme")).await.unwrap();
    assert_eq!((report.cancellable_until, report.keys[0].deletion), (None, None));
    assert_eq!(desk.tenants.onboard(&id("acme")).await.unwrap().state, State::Active);
}

#[tokio::test]
async fn while_a_region_is_out_the_others_are_suspended_and_it_is_named() {
    for (out, other) in [(HOME, ABROAD), (ABROAD, HOME)] {
        let desk = Desk::open().await;
        desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap();
        desk.office
            .stack
            .faults()
            .on("*")
            .in_region(out)
            .when(|call| call.key_id.is_some())
            .fail("KMSInternalException", 500);
        for _ in 0..2 {
            let told = desk.tenants.suspend(&id("acme")).await.unwrap_err();
            assert!(!desk.seals(other).await, "without {out}: {told}");
            assert!(told.is_retryable() && told.to_string().contains(out), "{told}");
            let pending = desk.registry.get(&id("acme")).await.unwrap().unwrap().pending;
            assert_eq!(pending.map(|pending| pending.operation), Some(Operation::Suspend));
        }
        desk.office.stack.faults().clear();
        assert_eq!(desk.tenants.suspend(&id("acme")).await.unwrap().state, State::Suspended);
        assert_eq!(desk.states().await, [Some(KeyState::Disabled), Some(KeyState::Disabled)]);
    }
}

#[tokio::test]
async fn while_a_region_is_out_what_was_begun_can_be_taken_back_or_be_ended() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap();
    let out = || {
        desk.office
            .stack
            .faults()
            .on("*")
            .in_region(HOME)
            .when(|call| call.key_id.is_some())
            .fail("KMSInternalException", 500)
    };
    out();
    drop(desk.tenants.suspend(&id("acme")).await.unwrap_err());
    assert!(!desk.seals(ABROAD).await);
    drop(desk.tenants.resume(&id("acme")).await.unwrap_err());
    assert!(desk.seals(ABROAD).await, "a resumption takes back what a suspension could do");
    drop(desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap_err());
    assert!(!desk.seals(ABROAD).await);
    drop(desk.tenants.cancel_offboard(&id("acme")).await.unwrap_err());
    desk.office.stack.faults().clear();
    assert_eq!(desk.tenants.cancel_offboard(&id("acme")).await.unwrap().state, State::Suspended);
    desk.tenants.resume(&id("acme")).await.unwrap();
    assert!(desk.seals(HOME).await && desk.seals(ABROAD).await);

    // A deletion that was begun while a Region was out, and whose day has come before that Region was back.
    out();
    drop(desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap_err());
    desk.office.stack.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    desk.office.stack.faults().clear();
    let report = desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap();
    assert_eq!((report.entry.state, report.entry.regions), (State::Offboarded, vec![HOME.to_owned()]));
}

#[tokio::test]
async fn a_replica_that_the_entry_does_not_list_is_shown() {
    let desk = with_a_primary_alone().await;
    desk.replicate_by_hand().await;
    let shown = desk.tenants.show(&id("acme")).await.unwrap();
    let regions: Vec<_> = shown.keys.iter().map(|key| key.region.as_str()).collect();
    assert_eq!(regions, REGIONS);
}

#[tokio::test]
async fn an_entry_without_keys_and_with_another_region_hides_no_key_at_home() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).await.unwrap();
    desk.write(|entry| {
        entry.generations.clear();
        entry.regions = vec![ABROAD.to_owned()];
    })
    .await;
    let told = desk.tenants.suspend(&id("acme")).await;
    assert!(!desk.seals(HOME).await, "suspended: {told:?}");
    assert!(told.unwrap_err().to_string().contains("lacks"));
}

#[tokio::test]
async fn a_copy_that_kms_names_and_does_not_find_is_not_done_with() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap();
    let faults = desk.office.stack.faults();
    let fault = faults.on("DescribeKey").in_region(ABROAD);
    fault.when(|call| call.key_id.as_deref().is_some_and(|key| key.contains("mrk-"))).fail("NotFoundException", 400);
    let told = desk.tenants.suspend(&id("acme")).await;
    assert!(desk.seals(ABROAD).await && !desk.seals(HOME).await);
    let told = told.unwrap_err().to_string();
    assert!(told.contains("KMS has no key") && told.contains("in eu-central-1"), "{told}");
    faults.clear();
    assert_eq!(desk.tenants.suspend(&id("acme")).await.unwrap().state, State::Suspended);
    assert!(!desk.seals(ABROAD).await);
}

#[tokio::test]
async fn a_region_that_is_out_is_shown_beside_the_others() {
    for (out, other) in [(HOME, ABROAD), (ABROAD, HOME)] {
        let desk = Desk::open().await;
        desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap();
        desk.office.stack.faults().on("*").in_region(out).when(|call| call.key_id.is_some()).disconnect();
        let shown = desk.tenants.show(&id("acme")).await.unwrap();
        let of = |region: &str| shown.keys.iter().find(|key| key.region == region).unwrap();
        assert_eq!((of(other).state.as_deref(), &of(other).unknown), (Some("Enabled"), &None));
        assert!(of(out).unknown.as_deref().unwrap().contains(out) && of(out).state.is_none(), "{shown:?}");
        assert_eq!(shown.keys.len(), 2);
    }
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_refused_before_anything_begins() {
    let nowhere = "eu-nowhere-1";
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap();
    desk.office.stack.faults().on("*").in_region(nowhere).disconnect();
    for told in [
        desk.tenants.onboard(&id("globex")).replicas([nowhere]).await.unwrap_err(),
        desk.tenants.onboard(&id("acme")).replicas([nowhere]).await.unwrap_err(),
        desk.tenants.rotate(&id("acme")).new_key().replicas([nowhere]).await.unwrap_err(),
    ] {
        assert!(told.to_string().contains(nowhere), "{told}");
    }
    assert_eq!(desk.registry.get(&id("globex")).await.unwrap(), None);
    assert_eq!(desk.registry.get(&id("acme")).await.unwrap().unwrap().pending, None);
}

#[tokio::test]
async fn a_stuck_onboarding_is_put_aside_and_given_up_as_its_error_says() {
    let desk = Desk::open().await;
    desk.office.stack.faults().on("ReplicateKey").fail("AccessDeniedException", 400);
    drop(desk.tenants.onboard(&id("acme")).replicas([ABROAD]).await.unwrap_err());
    let told = desk.tenants.offboard(&id("acme")).await.unwrap_err().to_string();
    assert!(told.contains("or `suspend`, which pauses it"), "{told}");
    desk.tenants.suspend(&id("acme")).await.unwrap();
    desk.tenants.offboard(&id("acme")).window_days(7).await.unwrap();
    assert_eq!(desk.states().await, [Some(KeyState::PendingDeletion), None]);
}

/// What `ForeignKey` advises: the entry is restored from its history, as docs/OPERATIONS.md does it, and the same operation is run again.
#[tokio::test]
async fn an_entry_that_is_restored_from_its_history_lets_what_was_refused_go_on() {
    let desk = Desk::open().await;
    desk.tenants.onboard(&id("acme")).await.unwrap();
    let globex = desk.tenants.onboard(&id("globex")).await.unwrap();
    desk.write(|entry| entry.generations.clone_from(&globex.generations)).await;
    drop(desk.tenants.rotate(&id("acme")).every_days(100).await.unwrap_err());
    let told = desk.tenants.suspend(&id("acme")).await.unwrap_err().to_string();
    assert!(told.contains("was not made for"), "{told}");
    assert!(!desk.seals(HOME).await, "its own key is found by its alias");
    let history = desk.tenants.history(&id("acme")).await.unwrap();
    let sound = history.iter().rfind(|entry| entry.generations != globex.generations && entry.pending.is_none());
    let sound = sound.unwrap().clone();
    desk.write(|entry| {
        entry.generations.clone_from(&sound.generations);
        entry.regions.clone_from(&sound.regions);
        entry.tier.clone_from(&sound.tier);
    })
    .await;
    assert_eq!(desk.tenants.suspend(&id("acme")).await.unwrap().state, State::Suspended);
    desk.tenants.resume(&id("acme")).await.unwrap();
    desk.tenants.rotate(&id("acme")).every_days(100).await.unwrap();
    assert_eq!(desk.tenants.show(&id("acme")).await.unwrap().keys[0].rotation_days, Some(100));
    assert!(desk.seals(HOME).await);
}
