//! Records as the SDK of DynamoDB streams reads them.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::types::{AttributeValue as Streamed, Record};

use super::error::RecordFault;
use super::stored::{StoredChange, is_expiry};
use crate::item::Item;

impl From<Record> for StoredChange {
    fn from(record: Record) -> Self {
        let Some(change) = record.dynamodb else { return Self::faulty(RecordFault::Field("dynamodb")) };
        let named = record.event_name.as_ref().map_or("", |name| name.as_str());
        let mut stored = match item(change.keys.unwrap_or_default()) {
            Some(keys) => Self::named(named, keys),
            None => Self::faulty(RecordFault::Field("Keys")),
        };
        let by = record.user_identity.unwrap_or_else(|| aws_sdk_dynamodbstreams::types::Identity::builder().build());
        let (kind, principal) = (by.r#type.unwrap_or_default(), by.principal_id.unwrap_or_default());
        stored = stored.with_expired(is_expiry(&kind, &principal));
        for (field, image) in [("NewImage", change.new_image), ("OldImage", change.old_image)] {
            let Some(image) = image.filter(|image| !image.is_empty()) else { continue };
            stored = match item(image) {
                Some(image) if field == "NewImage" => stored.with_new_image(image),
                Some(image) => stored.with_old_image(image),
                None => Self::faulty(RecordFault::Field(field)),
            };
        }
        stored.sequence_number = change.sequence_number;
        stored
    }
}

fn item(attributes: impl IntoIterator<Item = (String, Streamed)>) -> Option<Item> {
    attributes.into_iter().map(|(name, attribute)| Some((name, value(attribute)?))).collect()
}

/// The same value of the other client; `None` of a type that a newer service has.
fn value(attribute: Streamed) -> Option<AttributeValue> {
    let blob = |bytes: aws_sdk_dynamodbstreams::primitives::Blob| Blob::new(bytes.into_inner());
    Some(match attribute {
        Streamed::B(bytes) => AttributeValue::B(blob(bytes)),
        Streamed::Bool(value) => AttributeValue::Bool(value),
        Streamed::Bs(set) => AttributeValue::Bs(set.into_iter().map(blob).collect()),
        Streamed::L(list) => AttributeValue::L(list.into_iter().map(value).collect::<Option<_>>()?),
        Streamed::M(map) => AttributeValue::M(item(map)?),
        Streamed::N(number) => AttributeValue::N(number),
        Streamed::Ns(set) => AttributeValue::Ns(set),
        Streamed::Null(value) => AttributeValue::Null(value),
        Streamed::S(text) => AttributeValue::S(text),
        Streamed::Ss(set) => AttributeValue::Ss(set),
        _ => return None,
    })
}
