//! Opens one item: takes hostile bytes, returns authenticated values or an error that names the attribute.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::envelope::{KeyRing, NeededKey, OpenFault, Opener};
use tenantseal_core::format::{HEADER, Identity, RESERVED_PREFIX, Sealed, StoredKey};
use tenantseal_core::tenant::TenantId;

use super::{Item, PrimaryKeyError, identity};
use crate::item::decode_value;
use crate::schema::{Secrecy, TableSchema, Variant};

/// Why a stored item does not open. It names the attribute and nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The primary key of the stored item is not the requested one, or not this tenant's.
    #[error("the stored item is not the requested one: {0}")]
    PrimaryKey(#[from] PrimaryKeyError),
    /// The stored item has other key values than the request.
    #[error("the stored item is not the requested one: its primary key differs from the request's")]
    OtherItem,
    /// A query or scan of an index that does not project the header.
    #[error(
        "index `{index}` does not project `_seal`, so attribute `{attribute}` does not open: add `_seal` to the \
         projection"
    )]
    IndexLacksHeader {
        /// The index.
        index: String,
        /// An attribute that relies on the header.
        attribute: String,
    },
    /// A query or scan of an index that does not project the discriminator.
    #[error(
        "index `{index}` does not project the discriminator `{discriminator}`, which says whether attribute \
         `{attribute}` is encrypted: add it to the projection"
    )]
    IndexLacksDiscriminator {
        /// The index.
        index: String,
        /// The attribute that tells the table's record types apart.
        discriminator: String,
        /// An attribute about which they disagree.
        attribute: String,
    },
    /// A query or scan by a lookup, of an index that does not project the attribute that must be compared.
    #[error(
        "index `{index}` does not project `{attribute}`, so what its lookup finds cannot be compared: add the \
         attribute and `_seal` to the projection"
    )]
    IndexLacksLookup {
        /// The index.
        index: String,
        /// An attribute of the lookup.
        attribute: String,
    },
    /// The item does not give its record type.
    #[error(
        "discriminator `{discriminator}`, which says whether attribute `{attribute}` is encrypted, is missing or has \
         a value that no record declares"
    )]
    Discriminator {
        /// The attribute that tells the table's record types apart.
        discriminator: String,
        /// An attribute about which they disagree.
        attribute: String,
    },
    /// An attribute does not open.
    #[error("attribute `{attribute}` does not open: {fault}")]
    Attribute {
        /// The attribute.
        attribute: String,
        /// What is wrong with it.
        fault: OpenFault,
    },
}

impl OpenError {
    /// Whether someone seems to have tampered with the stored item.
    pub(crate) fn is_integrity(&self) -> bool {
        match self {
            Self::PrimaryKey(_) | Self::OtherItem | Self::Discriminator { .. } => true,
            Self::IndexLacksHeader { .. } | Self::IndexLacksDiscriminator { .. } | Self::IndexLacksLookup { .. } => {
                false
            }
            Self::Attribute { fault, .. } => fault.is_integrity(),
        }
    }

    pub(crate) fn attribute(attribute: &str, fault: impl Into<OpenFault>) -> Self {
        Self::Attribute { attribute: attribute.to_owned(), fault: fault.into() }
    }
}

/// The distinct keys that these items rely on, and the items whose keys cannot be told, by their places. Each item is
/// given with its table, or with the error that forbids looking at it.
pub(crate) fn distinct_keys<'i>(
    items: impl Iterator<Item = Result<(&'i TableSchema, &'i Item), OpenError>>,
) -> (Vec<NeededKey>, Vec<(usize, OpenError)>) {
    let mut needed: Vec<(StoredKey<&[u8]>, &str)> = Vec::new();
    let mut failed = Vec::new();
    for (at, item) in items.enumerate() {
        let before = needed.len();
        let looked_at = item.and_then(|(schema, item)| {
            needed_keys(schema, item, |attribute, key| {
                // Usually, most items of an answer rely on the same key.
                if needed.last().is_none_or(|(latest, _)| *latest != key) {
                    needed.push((key, attribute));
                }
            })
        });
        if let Err(error) = looked_at {
            // Keys are not fetched for an item that does not open.
            needed.truncate(before);
            failed.push((at, error));
        }
    }
    needed.sort_unstable();
    needed.dedup_by_key(|(key, _)| *key);
    let owned =
        |(key, attribute): (StoredKey<&[u8]>, &str)| NeededKey { attribute: attribute.into(), stored: key.to_owned() };
    (needed.into_iter().map(owned).collect(), failed)
}

/// The identity of a stored item, which must be the tenant's. Call this before using anything else of the item.
pub(crate) fn stored_identity(schema: &TableSchema, tenant: &TenantId, item: &Item) -> Result<Identity, OpenError> {
    Ok(identity(schema, tenant, item)?)
}

/// The keys that the encrypted attributes of `item` rely on, as stored. Each comes with the attribute where it is
/// found.
///
/// An item without encrypted attributes relies on none, whatever its header says.
pub(super) fn needed_keys<'i>(
    schema: &TableSchema,
    item: &'i Item,
    mut need: impl FnMut(&'i str, StoredKey<&'i [u8]>),
) -> Result<(), OpenError> {
    let mut header_needed = false;
    let variant = Variant::from_item(schema, item);
    for (name, value) in item {
        if !is_sealed(&variant, name, value)? {
            continue;
        }
        let stored = value.as_b().map_err(|_| OpenError::attribute(name, OpenFault::NotSealed))?;
        match Sealed::parse(stored.as_ref()).map_err(|fault| OpenError::attribute(name, fault))?.key {
            Some(key) => need(name, key),
            None if header_needed => {}
            None => {
                header_needed = true;
                let header = header(item).ok_or_else(|| OpenError::attribute(name, OpenFault::NoHeader))?;
                need(HEADER, StoredKey::from_header(header).map_err(|fault| OpenError::attribute(HEADER, fault))?);
            }
        }
    }
    Ok(())
}

/// Whether a stored attribute is to be opened. An error when that cannot be told, or when the discriminator that tells
/// it looks forged.
fn is_sealed(variant: &Variant<'_>, name: &str, value: &AttributeValue) -> Result<bool, OpenError> {
    match variant.protection(name).map(|protection| protection.secrecy) {
        Some(Secrecy::Encrypted) => Ok(true),
        Some(Secrecy::Varies) => Err(OpenError::Discriminator {
            discriminator: variant.schema().discriminator().unwrap_or_default().to_owned(),
            attribute: name.to_owned(),
        }),
        _ if value.is_b() && variant.forbids_binary(name) => Err(OpenError::attribute(name, OpenFault::Binary)),
        _ => Ok(false),
    }
}

fn header(item: &Item) -> Option<&[u8]> {
    item.get(HEADER)?.as_b().ok().map(AsRef::as_ref)
}

/// Opens the attributes that the schema declares encrypted, and removes the library's own.
///
/// On any failure, nothing of the item is returned.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn open(
    schema: &TableSchema,
    identity: &Identity,
    keys: &KeyRing,
    mut item: Item,
) -> Result<Item, OpenError> {
    open_in_place(schema, identity, keys, &mut item)?;
    Ok(item)
}

/// The same, in place. On any failure, nobody may be given anything of the item, except its primary key.
pub(crate) fn open_in_place(
    schema: &TableSchema,
    identity: &Identity,
    keys: &KeyRing,
    item: &mut Item,
) -> Result<(), OpenError> {
    let header = item.remove(HEADER);
    item.retain(|name, _| !name.starts_with(RESERVED_PREFIX));
    let header = header.as_ref().and_then(|value| value.as_b().ok()).map(AsRef::as_ref);
    let variant = Variant::from_item(schema, item);
    let mut opener = Opener::new(identity, header, keys);
    for (name, value) in item {
        if is_sealed(&variant, name, value)? {
            let stored = std::mem::replace(value, AttributeValue::Null(true));
            *value = open_value(&mut opener, name, stored).map_err(|fault| OpenError::attribute(name, fault))?;
        }
    }
    Ok(())
}

/// Opens one value, in the buffer in which it was stored.
fn open_value(opener: &mut Opener<'_>, name: &str, stored: AttributeValue) -> Result<AttributeValue, OpenFault> {
    let AttributeValue::B(stored) = stored else { return Err(OpenFault::NotSealed) };
    let (plaintext, start) = opener.open(name, stored.into_inner())?;
    Ok(decode_value(plaintext, start)?)
}
