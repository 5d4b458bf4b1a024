//! Whatever shape a record comes in, its images open to the same items, and what holds no item passes unread.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenantseal::changes::{ChangeErrorKind, ChangeKind, Changes, Image, JsonLine, RecordFault, StoredChange};
use tenantseal::{Item, TenantSeal};

use super::scene::{change, contact, json_of, key, parsed, record, sealed};
use crate::common::World;

async fn world() -> (World, TenantSeal, Item) {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let stored = sealed(&seal, "acme", "c-1").await;
    (world, seal, stored)
}

async fn open(seal: &TenantSeal, record: &Value) -> Changes {
    seal.open_changes("crm", [parsed(record)]).await.unwrap()
}

/// Every shape of a line, with the images that it has.
fn shapes(image: &Value, keys: &Value) -> [Value; 5] {
    let metadata = json!({ "WriteTimestampMicros": { "N": "1680109764000000" } });
    let stream = record("MODIFY", keys.clone(), Some(image.clone()), Some(image.clone()));
    [
        json!({ "Item": image }),
        json!({ "Metadata": metadata, "Keys": keys, "NewImage": image, "OldImage": image }),
        stream.clone(),
        image.clone(),
        json!({ "Records": [stream, record("INSERT", keys.clone(), Some(image.clone()), None)] }),
    ]
}

#[tokio::test]
async fn a_line_of_any_shape_is_written_in_that_shape_with_its_images_opened() {
    let (_world, seal, stored) = world().await;
    let keys = json_of(&key("acme", "c-1"));
    let opened = shapes(&json_of(&contact("acme", "c-1")), &keys);
    for (line, expected) in shapes(&json_of(&stored), &keys).into_iter().zip(opened) {
        let text = line.to_string();
        let parsed = JsonLine::parse(text.as_bytes()).unwrap();
        let changes = seal.open_changes("crm", parsed.changes()).await.unwrap();
        assert!(changes.iter().all(Result::is_ok), "{changes:?}");
        let opened: Vec<_> = changes.iter().map(|change| change.as_ref().ok()).collect();
        let mut written = Vec::new();
        assert!(parsed.write(&opened, &mut written));
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
        // An event without the records that do not open; of another line nothing.
        let mut nothing = Vec::new();
        let is_event = parsed.write(&vec![None; opened.len()], &mut nothing);
        assert_eq!((is_event, &*nothing), if is_event { (true, &b"{\"Records\":[]}"[..]) } else { (false, &b""[..]) });
    }
}

#[tokio::test]
async fn old_images_are_left_out_unread_where_nobody_wants_them() {
    let (_world, seal, stored) = world().await;
    let line = record("MODIFY", json_of(&key("acme", "c-1")), Some(json_of(&stored)), Some(json!("no item")));
    let text = line.to_string();
    let parsed = JsonLine::parse(text.as_bytes()).unwrap().without_old_images();
    let changes = seal.open_changes("crm", parsed.changes()).await.unwrap();
    let mut written = Vec::new();
    assert!(parsed.write(&[Some(change(&changes, 0))], &mut written));
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["dynamodb"]["NewImage"], json_of(&contact("acme", "c-1")));
    assert_eq!((&written["dynamodb"]["OldImage"], &written["eventID"]), (&Value::Null, &json!("e-1")));
}

#[tokio::test]
async fn an_export_tells_what_happened_by_its_images() {
    let (_world, seal, stored) = world().await;
    let (image, keys) = (json_of(&stored), json_of(&key("acme", "c-1")));
    for (line, kind) in [
        (json!({ "Metadata": {}, "Keys": keys, "NewImage": image }), ChangeKind::Insert),
        (json!({ "Metadata": {}, "Keys": keys, "NewImage": image, "OldImage": image }), ChangeKind::Modify),
        (json!({ "Metadata": {}, "Keys": keys, "OldImage": image }), ChangeKind::Remove),
        (json!({ "Metadata": {}, "Keys": keys }), ChangeKind::Remove),
        (json!({ "Keys": keys, "NewImage": image, "OldImage": null }), ChangeKind::Insert),
    ] {
        let changes = open(&seal, &line).await;
        assert_eq!(change(&changes, 0).kind(), kind, "{line:#}");
        assert_eq!(change(&changes, 0).keys(), &key("acme", "c-1"));
    }
}

#[tokio::test]
async fn a_deletion_by_time_to_live_is_told_from_another() {
    let (_world, seal, stored) = world().await;
    let deleted = record("REMOVE", json_of(&key("acme", "c-1")), None, Some(json_of(&stored)));
    let dynamodb = [json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" })];
    let others = [json!({ "type": "Service", "principalId": "someone" }), json!("dynamodb.amazonaws.com"), Value::Null];
    for (by, expired) in dynamodb.iter().map(|by| (by, true)).chain(others.iter().map(|by| (by, false))) {
        let mut deleted = deleted.clone();
        deleted["userIdentity"] = by.clone();
        let changes = open(&seal, &deleted).await;
        let change = change(&changes, 0);
        assert_eq!((change.kind(), change.is_expired()), (ChangeKind::Remove, expired), "{by}");
        assert_eq!(change.old_image().item(), Some(&contact("acme", "c-1")));
    }
}

/// Writes each binary of an image in Base64 once more.
fn doubled(image: &Item) -> Item {
    let twice = |value: &AttributeValue| match value {
        AttributeValue::B(bytes) => AttributeValue::B(Blob::new(STANDARD.encode(bytes))),
        other => other.clone(),
    };
    image.iter().map(|(name, value)| (name.clone(), twice(value))).collect()
}

#[tokio::test]
async fn binaries_that_are_in_base64_twice_open_too() {
    let (_world, seal, mut stored) = world().await;
    // A plain binary of the same record goes with the sealed ones.
    stored.insert("company".to_owned(), AttributeValue::B(Blob::new("EEEE")));
    let keys = json_of(&key("acme", "c-1"));
    for image in [stored.clone(), doubled(&stored)] {
        let line = record("MODIFY", keys.clone(), Some(json_of(&image)), Some(json_of(&image)));
        let changes = open(&seal, &line).await;
        for image in [change(&changes, 0).new_image(), change(&changes, 0).old_image()] {
            let item = image.item().unwrap();
            assert_eq!(item["email"], contact("acme", "c-1")["email"]);
            assert_eq!(item["company"], AttributeValue::B(Blob::new("EEEE")));
        }
    }
    // Where one sealed value is not, nothing is decoded.
    let mut mixed = doubled(&stored);
    mixed.insert("email".to_owned(), stored["email"].clone());
    let changes = open(&seal, &record("INSERT", keys, Some(json_of(&mixed)), None)).await;
    assert!(change(&changes, 0).new_image().refusal().unwrap().is_integrity());
}

/// Names of a record's parts are good names of attributes, too.
#[tokio::test]
async fn an_item_with_the_names_of_a_records_parts_is_an_item() {
    let world = World::start(&["acme"]).await;
    let schema = tenantseal::schema::TableSchema::builder("odd").partition_key("Keys", "{tenant}").encrypt("dynamodb");
    let schema = ["Item", "NewImage", "Records"].into_iter().fold(schema, |schema, name| schema.plain(name));
    let seal = world.builder().table(schema.build().unwrap()).build(&world.app).unwrap();
    let names = ["Keys", "Item", "NewImage", "Records", "dynamodb"];
    let item: Item = names.map(|name| (name.to_owned(), AttributeValue::S("acme".to_owned()))).into();
    let stored = seal.tenant(&crate::common::id("acme")).seal("odd", item.clone()).await.unwrap();
    let changes = seal.open_changes("odd", [parsed(&json_of(&stored))]).await.unwrap();
    assert_eq!(change(&changes, 0).new_image().item(), Some(&item));
}

#[tokio::test]
async fn each_malformed_record_fails_in_its_place_and_says_how() {
    let (_world, seal, stored) = world().await;
    let (image, keys) = (json_of(&stored), json_of(&key("acme", "c-1")));
    let good = record("INSERT", keys.clone(), Some(image.clone()), None);
    let text = good.to_string();
    let mut unnamed = good.clone();
    unnamed.as_object_mut().unwrap().remove("eventName");
    let twice = text.replacen("\"eventName\"", "\"eventName\":\"REMOVE\",\"eventName\"", 1);
    let cases = [
        ("", RecordFault::NotJson),
        ("[]", RecordFault::NotJson),
        (&text[..text.len() - 1], RecordFault::NotJson),
        (&twice, RecordFault::NotJson),
        ("{\"a\":1}", RecordFault::Shape),
        ("{\"Records\":[]}", RecordFault::Shape),
        ("{\"Item\":{}}", RecordFault::NoKeys),
        (&record("REMOVE", Value::Null, None, None).to_string(), RecordFault::NoKeys),
        (&record("UPSERT", keys.clone(), None, None).to_string(), RecordFault::EventName),
        (&unnamed.to_string(), RecordFault::Field("eventName")),
        (&record("INSERT", keys.clone(), Some(json!([])), None).to_string(), RecordFault::Field("NewImage")),
        (&record("INSERT", keys, None, Some(json!({"a": {"B": "?"}}))).to_string(), RecordFault::Field("OldImage")),
        ("{\"dynamodb\":7}", RecordFault::Field("dynamodb")),
    ];
    let lines = cases.iter().flat_map(|(line, _)| [line.as_bytes(), text.as_bytes()]);
    let changes = seal.open_changes("crm", lines.map(StoredChange::from_json)).await.unwrap();
    assert_eq!(changes.len(), 2 * cases.len());
    for (at, (line, expected)) in cases.iter().enumerate() {
        let error = changes[2 * at].as_ref().unwrap_err();
        assert!(matches!(error.kind(), ChangeErrorKind::Record(fault) if fault == expected), "{line}: {error}");
        assert!(!error.is_retryable() && error.tenant().is_none());
        assert!(matches!(change(&changes, 2 * at + 1).new_image(), Image::Opened(_)), "those beside it open");
    }
    assert!(changes.first_retryable().is_none());
}
