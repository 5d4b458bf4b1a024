//! Stamps, alone and in records.

use serde::{Deserialize, Serialize};
use tenantseal::aws_sdk_dynamodb;
use tenantseal::aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use tenantseal::blobs::BlobFault;
use tenantseal::{Record, Stamp};

use crate::scene::{Scene, fault, id};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "files")]
struct File {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    key: String,
    #[seal(encrypt)]
    stamp: Option<Stamp>,
    #[seal(encrypt)]
    former: Vec<Stamp>,
}

async fn table(scene: &Scene) {
    let dynamodb = aws_sdk_dynamodb::Client::new(&scene.app);
    let mut table = dynamodb.create_table().table_name("files").billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("tenant_id", KeyType::Hash), ("key", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    }
    table.send().await.unwrap();
}

#[tokio::test]
async fn a_stamp_in_an_encrypted_attribute_makes_a_rollback_fail() {
    let scene = Scene::start(&["acme"]).await;
    table(&scene).await;
    let acme = scene.builder().record::<File>().build(&scene.app).unwrap().tenant(&id("acme"));
    let (files, blobs) = (acme.records::<File>(), acme.blobs("documents"));
    let old = blobs.put("a", b"old".to_vec()).await.unwrap();
    let stored = scene.stored("acme/a").await;
    let new = blobs.put("a", b"new".to_vec()).await.unwrap();
    let file = File { tenant_id: "acme".into(), key: "a".into(), stamp: Some(new.stamp()), former: vec![old.stamp()] };
    files.put(&file).await.unwrap();
    let read = files.get("a").await.unwrap().unwrap();
    assert_eq!(read, file);

    let stamp = read.stamp.unwrap();
    assert_eq!(&blobs.get("a").stamp(stamp).bytes(9).await.unwrap()[..], b"new");
    assert_eq!(&blobs.open("a").stamp(stamp).await.unwrap().range(..).await.unwrap()[..], b"new");
    scene.plant("acme/a", stored).await;
    assert_eq!(fault(blobs.get("a").stamp(stamp).await), BlobFault::OtherVersion);
    assert_eq!(fault(blobs.open("a").stamp(stamp).await.map(|_| ())), BlobFault::OtherVersion);
    assert_eq!(fault(blobs.copy("a", "b").stamp(stamp).await), BlobFault::OtherVersion);
    assert_eq!(&blobs.get("a").stamp(read.former[0]).bytes(9).await.unwrap()[..], b"old");
    assert_eq!(scene.keys().await, ["acme/a"]);
}

#[tokio::test]
async fn a_stamp_is_stored_whatever_its_first_byte() {
    let scene = Scene::start(&["acme"]).await;
    table(&scene).await;
    let seal = scene.builder().record::<File>().build(&scene.app).unwrap();
    let acme = seal.tenant(&id("acme"));
    for first in 0..=255 {
        let stamp = Stamp::from_bytes([first; Stamp::LEN]);
        let file = File { tenant_id: "acme".into(), key: "a".into(), stamp: Some(stamp), former: vec![] };
        let item = acme.records::<File>().seal(&file).await.unwrap();
        assert_eq!(acme.records::<File>().open(item).await.unwrap(), file, "{first}");
    }
}

#[test]
fn a_stamp_is_bytes_and_nothing_else_is_a_stamp() {
    let stamp = Stamp::from_bytes([0x11; Stamp::LEN]);
    let item = |bytes: Vec<u8>| [("stamp".to_owned(), AttributeValue::B(bytes.into()))].into();
    let bytes = [&[1][..], &[0x11; 32]].concat();
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        stamp: Stamp,
    }
    let stored: std::collections::HashMap<String, AttributeValue> = serde_dynamo::to_item(Holder { stamp }).unwrap();
    assert_eq!(stored, item(bytes.clone()));
    let read = |bytes: Vec<u8>| serde_dynamo::from_item::<_, Holder>(item(bytes));
    assert_eq!(read(bytes.clone()).unwrap(), Holder { stamp });
    for wrong in [vec![], bytes[..32].to_vec(), [&bytes[..], &[0]].concat(), [&[2][..], &bytes[1..]].concat()] {
        let error = read(wrong).unwrap_err();
        assert!(error.to_string().contains("33 bytes"), "{error}");
    }
    let json = serde_json::to_string(&stamp).unwrap();
    assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), stamp, "a list of numbers");
    assert!(serde_json::from_str::<Stamp>("[1,2]").is_err());
    assert!(serde_json::from_str::<Stamp>(&json.replace('[', "[1,")).is_err(), "34 numbers");
}
