//! Encodes the identity of an item from its key attributes.

use super::Number;
use super::number::InvalidNumber;
use super::reader::put_lp;
use crate::crypto::Identity;
use crate::tenant::TenantId;

impl Identity {
    /// The identity of the item with these key attributes: the partition key, then the sort key if the table has one.
    pub fn new(
        tenant: &TenantId,
        table: &str,
        partition: (&str, PrimaryKeyPart<'_>),
        sort: Option<(&str, PrimaryKeyPart<'_>)>,
    ) -> Result<Self, InvalidPrimaryKey> {
        let mut bytes = Vec::with_capacity(96);
        put_lp(&mut bytes, tenant.as_str().as_bytes());
        put_lp(&mut bytes, table.as_bytes());
        bytes.push(if sort.is_some() { 2 } else { 1 });
        for (name, value) in std::iter::once(partition).chain(sort) {
            put_key(&mut bytes, name, value)?;
        }
        Ok(Self::from_encoded(bytes))
    }
}

/// The value of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrimaryKeyPart<'a> {
    /// A string; not empty.
    S(&'a str),
    /// A number, as DynamoDB writes it.
    N(&'a str),
    /// Binary; not empty.
    B(&'a [u8]),
}

impl<'a> From<&'a str> for PrimaryKeyPart<'a> {
    fn from(text: &'a str) -> Self {
        Self::S(text)
    }
}

impl<'a> From<&'a [u8]> for PrimaryKeyPart<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::B(bytes)
    }
}

/// `key(k) = lp(name) ‖ type (S 01, N 02, B 03) ‖ lp(value)`.
fn put_key(out: &mut Vec<u8>, name: &str, value: PrimaryKeyPart<'_>) -> Result<(), InvalidPrimaryKey> {
    put_lp(out, name.as_bytes());
    match value {
        PrimaryKeyPart::S("") | PrimaryKeyPart::B([]) => return Err(InvalidPrimaryKey::Empty),
        PrimaryKeyPart::S(text) => {
            out.push(0x01);
            put_lp(out, text.as_bytes());
        }
        PrimaryKeyPart::N(text) => {
            let mut number = Vec::with_capacity(24);
            Number::parse(text)?.encode(&mut number);
            out.push(0x02);
            put_lp(out, &number);
        }
        PrimaryKeyPart::B(bytes) => {
            out.push(0x03);
            put_lp(out, bytes);
        }
    }
    Ok(())
}

/// Why a value cannot be a key attribute in DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPrimaryKey {
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

    fn identity(sort: PrimaryKeyPart<'_>) -> Identity {
        Identity::new(&TenantId::parse("acme").unwrap(), "crm", ("pk", PrimaryKeyPart::S("acme")), Some(("sk", sort)))
            .unwrap()
    }

    #[test]
    fn numbers_are_identified_by_value() {
        assert_eq!(identity(PrimaryKeyPart::N("1")), identity(PrimaryKeyPart::N("1.0")));
        assert_ne!(identity(PrimaryKeyPart::N("1")), identity(PrimaryKeyPart::N("-1")));
    }

    #[test]
    fn a_type_is_part_of_the_identity() {
        assert_ne!(identity(PrimaryKeyPart::S("1")), identity(PrimaryKeyPart::B(b"1")));
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let expected =
            b"\0\0\0\x04acme\0\0\0\x03crm\x02\0\0\0\x02pk\x01\0\0\0\x04acme\0\0\0\x02sk\x02\0\0\0\x05\x02\0\x0215";
        assert_eq!(identity(PrimaryKeyPart::N("150.0")).as_bytes(), expected);
    }
}
