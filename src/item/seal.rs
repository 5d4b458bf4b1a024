//! Sealing: each encrypted attribute becomes ciphertext that says under which key.

use std::fmt;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::size::{check_attribute_size, check_size};
use super::{Item, PrimaryKeyError, UnwrappedKey, identity};
use crate::crypto::{ItemKey, NONCE_LEN, NonceKey, RandomError, RandomSource, TAG_LEN};
use crate::format::{
    Form, HEADER, Identity, InvalidValue, RESERVED_PREFIX, Sealed, StoredKey, attribute_aad, encode_value, encoded_len,
    prefix_len, put_prefix,
};
use crate::schema::{Protection, TableSchema, Variant};
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
    /// The item's discriminator is missing, or has a value that no record of the table has.
    #[error("discriminator `{0}` is missing or has a value that no record of this table declares")]
    Discriminator(String),
    /// A plain binary value where other records of the table have sealed ones.
    #[error(
        "attribute `{0}` must not be binary: another record of this table encrypts it, and a sealed value could pass for this one"
    )]
    Binary(String),
    /// The name belongs to the library.
    #[error("attribute name `{0}` is reserved: choose one that does not begin with `_seal`")]
    Reserved(String),
    /// What was given is sealed, by whatever tenant: it was read with a plain client. Sealed once more, and put without its header, it
    /// would be lost.
    #[error(
        "attribute `{0}` is sealed already: read the item with its tenant's client, which opens it, and put what that gives{or}",
        or = own_bytes(.0)
    )]
    AlreadySealed(String),
    /// DynamoDB would not have stored the value.
    #[error("attribute `{attribute}`: {source}")]
    Value {
        /// The attribute.
        attribute: String,
        /// The rule that it breaks.
        source: InvalidValue,
    },
    /// DynamoDB would not store the item: sealed it has more than 400 KB, names included. An update is refused only for an attribute that
    /// has more by itself, as the rest of the item is not known.
    #[error(
        "the sealed item would be at least {by} bytes larger than the 400 KB that DynamoDB stores: store less in {}, or split it over several items",
        Names(largest)
    )]
    TooLarge {
        /// By how many bytes, at least: the sealed attributes are counted exactly, plain numbers for the least that they may take.
        by: usize,
        /// The names of the largest attributes, the largest first.
        largest: Vec<String>,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for nonces")]
    Random,
    /// The table is compact, and the key table is not known to hold the record of the data key: the item could never be opened.
    #[error("the table is compact, and the key table does not hold the record of the data key")]
    NotInKeyTable,
}

/// What else can be done about a value of this attribute that is taken for a sealed one.
fn own_bytes(attribute: &str) -> &'static str {
    match attribute {
        HEADER => "",
        _ => " (if these are bytes of your own, say so with `TenantSealBuilder::own_bytes`)",
    }
}

/// Names of attributes, as errors show them.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl From<RandomError> for SealError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// Where the nonces of one request come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nonces<'a> {
    /// Fresh for every attribute and every write.
    Random(&'a dyn RandomSource),
    /// From the caller's ClientRequestToken: the same request is sealed to the same bytes again (docs/FORMAT.md, section 10).
    OfToken(&'a str),
}

/// The identity of an item that may be sealed: it is the tenant's, and the schema declares each of its attributes.
pub(crate) fn sealable_identity(schema: &TableSchema, tenant: &TenantId, item: &Item) -> Result<Identity, SealError> {
    // Said first: what has a header needs no other fault.
    if item.get(HEADER).is_some_and(AttributeValue::is_b) {
        return Err(SealError::AlreadySealed(HEADER.to_owned()));
    }
    let variant = to_seal(schema, item)?;
    item.iter().try_for_each(|(name, value)| is_encrypted(&variant, name, value).map(drop))?;
    Ok(identity(schema, tenant, item)?)
}

/// Seals the item with this identity as PutItem stores it. Refuses what [`sealable_identity`] refuses of its attributes.
pub(crate) fn seal(
    schema: &TableSchema,
    key: &UnwrappedKey,
    identity: &Identity,
    nonces: Nonces<'_>,
    mut item: Item,
) -> Result<Item, SealError> {
    let header = key.stored_at(schema.record_place())?.to_header();
    let mut sealer = Sealer::new(None, key, identity, nonces, item.len())?;
    let variant = to_seal(schema, &item)?;
    for (name, value) in &mut item {
        if is_encrypted(&variant, name, value)? {
            *value = sealer.seal(name, value)?;
        }
    }
    item.insert(HEADER.to_owned(), AttributeValue::B(Blob::new(header)));
    check_size(&item)?;
    Ok(item)
}

/// Whether an attribute of an item to be sealed is encrypted; an error when it must not be stored.
fn is_encrypted(variant: &Variant<'_>, name: &str, value: &AttributeValue) -> Result<bool, SealError> {
    match check_name(variant, name)? {
        Protection::Encrypted => refuse_sealed(variant.schema(), name, value).map(|()| true),
        _ if value.is_b() && variant.forbids_binary(name) => Err(SealError::Binary(name.to_owned())),
        _ => Ok(false),
    }
}

/// Refuses a value for an encrypted attribute that is sealed already.
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

/// What an attribute of this name is; refuses names that are reserved or that the schema does not declare.
pub(crate) fn check_name(variant: &Variant<'_>, name: &str) -> Result<Protection, SealError> {
    match variant.protection(name) {
        Some(protection) => Ok(protection),
        None if name.starts_with(RESERVED_PREFIX) => Err(SealError::Reserved(name.to_owned())),
        None => Err(SealError::Undeclared(name.to_owned())),
    }
}

/// Seals values for attributes of the item with this identity, as UpdateItem stores them: each names its key itself.
pub(crate) fn seal_values(
    schema: &TableSchema,
    key: &UnwrappedKey,
    identity: &Identity,
    nonces: Nonces<'_>,
    values: &[(&str, &AttributeValue)],
) -> Result<Vec<AttributeValue>, SealError> {
    let own = key.stored_at(schema.record_place())?;
    let mut sealer = Sealer::new(Some(own), key, identity, nonces, values.len())?;
    let seal = |(name, value): &(&str, &AttributeValue)| {
        refuse_sealed(schema, name, value)?;
        let sealed = sealer.seal(name, value)?;
        check_attribute_size(name, &sealed)?;
        Ok(sealed)
    };
    values.iter().map(seal).collect()
}

/// Seals the attributes of one item.
struct Sealer<'a> {
    /// The key that each attribute names itself; none when the header does.
    own: Option<StoredKey<&'a [u8]>>,
    item_key: ItemKey,
    synthetic: Option<(NonceKey, &'a str)>,
    /// Drawn with one system call for all attributes; unused when nonces are synthetic.
    random: std::vec::IntoIter<[u8; NONCE_LEN]>,
    /// Scratch space.
    aad: Vec<u8>,
}

impl<'a> Sealer<'a> {
    /// A sealer for at most `count` attributes.
    fn new(
        own: Option<StoredKey<&'a [u8]>>,
        key: &UnwrappedKey,
        identity: &Identity,
        nonces: Nonces<'a>,
        count: usize,
    ) -> Result<Self, SealError> {
        let mut random = vec![[0; NONCE_LEN]; count];
        let synthetic = match nonces {
            Nonces::Random(source) => {
                source.fill(random.as_flattened_mut())?;
                None
            }
            Nonces::OfToken(token) => Some((key.nonce_key(identity), token)),
        };
        key.count_seals(count);
        let item_key = key.item_key(identity);
        Ok(Self { own, item_key, synthetic, random: random.into_iter(), aad: Vec::with_capacity(64) })
    }

    fn seal(&mut self, name: &str, value: &AttributeValue) -> Result<AttributeValue, SealError> {
        let Self { own, item_key, synthetic, random, aad } = self;
        let mut nonce = random.next().ok_or(SealError::Random)?;
        // Prefix, ciphertext and tag in one allocation.
        let mut sealed = Vec::with_capacity(prefix_len(*own) + encoded_len(value) + TAG_LEN);
        put_prefix(*own, &nonce, &mut sealed);
        let start = sealed.len();
        encode_value(value, &mut sealed).map_err(|source| SealError::Value { attribute: name.to_owned(), source })?;
        attribute_aad(Form::with(*own), name, aad);
        if let Some((key, token)) = synthetic {
            nonce = key.nonce(token, aad, &sealed[start..]);
            sealed[start - NONCE_LEN..start].copy_from_slice(&nonce);
        }
        item_key.encrypt(&nonce, aad, &mut sealed, start);
        Ok(AttributeValue::B(Blob::new(sealed)))
    }
}
