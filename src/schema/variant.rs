//! What the attributes of one item are: the table's schema, seen by the item's discriminator. Everything that depends on the record
//! type of an item goes through here.

use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;
use super::table::Attributes;
use super::{Protection, TableSchema};

/// The schema of one item, as far as its record type is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant<'s> {
    schema: &'s TableSchema,
    /// What the item's record type declares; none when the type is not known.
    own: Option<&'s Attributes>,
}

impl<'s> Variant<'s> {
    /// Of an item about which nothing is known.
    pub(crate) fn unknown(schema: &'s TableSchema) -> Self {
        Self { schema, own: None }
    }

    /// Of an item, or of a part of one that has its discriminator.
    pub(crate) fn from_item(schema: &'s TableSchema, item: &Item) -> Self {
        match schema.discriminator() {
            Some(discriminator) => Self::from_value(schema, item.get(discriminator)),
            None => Self::unknown(schema),
        }
    }

    /// Of the items with this value of the discriminator. A value that is no string is nobody's, and an item without one says nothing.
    pub(crate) fn from_value(schema: &'s TableSchema, value: Option<&AttributeValue>) -> Self {
        let value = value.and_then(|value| value.as_s().ok());
        Self { schema, own: value.and_then(|value| schema.records_of(Some(value))) }
    }

    /// Of an item that is to be sealed: none when its discriminator is of no record type. Without one it is of those that have none.
    pub(crate) fn to_seal(schema: &'s TableSchema, item: &Item) -> Option<Self> {
        let Some(discriminator) = schema.discriminator() else { return Some(Self::unknown(schema)) };
        let variant = match item.get(discriminator) {
            None => Self { schema, own: schema.records_of(None) },
            value => Self::from_value(schema, value),
        };
        variant.own.is_some().then_some(variant)
    }

    /// Whether the item's record type is known.
    pub(crate) fn is_known(&self) -> bool {
        self.own.is_some()
    }

    /// The table's schema.
    pub(crate) fn schema(&self) -> &'s TableSchema {
        self.schema
    }

    /// What the attribute is. [`Secrecy::Varies`](super::Secrecy::Varies) when that depends on the record type and this is not known; none when nobody
    /// declares it, or another record type only.
    pub(crate) fn protection(&self, attribute: &str) -> Option<Protection> {
        match self.schema.protection(attribute)? {
            protection if protection.varies() => match self.own {
                Some(own) => own.get(attribute).copied(),
                None => Some(protection),
            },
            protection => Some(protection),
        }
    }

    /// Whether the attribute must not be binary: it is stored as it is, and another record type encrypts it. A sealed value would
    /// pass for plain data when someone changes the discriminator.
    pub(crate) fn forbids_binary(&self, attribute: &str) -> bool {
        self.schema.protection(attribute).is_some_and(Protection::varies)
            && !self.protection(attribute).is_some_and(Protection::may_encrypt)
    }
}
