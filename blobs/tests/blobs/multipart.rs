//! Multipart uploads that fail, are given up, or meet another writer: none is left behind, and nobody sees a part of one.

use std::time::Duration;

use tenantseal::blobs::{Error, Written};

use crate::scene::{PART, Scene, plaintext, unknown};
use crate::wire::{Reaction, Wire};

const LEN: usize = 2 * PART + 5;

#[tokio::test]
async fn an_upload_that_fails_at_any_call_is_not_left_behind() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let bytes = plaintext(LEN);
    blobs.put("a", b"before".to_vec()).await.unwrap();
    for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
        for (code, status) in [("AccessDenied", 403), ("InternalError", 500)] {
            scene.stack.faults().on(operation).fail(code, status);
            let failed = blobs.put("a", bytes.clone()).await.unwrap_err();
            scene.stack.faults().clear();
            assert_eq!(scene.uploads().await, 0, "{operation} {status}");
            assert_eq!(&blobs.get("a").bytes(9).await.unwrap()[..], b"before", "{operation} {status}");
            let in_doubt = operation == "CompleteMultipartUpload" && status == 500;
            assert_eq!(failed.written(), if in_doubt { Written::Unknown } else { Written::No }, "{operation} {status}");
            assert_eq!(failed.is_retryable(), status == 500 && !in_doubt, "{operation} {status}: {failed}");
        }
    }
    // One part of three.
    scene.stack.faults().on("UploadPart").when(|call| call.operation == "UploadPart").times(3).fail("SlowDown", 503);
    let _ = blobs.put("a", bytes.clone()).await;
    assert_eq!(scene.uploads().await, 0);
    assert!(blobs.put("a", bytes.clone()).await.is_ok(), "it works when nothing fails");
}

#[tokio::test]
async fn an_upload_that_is_dropped_at_any_call_is_aborted() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let bytes = plaintext(LEN);
    for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
        scene.stack.calls().reset();
        scene.stack.faults().on(operation).delay(Duration::from_millis(300));
        let given_up = tokio::spawn({
            let put = blobs.put("a", bytes.clone());
            async move { put.await.map(|_| ()) }
        });
        while scene.count(operation) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(scene.uploads_settled().await, 0, "{operation}");
        assert_eq!(scene.count("AbortMultipartUpload"), 1, "{operation}");
        scene.stack.faults().clear();
    }
}

#[tokio::test]
async fn a_body_that_fails_stores_nothing() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let bytes = plaintext(LEN);
    for good in [0, 3, 300] {
        let pieces = bytes.chunks(64 * 1024).take(good).map(|piece| Ok(http_body::Frame::data(bytes.slice_ref(piece))));
        let pieces: Vec<_> = pieces.chain([Err(std::io::Error::other("the disk is gone"))]).collect();
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
        let body = tenantseal::blobs::aws_sdk_s3::primitives::SdkBody::from_body_1_x(body);
        let body = tenantseal::blobs::aws_sdk_s3::primitives::ByteStream::new(body);
        let failed = blobs.put("a", body).await.unwrap_err();
        let Error::Source(of_the_body) = &failed else { panic!("{failed}") };
        assert!(failed.to_string().contains("the disk is gone"), "{failed}");
        let first: &(dyn std::error::Error + 'static) = of_the_body.get_ref();
        let causes = std::iter::successors(Some(first), |cause| cause.source());
        assert!(causes.into_iter().any(|cause| cause.is::<std::io::Error>()), "its type is lost: {of_the_body:?}");
        assert_eq!(failed.written(), Written::No);
    }
    assert_eq!((scene.keys().await.len(), scene.uploads().await), (0, 0));
}

#[tokio::test]
async fn a_part_is_sent_again_with_the_same_bytes() {
    let scene = Scene::start(&["acme"]).await;
    let wire = Wire::open(&scene);
    let blobs = scene.blobs_over("acme", wire.clone());
    scene.stack.faults().on("UploadPart").times(2).fail("SlowDown", 503);
    scene.stack.faults().on("PutObject").times(1).fail("SlowDown", 503);
    let bytes = plaintext(LEN);
    for body in [bytes.clone().into(), unknown(&bytes, 100_000)] {
        blobs.put("a", body).await.unwrap();
    }
    blobs.put("a", b"small".to_vec()).await.unwrap();
    let sent = wire.sent();
    let parts: Vec<_> = sent.iter().filter(|sent| sent.method == "PUT").collect();
    let mut again = 0;
    for part in &parts {
        // The signature's part of the request, its number, is in the query.
        let alike: Vec<_> = parts.iter().filter(|other| other.uri == part.uri).collect();
        assert!(alike.iter().all(|other| other.body == part.body), "{}", part.uri);
        again += alike.len() - 1;
    }
    assert!(again >= 3, "some were sent twice: {again}");
}

#[tokio::test]
async fn a_conflict_begins_anew_where_the_body_can_and_is_retryable_where_not() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for (len, operation) in [(5, "PutObject"), (LEN, "CompleteMultipartUpload")] {
        let bytes = plaintext(len);
        let conflict = || scene.stack.faults().on(operation).times(1).fail("ConditionalRequestConflict", 409);
        conflict();
        blobs.put("a", bytes.clone()).await.unwrap();
        assert!(blobs.get("a").bytes(u64::MAX).await.unwrap() == bytes);
        conflict();
        let copy = blobs.copy("a", "b").await.unwrap();
        assert!(blobs.get("b").stamp(copy.stamp()).bytes(u64::MAX).await.unwrap() == bytes);
        conflict();
        let once = blobs.put("a", unknown(&bytes, 10_000)).await.unwrap_err();
        assert!(once.is_retryable() && once.written() == Written::No, "{once}");
        scene.stack.faults().clear();
    }
    scene.stack.faults().on("PutObject").fail("ConditionalRequestConflict", 409);
    scene.stack.calls().reset();
    assert!(blobs.put("a", b"x".to_vec()).await.unwrap_err().is_retryable());
    assert!(scene.count("PutObject") <= 3, "it does not try for ever");
    assert_eq!(scene.uploads().await, 0);
}

#[tokio::test]
async fn uploads_of_one_key_at_the_same_time_do_not_mix() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let (one, other) = (plaintext(LEN), plaintext(LEN + 1));
    let (first, second) =
        tokio::join!(blobs.put("a", one.clone()).if_none_match(), blobs.put("a", other.clone()).if_none_match());
    let (won, bytes) = match (first, second) {
        (Ok(won), Err(lost)) if lost.is_condition_failed() => (won, one),
        (Err(lost), Ok(won)) if lost.is_condition_failed() => (won, other),
        both => panic!("{both:?}"),
    };
    assert!(blobs.get("a").stamp(won.stamp()).bytes(u64::MAX).await.unwrap() == bytes);
    assert_eq!(scene.uploads().await, 0);
}

#[tokio::test]
async fn an_abort_that_is_dropped_is_asked_for_again() {
    let scene = Scene::start(&["acme"]).await;
    let wire = Wire::scripted(&scene, |sent, before| match sent.method.as_str() {
        "POST" if sent.uri.contains("uploadId") => {
            Reaction::Answer(403, "<Error><Code>AccessDenied</Code></Error>".into())
        }
        // The first abort never comes back.
        "DELETE" if before < 6 => Reaction::Hang,
        _ => Reaction::Forward,
    });
    let blobs = scene.blobs_over("acme", wire.clone());
    let put = blobs.put("a", plaintext(LEN));
    let given_up = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            done = put.send() => panic!("{done:?}"),
            () = async {
                while !wire.sent().iter().any(|sent| sent.method == "DELETE") {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
    });
    given_up.await.unwrap();
    assert_eq!(scene.uploads_settled().await, 0);
}
