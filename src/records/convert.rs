//! Records to items and back.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_dynamo::AttributeValue as Value;

use crate::error::{Error, Refusal};
use crate::item::Item;
use crate::schema::{Fault, FaultKind, Record, RecordField, Watch, read};

/// The item of a record, with its discriminator. What could not be read back is not stored.
pub(super) fn to_item<T: Record + Serialize>(record: &T) -> Result<Item, Error> {
    let watch = Watch::for_record::<T>();
    // The serializer's own message may quote a value.
    let value = record.serialize(watch.record()).map_err(|_| fault_error::<T>(watch.fault()))?;
    if let Some(what) = (T::FORMS.unreadable)(&value) {
        return Err(record_error::<T>(format!("it is not stored, as it could not be read back: {what}")));
    }
    let Value::M(attributes) = value else {
        return Err(record_error::<T>("it does not serialize to an item".to_owned()));
    };
    let mut item = Item::from(serde_dynamo::Item::from(attributes));
    if let Some((attribute, value)) = T::SCHEMA.discriminator()
        && T::SCHEMA.field(attribute).is_none()
    {
        item.entry(attribute.to_owned()).or_insert_with(|| AttributeValue::S(value.to_owned()));
    }
    check_own::<T>(&item)?;
    Ok(item)
}

/// Refuses an item that would be stored as one of another type.
pub(super) fn check_own<T: Record>(item: &Item) -> Result<(), Error> {
    match T::SCHEMA.discriminator() {
        Some((attribute, _)) if !is_record::<T>(item) => {
            Err(record_error::<T>(format!("its discriminator `{attribute}` is not the type's own")))
        }
        _ => Ok(()),
    }
}

/// Refuses a stored item that is of another type.
pub(super) fn check_stored<T: Record>(item: &Item) -> Result<(), Error> {
    match T::SCHEMA.discriminator() {
        Some((attribute, _)) if !is_record::<T>(item) => {
            Err(record_error::<T>(format!("the item is of another record type, as its `{attribute}` says")))
        }
        _ => Ok(()),
    }
}

/// The record that an opened item is.
pub(super) fn from_item<T: Record + DeserializeOwned>(mut item: Item) -> Result<T, Error> {
    check_stored::<T>(&item)?;
    if let Some((attribute, _)) = T::SCHEMA.discriminator().filter(|(name, _)| T::SCHEMA.field(name).is_none()) {
        item.remove(attribute);
    }
    let item = serde_dynamo::Item::from(item).into();
    // Whoever put again what was read would delete what is there.
    if let Some(what) = T::FORMS.read_as_none(&item) {
        return Err(record_error::<T>(what));
    }
    read(Value::M(item)).map_err(record_error::<T>)
}

/// Whether an item has the type's own discriminator, if it has one.
pub(super) fn is_record<T: Record>(item: &Item) -> bool {
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

/// Why a record, or a value for it, does not serialize.
pub(super) fn fault_error<T>(fault: Fault) -> Error {
    let record = std::any::type_name::<T>();
    let Fault { attribute, ty, kind } = fault;
    match (attribute, kind) {
        (Some(attribute), FaultKind::Marked(marked)) => Refusal::Unheeded { record, attribute, marked }.into(),
        (Some(attribute), kind) if !ty.is_empty() => {
            Error::Record { record, what: format!("attribute `{attribute}`, a `{ty}`: {kind}") }
        }
        (Some(attribute), kind) => Error::Record { record, what: format!("attribute `{attribute}`: {kind}") },
        (None, _) => Error::Record { record, what: "it does not serialize to an item".to_owned() },
    }
}

pub(super) fn record_error<T>(what: String) -> Error {
    Error::Record { record: std::any::type_name::<T>(), what }
}
