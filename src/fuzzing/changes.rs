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
