//! KMS contradicts itself for a while after a key was enabled or disabled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::scene::{MINUTE, Scene, kind, record};
use crate::keys::{KeyServiceErrorKind as Kind, OpeningKeyError};

const REFUSALS: [Kind; 3] = [Kind::Revoked, Kind::Denied, Kind::NotFound];

#[tokio::test(start_paused = true)]
async fn one_refusal_that_kms_takes_back_costs_a_tenant_nothing() {
    for refusal in REFUSALS {
        let scene = Scene::new();
        let key = scene.seal("acme").await.unwrap();
        let gone = Arc::downgrade(&key);
        let stored = record(&key);
        drop(key);
        // The caller's lease has expired, and one answer comes from a host that does not know of the resumption yet.
        scene.sleep_deeply(MINUTE * 16);
        scene.script(|kms| kms.refusing = vec![refusal]);
        scene.open("acme", &stored).await.unwrap();
        scene.seal("acme").await.unwrap();
        assert!(gone.upgrade().is_some(), "{refusal}: its keys were dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn one_refusal_that_kms_takes_back_costs_a_writer_nothing() {
    for refusal in REFUSALS {
        let scene = Scene::new();
        let gone = Arc::downgrade(&scene.seal("acme").await.unwrap());
        scene.sleep_deeply(MINUTE * 16);
        scene.script(|kms| kms.refusing = vec![refusal]);
        scene.seal("acme").await.unwrap();
        assert!(gone.upgrade().is_some(), "{refusal}: its keys were dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspension_takes_effect_with_the_request_that_learns_of_it() {
    for refusal in REFUSALS {
        let scene = Scene::new();
        let gone = Arc::downgrade(&scene.seal("acme").await.unwrap());
        scene.sleep_deeply(MINUTE * 16);
        scene.script(|kms| kms.fails = Some(refusal));
        let (before, started) = (scene.counts(), Instant::now());
        assert!(scene.seal("acme").await.unwrap_err().is_revoked());
        assert!(gone.upgrade().is_none(), "{refusal}");
        assert!(started.elapsed() < Duration::from_secs(1), "{refusal}: {:?}", started.elapsed());
        let after = scene.counts();
        let calls = after.0 + after.1 - before.0 - before.1;
        assert!(calls <= 4, "{refusal}: asked {calls} times");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_which_kms_cannot_be_asked_is_believed() {
    let scene = Scene::new();
    let gone = Arc::downgrade(&scene.seal("acme").await.unwrap());
    scene.sleep_deeply(MINUTE * 16);
    scene.script(|kms| kms.refusing = vec![Kind::Unavailable, Kind::Revoked]);
    assert!(scene.seal("acme").await.unwrap_err().is_revoked());
    assert!(gone.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_kms_refuses_and_confirms_is_not_called_a_former_one() {
    for reads_only in [false, true] {
        let scene = Scene::new();
        if reads_only {
            scene.open("acme", &record(&scene.another().seal("acme").await.unwrap())).await.unwrap();
        } else {
            scene.seal("acme").await.unwrap();
        }
        let other = scene.another().seal("acme").await.unwrap();
        scene.script(|kms| kms.refuses = Some((other.record().wrapped.clone(), Kind::Revoked)));
        let error = scene.open("acme", &record(&other)).await.unwrap_err();
        assert_eq!(kind(&error), Kind::Contradictory, "{error}");
        let OpeningKeyError::Service(error) = error else { panic!("{error}") };
        assert!(error.is_retryable() && !error.is_revoked(), "{error}");
        assert!(!error.to_string().contains("former"), "{error}");
        // Nothing of it remains once KMS answers consistently.
        scene.script(|kms| kms.refuses = None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.open("acme", &record(&other)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_tenant_is_served_although_kms_still_refuses_every_third_call() {
    let scene = Scene::new();
    let mut stored = Vec::new();
    for _ in 0..20 {
        stored.push(record(&scene.another().seal("acme").await.unwrap()));
    }
    scene.seal("acme").await.unwrap();
    for (at, stored) in stored.iter().enumerate() {
        if at % 3 == 0 {
            scene.script(|kms| kms.refusing = vec![Kind::Revoked]);
        }
        scene.open("acme", stored).await.unwrap();
        assert!(scene.warm("acme").is_some(), "its keys were dropped");
    }
}
