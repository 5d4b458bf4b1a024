//! Refused tenants: refused at once from memory, and tested less and less often.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::scene::{MINUTE, Scene, id, kind, record};
use crate::format::KeyRecord;
use crate::keys::KeyServiceErrorKind as Kind;

const SECOND: Duration = Duration::from_secs(1);

fn calls(scene: &Scene) -> usize {
    let (made, asked, former) = scene.counts();
    made + asked + former
}

/// A tenant's traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Traffic {
    Writes,
    /// Items under many different data keys.
    Reads,
    /// Each request makes its own handle, as in a service that keeps none.
    Both,
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_under_traffic_is_asked_for_about_once_a_minute() {
    for traffic in [Traffic::Writes, Traffic::Reads, Traffic::Both] {
        for refusal in [Kind::Revoked, Kind::Denied, Kind::NotFound] {
            let scene = Scene::new();
            let mut stored = Vec::new();
            for _ in 0..50 {
                stored.push(record(&scene.another().seal("acme").await.unwrap()));
            }
            scene.seal("acme").await.unwrap();
            scene.script(|kms| (kms.fails, kms.latency) = (Some(refusal), SECOND / 20));
            scene.sleep_deeply(MINUTE * 31);
            let before = calls(&scene);
            let mut slow = 0;
            for request in 0..2_400 {
                let started = Instant::now();
                let is_write = traffic == Traffic::Writes || (traffic == Traffic::Both && request % 2 == 0);
                let of = if is_write {
                    scene.seal("acme").await.unwrap_err().kind()
                } else {
                    kind(&scene.open("acme", &stored[request % stored.len()]).await.unwrap_err())
                };
                assert_eq!(of, refusal);
                slow += usize::from(!started.elapsed().is_zero());
                tokio::time::sleep((SECOND / 4).saturating_sub(started.elapsed())).await;
            }
            // 1, 2, 4 .. seconds up to a minute, less jitter: about 18 times. Each time a read tries its key by both
            // aliases, and then the tenant's own key.
            let asked = calls(&scene) - before;
            assert!(
                asked <= if traffic == Traffic::Writes { 20 } else { 60 },
                "{traffic:?} {refusal}: asked {asked} times in ten minutes"
            );
            assert!(slow <= 22, "{traffic:?} {refusal}: {slow} of 2,400 requests waited");
            let forgotten = scene.kms.forgotten.load(Ordering::SeqCst);
            assert!(if refusal == Kind::Denied { forgotten > 0 } else { forgotten == 0 }, "{refusal}: {forgotten}");

            // It is resumed, and served within a minute.
            scene.script(|kms| kms.fails = None);
            let resumed = Instant::now();
            loop {
                let is_served = match traffic {
                    Traffic::Reads => scene.open("acme", &stored[0]).await.is_ok(),
                    _ => scene.seal("acme").await.is_ok(),
                };
                if is_served {
                    break;
                }
                assert!(resumed.elapsed() <= MINUTE, "{traffic:?} {refusal}: refused a minute after it was resumed");
                tokio::time::sleep(SECOND / 10).await;
            }
            for stored in &stored {
                scene.open("acme", stored).await.unwrap();
            }
            scene.seal("acme").await.unwrap();
            // A second suspension starts anew.
            scene.script(|kms| kms.fails = Some(refusal));
            scene.sleep_deeply(MINUTE * 31);
            scene.seal("acme").await.unwrap_err();
            scene.script(|kms| kms.fails = None);
            tokio::time::sleep(SECOND).await;
            scene.seal("acme").await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn forged_records_do_not_put_off_the_return_of_a_resumed_tenant() {
    for forgery in [Kind::Revoked, Kind::Denied, Kind::NotFound] {
        let scene = Scene::new();
        let own = record(&scene.another().seal("acme").await.unwrap());
        let forged = scene.another().seal("acme").await.unwrap();
        scene.seal("acme").await.unwrap();
        scene.script(|kms| kms.fails = Some(Kind::Revoked));
        scene.sleep_deeply(MINUTE * 31);
        for _ in 0..300 {
            scene.seal("acme").await.unwrap_err();
            tokio::time::sleep(SECOND).await;
        }
        // It is resumed; from now on a key record that KMS refuses for its own sake is read repeatedly.
        let wrapped = forged.record().wrapped.clone();
        scene.script(|kms| (kms.fails, kms.refuses) = (None, Some((wrapped, forgery))));
        let resumed = Instant::now();
        loop {
            scene.open("acme", &record(&forged)).await.unwrap_err();
            if scene.open("acme", &own).await.is_ok() {
                break;
            }
            assert!(resumed.elapsed() <= MINUTE + SECOND, "{forgery}: a forged record keeps the tenant refused");
            tokio::time::sleep(SECOND / 10).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn callers_do_not_wait_while_a_refused_tenant_is_requested() {
    let scene = Scene::new();
    scene.seal("acme").await.unwrap();
    scene.script(|kms| kms.fails = Some(Kind::Revoked));
    scene.sleep_deeply(MINUTE * 31);
    scene.seal("acme").await.unwrap_err();
    tokio::time::sleep(SECOND * 2).await;
    scene.script(|kms| kms.latency = SECOND * 3);
    let started = Instant::now();
    let others = async {
        tokio::time::sleep(SECOND).await;
        for _ in 0..10 {
            assert!(scene.seal("acme").await.unwrap_err().is_revoked());
        }
        started.elapsed()
    };
    let (probe, others) = tokio::join!(scene.seal("acme"), others);
    assert!(probe.unwrap_err().is_revoked());
    assert_eq!(others, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_many_keys_opens_as_soon_as_its_tenant_is_back() {
    let scene = Scene::new();
    let mut records = Vec::new();
    for _ in 0..20 {
        records.push(record(&scene.another().seal("acme").await.unwrap()));
    }
    scene.seal("acme").await.unwrap();
    scene.script(|kms| (kms.fails, kms.latency) = (Some(Kind::Revoked), SECOND / 20));
    scene.sleep_deeply(MINUTE * 31);
    scene.open_all("acme", &records).await.unwrap_err();
    tokio::time::sleep(SECOND).await;
    let before = calls(&scene);
    scene.open_all("acme", &records).await.unwrap_err();
    assert!(calls(&scene) - before <= 2, "a page asked {} times whether its tenant is back", calls(&scene) - before);
    scene.script(|kms| kms.fails = None);
    tokio::time::sleep(SECOND * 2).await;
    scene.open_all("acme", &records).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn forged_records_of_a_tenant_without_keys_are_bounded_without_a_handle() {
    let scene = Scene::new();
    let mut forged = KeyRecord::decode(&record(&scene.another().seal("acme").await.unwrap())).unwrap();
    let before = calls(&scene);
    for number in 0..1_000 {
        forged.created = number;
        scene.open("acme", &forged.encode()).await.unwrap_err();
    }
    assert!(calls(&scene) - before <= 110, "{} calls for forged records", calls(&scene) - before);
    // Those that were tried are remembered too.
    tokio::time::sleep(SECOND * 20).await;
    let before = calls(&scene);
    forged.created = 0;
    scene.open("acme", &forged.encode()).await.unwrap_err();
    assert_eq!(calls(&scene), before);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_without_a_handle_and_not_for_ever() {
    let scene = Scene::new();
    scene.script(|kms| kms.fails = Some(Kind::NotFound));
    for _ in 0..100 {
        scene.seal("acme").await.unwrap_err();
    }
    assert_eq!(calls(&scene), 1);
    // Other tenants that do not exist do not evict it.
    for at in 0..1_000 {
        scene.seal(&format!("nobody-{at}")).await.unwrap_err();
        drop(scene.keys.for_tenant(&id(&format!("handle-{at}"))));
    }
    let before = calls(&scene);
    scene.seal("acme").await.unwrap_err();
    assert_eq!(calls(&scene), before);
}
