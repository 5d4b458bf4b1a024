//! Items of an answer that could not be returned to the caller, and what became of the write that returned them.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Error, Written};
use crate::item::Item;
use crate::schema::TableSchema;

/// Where an item lies: its table and its primary key.
///
/// An [`Error`] does not print it, because primary keys are data. Print it where your logs may hold them; it escapes control characters.
#[derive(Clone, PartialEq)]
pub struct ItemRef {
    table: String,
    key: Item,
}

impl ItemRef {
    /// Takes the table's logical name, and the key attributes of an item, sealed or opened.
    pub(crate) fn new(schema: &TableSchema, item: &Item) -> Self {
        let attribute = |name: &str| item.get(name).map(|value| (name.to_owned(), value.clone()));
        Self { table: schema.name().to_owned(), key: schema.key_names().filter_map(attribute).collect() }
    }

    /// The table's logical name, by which [`Tenant::open`](crate::Tenant::open) takes it.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The key attributes, as they are stored. If the answer did not match the table, those that were there.
    pub fn key(&self) -> &Item {
        &self.key
    }
}

impl fmt::Display for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)?;
        let mut key: Vec<_> = self.key.iter().collect();
        key.sort_unstable_by_key(|(name, _)| name.as_str());
        for (name, value) in key {
            match value {
                AttributeValue::S(text) | AttributeValue::N(text) => write!(f, " {name}={text:?}")?,
                AttributeValue::B(bytes) => {
                    write!(f, " {name}=0x")?;
                    bytes.as_ref().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                }
                _ => write!(f, " {name}=?")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemRef({}, ..)", self.table)
    }
}

/// One item that could not be returned to the caller, and why.
#[derive(Debug, Clone)]
pub struct UnopenedItem {
    pub(crate) item: ItemRef,
    pub(crate) sealed: Option<Sealed>,
    pub(crate) error: Error,
}

/// An item as DynamoDB stored it. Its `Debug` shows nothing, because it may hold plaintext attributes.
#[derive(Clone)]
pub(crate) struct Sealed(pub(crate) Item);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl UnopenedItem {
    /// One that may have gone with a lost answer.
    pub(crate) fn lost(item: ItemRef, sealed: Item) -> Self {
        Self { item, sealed: Some(Sealed(sealed)), error: Error::AnswerLost }
    }

    /// Which item.
    pub fn item(&self) -> &ItemRef {
        &self.item
    }

    /// Why it could not be returned.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The item as it was stored, where this error may be the only place that has it: a write returned it, or the caller passed it in.
    /// Nothing of it is authenticated. [`Tenant::open`](crate::Tenant::open) opens it as soon as that is possible.
    pub fn sealed(&self) -> Option<&Item> {
        self.sealed.as_ref().map(|Sealed(item)| item)
    }
}

/// Items that do not open, or that the request did not ask for. See [`Error::Unopened`].
#[derive(Debug, Clone)]
pub struct Unopened(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    cause: Error,
    items: Vec<UnopenedItem>,
    standing: Standing,
}

/// What the answer says of the request itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) written: Written,
    /// The items came in an error: a condition did not hold.
    pub(crate) condition_failed: bool,
}

impl Standing {
    /// Of a read, or of what was not sent.
    pub(crate) const READ: Self = Self { written: Written::No, condition_failed: false };

    /// Of a request that may have changed something.
    pub(crate) fn written(written: Written) -> Self {
        Self { written, condition_failed: false }
    }
}

impl Unopened {
    /// One item.
    pub(crate) fn one(item: UnopenedItem, standing: Standing) -> Self {
        Self(Arc::new(Parts { cause: item.error.clone(), items: vec![item], standing }))
    }

    /// The items, the first of which is the cause; none when there is no item.
    pub(crate) fn from_items(items: Vec<UnopenedItem>, standing: Standing) -> Option<Self> {
        let cause = items.first()?.error.clone();
        Some(Self(Arc::new(Parts { cause, items, standing })))
    }

    /// An answer that could not be returned as a whole.
    pub(crate) fn whole(cause: Error, standing: Standing) -> Self {
        Self(Arc::new(Parts { cause, items: Vec::new(), standing }))
    }

    /// Why the first of them, or the answer as a whole, could not be returned.
    pub fn cause(&self) -> &Error {
        &self.0.cause
    }

    /// The items that could not be returned. The answer's other items are not here, although nothing is wrong with them.
    pub fn items(&self) -> &[UnopenedItem] {
        &self.0.items
    }

    /// Whether the request has changed what is stored.
    pub fn written(&self) -> Written {
        self.0.standing.written
    }

    pub(super) fn is_condition_failed(&self) -> bool {
        self.0.standing.condition_failed
    }

    /// Whether each of them may open later.
    pub(super) fn is_passing(&self) -> bool {
        match self.items() {
            [] => self.cause().is_retryable(),
            items => items.iter().all(|item| item.error.is_retryable()),
        }
    }

    pub(super) fn any(&self, is: impl Fn(&Error) -> bool) -> bool {
        is(self.cause()) || self.items().iter().any(|item| is(&item.error))
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause().fmt(f)?;
        match self.items() {
            [] | [_] => {}
            [_, _] => f.write_str(" (and one more item of the answer)")?,
            [_, others @ ..] => write!(f, " (and {} more items of the answer)", others.len())?,
        }
        let kept = self.items().iter().any(|item| item.sealed.is_some());
        match (self.written(), kept) {
            (Written::Yes, true) => f.write_str("; the write has happened, and `sealed_item` has what it returned"),
            (Written::Yes, false) => f.write_str("; the write has happened"),
            (Written::Unknown, true) => {
                f.write_str("; the write may have happened, and `sealed_item` has what was stored before")
            }
            (Written::Unknown, false) => f.write_str("; the write may have happened: read before you repeat it"),
            _ => Ok(()),
        }
    }
}

impl StdError for Unopened {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause().source()
    }
}
