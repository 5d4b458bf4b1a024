//! Opens one item: takes hostile bytes, returns authenticated values or an error that names the attribute.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::envelope::{KeyRing, NeededKey, OpenFault, Opener};
use tenantseal_core::format::{HEADER, Identity, RESERVED_PREFIX, Sealed, StoredForm, StoredKey};
use tenantseal_core::tenant::TenantId;

use super::{Item, PrimaryKeyError, identity, stored_form};
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

/// What encrypted attributes may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accepts<'a> {
    SealedOnly,
    /// These may be plaintext, which the stored bytes tell.
    Plain(&'a BTreeSet<String>),
    /// The same in an index, which may not project the header. What may need it is not taken for plaintext.
    PlainInIndex(&'a BTreeSet<String>),
}

impl Accepts<'_> {
    /// Whether this encrypted attribute is to be taken as it is.
    fn takes(self, name: &str, value: &AttributeValue, has_header: bool) -> bool {
        let (names, has_header) = match self {
            Self::SealedOnly => return false,
            Self::Plain(names) => (names, has_header),
            Self::PlainInIndex(names) => (names, true),
        };
        names.contains(name) && !StoredForm::of(value.as_b().ok().map(AsRef::as_ref), has_header).is_sealed()
    }
}

/// Whether an item has plaintext in an attribute that the code adopts. An item whose record type is not known has none:
/// it does not open.
pub(crate) fn has_plaintext(schema: &TableSchema, item: &Item) -> bool {
    let variant = Variant::from_item(schema, item);
    let is_encrypted =
        |name: &str| variant.protection(name).is_some_and(|protection| protection.secrecy == Secrecy::Encrypted);
    let is_plain = |name: &String| is_encrypted(name) && stored_form(item, name) == Some(StoredForm::Plain);
    schema.adopted().iter().any(is_plain)
}

/// The distinct keys that these items rely on, and the items whose keys cannot be told, by their places. Each item is
/// given with its table, or with the error that forbids looking at it.
pub(crate) fn distinct_keys<'i>(
    items: impl Iterator<Item = Result<(&'i TableSchema, &'i Item, Accepts<'i>), OpenError>>,
) -> (Vec<NeededKey>, Vec<(usize, OpenError)>) {
    let mut needed: Vec<(StoredKey<&[u8]>, &str)> = Vec::new();
    let mut failed = Vec::new();
    for (at, item) in items.enumerate() {
        let before = needed.len();
        let looked_at = item.and_then(|(schema, item, accepts)| {
            needed_keys(schema, item, accepts, |attribute, key| {
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
    accepts: Accepts<'_>,
    mut need: impl FnMut(&'i str, StoredKey<&'i [u8]>),
) -> Result<(), OpenError> {
    let mut header_needed = false;
    let variant = Variant::from_item(schema, item);
    let has_header = header(item).is_some();
    for (name, value) in item {
        if !is_sealed(&variant, name, value)? || accepts.takes(name, value, has_header) {
            continue;
        }
        let fault = |fault: OpenFault| unopened(schema, name, fault);
        let stored = value.as_b().map_err(|_| fault(OpenFault::NotSealed))?;
        match Sealed::parse(stored.as_ref()).map_err(|error| fault(error.into()))?.key {
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

/// An attribute that does not open. Plaintext of one that the code adopts would open under a leave.
fn unopened(schema: &TableSchema, name: &str, fault: OpenFault) -> OpenError {
    match fault {
        OpenFault::NotSealed if schema.adopts(name) => OpenError::attribute(name, OpenFault::NoLeave),
        fault => OpenError::attribute(name, fault),
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
    open_in_place(schema, identity, keys, Accepts::SealedOnly, &mut item)?;
    Ok(item)
}

/// The same, in place; returns how many values were plaintext, which `accepts` allows. On any failure, nobody may be given anything of the item, except its primary key.
pub(crate) fn open_in_place(
    schema: &TableSchema,
    identity: &Identity,
    keys: &KeyRing,
    accepts: Accepts<'_>,
    item: &mut Item,
) -> Result<usize, OpenError> {
    let header = item.remove(HEADER);
    item.retain(|name, _| !name.starts_with(RESERVED_PREFIX));
    let header = header.as_ref().and_then(|value| value.as_b().ok()).map(AsRef::as_ref);
    let variant = Variant::from_item(schema, item);
    let mut opener = Opener::new(identity, header, keys);
    let mut plain = 0;
    for (name, value) in item {
        if is_sealed(&variant, name, value)? {
            if accepts.takes(name, value, header.is_some()) {
                plain += 1;
                continue;
            }
            let stored = std::mem::replace(value, AttributeValue::Null(true));
            *value = open_value(&mut opener, name, stored).map_err(|fault| unopened(schema, name, fault))?;
        }
    }
    Ok(plain)
}

/// Opens one value, in the buffer in which it was stored.
fn open_value(opener: &mut Opener<'_>, name: &str, stored: AttributeValue) -> Result<AttributeValue, OpenFault> {
    let AttributeValue::B(stored) = stored else { return Err(OpenFault::NotSealed) };
    let (plaintext, start) = opener.open(name, stored.into_inner())?;
    Ok(decode_value(plaintext, start)?)
}
