//! Answers that are lost, and answers that break off.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tenantseal::blobs::Written;
use tenantseal::blobs::aws_sdk_s3::primitives::SdkBody;

use crate::scene::{CHUNK, PART, Scene, fault, plaintext};
use crate::wire::{Reaction, Wire};
use tenantseal::blobs::{BlobFault, Error};

const LEN: usize = 2 * PART + 5;

#[tokio::test]
async fn a_put_whose_answer_was_lost_is_found_to_have_succeeded() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for (len, operation) in [(5, "PutObject"), (LEN, "CompleteMultipartUpload")] {
        let key = format!("of-{len}");
        scene.stack.faults().on(operation).times(1).lose_answer();
        // The retry gets PreconditionFailed, or NoSuchUpload.
        let put = blobs.put(&key, plaintext(len)).if_none_match().await.unwrap();
        assert_eq!(put.etag(), Some(blobs.get(&key).stamp(put.stamp()).await.unwrap().etag()));
        scene.stack.faults().on(operation).times(1).lose_answer();
        let second = blobs.put(&key, plaintext(len + 1)).if_match(put.etag().unwrap()).await.unwrap();
        scene.stack.faults().on(operation).times(1).lose_answer();
        let third = blobs.put(&key, plaintext(len + 2)).await.unwrap();
        assert!(second.stamp() != third.stamp() && third.len() == len as u64 + 2);
        let bytes = blobs.get(&key).stamp(third.stamp()).bytes(u64::MAX).await.unwrap();
        assert!(bytes == plaintext(len + 2));
    }
    assert_eq!(scene.uploads().await, 0);
}

#[tokio::test]
async fn a_put_of_which_every_answer_is_lost_is_found_by_one_read() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for (len, operation) in [(5, "PutObject"), (LEN, "CompleteMultipartUpload")] {
        scene.stack.faults().on(operation).lose_answer();
        let put = blobs.put("a", plaintext(len)).await.unwrap();
        scene.stack.faults().clear();
        assert!(blobs.get("a").stamp(put.stamp()).bytes(u64::MAX).await.unwrap() == plaintext(len));
    }
}

#[tokio::test]
async fn a_put_of_which_nobody_can_tell_says_so() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for (len, operation) in [(5, "PutObject"), (LEN, "CompleteMultipartUpload")] {
        scene.stack.faults().on(operation).lose_answer();
        scene.stack.faults().on("GetObject").lose_answer();
        let lost = blobs.put("a", plaintext(len)).await.unwrap_err();
        scene.stack.faults().clear();
        assert_eq!(lost.written(), Written::Unknown, "{lost}");
        assert!(!lost.is_retryable() && lost.to_string().contains("read before you repeat it"), "{lost}");
        let root = tenantseal::Error::from(lost);
        assert_eq!(root.written(), tenantseal::error::Written::Unknown);
    }
    assert_eq!(scene.uploads_settled().await, 0);
}

#[tokio::test]
async fn a_lost_attempt_is_in_doubt_whatever_the_next_one_says() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for (len, operation) in [(5, "PutObject"), (LEN, "CompleteMultipartUpload")] {
        for (code, status) in [("AccessDenied", 403), ("SlowDown", 503)] {
            // The first attempt is lost and has happened, the next ones are refused.
            scene.stack.faults().on(operation).times(1).lose_answer();
            let put = blobs.put("a", plaintext(len));
            let refusing = async {
                while scene.stack.calls().count(operation) == 0 {
                    tokio::task::yield_now().await;
                }
                scene.stack.faults().on(operation).fail(code, status);
            };
            let (put, ()) = tokio::join!(put.send(), refusing);
            scene.stack.faults().clear();
            assert!(blobs.get("a").stamp(put.unwrap().stamp()).await.is_ok(), "{operation} {status}");
            // Nothing was lost: S3 has said that it did nothing.
            scene.stack.faults().on(operation).fail(code, status);
            let refused = blobs.put("a", plaintext(len)).await.unwrap_err();
            scene.stack.faults().clear();
            scene.stack.calls().reset();
            assert_eq!(refused.written(), Written::No, "{operation} {status}");
            assert_eq!(refused.is_retryable(), status == 503, "{operation} {status}");
        }
    }
}

#[tokio::test]
async fn another_writers_object_is_no_success_of_ones_own() {
    let scene = Scene::start(&["acme"]).await;
    let (blobs, other) = (scene.blobs("acme"), scene.blobs("acme"));
    other.put("a", b"the other's".to_vec()).await.unwrap();
    for len in [5, LEN] {
        let conflict = blobs.put("a", plaintext(len)).if_none_match().await.unwrap_err();
        assert!(conflict.is_condition_failed() && conflict.written() == Written::No, "{conflict}");
    }
    // The same, and the read that would tell fails: then nobody can tell.
    scene.stack.faults().on("GetObject").lose_answer();
    let doubt = blobs.put("a", b"x".to_vec()).if_none_match().await.unwrap_err();
    assert_eq!(doubt.written(), Written::Unknown, "{doubt}");
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_succeeds_when_repeated() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    blobs.put("a", b"x".to_vec()).await.unwrap();
    scene.stack.faults().on("DeleteObject").times(1).lose_answer();
    let renamed = blobs.rename("a", "b").await.unwrap();
    assert_eq!((scene.keys().await, renamed.len()), (vec!["acme/b".to_owned()], 1));
    scene.stack.faults().on("DeleteObject").fail("AccessDenied", 403);
    let kept = blobs.rename("b", "c").await.unwrap_err();
    assert!(matches!(kept, Error::NotDeleted(_)) && kept.written() == Written::Yes, "{kept}");
    assert_eq!(scene.keys().await, ["acme/b", "acme/c"], "both are there, as the error says");
    scene.stack.faults().clear();
}

#[tokio::test]
async fn a_rename_says_so_when_nobody_can_tell_what_became_of_the_original() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    blobs.put("a", b"x".to_vec()).await.unwrap();
    scene.stack.faults().on("DeleteObject").lose_answer();
    scene.stack.faults().on("HeadObject").fail("SlowDown", 503);
    let doubt = blobs.rename("a", "b").await.unwrap_err();
    assert!(matches!(doubt, Error::PerhapsDeleted(_)) && doubt.written() == Written::Yes, "{doubt}");
    assert!(doubt.to_string().contains("keep the copy"), "{doubt}");
    assert_eq!(scene.keys().await, ["acme/b"]);
    // The same, and the original is found to be gone.
    scene.stack.faults().clear();
    scene.stack.faults().on("DeleteObject").lose_answer();
    blobs.rename("b", "c").await.unwrap();
    assert_eq!(scene.keys().await, ["acme/c"]);
}

/// The first attempt is still under way: its own repetition conflicts with it, and a read does not find it yet.
#[tokio::test]
async fn a_conflict_after_a_lost_answer_is_in_doubt_and_not_begun_anew() {
    let scene = Scene::start(&["acme"]).await;
    let (puts, gets) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let answer = |code| format!(r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>"#);
    let wire = Wire::scripted(&scene, move |sent, _| match sent.method.as_str() {
        "PUT" => match puts.fetch_add(1, Ordering::SeqCst) {
            0 => Reaction::Alter(Box::new(|_| HttpResponse::new(500.try_into().unwrap(), SdkBody::empty()))),
            1 => Reaction::Answer(409, answer("ConditionalRequestConflict")),
            _ => Reaction::Forward,
        },
        "GET" if gets.fetch_add(1, Ordering::SeqCst) == 0 => Reaction::Answer(404, answer("NoSuchKey")),
        _ => Reaction::Forward,
    });
    let doubt = scene.blobs_over("acme", wire).put("a", b"hello".to_vec()).if_none_match().await.unwrap_err();
    assert_eq!((doubt.written(), doubt.is_condition_failed(), doubt.is_retryable()), (Written::Unknown, false, false));
    assert_eq!(scene.blobs("acme").get("a").bytes(5).await.unwrap(), "hello".as_bytes());
}

#[tokio::test]
async fn a_body_that_breaks_off_anywhere_goes_on_where_it_broke() {
    let scene = Scene::start(&["acme"]).await;
    let wire = Wire::open(&scene);
    let blobs = scene.blobs_over("acme", wire.clone());
    let bytes = plaintext(3 * CHUNK + 9);
    blobs.put("a", bytes.clone()).await.unwrap();
    let header = scene.stored("acme/a").await.len() - bytes.len() - 4 * 16;
    let sealed = CHUNK + 16;
    for cut in
        [1, 100, header, header + 1, header + sealed - 1, header + sealed, header + sealed + 1, header + 3 * sealed]
    {
        let before = wire.sent().len();
        scene.stack.faults().on("GetObject").times(2).cut_answer(cut);
        assert!(blobs.get("a").bytes(u64::MAX).await.unwrap() == bytes, "cut after {cut}");
        let asked: Vec<_> =
            wire.sent()[before..].iter().map(|sent| (sent.range.clone(), sent.if_match.is_some())).collect();
        assert!(
            asked.len() >= 2
                && asked[0] == (None, false)
                && asked[1..].iter().all(|(range, of)| range.is_some() && *of)
        );
        scene.stack.faults().clear();
        scene.stack.faults().on("GetObject").times(2).cut_answer(cut);
        let open = blobs.open("a").await.unwrap();
        assert!(open.range(5..).await.unwrap() == bytes[5..], "cut after {cut}");
        scene.stack.faults().clear();
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_again_and_again_is_an_error() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let bytes = plaintext(3 * CHUNK);
    blobs.put("a", bytes.clone()).await.unwrap();
    let mut body = blobs.get("a").await.unwrap().into_body();
    let cut = Wire::scripted(&scene, |sent, _| match (sent.method.as_str(), &sent.range) {
        // It comes, and no byte of its body does.
        ("GET", Some(_)) => Reaction::Alter(Box::new(|mut answer| {
            let broken =
                futures_util::stream::iter([Err::<http_body::Frame<bytes::Bytes>, _>(std::io::Error::other("broken"))]);
            *answer.body_mut() =
                aws_smithy_types::body::SdkBody::from_body_1_x(http_body_util::StreamBody::new(broken));
            answer
        })),
        _ => Reaction::Forward,
    });
    assert!(body.next().await.unwrap().is_ok());
    scene.stack.faults().on("GetObject").cut_answer(CHUNK);
    let over = scene.blobs_over("acme", cut.clone());
    let failed = over.get("a").bytes(u64::MAX).await.unwrap_err();
    assert!(matches!(failed, Error::BrokenOff { .. }) && failed.is_retryable(), "{failed}");
    assert!((5..=7).contains(&cut.sent().len()), "it does not try for ever: {}", cut.sent().len());
}

#[tokio::test]
async fn an_object_that_was_overwritten_meanwhile_is_not_mixed_with_the_new_one() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let (old, new) = (plaintext(3 * CHUNK), plaintext(3 * CHUNK + 1));
    for delete in [false, true] {
        blobs.put("a", old.clone()).await.unwrap();
        let open = blobs.open("a").await.unwrap();
        assert!(open.range(0..9).await.unwrap() == old[..9]);
        scene.stack.faults().on("GetObject").times(1).cut_answer(CHUNK + 1_000);
        let mut body = blobs.get("a").await.unwrap().into_body();
        if delete {
            blobs.delete("a").await.unwrap();
        } else {
            blobs.put("a", new.clone()).await.unwrap();
        }
        assert_eq!(fault(open.range(0..9).await), BlobFault::Changed);
        let mut given = Vec::new();
        let end = loop {
            match body.next().await.unwrap() {
                Ok(chunk) => given.extend_from_slice(&chunk),
                Err(error) => break error,
            }
        };
        assert_eq!(fault(Err::<(), _>(end)), BlobFault::Changed);
        assert!(old.starts_with(&given) && !given.is_empty(), "an authentic prefix of the old one");
    }
}

#[tokio::test]
async fn a_copy_of_what_changes_meanwhile_replaces_and_deletes_nothing() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for reseal in [false, true] {
        blobs.put("a", b"old".to_vec()).await.unwrap();
        scene.stack.faults().on("PutObject").times(1).delay(Duration::from_millis(400));
        let copying = tokio::spawn({
            let blobs = blobs.clone();
            async move { if reseal { blobs.reseal("a").await } else { blobs.rename("a", "b").await } }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        blobs.put("a", b"new".to_vec()).await.unwrap();
        let error = copying.await.unwrap().unwrap_err();
        assert!(error.is_condition_failed(), "{error}");
        assert_eq!(error.written(), if reseal { Written::No } else { Written::Yes });
        assert_eq!(&blobs.get("a").bytes(9).await.unwrap()[..], b"new");
    }
}
