//! Records to items and back.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::item::Item;
use crate::schema::{Record, RecordField};

/// The item of a record, with its discriminator.
pub(super) fn to_item<T: Record + Serialize>(record: &T) -> Result<Item, Error> {
    // The serializer's own message may quote a value.
    let mut item: Item =
        serde_dynamo::to_item(record).map_err(|_| record_error::<T>("it does not serialize to an item".to_owned()))?;
    if let Some((attribute, value)) = T::SCHEMA.discriminator() {
        if T::SCHEMA.field(attribute).is_none() {
            item.entry(attribute.to_owned()).or_insert_with(|| AttributeValue::S(value.to_owned()));
        }
    }
    check_own::<T>(&item)?;
    Ok(item)
}

/// Refuses an item that would be stored as one of another type.
pub(super) fn check_own<T: Record>(item: &Item) -> Result<(), Error> {
    match T::SCHEMA.discriminator() {
        Some((attribute, _)) if !is_of::<T>(item) => {
            Err(record_error::<T>(format!("its discriminator `{attribute}` is not the type's own")))
        }
        _ => Ok(()),
    }
}

/// The record that an opened item is.
pub(super) fn from_item<T: Record + DeserializeOwned>(mut item: Item) -> Result<T, Error> {
    if let Some((attribute, _)) = T::SCHEMA.discriminator() {
        if !is_of::<T>(&item) {
            return Err(record_error::<T>(format!("the item is of another record type, as its `{attribute}` says")));
        }
        if T::SCHEMA.field(attribute).is_none() {
            item.remove(attribute);
        }
    }
    let item = serde_dynamo::Item::from(item);
    let attributes = serde_dynamo::AttributeValue::M(item.into());
    let deserializer = serde_dynamo::Deserializer::from_attribute_value(attributes);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        // The deserializer's message may quote a value, and a path below the attribute may be one: say no more than the attribute.
        let what = match error.path().iter().next() {
            Some(serde_path_to_error::Segment::Map { key }) => {
                format!("attribute `{key}` is not what the record expects")
            }
            _ => match missing::<T>(&error.inner().to_string()) {
                Some(attribute) => format!("attribute `{attribute}` is missing"),
                None => "the item is not such a record: an attribute is missing or superfluous".to_owned(),
            },
        };
        record_error::<T>(what)
    })
}

/// The declared attribute that serde's message says is missing. Only a name that the type declares is repeated.
fn missing<T: Record>(message: &str) -> Option<&str> {
    let name = message.strip_prefix("missing field `")?.split('`').next()?;
    T::SCHEMA.field(name).map(|_| name)
}

/// Whether an item has the type's own discriminator, if it has one.
pub(super) fn is_of<T: Record>(item: &Item) -> bool {
    let Some((attribute, own)) = T::SCHEMA.discriminator() else { return true };
    let Some(AttributeValue::S(value)) = item.get(attribute) else { return false };
    if matches!(T::SCHEMA.field(attribute), Some(RecordField::SortKey { .. })) {
        value.starts_with(own)
    } else {
        value == own
    }
}

/// The type's discriminator where it is not the sort key, which a key says already.
pub(super) fn own_attribute<T: Record>() -> Option<(&'static str, &'static str)> {
    T::SCHEMA.discriminator().filter(|(name, _)| !matches!(T::SCHEMA.field(name), Some(RecordField::SortKey { .. })))
}

pub(super) fn record_error<T>(what: String) -> Error {
    Error::Record { record: std::any::type_name::<T>(), what }
}
