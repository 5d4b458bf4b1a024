//! The cost and the lifetime of idempotency tokens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::scene::{LIMITS, MINUTE, Scene, TERMS, id, record};
use crate::envelope::{KeyRecordPlacement, VerifiedDataKey};
use crate::keys::{Limits, Terms};

/// A rotation period of 20 minutes.
const SHORT: Terms = Terms { rotation: Duration::from_secs(20 * 60), ..TERMS };

impl Scene {
    /// The data key that seals a request with this token.
    async fn seal_with_token(&self, tenant: &str, token: &str) -> Arc<VerifiedDataKey> {
        self.keys.for_tenant(&id(tenant)).sealing_key(Some(token), KeyRecordPlacement::Item).await.unwrap()
    }

    async fn record_with_token(&self, tenant: &str, token: &str) -> Box<[u8]> {
        let key = self.seal_with_token(tenant, token).await;
        record(&key)
    }

    async fn pin_many(&self, tenant: &str, tokens: std::ops::Range<usize>) {
        for token in tokens {
            self.seal_with_token(tenant, &format!("0f4c52a0-7d3a-4f6e-9a42-{token:012}")).await;
        }
    }
}

fn weak(key: Arc<VerifiedDataKey>) -> Weak<VerifiedDataKey> {
    Arc::downgrade(&key)
}

/// Records counters, and no other metrics.
#[derive(Default)]
struct Counters(Mutex<HashMap<Key, Arc<AtomicU64>>>);

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(key.clone()).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Counters {
    /// The tokens dropped so far for this reason.
    fn forgotten(&self, reason: &str) -> u64 {
        let counters = self.0.lock().unwrap();
        let named = counters.iter().filter(|(key, _)| {
            key.name() == "tenantseal_forgotten_tokens_total" && key.labels().any(|label| label.value() == reason)
        });
        named.map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_one_token_is_sealed_under_one_key_for_ten_minutes() {
    let scene = Scene::with(SHORT, LIMITS, Arc::default());
    scene.seal("acme").await.unwrap();
    tokio::time::sleep(MINUTE * 19).await;
    let first = scene.record_with_token("acme", "token").await;
    tokio::time::sleep(MINUTE * 2).await;
    let second = record(&scene.seal("acme").await.unwrap());
    assert_ne!(first, second, "the key was rotated");
    assert_eq!(scene.record_with_token("acme", "another").await, second);
    for _ in 0..8 {
        tokio::time::sleep(MINUTE - Duration::from_secs(1)).await;
        assert_eq!(scene.record_with_token("acme", "token").await, first);
    }
    tokio::time::sleep(MINUTE * 2).await;
    assert_eq!(scene.record_with_token("acme", "token").await, second);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_goes_when_the_ten_minutes_of_its_last_token_are_over() {
    let scene = Scene::with(SHORT, Limits { data_keys_per_tenant: 1, ..LIMITS }, Arc::default());
    // The tenant is busy all the time, and never uses a token again.
    let live = scene.keys.for_tenant(&id("acme"));
    scene.seal("acme").await.unwrap();
    tokio::time::sleep(MINUTE * 19).await;
    let pinned = weak(scene.seal_with_token("acme", "token").await);
    tokio::time::sleep(MINUTE * 2).await;
    scene.seal("acme").await.unwrap();
    tokio::time::sleep(MINUTE * 7).await;
    assert!(pinned.upgrade().is_some(), "a repetition needs it");
    for minute in 0..60 {
        tokio::time::sleep(MINUTE).await;
        scene.seal("acme").await.unwrap();
        assert!(minute < 3 || pinned.upgrade().is_none(), "the key is still in memory");
    }
    drop(live);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_all_tenants_together_are_bounded_and_who_forgets_says_so() {
    let counters = Counters::default();
    let _guard = metrics::set_default_local_recorder(&counters);
    // Room for twenty keys, or for five thousand tokens.
    let scene = Scene::limited(|limits| limits.data_keys = 20);
    let mut tenants = Vec::new();
    for tenant in 0..10 {
        let tenant = format!("t{tenant}");
        tenants.push(weak(scene.seal(&tenant).await.unwrap()));
        scene.pin_many(&tenant, 0..1_000).await;
    }
    // The cache evicts a moment later, when it is used.
    std::thread::sleep(Duration::from_millis(400));
    scene.pin_many("t9", 1_000..1_300).await;
    let left = tenants.iter().filter(|key| key.upgrade().is_some()).count();
    assert!((2..=5).contains(&left), "{left} of 10 tenants are left");
    assert!(tenants[9].upgrade().is_some());
    assert!(counters.forgotten("capacity") >= 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_too_many_tokens_forgets_the_oldest_and_says_so() {
    let counters = Counters::default();
    let _guard = metrics::set_default_local_recorder(&counters);
    let scene = Scene::with(SHORT, LIMITS, Arc::default());
    scene.seal("acme").await.unwrap();
    tokio::time::sleep(MINUTE * 19).await;
    let first = scene.record_with_token("acme", "oldest").await;
    tokio::time::sleep(MINUTE / 2).await;
    scene.pin_many("acme", 0..30_000).await;
    assert_eq!(counters.forgotten("tenant_limit"), 0);
    scene.pin_many("acme", 30_000..60_000).await;
    assert_eq!(scene.record_with_token("acme", "latest").await, first);
    assert!((2_600..15_000).contains(&counters.forgotten("tenant_limit")));
    tokio::time::sleep(MINUTE).await;
    let second = record(&scene.seal("acme").await.unwrap());
    assert_eq!(scene.record_with_token("acme", "oldest").await, second);
    assert_eq!(scene.record_with_token("acme", "latest").await, first);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_a_revocation_forgets_are_counted() {
    let counters = Counters::default();
    let _guard = metrics::set_default_local_recorder(&counters);
    let scene = Scene::new();
    let key = weak(scene.seal("acme").await.unwrap());
    scene.pin_many("acme", 0..3).await;
    scene.keys.revoke(&id("acme")).await;
    assert!(key.upgrade().is_none());
    assert_eq!(counters.forgotten("by_hand"), 3);
}
