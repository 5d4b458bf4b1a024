//! The attributes of one item: the table's schema, as the item's discriminator selects it. Everything that depends on
//! an item's record type goes through this module.

use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;
use super::table::Declared;
use super::{Lookup, Protection, TableSchema};

/// The schema of one item, as far as its record type is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant<'s> {
    schema: &'s TableSchema,
    /// What the item's record type declares; `None` when the type is unknown.
    own: Option<&'s Declared>,
}

impl<'s> Variant<'s> {
    /// For an item of which nothing is known.
    pub(crate) fn unknown(schema: &'s TableSchema) -> Self {
        Self { schema, own: None }
    }

    /// For an item, or for a part of one that includes its discriminator.
    pub(crate) fn from_item(schema: &'s TableSchema, item: &Item) -> Self {
        match schema.discriminator() {
            Some(discriminator) => Self::from_value(schema, item.get(discriminator)),
            None => Self::unknown(schema),
        }
    }

    /// For the items with this value of the discriminator. A value that is not a string belongs to no record type. An
    /// item without the discriminator has no known type.
    pub(crate) fn from_value(schema: &'s TableSchema, value: Option<&AttributeValue>) -> Self {
        let value = value.and_then(|value| value.as_s().ok());
        Self { schema, own: value.and_then(|value| schema.records_of(Some(value))) }
    }

    /// For an item to be sealed; `None` when its discriminator matches no record type. An item without one belongs to
    /// the records that have none.
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

    /// The protection of the attribute. [`Secrecy::Varies`](super::Secrecy::Varies) when it depends on the record type
    /// and the type is unknown. `None` when no record declares the attribute, or only another record type does.
    pub(crate) fn protection(&self, attribute: &str) -> Option<Protection> {
        match self.schema.protection(attribute)? {
            protection if protection.varies() => match self.own {
                Some(own) => own.attributes.get(attribute).copied(),
                None => Some(protection),
            },
            protection => Some(protection),
        }
    }

    /// Whether the item has a token for this lookup of the table, as soon as it has all its parts. `None` when that
    /// depends on the record type and the type is unknown.
    pub(crate) fn declares(&self, lookup: &Lookup) -> Option<bool> {
        match self.own {
            _ if !self.schema.lookup_varies(lookup) => Some(true),
            Some(own) => Some(own.has(lookup)),
            None => None,
        }
    }

    /// The names of the attributes that the item may have: those of its record type, or of all if that is unknown.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        let schema = self.schema;
        let of_all = self.own.is_none().then(|| schema.attributes().map(|(name, _)| name));
        let own = self.own.into_iter().flat_map(|own| own.attributes.keys().map(String::as_str));
        own.chain(of_all.into_iter().flatten())
    }

    /// The table's lookups that the item has for certain.
    pub(crate) fn lookups(&self) -> impl Iterator<Item = &'s Lookup> + use<'s> {
        let own = *self;
        self.schema.lookups().iter().filter(move |lookup| own.declares(lookup) == Some(true))
    }

    /// Whether the attribute must not be binary: it is stored as it is, but another record type encrypts it. If someone
    /// changed the discriminator, a sealed value would pass for plain data.
    pub(crate) fn forbids_binary(&self, attribute: &str) -> bool {
        self.schema.protection(attribute).is_some_and(Protection::varies)
            && !self.protection(attribute).is_some_and(Protection::may_encrypt)
    }
}

impl TableSchema {
    /// The protection that the attribute has in this item: where records disagree, its discriminator decides. `None`
    /// when no record declares it, or only another record type does.
    pub fn protection_in(&self, item: &Item, attribute: &str) -> Option<Protection> {
        Variant::from_item(self, item).protection(attribute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Form, TableSchemaBuilder};

    fn of_kind(kind: &str, declare: fn(TableSchemaBuilder) -> TableSchemaBuilder) -> TableSchema {
        let builder = TableSchema::builder("crm").partition_key("pk", "{tenant}").plain("kind");
        declare(builder.discriminator("kind", kind)).build().unwrap()
    }

    /// Contacts have a lookup of `email`; `other` declares another type.
    fn with(other: fn(TableSchemaBuilder) -> TableSchemaBuilder) -> TableSchema {
        let contact = |builder: TableSchemaBuilder| builder.encrypt("email").lookup(Lookup::on("email", Form::EMAIL));
        let mut schema = of_kind("contact", contact);
        schema.merge(of_kind("other", other)).unwrap();
        schema
    }

    fn of_type(schema: &TableSchema, kind: Option<&str>) -> Option<bool> {
        let value = kind.map(|kind| AttributeValue::S(kind.to_owned()));
        let variant = Variant::from_value(schema, value.as_ref());
        let declares = variant.declares(&schema.lookups()[0]);
        assert_eq!(variant.lookups().count(), usize::from(declares == Some(true)));
        declares
    }

    #[test]
    fn a_lookup_is_of_all_items_where_no_type_has_the_attribute_without_it() {
        let all = with(|builder| builder.encrypt("email").lookup(Lookup::on("email", Form::EMAIL)));
        let one = with(|builder| builder.encrypt("notes"));
        for schema in [all, one] {
            for kind in [None, Some("contact"), Some("other"), Some("third")] {
                assert_eq!(of_type(&schema, kind), Some(true), "{kind:?}");
            }
        }
    }

    #[test]
    fn the_record_type_says_whether_an_item_has_a_lookup_that_varies() {
        let encrypted = with(|builder| builder.encrypt("email"));
        let plain = with(|builder| builder.plain("email"));
        for schema in [encrypted, plain] {
            assert_eq!(of_type(&schema, Some("contact")), Some(true));
            assert_eq!(of_type(&schema, Some("other")), Some(false));
            assert_eq!(of_type(&schema, Some("third")), None, "a type that no record declares");
            assert_eq!(of_type(&schema, None), None);
        }
    }
}
