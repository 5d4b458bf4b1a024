//! A change as it is stored: nothing of it is authenticated yet.

use std::fmt;

use super::error::RecordFault;
use crate::item::Item;

/// What happened to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was put where there was none; also an item of a full export, and a change of which an export has a new image
    /// alone.
    Insert,
    /// It was changed.
    Modify,
    /// It was deleted.
    Remove,
}

/// A change of an item, sealed as the table has it.
///
/// Whatever is wrong with a record is told when it is opened, in its place among the others.
#[derive(Clone)]
pub struct StoredChange {
    pub(super) record: Result<Record, RecordFault>,
    pub(super) sequence_number: Option<String>,
}

/// The parts of a record.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) kind: ChangeKind,
    /// Absent where the image alone has them.
    pub(super) keys: Option<Item>,
    pub(super) new: Option<Item>,
    pub(super) old: Option<Item>,
    pub(super) expired: bool,
}

impl StoredChange {
    /// A change of the item with these key attributes.
    ///
    /// ```
    /// # fn example(keys: tenantseal::Item, image: tenantseal::Item) {
    /// use tenantseal::changes::{ChangeKind, StoredChange};
    ///
    /// let change = StoredChange::new(ChangeKind::Insert, keys).with_new_image(image);
    /// # }
    /// ```
    pub fn new(kind: ChangeKind, keys: Item) -> Self {
        let record = Record { kind, keys: Some(keys), new: None, old: None, expired: false };
        Self { record: Ok(record), sequence_number: None }
    }

    /// The item after the change.
    #[must_use]
    pub fn with_new_image(mut self, image: Item) -> Self {
        self.record = self.record.map(|record| Record { new: Some(image), ..record });
        self
    }

    /// The item before the change.
    #[must_use]
    pub fn with_old_image(mut self, image: Item) -> Self {
        self.record = self.record.map(|record| Record { old: Some(image), ..record });
        self
    }

    /// That DynamoDB deleted the item because its time to live was over.
    #[must_use]
    pub fn with_expired(mut self, expired: bool) -> Self {
        self.record = self.record.map(|record| Record { expired, ..record });
        self
    }

    /// The record's place in its stream.
    #[must_use]
    pub fn with_sequence_number(mut self, number: impl Into<String>) -> Self {
        self.sequence_number = Some(number.into());
        self
    }

    /// The record's place in its stream, if it says so.
    pub fn sequence_number(&self) -> Option<&str> {
        self.sequence_number.as_deref()
    }

    /// One of these names, as streams write it.
    #[cfg(any(feature = "lambda", feature = "streams"))]
    pub(super) fn named(name: &str, keys: Item) -> Self {
        match ChangeKind::parse(name) {
            Some(kind) => Self::new(kind, keys),
            None => Self::faulty(RecordFault::EventName),
        }
    }

    pub(super) fn faulty(fault: RecordFault) -> Self {
        Self { record: Err(fault), sequence_number: None }
    }
}

impl ChangeKind {
    /// A name that streams write.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "INSERT" => Some(Self::Insert),
            "MODIFY" => Some(Self::Modify),
            "REMOVE" => Some(Self::Remove),
            _ => None,
        }
    }

    /// What it was, where only the images tell.
    pub(super) fn of_images(new: bool, old: bool) -> Self {
        match (new, old) {
            (true, true) => Self::Modify,
            (true, false) => Self::Insert,
            (false, _) => Self::Remove,
        }
    }
}

/// Whether DynamoDB itself deleted the item, as `userIdentity` says.
pub(super) fn is_expiry(kind: &str, principal: &str) -> bool {
    kind == "Service" && principal == "dynamodb.amazonaws.com"
}

impl fmt::Debug for StoredChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.record.as_ref().map(|record| record.kind);
        f.debug_struct("StoredChange").field("kind", &kind).finish_non_exhaustive()
    }
}
