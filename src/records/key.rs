//! A record's primary key without the tenant's part.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::tenant::TenantId;

use crate::error::Refusal;
use crate::item::{Item, PrimaryKeyError};
use crate::schema::TableSchema;

/// The value of a key attribute: a string, a number or binary.
#[derive(Debug, Clone, PartialEq)]
pub struct PrimaryKeyValue(pub(super) AttributeValue);

macro_rules! key_value {
    ($($from:ty => |$value:ident| $to:expr;)*) => {
        $(impl From<$from> for PrimaryKeyValue {
            fn from($value: $from) -> Self {
                Self($to)
            }
        })*
    };
}

key_value! {
    &str => |value| AttributeValue::S(value.to_owned());
    String => |value| AttributeValue::S(value);
    &String => |value| AttributeValue::S(value.clone());
    Vec<u8> => |value| AttributeValue::B(Blob::new(value));
    &[u8] => |value| AttributeValue::B(Blob::new(value));
    u8 => |value| AttributeValue::N(value.to_string());
    u16 => |value| AttributeValue::N(value.to_string());
    usize => |value| AttributeValue::N(value.to_string());
    i32 => |value| AttributeValue::N(value.to_string());
    i64 => |value| AttributeValue::N(value.to_string());
    u32 => |value| AttributeValue::N(value.to_string());
    u64 => |value| AttributeValue::N(value.to_string());
}

/// The primary key of one record, without the tenant's part, which the handle adds.
///
/// | the table's partition key | sort key | the primary key is |
/// |---|---|---|
/// | `{tenant}` | yes | the sort key: `"c-17"` |
/// | `{tenant}` | no | nothing: `()` |
/// | `TENANT#{tenant}#…` | yes | the text after the prefix, and the sort key: `("ORDER#9", "LINE#1")` |
/// | `TENANT#{tenant}#…` | no | the text after the prefix: `"ORDER#9"` |
#[derive(Debug, Clone, PartialEq)]
pub struct PrimaryKey(Vec<PrimaryKeyValue>);

impl From<()> for PrimaryKey {
    fn from((): ()) -> Self {
        Self(Vec::new())
    }
}

impl<V: Into<PrimaryKeyValue>> From<V> for PrimaryKey {
    fn from(value: V) -> Self {
        Self(vec![value.into()])
    }
}

impl<S: Into<PrimaryKeyValue>> From<(&str, S)> for PrimaryKey {
    fn from((partition, sort): (&str, S)) -> Self {
        Self(vec![partition.into(), sort.into()])
    }
}

impl<S: Into<PrimaryKeyValue>> From<(String, S)> for PrimaryKey {
    fn from((partition, sort): (String, S)) -> Self {
        Self(vec![partition.into(), sort.into()])
    }
}

/// A key attribute's value as DynamoDB has it.
impl From<PrimaryKeyValue> for AttributeValue {
    fn from(value: PrimaryKeyValue) -> Self {
        value.0
    }
}

impl PrimaryKey {
    /// The key attributes of the tenant's item.
    pub(super) fn attributes(self, schema: &TableSchema, tenant: &TenantId) -> Result<Item, Refusal> {
        let mut parts = self.0.into_iter().peekable();
        let rest = match parts.next_if(|_| schema.tenant().is_prefix()) {
            Some(PrimaryKeyValue(AttributeValue::S(rest))) => Some(rest),
            _ => None,
        };
        let partition = partition(schema, tenant, rest)?;
        let mut attributes = Item::from([(schema.partition_key().to_owned(), AttributeValue::S(partition))]);
        if let Some(sort_key) = schema.sort_key() {
            let PrimaryKeyValue(value) =
                parts.next().ok_or_else(|| PrimaryKeyError::Missing { attribute: sort_key.to_owned() })?;
            attributes.insert(sort_key.to_owned(), value);
        }
        match parts.next() {
            None => Ok(attributes),
            Some(_) => Err(Refusal::PrimaryKeyParts),
        }
    }
}

/// The tenant's value of the partition key, with the text after the tenant's part where the table has such a text.
pub(super) fn partition(schema: &TableSchema, tenant: &TenantId, rest: Option<String>) -> Result<String, Refusal> {
    let attribute = || schema.partition_key().to_owned();
    let mut value = schema.tenant().render(tenant);
    match (schema.tenant().is_prefix(), rest) {
        // Nothing is stored under a key with the prefix twice, so nothing would be found.
        (true, Some(rest)) if rest.starts_with(&value) => Err(Refusal::TenantTwice { attribute: attribute() }),
        (true, Some(rest)) => {
            value.push_str(&rest);
            Ok(value)
        }
        (true, None) => Err(PrimaryKeyError::Missing { attribute: attribute() }.into()),
        (false, Some(_)) => Err(Refusal::PrimaryKeyParts),
        (false, None) => Ok(value),
    }
}
