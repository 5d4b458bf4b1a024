//! Sealing and opening one item: the pure heart. Takes items, keys and randomness; waits for nothing.
//!
//! Opening has two phases, because the keys must be fetched in between: [`distinct_keys`] says which keys items rely on, and [`open`] opens each with what the edge made of them.

mod key;
mod open;
mod seal;
mod size;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::audit::Used;
use crate::format::{Identity, InvalidKey};
use crate::schema::TableSchema;
use crate::tenant::TenantId;

pub(crate) use key::{KeyRing, Serves, UnwrappedKey};
#[cfg(test)]
use open::needed_keys;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use open::open;
pub(crate) use open::{NeededKey, distinct_keys, open_in_place, stored_identity};
pub use open::{OpenError, OpenFault};
pub use seal::SealError;
pub(crate) use seal::{Nonces, check_name, refuse_sealed, seal, seal_values, sealable_identity};

/// A DynamoDB item: attribute names and values.
pub type Item = HashMap<String, AttributeValue>;

/// Which of the keys open these items, each given with its table, and how many of each table.
pub(crate) fn used<'k, 'i>(
    keys: &'k KeyRing,
    items: impl Iterator<Item = (&'i TableSchema, &'i Item)>,
) -> Result<Vec<Used<'k>>, OpenError> {
    let mut used: Vec<Used<'k>> = Vec::new();
    for (table, item) in items {
        let mut of_item: Vec<&UnwrappedKey> = Vec::new();
        let (needed, failed) = distinct_keys(std::iter::once(Ok((table, item))));
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error);
        }
        for NeededKey { stored, .. } in needed {
            // Two forms of a record may name one key.
            if let Some(key) =
                keys.get(stored.as_ref()).filter(|key| !of_item.iter().any(|other| std::ptr::eq(*other, *key)))
            {
                of_item.push(key);
            }
        }
        for key in of_item {
            match used.iter_mut().find(|used| std::ptr::eq(used.key, key) && used.table == table.name()) {
                Some(used) => used.items += 1,
                None => used.push(Used { key, table: table.name().to_owned(), items: 1 }),
            }
        }
    }
    Ok(used)
}

/// The identity of an item of `tenant`, from its key attributes: those of the request, or of the item itself where a request
/// names none.
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
    Identity::new(tenant, schema.name(), partition, sort).map_err(|source| PrimaryKeyError::Invalid {
        // Only the sort key can be of an invalid kind: the partition key has just been found to be a tenant's.
        attribute: sort.map_or(partition.0, |(name, _)| name).to_owned(),
        source,
    })
}

/// What is wrong with the key of an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrimaryKeyError {
    /// A key attribute is not there.
    #[error("key attribute `{attribute}` is missing: an item has all key attributes of its table")]
    Missing {
        /// The attribute.
        attribute: String,
    },
    /// The partition key is not this tenant's.
    #[error(
        "key attribute `{attribute}` does not belong to this client's tenant (it must be a string that shows its id, as `TenantId::as_str` \
         gives it): use the handle of the tenant whose item it is"
    )]
    ForeignTenant {
        /// The attribute.
        attribute: String,
    },
    /// DynamoDB allows no such key value.
    #[error("key attribute `{attribute}`: {source}")]
    Invalid {
        /// The attribute.
        attribute: String,
        /// The rule that it breaks.
        source: InvalidKey,
    },
    /// A key has other attributes than the table's key attributes.
    #[error("`{attribute}` is not a key attribute of this table: a key has exactly its declared names")]
    Superfluous {
        /// The attribute.
        attribute: String,
    },
}
