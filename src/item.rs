//! Seals and opens one item. Takes items, keys and randomness; pure, and never waits.
//!
//! Opening has 2 phases, because the keys must be fetched in between. [`distinct_keys`] says which keys items rely on.
//! [`open`] opens each item with the keys that the edge fetched.

mod error;
mod formed;
mod open;
mod seal;
mod size;
#[cfg(test)]
mod tests;
mod tokens;
mod value;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::envelope::{KeyRing, NeededKey, VerifiedDataKey};
use tenantseal_core::format::{HEADER, Identity, InvalidPrimaryKey, PrimaryKeyPart, StoredForm};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::trail::ItemsUnderKey;

pub(crate) use crate::schema::Item;
use crate::schema::TableSchema;
pub use error::{PrimaryKeyError, SealError};
pub(crate) use formed::{Asked, Formed};
pub use open::OpenError;
#[cfg(test)]
use open::needed_keys;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use open::open;
pub(crate) use open::{Accepts, distinct_keys, has_plaintext, open_in_place, stored_identity};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use seal::seal;
pub(crate) use seal::{adopted_in, check_name, leave_plain, refuse_sealed, refuse_taken_for_sealed};
pub(crate) use seal::{seal_values, seal_with, sealable_identity};
pub(crate) use tokens::{KeyNumbers, Prepared, Tokens, is_same_token};
pub use value::InvalidValue;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use value::encodings;
pub(crate) use value::{decode_value, encode_value, encoded_len};

/// The keys that open these items, each given with its table, and the number of items of each table.
pub(crate) fn used_keys<'k, 'i>(
    keys: &'k KeyRing,
    items: impl Iterator<Item = (&'i TableSchema, &'i Item, Accepts<'i>)>,
) -> Result<Vec<ItemsUnderKey<'k>>, OpenError> {
    let mut used: Vec<ItemsUnderKey<'k>> = Vec::new();
    for (table, item, accepts) in items {
        let mut of_item: Vec<&VerifiedDataKey> = Vec::new();
        let (needed, failed) = distinct_keys(std::iter::once(Ok((table, item, accepts))));
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error);
        }
        for NeededKey { stored, .. } in needed {
            // Two forms of a key record may name one key.
            if let Some(key) =
                keys.get(stored.as_ref()).filter(|key| !of_item.iter().any(|other| std::ptr::eq(*other, *key)))
            {
                of_item.push(key);
            }
        }
        for key in of_item {
            match used.iter_mut().find(|used| std::ptr::eq(used.key, key) && used.table == table.name()) {
                Some(used) => used.items += 1,
                None => used.push(ItemsUnderKey { key, table: table.name().to_owned(), items: 1 }),
            }
        }
    }
    Ok(used)
}

/// What an attribute of a stored item is, by its bytes alone; `None` when it is absent.
pub(crate) fn stored_form(item: &Item, name: &str) -> Option<StoredForm> {
    let has_header = item.get(HEADER).is_some_and(AttributeValue::is_b);
    Some(StoredForm::of(item.get(name)?.as_b().ok().map(AsRef::as_ref), has_header))
}

/// The identity of an item of `tenant`, from its key attributes. They come from the request, or from the item itself
/// where a request names none.
pub(crate) fn identity(schema: &TableSchema, tenant: &TenantId, item: &Item) -> Result<Identity, PrimaryKeyError> {
    let attribute = |name: &str| {
        item.get_key_value(name)
            .map(|(name, value)| (name.as_str(), value))
            .ok_or_else(|| PrimaryKeyError::Missing { attribute: name.to_owned() })
    };
    let partition = attribute(schema.partition_key())?;
    let sort = schema.sort_key().map(attribute).transpose()?;
    if !partition.1.as_s().is_ok_and(|value| schema.tenant().owns(tenant, value)) {
        return Err(PrimaryKeyError::ForeignTenant { attribute: partition.0.to_owned() });
    }
    // Only the sort key can have an invalid type: the partition key has just been recognized as a tenant's.
    let invalid =
        |source| PrimaryKeyError::Invalid { attribute: sort.map_or(partition.0, |(name, _)| name).to_owned(), source };
    let part = |value| key_part(value).map_err(invalid);
    let parts = (partition.0, part(partition.1)?);
    let sort_part = sort.map(|(name, value)| Ok((name, part(value)?))).transpose()?;
    Identity::new(tenant, schema.name(), parts, sort_part).map_err(invalid)
}

/// A value as part of a primary key.
fn key_part(value: &AttributeValue) -> Result<PrimaryKeyPart<'_>, InvalidPrimaryKey> {
    match value {
        AttributeValue::S(text) => Ok(PrimaryKeyPart::S(text)),
        AttributeValue::N(text) => Ok(PrimaryKeyPart::N(text)),
        AttributeValue::B(bytes) => Ok(PrimaryKeyPart::B(bytes.as_ref())),
        _ => Err(InvalidPrimaryKey::Type),
    }
}
