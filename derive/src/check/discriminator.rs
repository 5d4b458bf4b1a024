//! The discriminator, which tells a record's items from others in its table.

use super::{Entry, Role};
use crate::{attr::ContainerSeal, errors::Errors};

/// Checks the words on the struct against its own attributes. `RecordSchema::with_discriminator` checks those of
/// flattened records.
pub(super) fn check(seal: &ContainerSeal, entries: &[Entry<'_>], errors: &mut Errors) {
    let (discriminator, value) = match (&seal.discriminator, &seal.value) {
        (Some(discriminator), Some(value)) => (discriminator, value),
        // The other of the two may be what was not understood.
        _ if seal.is_faulty => return,
        (Some(alone), None) => {
            return errors.at(
                alone.span(),
                "a discriminator needs the value that this record's items have: add `value = \"...\"`",
            );
        }
        (None, Some(alone)) => {
            return errors.at(alone.span(), "`value` goes with `discriminator`: name the attribute that has the value");
        }
        (None, None) => return,
    };
    let name = discriminator.value();
    if name.is_empty() || value.value().is_empty() {
        return errors.at(discriminator.span(), "a discriminator has a name and a value");
    }
    if seal.table.is_none() && !seal.is_faulty {
        errors.at(discriminator.span(), "a discriminator tells a table's records apart: add `table = \"...\"`");
    }
    let own = entries.iter().find_map(|entry| match entry {
        Entry::Attribute(attribute) if attribute.name == name => Some(&attribute.role),
        _ => None,
    });
    let why = match own {
        Some(Role::PartitionKey { .. }) => "the partition key shows the tenant",
        Some(Role::Encrypted) => "it is encrypted, and says what is encrypted",
        Some(Role::Version) => "it is the version, a number",
        None if name.starts_with("_seal") => "names that begin with `_seal` are reserved for tenantseal",
        Some(Role::SortKey | Role::Plain) | None => return,
    };
    errors.at(discriminator.span(), format_args!("`{name}` cannot be the discriminator: {why}"));
}
