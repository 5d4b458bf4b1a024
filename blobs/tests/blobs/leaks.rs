//! What is looked for from outside: plaintext on the wire and in the bucket, keys of objects in messages.

use bytes::Bytes;
use tenantseal::blobs::{BlobBody, Error};

use crate::scene::{CHUNK, PART, Scene, unknown};
use crate::wire::Wire;

const CANARY: &str = "canary-5b1f0e9d7c3a";

/// The forms in which the canary may stand somewhere.
fn forms() -> Vec<String> {
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![CANARY.to_owned(), hex.to_uppercase(), hex];
    for before in 0..3 {
        let padded = [&[0; 3][..before], CANARY.as_bytes()].concat();
        let encoded = aws_smithy_types::base64::encode(&padded);
        // Only the digits that no neighbouring byte has a part in.
        forms.push(encoded[(before * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned());
    }
    forms
}

fn holds(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    forms().iter().any(|form| text.contains(form.as_str()))
}

fn plaintext(len: usize) -> Bytes {
    CANARY.bytes().cycle().take(len).collect()
}

#[tokio::test]
async fn no_operation_shows_plaintext_on_the_wire_or_in_the_bucket() {
    assert!(holds(&plaintext(40)) && holds(aws_smithy_types::base64::encode(plaintext(40)).as_bytes()));
    let scene = Scene::start(&["acme"]).await;
    let wire = Wire::open(&scene);
    let blobs = scene.blobs_over("acme", wire.clone());
    let big = plaintext(2 * PART + 3 * CHUNK);
    blobs.put("small", plaintext(100)).await.unwrap();
    blobs.put("big", big.clone()).await.unwrap();
    blobs.put("big", unknown(&big, 300_000)).await.unwrap();
    blobs.copy("big", "copy").await.unwrap();
    blobs.rename("copy", "renamed").await.unwrap();
    blobs.reseal("renamed").await.unwrap();
    assert!(blobs.get("renamed").bytes(u64::MAX).await.unwrap() == big);
    let open = blobs.open("renamed").await.unwrap();
    assert!(holds(&open.range(CHUNK as u64..CHUNK as u64 + 100).await.unwrap()));
    blobs.head("big").await.unwrap();
    assert_eq!(blobs.list("").await.unwrap().blobs.len(), 3);
    let sent = wire.sent();
    assert!(sent.iter().map(|sent| sent.body.len()).sum::<usize>() > 4 * big.len(), "the bodies were recorded");
    for sent in &sent {
        assert!(!holds(&sent.body) && !holds(sent.uri.as_bytes()), "{} {}", sent.method, sent.uri);
    }
    for key in scene.keys().await {
        assert!(!holds(&scene.stored(&key).await), "{key}");
    }
}

#[tokio::test]
async fn no_message_shows_the_key_of_an_object() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let key = format!("reports/{CANARY}");
    let mut shown: Vec<String> = Vec::new();
    let mut show = |error: &Error| {
        shown.push(format!("{error} {error:?}"));
        let root = tenantseal::Error::from(error.clone());
        let mut cause: Option<&dyn std::error::Error> = Some(&root);
        while let Some(error) = cause {
            shown.push(format!("{error} {error:?}"));
            cause = error.source();
        }
    };
    show(&blobs.get(&key).await.unwrap_err());
    show(&blobs.get(format!("{key}/../x")).await.unwrap_err());
    show(&blobs.head(&key).await.unwrap_err());
    // As S3 says it: with the ARN of the object.
    let denied = || {
        let message =
            format!("not authorized to perform: s3:GetObject on resource: arn:aws:s3:::prod-documents/acme/{key}");
        scene.stack.faults().on("*").when(|call| call.service.to_string() == "s3").fail_saying(
            "AccessDenied",
            403,
            message,
        );
    };
    denied();
    show(&blobs.get(&key).await.unwrap_err());
    show(&blobs.open(&key).await.unwrap_err());
    show(&blobs.put(&key, b"x".to_vec()).await.unwrap_err());
    show(&blobs.put(&key, plaintext(2 * PART + 1)).await.unwrap_err());
    show(&blobs.delete(&key).await.unwrap_err());
    show(&blobs.list(&key).await.unwrap_err());
    scene.stack.faults().clear();
    blobs.put(&key, plaintext(CHUNK)).await.unwrap();
    scene.stack.faults().on("DeleteObject").fail_saying("AccessDenied", 403, key.clone());
    show(&blobs.rename(&key, "other").await.unwrap_err());
    scene.stack.faults().clear();
    show(&blobs.get(&key).bytes(1).await.unwrap_err());
    let open = blobs.open(&key).await.unwrap();
    scene.plant(&format!("acme/{key}"), plaintext(30)).await;
    show(&blobs.get(&key).await.unwrap_err());
    show(&open.range(..).await.unwrap_err());
    scene.stack.faults().on("GetObject").disconnect();
    show(&blobs.get(&key).await.unwrap_err());
    scene.stack.faults().clear();
    assert!(shown.len() >= 28, "{}", shown.len());

    let body: BlobBody = blobs.get("other").await.unwrap().into_body();
    let page = blobs.list("").customize(|list| list.delimiter("/")).await.unwrap();
    let stored = blobs.put(&key, b"x".to_vec()).customize(|put| put.metadata("of", CANARY)).await.unwrap();
    let got = blobs.get(&key).await.unwrap();
    let debug = [
        format!(
            "{:?} {:?} {:?} {:?}",
            blobs.get(&key),
            blobs.put(&key, plaintext(99)),
            blobs.delete(&key),
            blobs.list(&key)
        ),
        format!(
            "{:?} {:?} {:?} {:?}",
            blobs.open(&key),
            blobs.head(&key),
            blobs.copy(&key, &key),
            blobs.rename(&key, "x")
        ),
        format!("{body:?} {open:?} {blobs:?} {stored:?} {page:?} {got:?} {:?}", blobs.reseal(&key)),
        format!("{:?} {:?}", blobs.get(&key).bytes(1), blobs.list(&key).await.unwrap().blobs),
    ];
    for text in shown.iter().chain(&debug) {
        assert!(!holds(text.as_bytes()), "{text}");
        assert!(!text.contains("prod-documents/"), "{text}");
    }
}
