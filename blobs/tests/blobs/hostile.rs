//! Whoever writes to the bucket, or answers in S3's place.

use bytes::Bytes;
use tenantseal::blobs::{BlobFault, Error};
use tenantseal::error::OpenFault;

use crate::scene::{CHUNK, Scene, fault, plaintext};
use crate::wire::{Reaction, Wire};

/// What each way of reading makes of an object: it must be one fault.
async fn fault_of(scene: &Scene, tenant: &str, key: &str) -> BlobFault {
    let blobs = scene.blobs(tenant);
    let by_get = fault(blobs.get(key).bytes(u64::MAX).await);
    let by_open = fault(blobs.open(key).await.map(|_| ()));
    let by_copy = fault(blobs.copy(key, "copy").await);
    assert_eq!((by_get, by_get), (by_open, by_copy));
    by_get
}

#[tokio::test]
async fn an_object_that_s3_copied_to_another_key_does_not_open() {
    let scene = Scene::start(&["acme", "globex"]).await;
    scene.blobs("acme").put("a", plaintext(CHUNK + 1)).await.unwrap();
    for to in ["acme/b", "globex/a", "acme/aa"] {
        let copy = scene.plain.copy_object().copy_source("prod-documents/acme/a").bucket("prod-documents").key(to);
        copy.send().await.unwrap();
    }
    assert_eq!(fault_of(&scene, "acme", "b").await, BlobFault::ForeignBlob);
    assert_eq!(fault_of(&scene, "acme", "aa").await, BlobFault::ForeignBlob);
    assert_eq!(fault_of(&scene, "globex", "a").await, BlobFault::Key(OpenFault::ForeignContext));
    assert_eq!(scene.count("Decrypt"), 2, "for another's context KMS is not even asked");
}

#[tokio::test]
async fn a_bucket_that_was_restored_under_another_name_opens() {
    let scene = Scene::start(&["acme"]).await;
    scene.blobs("acme").put("a", b"x".to_vec()).await.unwrap();
    scene.plain.create_bucket().bucket("restored").send().await.unwrap();
    let copy = scene.plain.copy_object().copy_source("prod-documents/acme/a").bucket("restored").key("acme/a");
    copy.send().await.unwrap();
    let bucket = tenantseal::blobs::Bucket::new("documents").physical("restored");
    let seal =
        tenantseal::TenantSeal::builder().assume_role(crate::scene::ROLE).bucket(bucket).build(&scene.app).unwrap();
    let restored = seal.tenant(&crate::scene::id("acme")).blobs("documents");
    assert_eq!(&restored.get("a").bytes(9).await.unwrap()[..], b"x");
}

#[tokio::test]
async fn objects_that_are_plain_empty_cut_extended_or_mixed_do_not_open() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
        blobs.put("other", plaintext(len)).await.unwrap();
        let other = scene.stored("acme/other").await;
        blobs.put("a", plaintext(len)).await.unwrap();
        let stored = scene.stored("acme/a").await;
        let header = stored.len() - len - 16 * len.div_ceil(CHUNK).max(1);
        let mut planted: Vec<(&str, Vec<u8>)> = vec![
            ("plain", plaintext(len + 1).to_vec()),
            ("empty", vec![]),
            ("no header", stored[..header - 1].to_vec()),
            ("no chunk", stored[..header].to_vec()),
            ("one byte less", stored[..stored.len() - 1].to_vec()),
            ("one byte more", [&stored[..], b"x"].concat()),
            ("twice", [&stored[..], &stored[..]].concat()),
            ("another's chunks", [&stored[..header], &other[header..]].concat()),
            ("another's header", [&other[..header], &stored[header..]].concat()),
        ];
        if len > CHUNK {
            let border = header + CHUNK + 16;
            planted.push(("cut at a chunk's border", stored[..border].to_vec()));
            planted.push(("without its first chunk", [&stored[..header], &stored[border..]].concat()));
            planted.push(("chunks swapped", [&stored[..header], &stored[border..], &stored[header..border]].concat()));
        }
        for (what, bytes) in planted {
            scene.plant("acme/a", bytes).await;
            let read = scene.blobs("acme").get("a").bytes(u64::MAX).await;
            let error = read.expect_err(what);
            assert!(error.is_integrity(), "{what}, {len}: {error}");
            let opened = scene.blobs("acme").open("a").await;
            assert!(opened.is_err_and(|error| error.is_integrity()), "{what}, {len}");
            // Neither a copy nor a rename makes an object of it, nor deletes it.
            assert!(blobs.rename("a", "b").await.is_err() && blobs.reseal("a").await.is_err(), "{what}, {len}");
            assert_eq!(scene.keys().await, ["acme/a", "acme/other"], "{what}, {len}");
        }
    }
}

#[tokio::test]
async fn ranges_of_an_object_that_was_cut_at_a_chunk_say_nothing_of_its_end() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    blobs.put("a", plaintext(3 * CHUNK)).await.unwrap();
    let stored = scene.stored("acme/a").await;
    scene.plant("acme/a", stored.slice(..stored.len() - CHUNK - 16)).await;
    assert_eq!(fault(blobs.open("a").await.map(|_| ())), BlobFault::NotAuthentic, "the end is checked first");
    let mut body = blobs.get("a").await.unwrap().into_body();
    assert!(body.next().await.unwrap().unwrap() == plaintext(CHUNK), "what is given out is authentic");
    assert_eq!(fault(body.next().await.unwrap()), BlobFault::NotAuthentic, "and its end is an error");
}

/// Answers a read with other headers than S3 gave.
fn lie(scene: &Scene, header: &'static str, value: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Wire {
    let value = std::sync::Arc::new(value);
    Wire::scripted(scene, move |sent, _| {
        let value = std::sync::Arc::clone(&value);
        if sent.method != "GET" {
            return Reaction::Forward;
        }
        Reaction::Alter(Box::new(move |mut answer| {
            if let Some(was) = answer.headers().get(header).map(str::to_owned) {
                answer.headers_mut().remove(header);
                if let Some(new) = value(&was) {
                    answer.headers_mut().insert(header, new);
                }
            }
            answer
        }))
    })
}

#[tokio::test]
async fn a_store_that_lies_about_sizes_ranges_or_etags_gets_nothing_accepted() {
    let scene = Scene::start(&["acme"]).await;
    let bytes = plaintext(2 * CHUNK + 500);
    scene.blobs("acme").put("a", bytes.clone()).await.unwrap();
    let stored = scene.stored("acme/a").await.len();
    let honest = scene.blobs_over("acme", lie(&scene, "content-range", |was| Some(was.to_owned())));
    assert!(honest.open("a").await.unwrap().range(..).await.unwrap() == bytes);
    for size in [0, 400, stored - 1, stored - 517, stored + 1, stored + CHUNK + 16, usize::MAX / 2] {
        let wire = lie(&scene, "content-range", move |was| Some(format!("{}/{size}", was.split_once('/').unwrap().0)));
        let blobs = scene.blobs_over("acme", wire);
        let opened = blobs.open("a").await;
        assert!(opened.is_err(), "{size}: {opened:?}");
    }
    for range in ["bytes 0-9/900000", "bytes 5-70000/200000", "bytes */200000", "items 0-1/2", "bytes 1-0/9", ""] {
        let blobs = scene.blobs_over("acme", lie(&scene, "content-range", move |_| Some(range.to_owned())));
        let opened = blobs.open("a").await;
        assert!(matches!(opened, Err(Error::Answer { .. })), "{range}: {opened:?}");
    }
    // The same once the object is open.
    for range in ["bytes 0-9/900000", "bytes 5-70000/200000", "items 0-1/2"] {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let wire = lie(&scene, "content-range", move |was| {
            let again = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 1;
            Some(if again { range } else { was }.to_owned())
        });
        let open = scene.blobs_over("acme", wire).open("a").await.unwrap();
        assert!(matches!(open.range(..).await, Err(Error::Answer { .. })), "{range}");
    }
    let nameless = scene.blobs_over("acme", lie(&scene, "etag", |_| None));
    assert!(matches!(nameless.get("a").await, Err(Error::Answer { .. })));
    // A read of a range is answered with another version's ETag.
    let count = std::sync::atomic::AtomicUsize::new(0);
    let wire = lie(&scene, "etag", move |was| {
        let again = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 1;
        Some(if again { "\"other\"".to_owned() } else { was.to_owned() })
    });
    let open = scene.blobs_over("acme", wire).open("a").await.unwrap();
    assert_eq!(fault(open.range(..9).await), BlobFault::Changed);
}

#[tokio::test]
async fn a_store_that_gives_another_object_or_more_bytes_gets_nothing_accepted() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    blobs.put("a", plaintext(CHUNK + 9)).await.unwrap();
    blobs.put("b", plaintext(CHUNK + 9)).await.unwrap();
    let other = scene.stored("acme/b").await;
    let body = move |bytes: Bytes| {
        move |sent: &crate::wire::Sent, _: usize| {
            let bytes = bytes.clone();
            match sent.method.as_str() {
                "GET" => Reaction::Alter(Box::new(move |mut answer| {
                    *answer.body_mut() = aws_smithy_types::body::SdkBody::from(bytes);
                    answer
                })),
                _ => Reaction::Forward,
            }
        }
    };
    let swapped = scene.blobs_over("acme", Wire::scripted(&scene, body(other)));
    assert_eq!(fault(swapped.get("a").bytes(u64::MAX).await), BlobFault::ForeignBlob);
    let own = scene.stored("acme/a").await;
    let longer = scene.blobs_over("acme", Wire::scripted(&scene, body([&own[..], &[0; 9]].concat().into())));
    assert!(longer.get("a").bytes(u64::MAX).await.is_err());
    let shorter = scene.blobs_over("acme", Wire::scripted(&scene, body(own.slice(..own.len() - 3))));
    assert!(shorter.get("a").bytes(u64::MAX).await.is_err());
}

#[tokio::test]
async fn by_design_without_a_stamp_an_older_version_opens() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    blobs.put("a", b"old".to_vec()).await.unwrap();
    let old = scene.stored("acme/a").await;
    let new = blobs.put("a", b"new".to_vec()).await.unwrap();
    scene.plant("acme/a", old).await;
    assert_eq!(&blobs.get("a").bytes(9).await.unwrap()[..], b"old");
    assert_eq!(fault(blobs.get("a").stamp(new.stamp()).await), BlobFault::OtherVersion);
}

#[tokio::test]
async fn by_design_sizes_keys_and_metadata_show() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    blobs.put("for-ada.pdf", plaintext(1_000)).customize(|put| put.metadata("of", "ada")).await.unwrap();
    let head = scene.plain.head_object().bucket("prod-documents").key("acme/for-ada.pdf").send().await.unwrap();
    let stored = scene.stored("acme/for-ada.pdf").await;
    blobs.put("none", vec![]).await.unwrap();
    let shorter = stored.len() - scene.stored("acme/none").await.len();
    assert_eq!(shorter, 1_000, "the size to the byte");
    assert_eq!(
        (head.metadata().unwrap()["of"].as_str(), head.content_length()),
        ("ada", i64::try_from(stored.len()).ok())
    );
}
