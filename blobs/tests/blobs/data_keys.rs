//! Data keys: shared among objects, revoked, audited and counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tenantseal::TenantSeal;
use tenantseal::audit::{AuditSink, DataKeyUse};
use tenantseal::blobs::{Bucket, Error};
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};

use crate::scene::{CHUNK, PART, Scene, id, plaintext, unknown};

#[tokio::test]
async fn the_second_of_two_objects_costs_no_call_to_kms() {
    let scene = Scene::start(&["acme"]).await;
    let writer = scene.blobs("acme");
    writer.put("a", plaintext(CHUNK + 1)).await.unwrap();
    let first = scene.key_calls();
    writer.put("b", plaintext(CHUNK + 1)).await.unwrap();
    writer.get("a").bytes(u64::MAX).await.unwrap();
    assert_eq!(scene.key_calls(), first);
    let reader = scene.blobs("acme");
    reader.get("a").bytes(u64::MAX).await.unwrap();
    let first = scene.key_calls();
    let open = reader.open("b").await.unwrap();
    for _ in 0..3 {
        open.range(..).await.unwrap();
    }
    reader.copy("a", "b").await.unwrap();
    assert_eq!(scene.key_calls(), first + 1, "a copy makes the data key that seals");
}

#[tokio::test]
async fn a_revoked_tenant_gets_an_error_before_the_first_byte() {
    let scene = Scene::start(&["acme"]).await;
    scene.blobs("acme").put("a", plaintext(CHUNK + 1)).await.unwrap();
    scene.revoke("acme").await;
    let blobs = scene.blobs("acme");
    scene.stack.calls().reset();
    let body = unknown(&plaintext(3 * PART), CHUNK);
    for error in [
        blobs.get("a").await.map(|_| ()).unwrap_err(),
        blobs.open("a").await.map(|_| ()).unwrap_err(),
        blobs.put("b", b"x".to_vec()).await.map(|_| ()).unwrap_err(),
        blobs.put("b", body).await.map(|_| ()).unwrap_err(),
        blobs.rename("a", "b").await.map(|_| ()).unwrap_err(),
    ] {
        assert!(error.is_revoked() && !error.is_integrity(), "{error}");
        assert!(tenantseal::Error::from(error).is_revoked());
    }
    assert_eq!(scene.count("PutObject") + scene.count("CreateMultipartUpload") + scene.count("DeleteObject"), 0);
}

#[tokio::test]
async fn a_tenant_that_is_revoked_meanwhile_reads_and_writes_no_further() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let bytes = plaintext(4 << 20);
    blobs.put("a", bytes.clone()).await.unwrap();
    let open = blobs.open("a").await.unwrap();
    let mut body = blobs.get("a").await.unwrap().into_body();
    body.next().await.unwrap().unwrap();
    let mut pieces = 0;
    let revoked = Arc::new(tokio::sync::Notify::new());
    // A body that waits, after a MiB, until its tenant is revoked.
    let slow = futures_util::stream::unfold(0, {
        let (bytes, revoked) = (bytes.clone(), Arc::clone(&revoked));
        move |at: usize| {
            let (bytes, revoked) = (bytes.clone(), Arc::clone(&revoked));
            async move {
                if at == 16 {
                    revoked.notified().await;
                }
                (at < 64).then(|| {
                    (Ok::<_, std::io::Error>(http_body::Frame::data(bytes.slice(at * CHUNK..(at + 1) * CHUNK))), at + 1)
                })
            }
        }
    });
    let slow = tenantseal::blobs::aws_sdk_s3::primitives::SdkBody::from_body_1_x(http_body_util::StreamBody::new(slow));
    let slow = tenantseal::blobs::aws_sdk_s3::primitives::ByteStream::new(slow);
    let writing = tokio::spawn({
        let put = blobs.put("b", slow);
        async move { put.await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    scene.revoke("acme").await;
    scene.stack.clock().advance(Duration::from_secs(60 * 60));
    revoked.notify_one();

    let error = loop {
        match body.next().await.expect("the stream does not end") {
            Ok(_) => pieces += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_revoked() && pieces <= 16, "{pieces}: {error}");
    assert!(open.range(..9).await.unwrap_err().is_revoked());
    let written = writing.await.unwrap().unwrap_err();
    assert!(written.is_revoked(), "{written}");
    assert_eq!(scene.keys().await, ["acme/a"]);
    assert_eq!(scene.uploads_settled().await, 0);
}

#[tokio::test]
async fn an_object_opens_without_the_key_table_of_its_writer() {
    let scene = Scene::start(&["acme"]).await;
    let sharing = scene.builder().key_table(InMemoryKeyTable::new()).build(&scene.app).unwrap();
    sharing.tenant(&id("acme")).blobs("documents").put("a", b"x".to_vec()).await.unwrap();
    assert_eq!(&scene.blobs("acme").get("a").bytes(9).await.unwrap()[..], b"x");
}

type Told = Vec<(String, &'static str, String, usize)>;

#[derive(Clone, Default)]
struct Trail(Arc<Mutex<Told>>);

impl AuditSink for Trail {
    fn record(&self, used: &DataKeyUse<'_>) {
        let told = (used.purpose.to_string(), used.operation, used.table.to_owned(), used.items);
        self.0.lock().unwrap().push(told);
    }
}

#[tokio::test]
async fn each_use_of_a_data_key_is_told_and_nothing_is_sealed_or_opened_untold() {
    let scene = Scene::start(&["acme"]).await;
    let trail = Trail::default();
    let seal = scene.builder().audit(trail.clone()).build(&scene.app).unwrap();
    let blobs = seal.tenant(&id("acme")).blobs("documents");
    let told = |trail: &Trail| std::mem::take(&mut *trail.0.lock().unwrap());
    let sealed = || ("seal".to_owned(), "PutObject", "documents".to_owned(), 1);
    let opened = || ("open".to_owned(), "GetObject", "documents".to_owned(), 1);
    blobs.put("a", plaintext(2 * PART + 1)).await.unwrap();
    assert_eq!(told(&trail), [sealed()]);
    blobs.get("a").bytes(u64::MAX).await.unwrap();
    assert_eq!(told(&trail), [opened()]);
    let open = blobs.open("a").await.unwrap();
    open.range(..).await.unwrap();
    assert_eq!(told(&trail), [opened(), opened()]);
    blobs.copy("a", "b").await.unwrap();
    assert_eq!(told(&trail), [opened(), sealed()]);

    struct Panics;
    impl AuditSink for Panics {
        fn record(&self, _: &DataKeyUse<'_>) {
            panic!("the trail is full");
        }
    }
    let seal = scene.builder().audit(Panics).build(&scene.app).unwrap();
    let blobs = seal.tenant(&id("acme")).blobs("documents");
    scene.stack.calls().reset();
    assert!(matches!(blobs.put("c", b"x".to_vec()).await, Err(Error::Audit)));
    assert!(matches!(blobs.get("a").await.map(|_| ()), Err(Error::Audit)));
    assert_eq!(scene.count("PutObject"), 0);
}

#[test]
fn integrity_faults_are_counted_and_others_are_not() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let scene = Scene::start(&["acme"]).await;
            let blobs = scene.blobs("acme");
            blobs.put("a", b"x".to_vec()).await.unwrap();
            assert!(blobs.get("none").await.is_err());
            let open = blobs.open("a").await.unwrap();
            blobs.delete("a").await.unwrap();
            assert!(open.range(..).await.is_err(), "changed, and nobody need have tampered with it");
            scene.plant("acme/a", b"plain".to_vec()).await;
            assert!(blobs.get("a").await.is_err() && blobs.open("a").await.is_err());
        });
    });
    let counted = snapshotter.snapshot().into_vec().into_iter();
    let mut counted = counted.filter(|(key, ..)| key.key().name() == "tenantseal_integrity_failures_total");
    assert!(matches!(counted.next(), Some((_, _, _, DebugValue::Counter(2)))));
}

#[tokio::test]
async fn a_key_service_of_ones_own_and_no_table_will_do() {
    let scene = Scene::start(&[]).await;
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new());
    assert!(builder.build(&scene.app).is_err(), "neither a table nor a bucket");
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new());
    let bucket = Bucket::new("documents").physical("prod-documents").prefix("t={tenant}/");
    let seal = builder.bucket(bucket).s3_client(scene.plain.clone()).build(&scene.app).unwrap();
    let blobs = seal.tenant(&id("acme")).blobs("documents");
    blobs.put("a", b"x".to_vec()).await.unwrap();
    assert_eq!(scene.keys().await, ["t=acme/a"]);
    assert_eq!(&blobs.get("a").bytes(1).await.unwrap()[..], b"x");
    assert!(seal.tenant(&id("globex")).blobs("documents").get("a").await.unwrap_err().is_not_found());
}
