//! What each operation does when nothing is wrong.

use futures_util::TryStreamExt;
use tenantseal::blobs::aws_sdk_s3::primitives::ByteStream;
use tenantseal::blobs::{Bucket, Error, InvalidBucket, InvalidKey, Refusal, Written};
use tenantseal::error::ConfigError;

use crate::scene::{CHUNK, PART, Scene, id, plaintext, unknown};
use crate::wire::Wire;

const BORDERS: [usize; 6] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK];

#[tokio::test]
async fn objects_of_every_length_come_back() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for len in BORDERS {
        let bytes = plaintext(len);
        for body in [ByteStream::from(bytes.clone()), unknown(&bytes, 1_000), unknown(&bytes, CHUNK)] {
            let put = blobs.put("a", body).await.unwrap();
            assert_eq!(put.len(), len as u64);
            let stored = blobs.get("a").await.unwrap();
            assert_eq!((stored.stamp(), Some(stored.etag())), (put.stamp(), put.etag()));
            assert_eq!(stored.unverified_len(), len as u64);
            assert!(stored.into_body().bytes(u64::MAX).await.unwrap() == bytes, "{len}");
        }
        let chunks: Vec<_> = blobs.get("a").await.unwrap().into_body().try_collect().await.unwrap();
        assert_eq!(chunks.len(), len.div_ceil(CHUNK), "a stream has no empty piece");
    }
    assert_eq!(scene.keys().await, ["acme/a"]);
    assert_eq!(scene.uploads().await, 0);
}

#[tokio::test]
async fn what_is_more_than_sixteen_mebibytes_goes_in_parts() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for (len, parts) in [(2 * PART, 0), (2 * PART + 1, 3), (3 * PART, 3), (5 * PART + 7, 6)] {
        let bytes = plaintext(len);
        for body in [ByteStream::from(bytes.clone()), unknown(&bytes, 700_000)] {
            scene.stack.calls().reset();
            let put = blobs.put("big", body).customize(|put| put.content_type("video/mp4")).await.unwrap();
            assert_eq!(scene.count("UploadPart"), parts, "{len}");
            assert_eq!(scene.count("PutObject"), u64::from(parts == 0), "{len}");
            assert_eq!(put.len(), len as u64);
            let stored = blobs.get("big").stamp(put.stamp()).await.unwrap();
            assert_eq!(stored.as_sdk().content_type(), Some("video/mp4"), "{len}");
            assert!(stored.into_body().bytes(u64::MAX).await.unwrap() == bytes, "{len}");
        }
    }
    assert_eq!(scene.uploads().await, 0);
}

#[tokio::test]
async fn a_range_of_an_open_object_is_one_request() {
    let scene = Scene::start(&["acme"]).await;
    let wire = Wire::open(&scene);
    let blobs = scene.blobs_over("acme", wire.clone());
    for len in BORDERS {
        let bytes = plaintext(len);
        blobs.put("a", bytes.clone()).await.unwrap();
        let before = wire.sent().len();
        let open = blobs.open("a").await.unwrap();
        // 66 KiB are a header and a chunk, and a little of another.
        assert_eq!(wire.sent().len() - before, if len > CHUNK + 1 { 2 } else { 1 }, "{len}");
        assert_eq!((open.len(), open.is_empty()), (len as u64, len == 0));
        let ends = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK];
        for (start, end) in ends.into_iter().flat_map(|start| ends.map(|end| (start, end))) {
            let before = wire.sent().len();
            let expected = bytes.get(start..end.min(len)).unwrap_or_default();
            let given = open.range(start as u64..end as u64).await.unwrap();
            assert!(given == expected, "{start}..{end} of {len}");
            assert_eq!(wire.sent().len() - before, usize::from(!expected.is_empty()), "{start}..{end} of {len}");
        }
        assert!(open.range(..).await.unwrap() == bytes && open.range(..=0).await.unwrap() == bytes[..len.min(1)]);
    }
    let asked = wire.sent().into_iter().rfind(|sent| sent.if_match.is_some()).unwrap();
    assert!(asked.range.is_some(), "of the version that was opened");
}

#[tokio::test]
async fn conditions_hold_for_one_request_and_for_parts() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for len in [5, 3 * PART] {
        let key = format!("of-{len}");
        let first = blobs.put(&key, plaintext(len)).if_none_match().await.unwrap();
        let again = blobs.put(&key, plaintext(len)).if_none_match().await.unwrap_err();
        assert!(again.is_condition_failed() && !again.is_retryable(), "{again}");
        assert_eq!((again.written(), again.to_string()), (Written::No, "S3: PreconditionFailed".to_owned()));
        let etag = first.etag().unwrap();
        let second = blobs.put(&key, plaintext(len)).if_match(etag).await.unwrap();
        let stale = blobs.put(&key, plaintext(len)).if_match(etag).await.unwrap_err();
        assert!(stale.is_condition_failed(), "{stale}");
        assert_eq!(blobs.get(&key).await.unwrap().stamp(), second.stamp());
        let stale = blobs.delete(&key).if_match(etag).await.unwrap_err();
        assert!(stale.is_condition_failed(), "{stale}");
        blobs.delete(&key).if_match(second.etag().unwrap()).await.unwrap();
        blobs.delete(&key).await.unwrap();
        assert!(blobs.get(&key).await.unwrap_err().is_not_found());
        assert!(blobs.head(&key).await.unwrap_err().is_not_found());
    }
    assert_eq!(scene.uploads().await, 0);
}

#[tokio::test]
async fn a_copy_opens_under_its_own_key_and_keeps_what_describes_it() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    for len in [5, 2 * PART + 5] {
        let bytes = plaintext(len);
        let described =
            |put: tenantseal::blobs::aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder| {
                put.content_type("text/plain").cache_control("no-store").metadata("of", "ada")
            };
        let put = blobs.put("from", bytes.clone()).customize(described).await.unwrap();
        let copy = blobs.copy("from", "to").stamp(put.stamp()).if_none_match().await.unwrap();
        assert_ne!(copy.stamp(), put.stamp());
        assert!(blobs.copy("from", "to").if_none_match().await.unwrap_err().is_condition_failed());
        let stored = blobs.get("to").stamp(copy.stamp()).await.unwrap();
        let answer = stored.as_sdk();
        assert_eq!((answer.content_type(), answer.cache_control()), (Some("text/plain"), Some("no-store")));
        assert_eq!(answer.metadata().unwrap()["of"], "ada");
        assert!(stored.into_body().bytes(u64::MAX).await.unwrap() == bytes);

        let renamed = blobs.rename("to", "there").await.unwrap();
        assert!(blobs.get("to").await.unwrap_err().is_not_found());
        let resealed = blobs.reseal("there").await.unwrap();
        assert_ne!(resealed.stamp(), renamed.stamp());
        assert!(blobs.get("there").stamp(resealed.stamp()).bytes(u64::MAX).await.unwrap() == bytes);
    }
    let same = blobs.rename("there", "there").await.unwrap_err();
    assert!(matches!(same, Error::Refused(Refusal::SameKey)), "{same}");
    assert!(blobs.get("there").await.is_ok());
    assert_eq!(scene.keys().await, ["acme/from", "acme/there"]);
}

#[tokio::test]
async fn bytes_are_all_or_none_and_no_more_than_allowed() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let bytes = plaintext(CHUNK + 1);
    blobs.put("a", bytes.clone()).await.unwrap();
    assert!(blobs.get("a").bytes(CHUNK as u64 + 1).await.unwrap() == bytes);
    let more = blobs.get("a").bytes(CHUNK as u64).await.unwrap_err();
    assert!(matches!(more, Error::TooLarge { most: 65_536 }), "{more}");
    let body = blobs.get("a").await.unwrap().into_body();
    assert!(matches!(body.bytes(CHUNK as u64).await, Err(Error::TooLarge { .. })), "as it arrives");
}

#[tokio::test]
async fn keys_and_buckets_that_could_be_anothers_are_refused() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let long = "é".repeat(510);
    for (key, fault) in [
        ("", InvalidKey::Empty),
        ("../globex/a", InvalidKey::Dots),
        ("a/./b", InvalidKey::Dots),
        ("a\\..\\b", InvalidKey::Dots),
        ("a\nb", InvalidKey::Control),
        (long.as_str(), InvalidKey::TooLong),
    ] {
        let refused = |error: Error| matches!(error, Error::Refused(Refusal::Key(found)) if found == fault);
        assert!(refused(blobs.put(key, "x".as_bytes().to_vec()).await.unwrap_err()), "{key}");
        assert!(refused(blobs.get(key).await.unwrap_err()) && refused(blobs.open(key).await.unwrap_err()), "{key}");
        assert!(refused(blobs.head(key).await.unwrap_err()) && refused(blobs.delete(key).await.unwrap_err()), "{key}");
        assert!(refused(blobs.copy(key, "to").await.unwrap_err()) && refused(blobs.copy("a", key).await.unwrap_err()));
        assert!(refused(blobs.rename(key, "to").await.unwrap_err()) && refused(blobs.reseal(key).await.unwrap_err()));
        assert!(key.is_empty() || refused(blobs.list(key).await.unwrap_err()), "{key}");
    }
    assert!(blobs.put(&long[2..], "x".as_bytes().to_vec()).await.is_ok(), "1,024 bytes are a key: {}", long.len());
    assert_eq!(scene.count("PutObject"), 1);
    for (template, fault) in [
        ("objects/", InvalidBucket::Placeholder("documents".into())),
        ("{tenant}/{tenant}/", InvalidBucket::Placeholder("documents".into())),
        ("{tenant}", InvalidBucket::Ambiguous("documents".into())),
        ("{tenant}-x/", InvalidBucket::Ambiguous("documents".into())),
        ("../{tenant}/", InvalidBucket::Prefix("documents".into(), InvalidKey::Dots)),
    ] {
        let built = scene.builder().bucket(Bucket::new("documents").prefix(template)).build(&scene.app);
        assert!(matches!(&built, Err(ConfigError::Bucket(found)) if *found == fault), "{template}: {built:?}");
    }
    let twice = scene.builder().bucket(Bucket::new("documents")).build(&scene.app);
    assert!(matches!(twice, Err(ConfigError::Bucket(InvalidBucket::Twice(_)))));
    let physical = |name: &str, prefix: &str| Bucket::new(name).physical("one").prefix(prefix);
    for (one, other, apart) in [
        ("{tenant}/", "docs/{tenant}/", false),
        ("docs/{tenant}/", "docs/{tenant}/x/", false),
        ("docs/{tenant}/", "docs2{tenant}/", true),
        ("docs/{tenant}/", "pictures/{tenant}/", true),
    ] {
        let builder = scene.builder().bucket(physical("a", one)).bucket(physical("b", other));
        let built = builder.build(&scene.app);
        let overlap = matches!(&built, Err(ConfigError::Bucket(InvalidBucket::Overlap(..))));
        assert_eq!((built.is_ok(), overlap), (apart, !apart), "{one} and {other}");
    }
    let unknown = scene.seal().tenant(&id("acme")).blobs("pictures").get("a").await.unwrap_err();
    assert!(matches!(&unknown, Error::Refused(Refusal::UnknownBucket(name)) if name == "pictures"));
    let root = tenantseal::Error::from(unknown);
    assert!(root.to_string().contains("`pictures` is not configured"), "{root}");
}

#[tokio::test]
async fn a_customization_cannot_speak_of_the_sealed_bytes() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let refused =
        |error: Error, field: &str| matches!(error, Error::Refused(Refusal::Customized(found)) if found == field);
    let put = || blobs.put("a", b"x".to_vec());
    assert!(refused(put().customize(|put| put.content_length(1)).await.unwrap_err(), "content_length"));
    assert!(refused(put().customize(|put| put.content_md5("x")).await.unwrap_err(), "content_md5"));
    assert!(refused(put().customize(|put| put.checksum_sha256("x")).await.unwrap_err(), "checksum_sha256"));
    assert!(refused(put().customize(|put| put.body(b"x".to_vec().into())).await.unwrap_err(), "body"));
    assert!(refused(blobs.get("a").customize(|get| get.range("bytes=0-1")).await.unwrap_err(), "range"));
    assert!(refused(blobs.open("a").customize(|get| get.part_number(1)).await.unwrap_err(), "part_number"));
    assert_eq!(scene.keys().await, Vec::<String>::new());
    // Bucket and key are the library's.
    let elsewhere = put().customize(|put| put.bucket("other").key("globex/a")).await;
    assert!(elsewhere.is_ok());
    assert_eq!(scene.keys().await, ["acme/a"]);
    let taken = blobs.get("a").customize(|get| get.bucket("other").key("globex/a")).bytes(9).await.unwrap();
    assert_eq!(&taken[..], b"x");
    let _ = blobs.delete("a").customize(|delete| delete.key("globex/a")).await.unwrap();
    assert_eq!(scene.keys().await, Vec::<String>::new());
}
