//! Stored names: not reserved, not empty, and each used only once.

use super::{Entry, Role};
use crate::errors::Errors;

/// tenantseal reserves names with this beginning (docs/FORMAT.md, "Stored item").
const RESERVED: &str = "_seal";

/// DynamoDB's limit for the name of a key attribute, in bytes.
const MAX_KEY_NAME: usize = 255;

/// Checks the names of one struct's own attributes. `RecordSchema::new` checks those of flattened records.
pub(super) fn check(entries: &[Entry<'_>], errors: &mut Errors) {
    let attributes: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Attribute(attribute) => Some(attribute),
            Entry::Flatten(_) => None,
        })
        .collect();
    for (i, attribute) in attributes.iter().enumerate() {
        let name = &attribute.name;
        let who = match &attribute.field {
            Some(field) => format!("field `{field}`"),
            None => "the tag".to_owned(),
        };
        let is_key = matches!(attribute.role, Role::PartitionKey { .. } | Role::SortKey);
        if name.is_empty() {
            errors.at(attribute.span, format_args!("{who}: the stored name is empty"));
        } else if name.starts_with(RESERVED) {
            errors.at(
                attribute.span,
                format_args!(
                    "{who}: the stored name `{name}` begins with `{RESERVED}`, which is reserved for tenantseal"
                ),
            );
        } else if is_key && name.len() > MAX_KEY_NAME {
            errors.at(
                attribute.span,
                format_args!(
                    "{who}: the stored name of a key has at most {MAX_KEY_NAME} bytes, and this one has {}",
                    name.len()
                ),
            );
        }
        if let Some(first) = attributes[..i].iter().find(|earlier| earlier.name == *name) {
            let first = match &first.field {
                Some(field) => format!("field `{field}`"),
                None => "the tag".to_owned(),
            };
            errors.at(
                attribute.span,
                format_args!("{who}: {first} is already stored as `{name}`, and one of the two would be lost"),
            );
        }
    }
}
