//! Operations that are killed after each of their requests, and run again.

use std::sync::Arc;

use aws_sdk_kms::types::KeyState;
use tenantseal_tenants::{Entry, Error, State, Tenants};

use crate::common::id;
use crate::tenants::interrupted::Interrupted;
use crate::tenants::office::Office;

/// Runs `operation` and kills it after its n-th request. Gives whether it ended before.
async fn killed<T, F>(office: &Office, after: usize, operation: impl FnOnce(Tenants) -> F) -> bool
where
    F: Future<Output = Result<T, Error>>,
{
    let process = Interrupted::after(after);
    tokio::select! {
        result = operation(process.tenants(office)) => { result.map(drop).unwrap(); true }
        () = process.served() => false,
    }
}

/// Kills after the first request, the second and so on, each time in an office of its own, until nothing is left to kill.
async fn at_every_request<S, SF, K, KF, C, CF>(set_up: S, killed_at: K, check: C)
where
    S: Fn(Tenants) -> SF,
    SF: Future<Output = ()>,
    K: Fn(Arc<Office>, usize) -> KF,
    KF: Future<Output = bool>,
    C: Fn(Arc<Office>, Tenants, usize) -> CF,
    CF: Future<Output = ()>,
{
    for after in 1.. {
        let (office, registry) = Office::with_table().await;
        let tenants = office.builder(registry).build(&office.admin).unwrap();
        set_up(tenants.clone()).await;
        let office = Arc::new(office);
        let ended = killed_at(Arc::clone(&office), after).await;
        check(Arc::clone(&office), tenants, after).await;
        if ended {
            assert!(after > 5, "an operation of {after} requests has not done much");
            return;
        }
    }
}

/// No key but these, each with its aliases.
async fn assert_keys(office: &Office, entry: &Entry, state: KeyState, after: usize) {
    let keys = office.keys("us-east-1").await;
    assert_eq!(keys.len(), entry.generations.len(), "after {after} requests: {keys:?} {entry:?}");
    for (index, generation) in entry.generations.iter().enumerate() {
        let key = keys.iter().find(|key| key.id == generation.key.key_id()).unwrap();
        let mut expected = vec![format!("{}/{}", entry.alias, key.id)];
        if index + 1 == entry.generations.len() {
            expected.insert(0, entry.alias.clone());
        }
        assert_eq!((&key.aliases, &key.state), (&expected, &state), "after {after} requests");
    }
}

#[tokio::test]
async fn an_onboarding_goes_on_after_any_request() {
    at_every_request(
        |_| async {},
        |office, after| async move {
            killed(&office, after, |tenants| async move { tenants.onboard(&id("acme")).await }).await
        },
        |office, tenants, after| async move {
            let entry = tenants.onboard(&id("acme")).await.unwrap();
            assert_eq!(
                (entry.state, entry.generations.len(), &entry.pending),
                (State::Active, 1, &None),
                "after {after}"
            );
            assert_keys(&office, &entry, KeyState::Enabled, after).await;
            assert_eq!(tenants.show(&id("acme")).await.unwrap().keys[0].rotation_days, Some(365));
            let sealed = office.seal("acme").await.unwrap();
            office.open_sealed("acme", &sealed).await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn an_onboarding_that_is_killed_again_and_again_goes_on_all_the_same() {
    let (office, registry) = Office::with_table().await;
    let mut after = 1;
    while !killed(&office, after, |tenants| async move { tenants.onboard(&id("acme")).await }).await {
        after += 1;
    }
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    let entry = tenants.onboard(&id("acme")).await.unwrap();
    assert_keys(&office, &entry, KeyState::Enabled, after).await;
}

#[tokio::test]
async fn a_change_of_keys_resumes_after_any_request_and_no_reader_fails() {
    at_every_request(
        |tenants| async move { drop(tenants.onboard(&id("acme")).await.unwrap()) },
        |office, after| async move {
            let old = office.seal("acme").await.unwrap();
            let rekey = |tenants: Tenants| async move { tenants.rotate(&id("acme")).new_key().if_generation(1).await };
            let ended = killed(&office, after, rekey).await;
            // In the middle of it: what was sealed opens, and what is sealed now opens as well.
            for sealed in [&old, &office.seal("acme").await.unwrap()] {
                office.open_sealed("acme", sealed).await.unwrap();
            }
            ended
        },
        |office, tenants, after| async move {
            let between = office.seal("acme").await.unwrap();
            let rotated = tenants.rotate(&id("acme")).new_key().if_generation(1).await.unwrap();
            assert_eq!((rotated.entry.state, rotated.entry.generations.len()), (State::Active, 2), "after {after}");
            assert_keys(&office, &rotated.entry, KeyState::Enabled, after).await;
            for sealed in [&between, &office.seal("acme").await.unwrap()] {
                office.open_sealed("acme", sealed).await.unwrap();
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_rotation_on_demand_that_is_taken_up_again_happens_once() {
    at_every_request(
        |tenants| async move { drop(tenants.onboard(&id("acme")).await.unwrap()) },
        |office, after| async move {
            killed(&office, after, |tenants| async move { tenants.rotate(&id("acme")).on_demand().await }).await
        },
        |office, tenants, after| async move {
            // Once it is written down as done, another one is another one.
            let entry = tenants.check(&id("acme"), tenantseal_tenants::Operation::Rotate).await.unwrap().unwrap();
            if entry.pending.is_some() {
                tenants.rotate(&id("acme")).on_demand().await.unwrap();
                assert_eq!(office.stack.calls().count("RotateKeyOnDemand"), 1, "after {after}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_offboarding_goes_on_after_any_request_and_so_does_its_cancellation() {
    at_every_request(
        |tenants| async move {
            tenants.onboard(&id("acme")).await.unwrap();
            tenants.rotate(&id("acme")).new_key().await.unwrap();
        },
        |office, after| async move {
            killed(&office, after, |tenants| async move { tenants.offboard(&id("acme")).window_days(7).await }).await
        },
        |office, tenants, after| async move {
            let report = tenants.offboard(&id("acme")).window_days(7).await.unwrap();
            assert_eq!((report.entry.state, report.keys.len()), (State::Offboarded, 2), "after {after}");
            assert_eq!(report.entry.deletion, report.cancellable_until);
            assert_keys(&office, &report.entry, KeyState::PendingDeletion, after).await;
            // The cancellation is killed after as many requests.
            let cancel = |tenants: Tenants| async move { tenants.cancel_offboard(&id("acme")).await };
            killed(&office, after, cancel).await;
            let entry = tenants.cancel_offboard(&id("acme")).await.unwrap();
            assert_eq!((entry.state, entry.deletion), (State::Suspended, None));
            assert_keys(&office, &entry, KeyState::Disabled, after).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_key_that_is_found_again_has_the_tenants_policy_whoever_made_it() {
    const ANYONE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},
        "Action":"kms:*","Resource":"*"}]}"#;
    for after in 1.. {
        let (office, registry) = Office::with_table().await;
        let ended = killed(&office, after, |tenants| async move { tenants.onboard(&id("acme")).await }).await;
        assert!(!ended, "no request of an onboarding writes down that it begins");
        let tenants = office.builder(registry).build(&office.admin).unwrap();
        let entry = tenants.registry().get(&id("acme")).await.unwrap();
        let Some(pending) = entry.and_then(|entry| entry.pending) else { continue };
        let description = format!("tenantseal: tenant acme, operation {}", pending.id);
        let planted =
            office.kms("us-east-1").create_key().policy(ANYONE).description(description).send().await.unwrap();
        let entry = tenants.onboard(&id("acme")).await.unwrap();
        assert_eq!(entry.current().unwrap().key.key_id(), planted.key_metadata.unwrap().key_id);
        let shown = tenants.show(&id("acme")).await.unwrap();
        assert_eq!(shown.keys[0].policy_is_ours, Some(true));
        return;
    }
}
