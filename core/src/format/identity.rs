//! The identity of an item: what its key is derived from, so that no ciphertext opens in another place.

use aws_sdk_dynamodb::types::AttributeValue;

use super::Number;
use super::number::InvalidNumber;
use super::reader::put_lp;
use crate::tenant::TenantId;

/// `lp(tenant) ‖ lp(logical table) ‖ u8(number of keys) ‖ key(partition) [‖ key(sort)]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity(Vec<u8>);

impl Identity {
    /// The identity of the item with these key attributes: the partition key, then the sort key if the table has one.
    pub(crate) fn new(
        tenant: &TenantId,
        table: &str,
        partition: (&str, &AttributeValue),
        sort: Option<(&str, &AttributeValue)>,
    ) -> Result<Self, InvalidKey> {
        let mut bytes = Vec::with_capacity(96);
        put_lp(&mut bytes, tenant.as_str().as_bytes());
        put_lp(&mut bytes, table.as_bytes());
        bytes.push(if sort.is_some() { 2 } else { 1 });
        for (name, value) in std::iter::once(partition).chain(sort) {
            put_key(&mut bytes, name, value)?;
        }
        Ok(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// `key(k) = lp(name) ‖ type (S 01, N 02, B 03) ‖ lp(value)`.
fn put_key(out: &mut Vec<u8>, name: &str, value: &AttributeValue) -> Result<(), InvalidKey> {
    put_lp(out, name.as_bytes());
    match value {
        AttributeValue::S(text) if !text.is_empty() => {
            out.push(0x01);
            put_lp(out, text.as_bytes());
        }
        AttributeValue::N(text) => {
            let mut number = Vec::with_capacity(24);
            Number::parse(text)?.encode(&mut number);
            out.push(0x02);
            put_lp(out, &number);
        }
        AttributeValue::B(bytes) if !bytes.as_ref().is_empty() => {
            out.push(0x03);
            put_lp(out, bytes.as_ref());
        }
        AttributeValue::S(_) | AttributeValue::B(_) => return Err(InvalidKey::Empty),
        _ => return Err(InvalidKey::Type),
    }
    Ok(())
}

/// Why a value cannot be a key attribute in DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// It is an empty string or binary.
    #[error("a key attribute must not be empty")]
    Empty,
    /// It is neither a string, a number nor binary.
    #[error("a key attribute is a string, a number or binary")]
    Type,
    /// It is a number that DynamoDB does not store.
    #[error("not a number that DynamoDB stores: {0}")]
    Number(#[from] InvalidNumber),
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::primitives::Blob;

    fn identity(sort: AttributeValue) -> Identity {
        let partition = AttributeValue::S("acme".into());
        Identity::new(&TenantId::parse("acme").unwrap(), "crm", ("pk", &partition), Some(("sk", &sort))).unwrap()
    }

    #[test]
    fn numbers_are_identified_by_value() {
        assert_eq!(identity(AttributeValue::N("1".into())), identity(AttributeValue::N("1.0".into())));
        assert_ne!(identity(AttributeValue::N("1".into())), identity(AttributeValue::N("-1".into())));
    }

    #[test]
    fn a_type_is_part_of_the_identity() {
        assert_ne!(identity(AttributeValue::S("1".into())), identity(AttributeValue::B(Blob::new("1"))));
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let expected =
            b"\0\0\0\x04acme\0\0\0\x03crm\x02\0\0\0\x02pk\x01\0\0\0\x04acme\0\0\0\x02sk\x02\0\0\0\x05\x02\0\x0215";
        assert_eq!(identity(AttributeValue::N("150.0".into())).as_bytes(), expected);
    }
}
