//! KMS is unavailable.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{MINUTE, Scene, id, kind, record};
use crate::keys::KeyServiceErrorKind as Kind;

#[tokio::test(start_paused = true)]
async fn keys_serve_on_for_the_grace_and_no_longer() {
    let scene = Scene::new();
    let stored = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| (kms.fails, kms.latency) = (Some(Kind::Unavailable), Duration::from_secs(5)));
    for minute in 1..30 {
        tokio::time::sleep(MINUTE).await;
        if minute > 15 {
            assert!(scene.warm("acme").is_some(), "minute {minute}: a request would wait");
        }
        scene.seal("acme").await.unwrap();
        scene.open("acme", &stored).await.unwrap();
    }
    tokio::time::sleep(MINUTE).await;
    assert!(scene.seal("acme").await.unwrap_err().is_retryable());
    assert_eq!(kind(&scene.open("acme", &stored).await.unwrap_err()), Kind::Unavailable);
    // An unavailable KMS is not hammered.
    let (made, asked, _) = scene.counts();
    assert!(made + asked < 120, "{:?}", scene.counts());
    scene.script(|kms| kms.fails = None);
    tokio::time::sleep(MINUTE).await;
    scene.seal("acme").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_grace_keys_end_with_their_lease() {
    for failing in [Kind::Unavailable, Kind::Credentials, Kind::LimitExceeded] {
        let terms = crate::keys::Terms { grace: Duration::ZERO, ..super::scene::TERMS };
        let limits = crate::keys::Limits { data_keys: 10, data_keys_per_tenant: 10, calls: 8, calls_per_tenant: 8 };
        let terms = if failing == Kind::Unavailable { terms } else { super::scene::TERMS };
        let scene = Scene::with(terms, limits, Arc::default());
        scene.seal("acme").await.unwrap();
        scene.script(|kms| kms.fails = Some(failing));
        tokio::time::sleep(MINUTE * 14).await;
        scene.seal("acme").await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.seal("acme").await.unwrap_err().kind(), failing);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_kms_keeps_failing_fails_fast_and_recovers_by_one_probe() {
    let scene = Arc::new(Scene::new());
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    for _ in 0..3 {
        scene.seal("acme").await.unwrap_err();
    }
    let before = scene.counts().0;
    for _ in 0..1_000 {
        assert!(scene.seal("acme").await.unwrap_err().is_retryable());
    }
    assert!(scene.counts().0 <= before + 1, "{} calls in no time", scene.counts().0 - before);
    // Other tenants are not affected.
    scene.script(|kms| (kms.fails, kms.latency) = (None, Duration::from_secs(3)));
    scene.seal("globex").await.unwrap();
    tokio::time::sleep(MINUTE).await;
    let before = scene.counts().0;
    let probes = (0..100).map(|_| {
        tokio::spawn({
            let scene = Arc::clone(&scene);
            async move { scene.seal("acme").await }
        })
    });
    for probe in futures_util::future::join_all(probes).await {
        probe.unwrap().unwrap();
    }
    assert_eq!(scene.counts().0, before + 1);
}

/// A tenant whose circuit is open and may be probed.
async fn to_be_probed() -> Scene {
    let scene = Scene::new();
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    for _ in 0..3 {
        scene.seal("acme").await.unwrap_err();
    }
    tokio::time::sleep(MINUTE).await;
    scene.script(|kms| kms.fails = None);
    scene
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_waits_for_any_more_goes_on_and_decides() {
    let scene = to_be_probed().await;
    scene.script(|kms| kms.latency = Duration::from_secs(3));
    tokio::time::timeout(Duration::from_secs(1), scene.seal("acme")).await.unwrap_err();
    let asked = scene.counts();
    scene.seal("acme").await.unwrap();
    assert_eq!(scene.counts(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_lets_another_try_when_its_time_is_over() {
    let scene = to_be_probed().await;
    scene.script(|kms| kms.hangs = [id("acme")].into());
    tokio::time::timeout(Duration::from_secs(1), scene.seal("acme")).await.unwrap_err();
    scene.script(|kms| kms.hangs.clear());
    tokio::time::sleep(MINUTE).await;
    scene.seal("acme").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn retries_have_a_budget_of_the_tenants_own() {
    let scene = Scene::with_quick_retries();
    let mut stored = Vec::new();
    for _ in 0..7 {
        stored.push(record(&scene.another().seal("acme").await.unwrap()));
    }
    // Each call fails twice and then succeeds, so the circuit stays closed: 5 calls use up 10 retries.
    for stored in &stored[..5] {
        scene.script(|kms| kms.failing = 2);
        scene.open("acme", stored).await.unwrap();
    }
    assert_eq!(scene.counts().1, 15);
    scene.script(|kms| kms.failing = 2);
    assert_eq!(kind(&scene.open("acme", &stored[5]).await.unwrap_err()), Kind::Unavailable);
    assert_eq!(scene.counts().1, 16, "it was repeated without a budget");
    // Another tenant has its own budget.
    scene.seal("globex").await.unwrap();
    // One retry per second comes back.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.script(|kms| kms.failing = 2);
    scene.open("acme", &stored[6]).await.unwrap();
}

/// A page of 2 items under different keys, neither of them cached.
#[tokio::test(start_paused = true)]
async fn a_page_of_several_unknown_keys_opens_again_after_an_outage() {
    let scene = Scene::new();
    let records =
        [record(&scene.another().seal("acme").await.unwrap()), record(&scene.another().seal("acme").await.unwrap())];
    scene.script(|kms| (kms.fails, kms.latency) = (Some(Kind::Unavailable), Duration::from_millis(20)));
    for _ in 0..5 {
        scene.open_all("acme", &records).await.unwrap_err();
    }
    scene.script(|kms| kms.fails = None);
    tokio::time::sleep(MINUTE).await;
    scene.open_all("acme", &records).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn items_of_a_former_key_open_again_after_an_outage() {
    let scene = Scene::new();
    let former = record(&scene.another().seal("acme").await.unwrap());
    scene.script(|kms| kms.alias = 1);
    let present = record(&scene.another().seal("acme").await.unwrap());
    let unknown = record(&scene.another().seal("acme").await.unwrap());
    scene.script(|kms| kms.own_aliases = [0, 1].into());
    scene.open("acme", &present).await.unwrap();
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    // All cached keys are gone, and nobody renews them.
    tokio::time::sleep(MINUTE * 60).await;
    for _ in 0..5 {
        scene.open("acme", &unknown).await.unwrap_err();
    }
    scene.script(|kms| kms.fails = None);
    tokio::time::sleep(MINUTE).await;
    scene.open("acme", &former).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_long_for_its_turn_is_no_failure_of_kms() {
    let scene = Scene::limited(|limits| limits.calls = 1);
    scene.script(|kms| (kms.hangs, kms.latency) = ([id("globex")].into(), Duration::from_millis(10)));
    let slow = Arc::new(scene);
    let others: Vec<_> = (0..3)
        .map(|_| {
            let scene = Arc::clone(&slow);
            tokio::spawn(async move { scene.seal("globex").await })
        })
        .collect();
    tokio::task::yield_now().await;
    slow.seal("acme").await.unwrap();
    for other in others {
        other.await.unwrap().unwrap_err();
    }
}
