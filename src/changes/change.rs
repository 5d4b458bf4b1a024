//! Changes whose images are opened.

use std::fmt;
use std::ops::Deref;

use tenantseal_core::tenant::TenantId;

use super::error::ChangeError;
use super::stored::ChangeKind;
use crate::error::Error;
use crate::item::Item;

/// A change of an item. Its images have their own outcomes.
pub struct Change {
    pub(super) tenant: TenantId,
    pub(super) kind: ChangeKind,
    pub(super) keys: Item,
    pub(super) new: Image,
    pub(super) old: Image,
    pub(super) expired: bool,
    pub(super) sequence_number: Option<String>,
}

/// An image of an item, before or after a change.
#[non_exhaustive]
pub enum Image {
    /// The record has none.
    Absent,
    /// It is the tenant's, and whatever the schema encrypts is authentic.
    Opened(Item),
    /// It does not open, and will not open later. [`Error::sealed_item`] has it as it is stored, for your dead letters.
    Refused(Error),
}

impl Image {
    /// The item, if there is one that opened.
    pub fn item(&self) -> Option<&Item> {
        match self {
            Self::Opened(item) => Some(item),
            Self::Absent | Self::Refused(_) => None,
        }
    }

    /// The item itself.
    pub fn into_item(self) -> Option<Item> {
        match self {
            Self::Opened(item) => Some(item),
            Self::Absent | Self::Refused(_) => None,
        }
    }

    /// Why it does not open.
    pub fn refusal(&self) -> Option<&Error> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Absent | Self::Opened(_) => None,
        }
    }
}

impl Change {
    /// The tenant whose item changed.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What happened.
    pub fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// The item's primary key. Nothing authenticates it where no image opened.
    pub fn keys(&self) -> &Item {
        &self.keys
    }

    /// The item after the change.
    pub fn new_image(&self) -> &Image {
        &self.new
    }

    /// The item before the change.
    pub fn old_image(&self) -> &Image {
        &self.old
    }

    /// The two images, the new one first.
    pub fn into_images(self) -> (Image, Image) {
        (self.new, self.old)
    }

    /// Whether DynamoDB deleted the item because its time to live was over. The stream says so, and nothing
    /// authenticates it.
    pub fn is_expired(&self) -> bool {
        self.expired
    }

    /// The record's place in its stream, if it says so.
    pub fn sequence_number(&self) -> Option<&str> {
        self.sequence_number.as_deref()
    }

    /// Whether only the sealing changed: both images open, and they are equal. A sweep does that. A consumer may skip
    /// such a change.
    pub fn is_sealing_only(&self) -> bool {
        match (&self.new, &self.old) {
            (Image::Opened(new), Image::Opened(old)) => self.kind == ChangeKind::Modify && new == old,
            _ => false,
        }
    }

    /// Whether an image does not open.
    pub fn is_refused(&self) -> bool {
        self.new.refusal().or(self.old.refusal()).is_some()
    }
}

/// The outcomes of a batch, in its order.
#[derive(Debug)]
pub struct Changes(pub(super) Vec<Result<Change, ChangeError>>);

impl Changes {
    /// The first change that may open later: whoever reads a stream in order repeats this one and all that follow.
    ///
    /// ```
    /// # fn example(changes: tenantseal::changes::Changes) {
    /// // Lambda's `ReportBatchItemFailures` wants this one.
    /// let from = changes.first_retryable().and_then(|error| error.sequence_number());
    /// # }
    /// ```
    pub fn first_retryable(&self) -> Option<&ChangeError> {
        self.0.iter().filter_map(|outcome| outcome.as_ref().err()).find(|error| error.is_retryable())
    }
}

impl Deref for Changes {
    type Target = [Result<Change, ChangeError>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Changes {
    type Item = Result<Change, ChangeError>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Change");
        shown.field("tenant", &self.tenant).field("kind", &self.kind);
        shown.field("new", &self.new).field("old", &self.old).finish_non_exhaustive()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Opened(_) => f.write_str("Opened(..)"),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}
