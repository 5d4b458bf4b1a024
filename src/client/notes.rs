//! Notes for the repository on one of its operations, beyond what the SDK's answer can say.
//!
//! A hook of the operation puts them into the config bag, where this client's hooks and connector find them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, SharedInterceptor};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use tenantseal_core::crypto::TAG_LEN;

use super::claiming::Claiming;
use crate::error::Error;
use crate::item::Item;

/// Notes on one operation, or on a write and the read that finds out what it did. Clones share the same notes.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    /// How the operation is asked to behave differently.
    asked: Asked,
    /// The claims of unique values that go with a transaction.
    claiming: Option<Claiming>,
    /// The number of attempts that were sent and not answered.
    unanswered: usize,
    /// The marks of what the write sealed.
    marks: Vec<Mark>,
    /// Whether the returned or stored item has one of these marks.
    own: bool,
    /// Whether an item was returned.
    came: bool,
    /// The items that a write returned, as they are stored.
    raw: Vec<Item>,
    /// The items that do not open, by their places in the answer. The answer has them empty.
    failed: Vec<(usize, Error)>,
}

/// How an operation is to be carried out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Asked {
    /// As usual.
    #[default]
    Nothing,
    /// An item that does not open is noted, and the others are returned.
    Each,
    /// The raw item is kept beside the opened one.
    Raw,
    /// The item read is compared with the marks, and returned to nobody.
    Compare,
}

/// Tells a sealed value from every other: the end of its ciphertext's tag. Each value is sealed under its own nonce.
pub(super) struct Mark {
    attribute: String,
    tag: [u8; TAG_LEN],
}

impl Mark {
    /// The mark of a newly sealed value of this attribute.
    pub(super) fn from_sealed(attribute: &str, sealed: &aws_sdk_dynamodb::types::AttributeValue) -> Option<Self> {
        let tag = *sealed.as_b().ok()?.as_ref().last_chunk()?;
        Some(Self { attribute: attribute.to_owned(), tag })
    }

    fn is_in(&self, item: &Item) -> bool {
        let stored = item.get(&self.attribute).and_then(|value| value.as_b().ok());
        stored.and_then(|stored| stored.as_ref().last_chunk()) == Some(&self.tag)
    }
}

impl Notes {
    /// For an answer whose items are returned one by one, whether or not they open.
    pub(crate) fn each() -> Self {
        Self::new(Asked::Each)
    }

    /// For a read that keeps the raw item.
    pub(crate) fn raw() -> Self {
        Self::new(Asked::Raw)
    }

    /// For a transaction that brings claims of unique values.
    pub(crate) fn with_claims(claiming: Claiming) -> Self {
        Self(Arc::new(Mutex::new(Noted { claiming: Some(claiming), ..Noted::default() })))
    }

    pub(super) fn claiming(&self) -> Option<Claiming> {
        self.lock().claiming.clone()
    }

    fn new(asked: Asked) -> Self {
        Self(Arc::new(Mutex::new(Noted { asked, ..Noted::default() })))
    }

    /// From now on, reads compare what is stored with what the write sealed.
    pub(crate) fn compare(&self) {
        self.lock().asked = Asked::Compare;
    }

    /// The hook that has one operation noted here.
    pub(crate) fn hook(&self) -> Builder {
        let mut config = Builder::new();
        config.push_interceptor(SharedInterceptor::permanent(Noting(self.clone())));
        config
    }

    /// Whether an attempt was sent and not answered, so that nobody knows what it did.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.lock().unanswered > 0
    }

    /// Whether the write sealed a value that can identify it.
    pub(crate) fn has_marks(&self) -> bool {
        !self.lock().marks.is_empty()
    }

    /// Whether the write itself sealed the returned or stored item.
    pub(crate) fn is_own(&self) -> bool {
        self.lock().own
    }

    /// Whether an earlier attempt, whose answer was lost, may have written the returned item.
    pub(crate) fn may_be_own(&self) -> bool {
        self.is_in_doubt() && (self.is_own() || !self.has_marks())
    }

    /// Whether an item was returned.
    pub(super) fn is_answered_with_an_item(&self) -> bool {
        self.lock().came
    }

    /// Takes the returned item, as it is stored.
    pub(crate) fn take_raw(&self) -> Option<Item> {
        self.lock().raw.pop()
    }

    /// Whether this is the returned item, as it is stored.
    pub(crate) fn is_raw(&self, item: &Item) -> bool {
        self.lock().raw.last() == Some(item)
    }

    /// Takes the items that do not open, by their places.
    pub(crate) fn take_failed(&self) -> Vec<(usize, Error)> {
        std::mem::take(&mut self.lock().failed)
    }

    pub(super) fn gives_each(&self) -> bool {
        self.lock().asked == Asked::Each
    }

    pub(super) fn compares(&self) -> bool {
        self.lock().asked == Asked::Compare
    }

    pub(super) fn keeps_raw(&self) -> bool {
        self.lock().asked == Asked::Raw
    }

    pub(super) fn record_sent(&self) {
        self.lock().unanswered += 1;
    }

    pub(super) fn record_answered(&self) {
        self.lock().unanswered -= 1;
    }

    pub(super) fn record_sealed(&self, marks: Vec<Mark>) {
        self.lock().marks = marks;
    }

    /// Compares an item, as it is stored, with the marks.
    pub(super) fn look_at(&self, item: &Item) {
        let mut noted = self.lock();
        noted.came = true;
        noted.own |= noted.marks.iter().any(|mark| mark.is_in(item));
    }

    pub(super) fn keep(&self, item: &Item) {
        self.lock().raw.push(item.clone());
    }

    pub(super) fn record_failed(&self, failed: Vec<(usize, Error)>) {
        self.lock().failed = failed;
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notes(..)")
    }
}

impl Storable for Notes {
    type Storer = StoreReplace<Self>;
}

/// The hook that leaves the notes where this client finds them.
#[derive(Debug)]
struct Noting(Notes);

impl Intercept for Noting {
    fn name(&self) -> &'static str {
        "tenantseal's notes"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(self.0.clone());
        Ok(())
    }
}
