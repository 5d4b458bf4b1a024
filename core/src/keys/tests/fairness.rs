//! Many tenants at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::scene::{Scene, id, kind, record};
use crate::keys::KeyServiceErrorKind as Kind;

#[tokio::test(start_paused = true)]
async fn a_thousand_tenants_at_once_wait_well_under_a_second() {
    let scene = Scene::new();
    scene.script(|kms| kms.latency = Duration::from_millis(20));
    let started = Instant::now();
    let tenants: Vec<_> = (0..1_000).map(|at| format!("t{at}")).collect();
    for key in join_all(tenants.iter().map(|tenant| scene.seal(tenant))).await {
        key.unwrap();
    }
    // 256 at once, in 4 rounds.
    assert_eq!(started.elapsed().as_millis() / 20, 4, "{:?}", started.elapsed());
    assert_eq!(scene.counts().0, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_kms_hangs_takes_its_own_places_alone() {
    let scene = Arc::new(Scene::limited(|limits| (limits.calls, limits.calls_per_tenant) = (10, 8)));
    let mut stored = Vec::new();
    for _ in 0..50 {
        stored.push(record(&scene.another().seal("acme").await.unwrap()));
    }
    scene.script(|kms| kms.hangs = [id("acme")].into());
    let hanging: Vec<_> = stored
        .into_iter()
        .map(|stored| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.open("acme", &stored).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let started = Instant::now();
    for at in 0..100 {
        scene.seal(&format!("t{at}")).await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    for hanging in hanging {
        hanging.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_four_tenants_with_all_calls_hanging_in_kms_delay_nobody_else() {
    // An attempt takes at most 5 s and holds its permit for 1/10 of that.
    const TURN: Duration = Duration::from_millis(500);
    let scene = Arc::new(Scene::new());
    let tenants: Vec<_> = (0..64).map(|at| format!("hanging-{at}")).collect();
    let mut stored = Vec::new();
    for tenant in &tenants {
        let mut records = Vec::new();
        for _ in 0..8 {
            records.push(record(&scene.another().seal(tenant).await.unwrap()));
        }
        stored.push(records);
    }
    scene.script(|kms| kms.hangs = tenants.iter().map(|tenant| id(tenant)).collect());
    let hanging: Vec<_> = tenants
        .into_iter()
        .zip(stored)
        .map(|(tenant, stored)| {
            let scene = Arc::clone(&scene);
            // Repeatedly, as clients do.
            tokio::spawn(async move {
                loop {
                    let _ = scene.open_all(&tenant, &stored).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut waits = Vec::new();
    for at in 0..100 {
        let started = Instant::now();
        scene.seal(&format!("t{at}")).await.unwrap();
        waits.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(waits.iter().all(|wait| *wait <= TURN), "{waits:?}");
    let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
    assert!(waited <= waits.len() / 10, "{waited} of {} waited", waits.len());
    for hanging in hanging {
        hanging.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_key_service_poisons_nothing() {
    let scene = Scene::new();
    let stored = record(&scene.another().seal("acme").await.unwrap());
    scene.script(|kms| kms.panics = true);
    for error in join_all((0..10).map(|_| scene.seal("acme"))).await {
        assert_eq!(error.unwrap_err().kind(), Kind::Unexpected);
    }
    assert!(scene.open("acme", &stored).await.is_err());
    // The script's own lock is not poisoned: it was released before the panic.
    scene.script(|kms| kms.panics = false);
    scene.seal("acme").await.unwrap();
    scene.open("acme", &stored).await.unwrap();
    scene.seal("globex").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_credentials_are_dropped_leaves_no_key_and_nothing_stuck() {
    let scene = Arc::new(Scene::new());
    let stored = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| kms.forgetting_panics = true);
    let revoking = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.keys.revoke(&id("acme")).await }
    });
    assert!(revoking.await.unwrap_err().is_panic());
    assert!(scene.warm("acme").is_none());
    // In a fetch it ends that fetch.
    scene.script(|kms| kms.configured_fails = Some(Kind::Denied));
    assert_eq!(scene.seal("acme").await.unwrap_err().kind(), Kind::Unexpected);
    assert!(scene.seal("acme").await.unwrap_err().is_revoked());
    scene.script(|kms| (kms.configured_fails, kms.forgetting_panics) = (None, false));
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.seal("acme").await.unwrap();
    scene.open("acme", &stored).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_former_key_is_asked_for_is_that_reads_alone() {
    let scene = Scene::new();
    let former = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| (kms.alias, kms.own_aliases) = (1, [0, 1].into()));
    let scene = scene.another();
    let new = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| kms.panics = true);
    assert_eq!(kind(&scene.open("acme", &former).await.unwrap_err()), Kind::Unexpected);
    scene.open("acme", &new).await.unwrap();
    scene.script(|kms| kms.panics = false);
    scene.open("acme", &former).await.unwrap();
}
