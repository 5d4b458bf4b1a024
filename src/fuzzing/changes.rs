//! Records of changes, in JSON.

use tenantseal_core::envelope::KeyRing;

use super::{SCENE, Scene, served};
use crate::changes::{JsonLine, Sorted, StoredChange};
use crate::error::Error;
use crate::item::{OpenError, open, stored_identity};

/// Whoever lacks the key makes no record whose images open to other secrets than were sealed, whatever its shape; and
/// what is written of a line is a line of as many records at most.
///
/// The input is the line.
pub fn changes(data: &[u8]) {
    let Scene { schema, tenant, original, .. } = &*SCENE;
    let line = JsonLine::parse(data).ok();
    let single = || vec![StoredChange::from_json(data)];
    let stored = line.as_ref().map_or_else(single, |line| line.changes().collect());
    let count = stored.len();
    let mut sorted = Sorted::of(schema, stored, None);
    for (owner, images) in std::mem::take(&mut sorted.images) {
        for image in images {
            let identity = stored_identity(schema, &owner, &image.item).expect("its keys are those of the record");
            let keys = if owner == *tenant { served(&image.item) } else { Some(KeyRing::default()) };
            let opened = keys.map(|keys| open(schema, &identity, &keys, image.item));
            if let Some(Ok(item)) = &opened {
                for name in ["email", "notes"] {
                    assert!(item.get(name).is_none_or(|value| owner == *tenant && *value == original[name]));
                }
            }
            let outcome = opened.unwrap_or(Err(OpenError::OtherItem)).map_err(Error::from);
            sorted.settle(image.change, image.is_new, outcome);
        }
    }
    let outcomes = sorted.finish();
    assert_eq!(outcomes.len(), count);
    let Some(line) = line else { return };
    let opened: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().ok()).collect();
    let mut written = Vec::new();
    if line.write(&opened, &mut written) {
        let again = JsonLine::parse(&written).expect("what is written is a line");
        assert!(again.record_count() <= count && again.is_event() == line.is_event());
    }
}

#[cfg(test)]
mod corpus {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn write() {
        use base64::Engine;
        let image = serde_json::to_value(serde_dynamo::Item::from(SCENE.stored.clone())).unwrap();
        let keys = json!({"tenant_id": {"S": "acme"}});
        let mut doubled = image.clone();
        for name in ["email", "notes", "_seal"] {
            let once = image[name]["B"].as_str().unwrap();
            doubled[name]["B"] = json!(base64::engine::general_purpose::STANDARD.encode(once));
        }
        let stream = |image: &Value| json!({"eventName": "MODIFY", "dynamodb": {"Keys": keys, "NewImage": image, "OldImage": image, "SequenceNumber": "1"}});
        let all = [
            ("bare", image.clone()),
            ("full", json!({"Item": image})),
            (
                "incremental",
                json!({"Metadata": {"WriteTimestampMicros": {"N": "1"}}, "Keys": keys, "NewImage": image, "OldImage": image}),
            ),
            ("stream", stream(&image)),
            ("kinesis", stream(&doubled)),
            (
                "event",
                json!({"Records": [stream(&image), {"eventName": "REMOVE", "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}, "dynamodb": {"Keys": keys}}]}),
            ),
        ];
        std::fs::create_dir_all("fuzz/corpus/changes").unwrap();
        for (name, line) in all {
            std::fs::write(format!("fuzz/corpus/changes/{name}"), line.to_string()).unwrap();
        }
    }
}
