//! Keys in several Regions at their end, and states in which nothing can be done with a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_kms::types::KeyState;
use tenantseal_tenants::{Error, InMemoryRegistry, State, Tenants};

use crate::common::id;
use crate::common::wire::{Reaction, Wire};
use crate::tenants::office::{ALL, Office};
use crate::tenants::steps::REGIONS;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn the_end_of_a_key_with_replicas_takes_two_waiting_periods() {
    let office = Office::open().await;
    let tenants = office.tenants();
    let acme = &id("acme");
    tenants.onboard(acme).replicas([REGIONS[1]]).await.unwrap();
    for _ in 0..2 {
        let report = tenants.offboard(acme).window_days(7).await.unwrap();
        let [replica, primary] = &report.keys[..] else { panic!("{report:?}") };
        assert_eq!(
            (replica.region.as_str(), replica.deletion.is_some(), replica.after_replicas),
            (REGIONS[1], true, false)
        );
        assert_eq!((primary.region.as_str(), primary.deletion, primary.after_replicas), (REGIONS[0], None, true));
        assert_eq!(report.cancellable_until, replica.deletion);
    }
    assert_eq!(office.keys(REGIONS[0]).await[0].state, KeyState::PendingReplicaDeletion);

    // The replica is gone, and the primary could still come back: the tenant cannot begin anew.
    office.stack.clock().advance(8 * DAY);
    assert_eq!(office.keys(REGIONS[0]).await[0].state, KeyState::PendingDeletion);
    let Err(Error::Transition(refused)) = tenants.onboard(acme).await else { panic!() };
    assert_eq!(refused.state(), State::Offboarded);
    let report = tenants.offboard(acme).await.unwrap();
    assert_eq!((report.keys[0].deletion, report.keys[1].deletion), (None, report.cancellable_until));
    assert!(report.cancellable_until.is_some());
    office.stack.clock().advance(7 * DAY);
    assert_eq!(tenants.onboard(acme).await.unwrap().state, State::Active);
}

#[tokio::test]
async fn what_is_called_back_after_its_replicas_comes_back_without_them() {
    let office = Office::open().await;
    let tenants = office.tenants();
    let acme = &id("acme");
    tenants.onboard(acme).replicas([REGIONS[1]]).await.unwrap();
    let sealed = office.seal("acme").await.unwrap();
    tenants.offboard(acme).window_days(7).await.unwrap();
    office.stack.clock().advance(8 * DAY);
    let entry = tenants.cancel_offboard(acme).await.unwrap();
    assert_eq!((entry.state, entry.regions, entry.deletion), (State::Suspended, vec![REGIONS[0].to_owned()], None));
    tenants.resume(acme).await.unwrap();
    office.open_sealed("acme", &sealed).await.unwrap();
}

/// An operator to whom KMS says `state` of every key, so many times, instead of what is so.
fn told(office: &Office, registry: &Arc<InMemoryRegistry>, state: &'static str, times: usize) -> Tenants {
    let left = AtomicUsize::new(times);
    let wire = Wire::scripted(move |sent, _| {
        let told = sent.operation == "DescribeKey"
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if !told {
            return Reaction::Forward;
        }
        Reaction::Alter(Box::new(move |answer| {
            answer.replace(r#""KeyState":"Enabled""#, &format!(r#""KeyState":"{state}""#))
        }))
    });
    let config = office.admin.to_builder().http_client(wire).build();
    Tenants::builder(office.tenancy.clone(), registry.clone()).build(&config).unwrap()
}

#[tokio::test]
async fn a_key_in_a_passing_state_is_waited_for_and_an_unusable_one_is_named() {
    let office = Office::open().await;
    let registry = Arc::new(InMemoryRegistry::default());
    let acme = &id("acme");
    told(&office, &registry, "Enabled", 0).onboard(acme).await.unwrap();
    for state in ["Creating", "Updating"] {
        assert_eq!(told(&office, &registry, state, 2).suspend(acme).await.unwrap().state, State::Suspended);
        assert_eq!(office.keys(REGIONS[0]).await[0].state, KeyState::Disabled, "{state} is not disabled");
        told(&office, &registry, state, 0).resume(acme).await.unwrap();
    }
    for state in ["Unavailable", "PendingImport"] {
        let refused = told(&office, &registry, state, 9).suspend(acme).await.unwrap_err();
        assert!(matches!(&refused, Error::KekState { state: told, .. } if told == state), "{refused}");
        assert!(!refused.is_retryable());
        assert!(refused.to_string().contains("run it again"));
    }
    // What was begun goes on once the key is as it should be.
    let waits = told(&office, &registry, "Enabled", 0);
    assert!(matches!(waits.rotate(acme).await, Err(Error::UnderWay { .. })));
    told(&office, &registry, "Enabled", 0).suspend(acme).await.unwrap();
    assert_eq!(office.keys(REGIONS[0]).await[0].state, KeyState::Disabled);
}

#[tokio::test]
async fn a_key_that_was_refused_is_not_waited_for() {
    let office = Office::open().await;
    let user = office.stack.account("111111111111").unwrap().user("limited").create().unwrap();
    let registry = Arc::new(InMemoryRegistry::default());
    let builder = || Tenants::builder(office.tenancy.clone(), registry.clone()).request_interval(Duration::ZERO);
    for _ in 0..3 {
        let tenants = builder().build(&office.stack.sdk_config(&user)).unwrap();
        let refused = tokio::time::timeout(Duration::from_secs(30), async { tenants.onboard(&id("acme")).await }).await;
        assert!(
            matches!(refused.expect("nobody may have made a key").unwrap_err(), Error::Aws(error) if error.is_denied())
        );
    }
    let onboarded = builder().build(&office.admin).unwrap();
    let onboarded = tokio::time::timeout(Duration::from_secs(30), async { onboarded.onboard(&id("acme")).await }).await;
    onboarded.expect("nobody may have made a key").unwrap();
    assert_eq!(office.keys(REGIONS[0]).await.len(), 1);
}

#[tokio::test]
async fn a_service_that_is_refused_the_role_is_told_at_once() {
    let office = Office::open().await;
    let stranger = office.stack.account("222222222222").unwrap().user("stranger").permission(ALL).create().unwrap();
    let stranger = office.stack.sdk_config(&stranger);
    let tenants =
        office.builder(InMemoryRegistry::default()).probe(&stranger).alias_grace_period(Duration::from_secs(300));
    let tenants = tenants.build(&office.admin).unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(30), async { tenants.onboard(&id("acme")).await }).await;
    let refused = refused.expect("no alias mends a trust policy").unwrap_err();
    assert!(matches!(&refused, Error::NotEffective { waited: Duration::ZERO, .. }), "{refused}");
}
