//! A key table on the local stack, seen as the fleet sees it and as someone who writes to it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use tenantseal::keys::DynamoDbKeyTable;
use tenantseal::{Item, TenantSeal, TenantSealBuilder};

use super::wire::{Reaction, Sent};
use super::{World, s};

pub const KEY_TABLE: &str = "tenantseal-keys";

/// What DynamoDB says of a table whose point-in-time recovery is on; the server of the local stack has no backups.
pub const RECOVERABLE: &str = r#"{"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
    "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}}"#;
/// The same when it is off.
pub const NOT_RECOVERABLE: &str = r#"{"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
    "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}}"#;

/// Whether a request concerns the key table.
pub fn to_key_table(sent: &Sent) -> bool {
    String::from_utf8_lossy(&sent.body).contains(KEY_TABLE)
}

/// Answers as DynamoDB does when it is overloaded.
pub fn throttled() -> Reaction {
    let body = r#"{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"}"#;
    Reaction::Answer(400, body.to_owned())
}

pub fn key_table(config: &SdkConfig) -> DynamoDbKeyTable {
    DynamoDbKeyTable::new(config, KEY_TABLE).danger_without_recovery()
}

impl World {
    /// The same with a key table.
    pub async fn with_key_table(tenants: &[&str]) -> Self {
        let world = Self::start(tenants).await;
        key_table(&world.app).create_table().await.unwrap();
        world
    }

    /// A process of a fleet that shares its keys.
    pub fn sharing(&self) -> TenantSealBuilder {
        self.builder().key_table(Arc::new(key_table(&self.app)))
    }

    /// A process that stores `crm` compactly.
    pub fn compact(&self) -> TenantSeal {
        self.sharing().compact("crm").build(&self.app).unwrap()
    }

    /// The entries of the key table whose names begin with `prefix`: tenant, name and record.
    pub async fn entries(&self, prefix: &str) -> Vec<(String, String, Vec<u8>)> {
        let answer = self.plain.scan().table_name(KEY_TABLE).consistent_read(true).send().await.unwrap();
        let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        let entries = answer.items().iter().map(|item| {
            assert_eq!(item.len(), 3, "{item:?}");
            (text(item, "tenant"), text(item, "entry"), item["record"].as_b().unwrap().as_ref().to_vec())
        });
        let mut entries: Vec<_> = entries.filter(|(_, entry, _)| entry.starts_with(prefix)).collect();
        entries.sort();
        entries
    }

    /// Writes an entry as someone with access to the key table would.
    pub async fn plant_entry(&self, tenant: &str, entry: &str, record: AttributeValue) {
        let item: HashMap<_, _> =
            [("tenant", s(tenant)), ("entry", s(entry)), ("record", record)].map(|(k, v)| (k.to_owned(), v)).into();
        self.plain.put_item().table_name(KEY_TABLE).set_item(Some(item)).send().await.unwrap();
    }

    pub async fn delete_entry(&self, tenant: &str, entry: &str) {
        let delete = self.plain.delete_item().table_name(KEY_TABLE).key("tenant", s(tenant)).key("entry", s(entry));
        delete.send().await.unwrap();
    }
}

/// The id of the data key that an item's header names.
pub fn key_id(stored: &Item) -> Vec<u8> {
    stored["_seal"].as_b().unwrap().as_ref()[1..17].to_vec()
}

/// Puts a record into an attribute value.
pub fn b(record: &[u8]) -> AttributeValue {
    AttributeValue::B(record.to_vec().into())
}
