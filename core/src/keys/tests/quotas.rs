//! Tenants against each other's quotas, over an hour.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::scene::{MINUTE, Scene, id, record};
use crate::keys::KeyServiceErrorKind as Kind;

const SECOND: Duration = Duration::from_secs(1);
const SUSPENDED: usize = 12;
const HEALTHY: usize = 5;

#[tokio::test(start_paused = true)]
async fn in_an_hour_of_suspended_tenants_under_traffic_healthy_ones_never_wait() {
    let scene = Arc::new(Scene::new());
    let suspended: Vec<_> = (0..SUSPENDED).map(|at| format!("suspended-{at}")).collect();
    let healthy: Vec<_> = (0..HEALTHY).map(|at| format!("healthy-{at}")).collect();
    let mut stored = BTreeMap::new();
    for tenant in suspended.iter().chain(&healthy) {
        let mut records = Vec::new();
        for _ in 0..20 {
            records.push(record(&scene.another().seal(tenant).await.unwrap()));
        }
        stored.insert(tenant.clone(), records);
        scene.seal(tenant).await.unwrap();
    }
    for tenant in &healthy {
        for stored in &stored[tenant] {
            scene.open(tenant, stored).await.unwrap();
        }
    }
    scene.script(|kms| {
        kms.latency = SECOND / 20;
        kms.refuses_tenants = suspended.iter().map(|tenant| (id(tenant), Kind::Revoked)).collect();
        // Calls beyond this are throttled, whichever tenant's.
        kms.per_second = Some(10);
    });
    scene.sleep_deeply(MINUTE * 12);
    for tenant in &healthy {
        scene.seal(tenant).await.unwrap();
    }
    tokio::time::sleep(MINUTE).await;
    scene.kms.by_tenant.lock().unwrap().clear();
    let end = Instant::now() + MINUTE * 60;
    let of_suspended = suspended.iter().map(|tenant| {
        let (scene, tenant, stored) = (Arc::clone(&scene), tenant.clone(), stored[tenant].clone());
        tokio::spawn(async move {
            let mut at = 0;
            let mut waited = Duration::ZERO;
            while Instant::now() < end {
                let started = Instant::now();
                // It may be served until its lease ends.
                let _ = if at % 2 == 0 {
                    scene.seal(&tenant).await.map(|_| ()).is_ok()
                } else {
                    scene.open(&tenant, &stored[at % stored.len()]).await.is_ok()
                };
                waited += started.elapsed();
                at += 1;
                tokio::time::sleep(SECOND / 5).await;
            }
            waited
        })
    });
    let of_suspended: Vec<_> = of_suspended.collect();
    let of_healthy = healthy.iter().map(|tenant| {
        let (scene, tenant, stored) = (Arc::clone(&scene), tenant.clone(), stored[tenant].clone());
        tokio::spawn(async move {
            let mut at = 0;
            while Instant::now() < end {
                let started = Instant::now();
                scene.seal(&tenant).await.unwrap();
                scene.open(&tenant, &stored[at % stored.len()]).await.unwrap();
                assert!(started.elapsed().is_zero(), "{tenant} waited {:?}", started.elapsed());
                at += 1;
                tokio::time::sleep(SECOND / 5).await;
            }
        })
    });
    let of_healthy: Vec<_> = of_healthy.collect();
    for tenant in of_healthy {
        tenant.await.unwrap();
    }
    for tenant in of_suspended {
        let waited = tenant.await.unwrap();
        assert!(waited <= SECOND * 30, "its requests waited {waited:?} in an hour");
    }
    let calls = scene.kms.by_tenant.lock().unwrap().clone();
    for tenant in &suspended {
        // Once per minute, less 1/4 of jitter; 2 calls each time.
        let calls = calls[&id(tenant)];
        assert!((40..=2 * (60 * 4 / 3 + 10)).contains(&calls), "{tenant}: {calls} calls in an hour");
    }
    for tenant in &healthy {
        // At most 2 leases: of the sealing key, and of the opening keys.
        let calls = calls[&id(tenant)];
        assert!((5..=2 * 6).contains(&calls), "{tenant}: {calls} calls in an hour");
    }
    println!("calls in an hour: {calls:?}");
}
