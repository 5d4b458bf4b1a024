//! Sealing one item: each encrypted attribute becomes ciphertext, and the header says under which key.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, PrimaryKeyError, UnwrappedKey, identity};
use crate::crypto::{ItemKey, NONCE_LEN, RandomError, RandomSource, TAG_LEN};
use crate::format::{Form, HEADER, InvalidValue, RESERVED_PREFIX, attribute_aad, encode_value, encoded_len};
use crate::schema::{Protection, TableSchema};
use crate::tenant::TenantId;

/// Why an item cannot be sealed. Nothing of it has been sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key is not one of the tenant's items.
    #[error(transparent)]
    Key(#[from] PrimaryKeyError),
    /// No record of the table declares the attribute, so nobody said whether it is sensitive.
    #[error("attribute `{0}` is declared by no record of this table: declare it `encrypt` or `plain`")]
    Undeclared(String),
    /// The name belongs to the library.
    #[error("attribute name `{0}` is reserved: choose one that does not begin with `_seal`")]
    Reserved(String),
    /// DynamoDB would not have stored the value.
    #[error("attribute `{attribute}`: {source}")]
    Value {
        /// The attribute.
        attribute: String,
        /// The rule that it breaks.
        source: InvalidValue,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for nonces")]
    Random,
}

impl From<RandomError> for SealError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// Refuses names that are reserved or that the schema does not declare.
pub(crate) fn check_names<'a>(schema: &TableSchema, names: impl Iterator<Item = &'a String>) -> Result<(), SealError> {
    for name in names {
        if name.starts_with(RESERVED_PREFIX) {
            return Err(SealError::Reserved(name.clone()));
        }
        if schema.protection(name).is_none() {
            return Err(SealError::Undeclared(name.clone()));
        }
    }
    Ok(())
}

/// Seals `item`, which must be `tenant`'s and have no attribute that the schema does not declare.
pub(crate) fn seal(
    schema: &TableSchema,
    tenant: &TenantId,
    key: &UnwrappedKey,
    random: &dyn RandomSource,
    mut item: Item,
) -> Result<Item, SealError> {
    check_names(schema, item.keys())?;
    let identity = identity(schema, tenant, &item)?;
    let encrypted = |name: &str| schema.protection(name) == Some(Protection::Encrypted);

    // One system call for the nonces of all attributes.
    let mut nonces = vec![0; item.keys().filter(|name| encrypted(name)).count() * NONCE_LEN];
    random.fill(&mut nonces)?;
    let (nonces, _) = nonces.as_chunks::<NONCE_LEN>();

    let item_key = key.item_key(&identity);
    let mut aad = Vec::with_capacity(64);
    let sensitive = item.iter_mut().filter(|(name, _)| encrypted(name));
    for ((name, value), nonce) in sensitive.zip(nonces) {
        *value = seal_value(&item_key, Form::OfHeader, key.stored_record(), name, nonce, value, &mut aad)
            .map_err(|source| SealError::Value { attribute: name.clone(), source })?;
    }
    item.insert(HEADER.to_owned(), AttributeValue::B(Blob::new(key.stored_record())));
    Ok(item)
}

/// One sealed value: prefix, ciphertext and tag in one allocation. `aad` is scratch space.
fn seal_value(
    item_key: &ItemKey,
    form: Form,
    record: &[u8],
    name: &str,
    nonce: &[u8; NONCE_LEN],
    value: &AttributeValue,
    aad: &mut Vec<u8>,
) -> Result<AttributeValue, InvalidValue> {
    let mut sealed = Vec::with_capacity(1 + 2 + record.len() + NONCE_LEN + encoded_len(value) + TAG_LEN);
    form.put_prefix(record, nonce, &mut sealed);
    let start = sealed.len();
    encode_value(value, &mut sealed)?;
    attribute_aad(form, name, aad);
    item_key.encrypt(nonce, aad, &mut sealed, start);
    Ok(AttributeValue::B(Blob::new(sealed)))
}
