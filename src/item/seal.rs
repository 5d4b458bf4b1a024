//! Sealing: each encrypted attribute becomes a ciphertext that names its data key.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::envelope::{Nonces, Sealer, VerifiedDataKey};
use tenantseal_core::format::{HEADER, Identity, RESERVED_PREFIX, Sealed, StoredForm};
use tenantseal_core::tenant::TenantId;

use super::size::{check_attribute_size, check_size};
use super::tokens::StoredTokens;
use super::{Item, SealError, identity};
use crate::item::{encode_value, encoded_len};
use crate::schema::{Protection, Secrecy, TableSchema, Variant};

/// Names of attributes that are written as plaintext.
type PlainNames = std::collections::BTreeSet<String>;

/// The identity of an item that may be sealed: it is the tenant's, and the schema declares all of its attributes.
pub(crate) fn sealable_identity(schema: &TableSchema, tenant: &TenantId, item: &Item) -> Result<Identity, SealError> {
    // Checked first: an item that has a header already needs no other fault.
    if item.get(HEADER).is_some_and(AttributeValue::is_b) {
        return Err(SealError::AlreadySealed(HEADER.to_owned()));
    }
    let variant = to_seal(schema, item)?;
    item.iter().try_for_each(|(name, value)| is_encrypted(&variant, name, value).map(drop))?;
    Ok(identity(schema, tenant, item)?)
}

/// Seals an item without tokens of lookups.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn seal(
    schema: &TableSchema,
    key: &VerifiedDataKey,
    identity: &Identity,
    nonces: Nonces<'_>,
    item: Item,
) -> Result<Item, SealError> {
    seal_with(schema, key, identity, nonces, item, StoredTokens::new(), &PlainNames::new())
}

/// Seals the item with this identity in the form that PutItem stores, with these tokens of its lookups. Refuses the
/// same attributes as [`sealable_identity`]. Attributes in `plain` stay as they are.
pub(crate) fn seal_with(
    schema: &TableSchema,
    key: &VerifiedDataKey,
    identity: &Identity,
    nonces: Nonces<'_>,
    mut item: Item,
    tokens: StoredTokens,
    plain: &PlainNames,
) -> Result<Item, SealError> {
    let header = key.stored_at(schema.record_place())?.to_header();
    let mut sealer = Sealer::new(None, key, identity, nonces, item.len())?;
    let variant = to_seal(schema, &item)?;
    for (name, value) in &mut item {
        match is_encrypted(&variant, name, value)? {
            true if plain.contains(name) => refuse_taken_for_sealed(name, value)?,
            true => *value = seal_value(&mut sealer, name, value)?,
            false => {}
        }
    }
    item.reserve(1 + tokens.len());
    item.insert(HEADER.to_owned(), AttributeValue::B(Blob::new(header)));
    item.extend(tokens);
    check_size(&item)?;
    Ok(item)
}

/// The encrypted attributes of an item that the code adopts, and whether it has others.
pub(crate) fn adopted_in(schema: &TableSchema, item: &Item) -> (PlainNames, bool) {
    if schema.adopted().is_empty() {
        return (PlainNames::new(), true);
    }
    let Some(variant) = Variant::to_seal(schema, item) else { return (PlainNames::new(), true) };
    let encrypted = |name: &&String| variant.protection(name).is_some_and(Protection::is_encrypted);
    let (adopted, others): (PlainNames, PlainNames) =
        item.keys().filter(encrypted).cloned().partition(|name| schema.adopts(name));
    (adopted, !others.is_empty())
}

/// Checks an item of which nothing is to be sealed: its encrypted attributes are all in `plain`. Returns whether that
/// is so.
pub(crate) fn leave_plain(schema: &TableSchema, item: &Item, plain: &PlainNames) -> Result<bool, SealError> {
    let variant = to_seal(schema, item)?;
    for (name, value) in item {
        if is_encrypted(&variant, name, value)? {
            if !plain.contains(name) {
                return Ok(false);
            }
            refuse_taken_for_sealed(name, value)?;
        }
    }
    check_size(item)?;
    Ok(true)
}

/// Refuses plaintext that a reader would take for sealed, whatever bytes the attribute may have.
pub(crate) fn refuse_taken_for_sealed(name: &str, value: &AttributeValue) -> Result<(), SealError> {
    match StoredForm::of(value.as_b().ok().map(AsRef::as_ref), true).is_sealed() {
        true => Err(SealError::AlreadySealed(name.to_owned())),
        false => Ok(()),
    }
}

/// Whether an attribute of an item to be sealed is encrypted. An error when the attribute must not be stored.
fn is_encrypted(variant: &Variant<'_>, name: &str, value: &AttributeValue) -> Result<bool, SealError> {
    match check_name(variant, name)?.secrecy {
        Secrecy::Encrypted => refuse_sealed(variant.schema(), name, value).map(|()| true),
        _ if value.is_b() && variant.forbids_binary(name) => Err(SealError::Binary(name.to_owned())),
        _ => Ok(false),
    }
}

/// Refuses a value that is already sealed for an encrypted attribute.
pub(crate) fn refuse_sealed(schema: &TableSchema, name: &str, value: &AttributeValue) -> Result<(), SealError> {
    match value.as_b() {
        Ok(bytes) if Sealed::is_likely(bytes.as_ref(), schema.has_own_bytes(name)) => {
            Err(SealError::AlreadySealed(name.to_owned()))
        }
        _ => Ok(()),
    }
}

/// The record type of an item to be sealed.
fn to_seal<'s>(schema: &'s TableSchema, item: &Item) -> Result<Variant<'s>, SealError> {
    let unknown = || SealError::Discriminator(schema.discriminator().unwrap_or_default().to_owned());
    Variant::to_seal(schema, item).ok_or_else(unknown)
}

/// The protection of the attribute with this name. Refuses names that are reserved or not declared by the schema.
pub(crate) fn check_name(variant: &Variant<'_>, name: &str) -> Result<Protection, SealError> {
    match variant.protection(name) {
        Some(protection) => Ok(protection),
        None if name.starts_with(RESERVED_PREFIX) => Err(SealError::Reserved(name.to_owned())),
        None => Err(SealError::Undeclared(name.to_owned())),
    }
}

/// Seals values for attributes of the item with this identity, in the form that UpdateItem stores. Each value names its
/// own data key.
pub(crate) fn seal_values(
    schema: &TableSchema,
    key: &VerifiedDataKey,
    identity: &Identity,
    nonces: Nonces<'_>,
    values: &[(&str, &AttributeValue)],
) -> Result<Vec<AttributeValue>, SealError> {
    let own = key.stored_at(schema.record_place())?;
    let mut sealer = Sealer::new(Some(own), key, identity, nonces, values.len())?;
    let seal = |(name, value): &(&str, &AttributeValue)| {
        refuse_sealed(schema, name, value)?;
        let sealed = seal_value(&mut sealer, name, value)?;
        check_attribute_size(name, &sealed)?;
        Ok(sealed)
    };
    values.iter().map(seal).collect()
}

/// The stored form of one value.
fn seal_value(sealer: &mut Sealer<'_>, name: &str, value: &AttributeValue) -> Result<AttributeValue, SealError> {
    let encode = |out: &mut Vec<u8>| {
        encode_value(value, out).map_err(|source| SealError::Value { attribute: name.to_owned(), source })
    };
    Ok(AttributeValue::B(Blob::new(sealer.seal(name, encoded_len(value), encode)?)))
}
