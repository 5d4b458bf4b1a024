//! Revalidation and rotation, on both clocks.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{MINUTE, Scene, Script, TERMS, id, record};
use crate::keys::KeyServiceErrorKind as Kind;

#[tokio::test(start_paused = true)]
async fn keys_in_use_are_revalidated_ahead_of_expiry_and_no_request_waits() {
    let scene = Scene::new();
    scene.script(|kms| kms.latency = Duration::from_secs(1));
    scene.seal("acme").await.unwrap();
    for _ in 0..10 * 60 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(scene.warm("acme").is_some(), "a request would have had to wait");
    }
    let (made, asked, _) = scene.counts();
    assert_eq!(made, 1);
    // 100 minutes, of leases of about 12.
    assert!((6..=9).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_uses_lapse_unless_a_handle_lives() {
    let scene = Scene::new();
    scene.seal("acme").await.unwrap();
    tokio::time::sleep(MINUTE * 120).await;
    assert_eq!(scene.counts(), (1, 0, 0), "a key that is used once costs nothing afterwards");
    assert!(scene.warm("acme").is_none());

    let live = scene.keys.for_tenant(&id("acme"));
    scene.seal("acme").await.unwrap();
    let before = scene.counts().1;
    tokio::time::sleep(MINUTE * 120).await;
    assert!(scene.warm("acme").is_some());
    assert!(scene.counts().1 >= before + 8, "{:?}", scene.counts());
    drop(live);
    tokio::time::sleep(MINUTE * 40).await;
    assert!(scene.warm("acme").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_asks_before_it_seals_or_opens_anything_more() {
    for both in [false, true] {
        let scene = Scene::new();
        let stored = record(&scene.seal("acme").await.unwrap());
        scene.open("acme", &stored).await.unwrap();
        assert_eq!(scene.counts(), (1, 0, 0));
        scene.script(|kms| kms.fails = Some(Kind::Revoked));
        scene.sleep_deeply(MINUTE * 20);
        if both {
            // Time passes without any task running.
            tokio::time::advance(MINUTE * 20).await;
        }
        assert!(scene.warm("acme").is_none());
        assert!(scene.seal("acme").await.unwrap_err().is_revoked());
        assert!(scene.open("acme", &stored).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_through_which_a_machine_slept_is_asked_for_again() {
    for by in [MINUTE * 20, MINUTE * 60] {
        let scene = Arc::new(Scene::new());
        let stored = record(&scene.another().seal("acme").await.unwrap());
        scene.script(|kms| kms.latency = Duration::from_secs(2));
        let sealing = tokio::spawn({
            let scene = Arc::clone(&scene);
            async move { scene.seal("acme").await.map(|_| ()) }
        });
        let opening = tokio::spawn({
            let scene = Arc::clone(&scene);
            async move { scene.open("acme", &stored).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        // KMS has allowed it already, but the answer is read much later.
        scene.sleep_deeply(by);
        scene.script(|kms| kms.fails = Some(Kind::Revoked));
        assert!(sealing.await.unwrap().unwrap_err().is_revoked());
        assert!(opening.await.unwrap().is_err());
        assert!(scene.warm("acme").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_used_once_serves_on_in_an_outage_that_its_next_use_finds() {
    let scene = Scene::new();
    let stored = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    tokio::time::sleep(MINUTE * 20).await;
    assert!(scene.warm("acme").is_none(), "nobody has asked yet");
    scene.seal("acme").await.unwrap();
    scene.open("acme", &stored).await.unwrap();
    tokio::time::sleep(MINUTE * 10).await;
    assert!(scene.seal("acme").await.is_err(), "the grace is over");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_in_an_outage_asks_first() {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.seal("acme").await.unwrap();
    }
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    tokio::time::sleep(MINUTE * 16).await;
    assert!(scene.warm("acme").is_some(), "in an outage keys serve on");
    scene.script(|kms| kms.fails = Some(Kind::Revoked));
    scene.sleep_deeply(MINUTE * 2);
    assert!(scene.warm("acme").is_none());
    assert!(scene.seal("acme").await.unwrap_err().is_revoked());
}

#[tokio::test(start_paused = true)]
async fn a_lease_counts_from_the_beginning_of_the_request() {
    let scene = Scene::new();
    scene.script(|kms| kms.latency = Duration::from_secs(4));
    let stored = record(&scene.seal("acme").await.unwrap());
    // The refresher cannot help: KMS hangs from now on, and 15 minutes after the request began nothing works any more.
    scene.script(|kms| *kms = Script { hangs: [id("acme")].into(), ..Default::default() });
    tokio::time::advance(MINUTE * 15 - Duration::from_secs(5)).await;
    assert!(scene.warm("acme").is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(scene.warm("acme").is_none());
    let needed =
        crate::envelope::NeededKey { attribute: "email".to_owned(), stored: crate::format::StoredKey::Record(stored) };
    assert!(scene.keys.for_tenant(&id("acme")).warm_opening_keys(vec![needed]).is_err());
}

#[tokio::test(start_paused = true)]
async fn one_success_refreshes_all_keys_of_the_lease() {
    let scene = Scene::new();
    let mut stored = Vec::new();
    for _ in 0..20 {
        stored.push(record(&scene.another().seal("acme").await.unwrap()));
    }
    for record in &stored {
        scene.open("acme", record).await.unwrap();
    }
    let before = scene.counts().1;
    assert_eq!(before, 20);
    // No refresher runs.
    scene.sleep_deeply(MINUTE * 20);
    for record in &stored {
        scene.open("acme", record).await.unwrap();
    }
    assert_eq!(scene.counts().1, before + 1);
}

#[tokio::test(start_paused = true)]
async fn rotation_counts_on_both_clocks_and_the_old_key_still_opens() {
    for sleeps in [false, true] {
        let scene = Scene::new();
        let live = scene.keys.for_tenant(&id("acme"));
        let old = scene.seal("acme").await.unwrap();
        match sleeps {
            true => scene.sleep_deeply(MINUTE * 60 * 24),
            false => tokio::time::sleep(MINUTE * 60 * 24).await,
        }
        let new = scene.seal("acme").await.unwrap();
        assert_ne!(record(&old), record(&new));
        assert_eq!(scene.counts().0, 2);
        scene.open("acme", &record(&old)).await.unwrap();
        drop(live);
    }
}

#[test]
fn a_refresh_whose_runtime_is_gone_is_replaced() {
    // On the real clock: a paused clock belongs to one runtime.
    let terms = crate::keys::Terms {
        rotation: MINUTE,
        revalidation: Duration::from_millis(500),
        grace: Duration::ZERO,
        ..TERMS
    };
    let real = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = crate::keys::Limits { data_keys: 10, data_keys_per_tenant: 10, calls: 8, calls_per_tenant: 8 };
    let scene = Scene::with(terms, limits, Default::default());
    real().block_on(scene.seal("acme")).unwrap();
    real().block_on(async {
        // After 4/5 of the lease a use starts a refresher here.
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            scene.seal("acme").await.unwrap();
        }
    });
    assert_eq!(scene.counts().0, 1);
    assert!(scene.counts().1 >= 2, "{:?}", scene.counts());
}
