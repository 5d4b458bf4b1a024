//! Binaries that a Kinesis stream has written in Base64 twice.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tenantseal_core::format::HEADER;

use super::stored::Record;
use crate::item::Item;
use crate::schema::TableSchema;

/// The beginnings of Base64 of everything that this library stores as a binary: bytes below `0x30`.
const BEGINNINGS: [u8; 3] = *b"AEI";

/// Decodes all binaries of the record once more, if what is sealed of it says that they are in Base64.
///
/// It is all of a record or nothing, and what is sealed is still authenticated: nobody gains by it.
pub(super) fn undo(schema: &TableSchema, record: &mut Record) {
    let parts = [&record.new, &record.old];
    let attributes = parts.into_iter().flatten().flatten();
    let sealed = attributes.filter_map(|(name, value)| {
        (name == HEADER || schema.may_encrypt(name)).then_some(value.as_b().ok()?.as_ref())
    });
    let mut told = false;
    for bytes in sealed {
        match bytes.first() {
            Some(first) if BEGINNINGS.contains(first) => told = true,
            _ => return,
        }
    }
    if !told {
        return;
    }
    let once = |part: &Option<Item>| part.as_ref().map(item).map_or(Some(None), |part| part.map(Some));
    if let (Some(keys), Some(new), Some(old)) = (once(&record.keys), once(&record.new), once(&record.old)) {
        (record.keys, record.new, record.old) = (keys, new, old);
    }
}

/// `None` when a binary is not in Base64.
fn item(item: &Item) -> Option<Item> {
    item.iter().map(|(name, attribute)| Some((name.clone(), value(attribute)?))).collect()
}

fn value(attribute: &AttributeValue) -> Option<AttributeValue> {
    let decoded = |bytes: &Blob| STANDARD.decode(bytes).ok().map(Blob::new);
    Some(match attribute {
        AttributeValue::B(bytes) => AttributeValue::B(decoded(bytes)?),
        AttributeValue::Bs(set) => AttributeValue::Bs(set.iter().map(decoded).collect::<Option<_>>()?),
        AttributeValue::L(list) => AttributeValue::L(list.iter().map(value).collect::<Option<_>>()?),
        AttributeValue::M(map) => AttributeValue::M(item(map)?),
        other => other.clone(),
    })
}
