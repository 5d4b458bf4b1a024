//! Cuts an item down to the requested paths, as DynamoDB does.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::path::{Path, Segment};

/// Keeps of `item` exactly what `paths` name.
///
/// A path that the item lacks leaves nothing, not even an empty map on the way to it. Elements of a list keep their
/// order and close up: `l[2], l[0]` of `[a, b, c]` leaves `[a, c]` ("Using projection expressions in DynamoDB").
pub(crate) fn prune(item: &mut HashMap<String, AttributeValue>, paths: &[Path]) {
    *item = std::mem::take(item)
        .into_iter()
        .filter_map(|(name, value)| {
            let below: Vec<_> = paths.iter().filter(|path| path.attribute == name).map(Path::segments).collect();
            Some((name, prune_value(value, &below)?))
        })
        .collect();
}

/// The parts of one value that `paths` name. The recursion is as deep as the value, whose depth its decoder has
/// bounded.
fn prune_value(value: AttributeValue, paths: &[&[Segment]]) -> Option<AttributeValue> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value);
    }
    match value {
        AttributeValue::M(members) if !paths.is_empty() => {
            let members: HashMap<_, _> = members
                .into_iter()
                .filter_map(|(name, value)| {
                    let below = below(paths, |segment| matches!(segment, Segment::Field(field) if *field == name));
                    Some((name, prune_value(value, &below)?))
                })
                .collect();
            (!members.is_empty()).then_some(AttributeValue::M(members))
        }
        AttributeValue::L(elements) if !paths.is_empty() => {
            let elements: Vec<_> = (0_u32..)
                .zip(elements)
                .filter_map(|(index, value)| {
                    prune_value(value, &below(paths, |segment| *segment == Segment::Element(index)))
                })
                .collect();
            (!elements.is_empty()).then_some(AttributeValue::L(elements))
        }
        _ => None,
    }
}

/// The rest of each path whose first segment `matches`.
fn below<'a>(paths: &[&'a [Segment]], matches: impl Fn(&Segment) -> bool) -> Vec<&'a [Segment]> {
    let split = paths.iter().filter_map(|path| path.split_first());
    split.filter(|(first, _)| matches(first)).map(|(_, rest)| rest).collect()
}
