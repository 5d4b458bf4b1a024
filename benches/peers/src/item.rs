//! The three items on which both libraries are measured.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

/// An item as the SDK knows it.
pub type Item = HashMap<String, AttributeValue>;

/// The partition key's name; its value is the tenant.
pub const PARTITION_KEY: &str = "tenant_id";
/// The sort key's name.
pub const SORT_KEY: &str = "id";
/// The one tenant of all measurements.
pub const TENANT: &str = "acme";

/// How many attributes an item has beside its two keys, how many of them are encrypted, and how long each value is in
/// bytes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub title: &'static str,
    plain: usize,
    encrypted: usize,
    length: usize,
    binary: bool,
}

/// (a), (b) and (c).
pub const SHAPES: [Shape; 3] = [
    Shape { name: "a", title: "300 B, 3 of 5 encrypted", plain: 0, encrypted: 3, length: 70, binary: false },
    Shape { name: "b", title: "4 KB, 10 of 20 encrypted", plain: 8, encrypted: 10, length: 215, binary: false },
    Shape { name: "c", title: "100 KB binary", plain: 0, encrypted: 1, length: 100_000, binary: true },
];

impl Shape {
    /// The item in plaintext.
    pub fn item(self, id: usize) -> Item {
        let value = || match self.binary {
            true => AttributeValue::B(Blob::new(vec![7; self.length])),
            false => AttributeValue::S("x".repeat(self.length)),
        };
        let keys = [(PARTITION_KEY, TENANT.to_owned()), (SORT_KEY, format!("{id:04}"))];
        let keys = keys.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        keys.into_iter().chain(self.plain().chain(self.encrypted()).map(|name| (name, value()))).collect()
    }

    /// The names of the plain attributes, without the keys.
    pub fn plain(self) -> impl Iterator<Item = String> {
        (0..self.plain).map(|at| format!("plain{at}"))
    }

    /// The names of the encrypted attributes.
    pub fn encrypted(self) -> impl Iterator<Item = String> {
        (0..self.encrypted).map(|at| format!("secret{at}"))
    }

    /// The bytes of one value.
    pub fn length(self) -> usize {
        self.length
    }
}

/// The size of an item as DynamoDB counts it: names and values in bytes. The items here have nothing but strings and
/// binaries.
pub fn stored_size(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        other => unreachable!("neither library stores {other:?} for these items"),
    };
    item.iter().map(|(name, found)| name.len() + value(found)).sum()
}
