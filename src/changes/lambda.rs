//! Records as Lambda functions get them.

use aws_lambda_events::dynamodb::EventRecord;

use super::stored::{StoredChange, is_expiry};
use crate::item::Item;

impl From<EventRecord> for StoredChange {
    fn from(record: EventRecord) -> Self {
        let change = record.change;
        let image = |image: serde_dynamo::Item| Some(Item::from(image)).filter(|image| !image.is_empty());
        let expired = record.user_identity.is_some_and(|by| is_expiry(&by.type_, &by.principal_id));
        let mut stored = Self::named(&record.event_name, change.keys.into()).with_expired(expired);
        if let Some(new) = image(change.new_image) {
            stored = stored.with_new_image(new);
        }
        if let Some(old) = image(change.old_image) {
            stored = stored.with_old_image(old);
        }
        stored.sequence_number = change.sequence_number;
        stored
    }
}
