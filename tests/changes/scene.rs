//! Contacts as they are stored, and records of their changes.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tenantseal::changes::{Change, ChangeKind, Changes, StoredChange};
use tenantseal::{Item, TenantSeal};

use crate::common::{World, id, s};

/// What no error and no `Debug` shows.
pub(crate) const PLAIN: &str = "Canary Industries";
pub(crate) const SECRET: &str = "canary@secret.example";

pub(crate) fn key(tenant: &str, contact: &str) -> Item {
    [("tenant_id", tenant), ("contact_id", contact)].map(|(name, value)| (name.to_owned(), s(value))).into()
}

pub(crate) fn contact(tenant: &str, contact: &str) -> Item {
    let mut item = key(tenant, contact);
    item.insert("company".to_owned(), s(PLAIN));
    item.insert("email".to_owned(), s(SECRET));
    item.insert("notes".to_owned(), AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()]));
    item
}

/// The contact as it is stored.
pub(crate) async fn sealed(seal: &TenantSeal, tenant: &str, name: &str) -> Item {
    seal.tenant(&id(tenant)).seal("crm", contact(tenant, name)).await.unwrap()
}

/// That the contact was put.
pub(crate) async fn inserted(seal: &TenantSeal, tenant: &str, name: &str) -> StoredChange {
    let image = sealed(seal, tenant, name).await;
    StoredChange::new(ChangeKind::Insert, key(tenant, name)).with_new_image(image).with_sequence_number(name)
}

/// That the contact was put over itself.
pub(crate) async fn modified(seal: &TenantSeal, tenant: &str, name: &str) -> StoredChange {
    let (new, old) = (sealed(seal, tenant, name).await, sealed(seal, tenant, name).await);
    let change = StoredChange::new(ChangeKind::Modify, key(tenant, name));
    change.with_new_image(new).with_old_image(old).with_sequence_number(name)
}

/// A process that has no data key yet.
pub(crate) fn cold(world: &World) -> TenantSeal {
    world.stack.calls().reset();
    world.seal()
}

pub(crate) fn change(changes: &Changes, at: usize) -> &Change {
    changes[at].as_ref().unwrap()
}

/// An item in DynamoDB JSON.
pub(crate) fn json_of(item: &Item) -> Value {
    serde_json::to_value(serde_dynamo::Item::from(item.clone())).unwrap()
}

/// A record of a stream in JSON.
pub(crate) fn record(event: &str, keys: Value, new: Option<Value>, old: Option<Value>) -> Value {
    let mut change =
        json!({ "Keys": keys, "SequenceNumber": "111", "SizeBytes": 9, "StreamViewType": "NEW_AND_OLD_IMAGES" });
    for (name, image) in [("NewImage", new), ("OldImage", old)] {
        change.as_object_mut().unwrap().extend(image.map(|image| (name.to_owned(), image)));
    }
    json!({ "eventID": "e-1", "eventName": event, "dynamodb": change, "eventSource": "aws:dynamodb", "tableName": "crm" })
}

pub(crate) fn parsed(record: &Value) -> StoredChange {
    StoredChange::from_json(record.to_string().as_bytes())
}
