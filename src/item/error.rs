//! Why an item cannot be sealed.

use std::fmt;

use tenantseal_core::crypto::RandomError;
use tenantseal_core::envelope::NotInKeyTable;
use tenantseal_core::format::{HEADER, InvalidPrimaryKey};

use super::InvalidValue;

/// Why an item cannot be sealed. Nothing of it has been sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The primary key is not one of the tenant's items.
    #[error(transparent)]
    PrimaryKey(#[from] PrimaryKeyError),
    /// No record of the table declares the attribute, so it is unknown whether it is sensitive.
    #[error("no record of this table declares attribute `{0}`: declare it `encrypt` or `plain`")]
    Undeclared(String),
    /// The item's discriminator is missing, or has a value that no record of the table has.
    #[error("discriminator `{0}` is missing or has a value that no record of this table declares")]
    Discriminator(String),
    /// A plain binary value in an attribute that other records of the table seal.
    #[error(
        "attribute `{0}` must not be binary: another record of this table encrypts it, and a sealed value could pass \
         as this one"
    )]
    Binary(String),
    /// The name belongs to the library.
    #[error("attribute name `{0}` is reserved: choose one that does not begin with `_seal`")]
    Reserved(String),
    /// The caller gave a sealed value, of whatever tenant, which was read with a plain client. If it were sealed once
    /// more and put without its header, it would be lost.
    #[error(
        "attribute `{0}` is sealed already: read the item with its tenant's client, which opens it, and put the \
         result{or}",
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
    /// The attribute has a lookup, whose form does not take a value of this type.
    #[error(
        "attribute `{attribute}` has a lookup in the form `{form}`, which takes {takes}: store such a value, or NULL"
    )]
    LookupValue {
        /// The attribute.
        attribute: String,
        /// The name of the form.
        form: String,
        /// The types of the values that the lookup takes.
        takes: &'static str,
    },
    /// DynamoDB would not store the item: sealed, it has more than 400 KB, names included. An update is refused only
    /// for an attribute that exceeds this alone, because the rest of the item is unknown.
    #[error(
        "the sealed item would exceed DynamoDB's limit of 400 KB by at least {by} bytes: store less in {}, or split \
         it into several items",
        Names(largest)
    )]
    TooLarge {
        /// The minimum excess in bytes. Sealed attributes are counted exactly, plain numbers by the least that they may
        /// take.
        by: usize,
        /// The names of the largest attributes, the largest first.
        largest: Vec<String>,
    },
    /// The tenant's lookup key for this lookup was not fetched.
    #[error("the tenant's lookup key for lookup `{lookup}` was not fetched, so its token cannot be made")]
    NoLookupKey {
        /// The lookup.
        lookup: String,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes for nonces")]
    Random,
    /// The table is compact, and the key table is not known to hold the data key's record. The item could never be
    /// opened.
    #[error("the table is compact, but the key table does not hold the data key's record")]
    NotInKeyTable,
}

/// The alternative for a value of this attribute that is taken for a sealed one.
fn own_bytes(attribute: &str) -> &'static str {
    match attribute {
        HEADER => "",
        _ => " (if these are bytes of your own, say so with `TenantSealBuilder::own_bytes`)",
    }
}

/// Attribute names, as errors show them.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl From<NotInKeyTable> for SealError {
    fn from(NotInKeyTable: NotInKeyTable) -> Self {
        Self::NotInKeyTable
    }
}

impl From<RandomError> for SealError {
    fn from(_: RandomError) -> Self {
        Self::Random
    }
}

/// What is wrong with the primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrimaryKeyError {
    /// A key attribute is missing.
    #[error("key attribute `{attribute}` is missing: an item needs all key attributes of its table")]
    Missing {
        /// The attribute.
        attribute: String,
    },
    /// The partition key is not this tenant's.
    #[error(
        "key attribute `{attribute}` does not belong to this client's tenant (it must be a string that shows the \
         tenant's id, as `TenantId::as_str` returns it): use the handle of the tenant that owns the item"
    )]
    ForeignTenant {
        /// The attribute.
        attribute: String,
    },
    /// DynamoDB does not allow this key value.
    #[error("key attribute `{attribute}`: {source}")]
    Invalid {
        /// The attribute.
        attribute: String,
        /// The rule that it breaks.
        source: InvalidPrimaryKey,
    },
    /// A primary key has other attributes than the table's key attributes.
    #[error("`{attribute}` is not a key attribute of this table: give the declared key attributes, and no others")]
    Superfluous {
        /// The attribute.
        attribute: String,
    },
}
