//! Data keys leave memory exactly when documented, and zeroized: `VerifiedDataKey` zeroizes on drop.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{MINUTE, Scene, id, record};
use crate::keys::KeyServiceErrorKind as Kind;

#[tokio::test(start_paused = true)]
async fn a_key_is_gone_as_soon_as_its_tenant_is_revoked() {
    let scene = Scene::new();
    let key = scene.seal("acme").await.unwrap();
    scene
        .keys
        .for_tenant(&id("acme"))
        .sealing_key(Some("token"), crate::envelope::KeyRecordPlacement::Item)
        .await
        .unwrap();
    scene.open("acme", &record(&key)).await.unwrap();
    let gone = Arc::downgrade(&key);
    drop(key);
    assert!(gone.upgrade().is_some());
    scene.keys.revoke(&id("acme")).await;
    assert!(gone.upgrade().is_none());
    assert_eq!(scene.kms.forgotten.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_gone_when_kms_says_that_the_tenant_is_revoked() {
    for kind in [Kind::Revoked, Kind::Denied, Kind::NotFound] {
        let scene = Scene::new();
        let key = scene.seal("acme").await.unwrap();
        let elsewhere = record(&scene.another().seal("acme").await.unwrap());
        let gone = Arc::downgrade(&key);
        drop(key);
        scene.script(|kms| kms.fails = Some(kind));
        let error = scene.open("acme", &elsewhere).await.unwrap_err();
        assert!(gone.upgrade().is_none(), "{kind}");
        assert!(
            matches!(&error, crate::keys::OpeningKeyError::Service(error) if error.is_revoked()),
            "{kind}: {error}"
        );
        // A disabled or missing key says nothing against the session; a denial may be the session's fault.
        let forgotten = scene.kms.forgotten.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(forgotten, usize::from(kind == Kind::Denied), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_used_is_gone_when_its_lease_is_over_and_the_grace() {
    let scene = Scene::new();
    let key = scene.seal("acme").await.unwrap();
    let gone = Arc::downgrade(&key);
    drop(key);
    // Until then it could be used in an outage.
    tokio::time::sleep(MINUTE * 29).await;
    assert!(gone.upgrade().is_some());
    tokio::time::sleep(MINUTE * 2).await;
    assert!(gone.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_a_key_is_gone_after_the_grace() {
    let scene = Scene::new();
    let live = scene.keys.for_tenant(&id("acme"));
    let gone = Arc::downgrade(&scene.seal("acme").await.unwrap());
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    tokio::time::sleep(MINUTE * 30 - Duration::from_secs(1)).await;
    assert!(gone.upgrade().is_some());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(gone.upgrade().is_none());
    drop(live);
}

#[tokio::test(start_paused = true)]
async fn what_a_request_begun_before_an_eviction_brings_is_not_used() {
    let scene = Arc::new(Scene::new());
    scene.script(|kms| kms.latency = Duration::from_secs(2));
    let under_way = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.seal("acme").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.keys.revoke(&id("acme")).await;
    scene.script(|kms| kms.fails = Some(Kind::Revoked));
    // The request was answered with a key.
    assert!(under_way.await.unwrap().unwrap_err().is_revoked());
    assert_eq!(scene.counts().0, 2);
    assert!(scene.warm("acme").is_none());
}

#[tokio::test(start_paused = true)]
async fn one_tenants_scan_evicts_its_own_keys_alone() {
    let scene = Scene::limited(|limits| (limits.data_keys, limits.data_keys_per_tenant) = (20, 10));
    let theirs = record(&scene.seal("globex").await.unwrap());
    scene.seal("acme").await.unwrap();
    for _ in 0..50 {
        let stored = record(&scene.another().seal("acme").await.unwrap());
        scene.open("acme", &stored).await.unwrap();
    }
    let before = scene.counts();
    scene.open("globex", &theirs).await.unwrap();
    scene.seal("globex").await.unwrap();
    // Its sealing key is still cached as well.
    scene.seal("acme").await.unwrap();
    assert_eq!(scene.counts(), before);
}
