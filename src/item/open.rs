//! Opening one item: hostile bytes in, authenticated values or an error that names the attribute.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, KeyRing, PrimaryKeyError, UnwrappedKey, identity};
use crate::crypto::{ItemKey, TAG_LEN};
use crate::format::{
    FormatError, HEADER, Identity, OwnedStoredKey, RESERVED_PREFIX, Sealed, StoredKey, attribute_aad, decode_value,
};
use crate::schema::{Protection, TableSchema, Variant};
use crate::tenant::TenantId;

/// Why a stored item does not open. It names the attribute and nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The key of the stored item is not the one that was asked for, or not this tenant's.
    #[error("the stored item is not the one that was asked for: {0}")]
    Key(#[from] PrimaryKeyError),
    /// The stored item has other key values than the request.
    #[error("the stored item is not the one that was asked for: its key differs from the request's")]
    OtherItem,
    /// A query or scan of an index that does not project the header.
    #[error(
        "index `{index}` does not project `_seal`, without which attribute `{attribute}` does not open: add it to the projection"
    )]
    IndexLacksHeader {
        /// The index.
        index: String,
        /// An attribute that relies on the header.
        attribute: String,
    },
    /// A query or scan of an index that does not project the discriminator.
    #[error(
        "index `{index}` does not project the discriminator `{discriminator}`, which says whether attribute `{attribute}` is encrypted: \
         add it to the projection"
    )]
    IndexLacksDiscriminator {
        /// The index.
        index: String,
        /// The attribute that tells the table's record types apart.
        discriminator: String,
        /// An attribute about which they disagree.
        attribute: String,
    },
    /// The item does not say of which record type it is.
    #[error(
        "discriminator `{discriminator}`, which says whether attribute `{attribute}` is encrypted, is missing or has a value that no record declares"
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

/// What is wrong with a stored attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenFault {
    /// The schema says encrypted, and what is stored is not: it is of a type other than B, or a B that begins as no sealed value does.
    #[error(
        "the schema says it is encrypted, but what is stored is not sealed: it is plaintext, or was altered. If you know who wrote it as plaintext, read it with a plain client and put it with the tenant's"
    )]
    NotSealed,
    /// The item's record type stores it as it is, another one of the table encrypts it, and what is stored is binary.
    #[error("it is binary, and another record of the table encrypts it: the discriminator may have been changed")]
    Binary,
    /// The stored bytes are malformed.
    #[error("{0}")]
    Format(#[source] FormatError),
    /// The attribute relies on the item's header, and the item has none.
    #[error("it relies on the header `_seal`, which is missing (an index must project it)")]
    NoHeader,
    /// The key record names an encryption context that is not configured: another tenant's, or another application's.
    #[error("its key record was made for another encryption context (tenant or static pairs)")]
    ForeignContext,
    /// The wrapped key belongs to another KMS key than the tenant's alias points to.
    #[error(
        "its wrapped key belongs to another KMS key than the tenant's alias points to: the alias was re-pointed, or the record forged"
    )]
    OtherKek,
    /// KMS does not take the wrapped key for one of this tenant and context.
    #[error("its wrapped key is corrupt, or was made for another tenant or encryption context")]
    WrappedKey,
    /// The key record is not that of the key which KMS unwrapped, or names another KMS key than the one that unwrapped it.
    #[error("its key record is forged: it does not match the key that KMS unwrapped")]
    ForgedRecord,
    /// The item refers to a key table, and none is configured.
    #[error("its key record lies in a key table: configure it with `TenantSealBuilder::key_table`")]
    NoKeyTable,
    /// The key table has no record of the key that the item refers to.
    #[error("the key table has no record of its key for this tenant: it was deleted, or the reference is forged")]
    UnknownKey,
    /// The ciphertext was not made for this attribute of this item under this key.
    #[error("it is not authentic: altered, moved from another attribute, item, table or tenant, or never sealed")]
    NotAuthentic,
}

impl From<FormatError> for OpenFault {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::NotSealed => Self::NotSealed,
            other => Self::Format(other),
        }
    }
}

impl OpenError {
    /// Whether someone has tampered with what is stored, as far as can be told. What a newer release may have written does not count: in
    /// a fleet that is being upgraded it is everyday, and it does not open either way.
    pub(crate) fn is_integrity(&self) -> bool {
        match self {
            Self::Key(_) | Self::OtherItem | Self::Discriminator { .. } => true,
            Self::IndexLacksHeader { .. } | Self::IndexLacksDiscriminator { .. } => false,
            Self::Attribute { fault, .. } => match fault {
                OpenFault::OtherKek | OpenFault::NoKeyTable => false,
                OpenFault::Format(fault) => !fault.may_be_newer(),
                _ => true,
            },
        }
    }

    pub(crate) fn attribute(attribute: &str, fault: impl Into<OpenFault>) -> Self {
        Self::Attribute { attribute: attribute.to_owned(), fault: fault.into() }
    }
}

/// A key that something stored relies on, and the attribute in which it was found, for the error's sake.
#[derive(Debug)]
pub(crate) struct NeededKey {
    pub(crate) attribute: String,
    pub(crate) stored: OwnedStoredKey,
}

/// The distinct keys that these items rely on, each item given with its table, or with what forbids to look at it; and the items, by
/// their places, of which that cannot be said.
pub(crate) fn distinct_keys<'i>(
    items: impl Iterator<Item = Result<(&'i TableSchema, &'i Item), OpenError>>,
) -> (Vec<NeededKey>, Vec<(usize, OpenError)>) {
    let mut needed: Vec<(StoredKey<&[u8]>, &str)> = Vec::new();
    let mut failed = Vec::new();
    for (at, item) in items.enumerate() {
        let before = needed.len();
        let looked_at = item.and_then(|(schema, item)| {
            needed_keys(schema, item, |attribute, key| {
                // Most items of an answer rely on the same key.
                if needed.last().is_none_or(|(latest, _)| *latest != key) {
                    needed.push((key, attribute));
                }
            })
        });
        if let Err(error) = looked_at {
            // Nothing is asked for the sake of an item that does not open.
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

/// The identity of a stored item, which must be the tenant's. Comes before anything else is made of the item.
pub(crate) fn stored_identity(schema: &TableSchema, tenant: &TenantId, item: &Item) -> Result<Identity, OpenError> {
    Ok(identity(schema, tenant, item)?)
}

/// The keys that the encrypted attributes of `item` rely on, as stored, each with the attribute that it is found in.
///
/// An item without encrypted attributes relies on none, whatever its header says.
pub(super) fn needed_keys<'i>(
    schema: &TableSchema,
    item: &'i Item,
    mut need: impl FnMut(&'i str, StoredKey<&'i [u8]>),
) -> Result<(), OpenError> {
    let mut header_needed = false;
    let variant = Variant::of_item(schema, item);
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
                need(HEADER, StoredKey::of_header(header).map_err(|fault| OpenError::attribute(HEADER, fault))?);
            }
        }
    }
    Ok(())
}

/// Whether a stored attribute is to be opened; an error when that cannot be told, or is said by a discriminator that looks forged.
fn is_sealed(variant: &Variant<'_>, name: &str, value: &AttributeValue) -> Result<bool, OpenError> {
    match variant.protection(name) {
        Some(Protection::Encrypted) => Ok(true),
        Some(Protection::Varies) => Err(OpenError::Discriminator {
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

/// Opens what the schema calls encrypted, and takes the library's own attributes out.
///
/// On any failure nothing of the item is returned.
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

/// The same where the item is. On any failure nothing of it may be given to anybody, except its key.
pub(crate) fn open_in_place(
    schema: &TableSchema,
    identity: &Identity,
    keys: &KeyRing,
    item: &mut Item,
) -> Result<(), OpenError> {
    let header = item.remove(HEADER);
    item.retain(|name, _| !name.starts_with(RESERVED_PREFIX));
    let header = header.as_ref().and_then(|value| value.as_b().ok()).map(AsRef::as_ref);
    let variant = Variant::of_item(schema, item);
    let (item_keys, aad) = (Vec::with_capacity(1), Vec::with_capacity(64));
    let mut opener = Opener { identity, header, header_key: None, keys, item_keys, aad };
    for (name, value) in item {
        if is_sealed(&variant, name, value)? {
            let stored = std::mem::replace(value, AttributeValue::Null(true));
            *value = opener.open(name, stored).map_err(|fault| OpenError::attribute(name, fault))?;
        }
    }
    Ok(())
}

/// Opens the attributes of one item.
struct Opener<'a> {
    identity: &'a Identity,
    header: Option<&'a [u8]>,
    /// Where in `item_keys` the header's is, once it was needed.
    header_key: Option<usize>,
    keys: &'a KeyRing,
    /// The item's key under each data key: usually one, a few after updates.
    item_keys: Vec<(&'a UnwrappedKey, ItemKey)>,
    /// Scratch space.
    aad: Vec<u8>,
}

impl<'a> Opener<'a> {
    /// One opened value, in the buffer in which it was stored.
    fn open(&mut self, name: &str, stored: AttributeValue) -> Result<AttributeValue, OpenFault> {
        let AttributeValue::B(stored) = stored else { return Err(OpenFault::NotSealed) };
        let mut stored = stored.into_inner();
        let Sealed { form, key, nonce, start, tag } = Sealed::parse(&stored)?;
        let at = match (key, self.header_key) {
            (Some(own), _) => self.item_key(own)?,
            (None, Some(at)) => at,
            (None, None) => {
                let at = self.item_key(StoredKey::of_header(self.header.ok_or(OpenFault::NoHeader)?)?)?;
                *self.header_key.insert(at)
            }
        };
        attribute_aad(form, name, &mut self.aad);
        stored.truncate(stored.len() - TAG_LEN);
        let Self { item_keys, aad, .. } = self;
        item_keys[at].1.decrypt(&nonce, aad, &mut stored[start..], &tag).map_err(|_| OpenFault::NotAuthentic)?;
        Ok(decode_value(stored, start)?)
    }

    /// Where in `item_keys` the item's key under the data key that is `named` is.
    fn item_key(&mut self, named: StoredKey<&[u8]>) -> Result<usize, OpenFault> {
        let key = self.keys.get(named).ok_or(OpenFault::ForgedRecord)?;
        let made = self.item_keys.iter().position(|(made, _)| std::ptr::eq(*made, key));
        Ok(made.unwrap_or_else(|| {
            self.item_keys.push((key, key.item_key(self.identity)));
            self.item_keys.len() - 1
        }))
    }
}
