//! What can go wrong between a caller and DynamoDB, and how to find it in the SDK's errors.

use std::error::Error as StdError;

use tenantseal_core::error::chain;
use tenantseal_core::keys::{KeyError, KeyServiceError, KeyTableError, OpeningKeyError};
use tenantseal_core::trail::SinkPanicked;

use crate::item::Item;

mod config;
mod piece;
mod refusal;
mod service;
mod tables;
mod unopened;
mod writes;

pub use crate::expression::ExpressionError;
pub use crate::item::{InvalidValue, OpenError, PrimaryKeyError, SealError};
pub use config::ConfigError;
pub use piece::Piece;
pub use refusal::Refusal;
pub use service::ServiceError;
pub use tables::{TableFault, TableFaultKind, TablesError};
pub use tenantseal_core::context::InvalidContext;
pub use tenantseal_core::crypto::{InvalidDataKeyId, WrongLength};
pub use tenantseal_core::envelope::OpenFault;
pub use tenantseal_core::format::{FormatError, InvalidKekId, InvalidKeyArn, InvalidNumber, InvalidPrimaryKey};
pub use tenantseal_core::tenant::{InvalidAliasTemplate, InvalidTenantId};
pub use unopened::{ItemRef, Unopened, UnopenedItem, Written};
pub(crate) use unopened::{Sealed, Standing};
pub use writes::{Cancelled, NotWritten, Reason};

/// Why an operation on a tenant's items failed, when it was not DynamoDB that refused it.
///
/// On the drop-in client it travels inside the SDK's own error; [`Error::find_in`] finds it there. No error contains item data.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request was refused; nothing was sent.
    #[error("refused before anything was sent: {0}")]
    Refused(Refusal),
    /// The item could not be sealed; nothing was sent.
    #[error("the item cannot be sealed: {0}")]
    Seal(SealError),
    /// What is stored does not open.
    #[error("the stored item does not open: {0}")]
    Open(OpenError),
    /// The tenant's data key could not be had.
    #[error(transparent)]
    KeyService(#[from] KeyServiceError),
    /// The key table failed.
    #[error(transparent)]
    KeyTable(#[from] KeyTableError),
    /// A part of the sealing client was replaced, so nothing goes out or comes back.
    #[error(
        "the sealing client's {0} was replaced: build the client with `Tenant::dynamodb` and leave that part alone"
    )]
    Replaced(Piece),
    /// A client's configuration was given to `Tenant::dynamodb_with` although it already seals.
    #[error("the client is bound twice: give `Tenant::dynamodb_with` the configuration of a plain client")]
    BoundTwice,
    /// The audit sink panicked, so nothing was sealed or opened.
    #[error("the audit sink panicked, so nothing was sealed or opened: a use of a data key must be told")]
    Audit,
    /// An index query did not test the tenant, whom the index has among its keys.
    #[error(
        "the index has `{attribute}` among its keys: test it in the key condition, for equality with a value of this client's tenant"
    )]
    TenantInIndex {
        /// The table's partition key.
        attribute: String,
    },
    /// A vector index cannot be searched for one tenant alone.
    #[error(
        "the vector index lacks `{attribute}` in its search schema, so all tenants' items would be searched: add it there as HASH or INLINE_FILTER"
    )]
    TenantNotInIndex {
        /// The table's partition key.
        attribute: String,
    },
    /// A record does not serialize to an item, or an item is not such a record.
    #[error("{record}: {what}")]
    Record {
        /// The record type.
        record: &'static str,
        /// What is wrong, without any value.
        what: String,
    },
    /// Items came back that do not open, or are not what was asked for: [`Error::cause`] says why, [`Error::items`] which. When they came
    /// back from a write, [`Error::written`] says whether it has happened, and [`Error::sealed_item`] has what it returned.
    #[error(transparent)]
    Unopened(Unopened),
    /// The answer to a write was lost on the way, and the one to its repetition does not say what the first one did.
    ///
    /// What a write of the repository would have given back is in [`Error::sealed_item`], as it was read before. What one of the drop-in
    /// client would have is nowhere: read, use, and then write on a condition, as [`Records::take`](crate::records::Records::take) shows it.
    #[error("an answer of DynamoDB was lost on the way, and what the first attempt brought back with it")]
    AnswerLost,
    /// The stored record has another version than the one that was expected: another writer was faster. Read it again.
    #[error(
        "{record}: the stored record has another version than this one was read with: read it again{}",
        if *may_be_own { " (an answer was lost on the way, so it may be this very write that was faster)" } else { "" }
    )]
    Conflict {
        /// The record type.
        record: &'static str,
        /// An answer to the same write was lost on the way, so it may be this write itself that was faster.
        may_be_own: bool,
    },
    /// A transaction did not happen.
    #[error("the transaction was cancelled: {0}")]
    Cancelled(Cancelled),
    /// DynamoDB has left requests of a batch unprocessed too often.
    #[error(
        "DynamoDB has left {count} requests of a batch unprocessed, each time: it is throttled{}",
        if *may_be_written { " (an answer was lost on the way, so some may be written: read before you repeat them)" } else { "" }
    )]
    Unprocessed {
        /// How many.
        count: usize,
        /// They are writes, and the answer to an earlier request for the same was lost on the way.
        may_be_written: bool,
    },
    /// Of many writes some failed.
    #[error("{0}")]
    NotWritten(NotWritten),
    /// DynamoDB, or the way to it, failed.
    #[error("DynamoDB: {0}")]
    DynamoDb(ServiceError),
}

impl Error {
    /// Finds this library's error in `error` or among its causes.
    ///
    /// ```
    /// # fn log(_: &str) {}
    /// # fn example(error: &aws_sdk_dynamodb::error::SdkError<aws_sdk_dynamodb::operation::put_item::PutItemError>) {
    /// if let Some(error) = tenantseal::Error::find_in(error) {
    ///     log(&format!("not sealed: {error}"));
    /// }
    /// # }
    /// ```
    pub fn find_in<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }

    /// Whether the same call may succeed later without anyone doing anything, as far as this library knows: the key service
    /// or the key table is throttled or unavailable, DynamoDB leaves requests of a batch unprocessed, or another transaction is at work
    /// on the items. What DynamoDB answered otherwise is the SDK's to judge, which has retried it already.
    ///
    /// Not so when a write has happened, or may have: repeated, it could count twice, or give back what it wrote itself. What came back
    /// with it may still open later: see [`sealed_item`](Self::sealed_item).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unopened(unopened) => unopened.written() == Written::No && unopened.is_passing(),
            Self::KeyService(error) => error.is_retryable(),
            Self::KeyTable(error) => error.is_retryable(),
            Self::Cancelled(cancelled) => cancelled.is_passing(),
            Self::NotWritten(writes) => writes.is_retryable(),
            Self::Unprocessed { may_be_written, .. } => !may_be_written,
            _ => false,
        }
    }

    /// Whether another writer was faster: the stored record has another version than the one that was expected. Read it again, and
    /// write again.
    ///
    /// Not so when a condition of the caller's was asked as well: DynamoDB does not say which of the two did not hold.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Conflict { .. } => true,
            Self::Cancelled(cancelled) => cancelled.is(&Reason::Conflict),
            Self::Unopened(unopened) => unopened.cause().is_conflict(),
            _ => false,
        }
    }

    /// Whether a condition of the request did not hold, or of an action of the transaction; also that of the expected version.
    pub fn is_condition_failed(&self) -> bool {
        use aws_sdk_dynamodb::Error::ConditionalCheckFailedException;
        match self {
            Self::DynamoDb(error) => matches!(error.as_sdk(), ConditionalCheckFailedException(_)),
            Self::Cancelled(cancelled) => cancelled.is(&Reason::ConditionFailed) || self.is_conflict(),
            Self::Unopened(unopened) => unopened.is_condition_failed() || unopened.cause().is_condition_failed(),
            _ => self.is_conflict(),
        }
    }

    /// Whether the tenant was revoked, in the words of [`KeyServiceError::is_revoked`]: its key is disabled, pending deletion or refused by
    /// whoever holds it, or an alias that did work is denied or gone.
    pub fn is_revoked(&self) -> bool {
        match self {
            Self::KeyService(error) => error.is_revoked(),
            Self::Unopened(unopened) => unopened.any(Self::is_revoked),
            _ => false,
        }
    }

    /// Whether stored bytes are not what was sealed there: altered, moved, replayed from another place, or not sealed at all.
    ///
    /// Not so for what looks like an operator's doing: an index that does not project the header, an alias that was re-pointed. Nor for
    /// what a newer release may have written: a version, form or type that is reserved for those ([`FormatError::UnknownVersion`] and so
    /// on). It cannot be told from the like by someone who writes the table, so it does not open, and its error says both.
    ///
    pub fn is_integrity(&self) -> bool {
        match self {
            Self::Open(error) => error.is_integrity(),
            Self::KeyTable(error) => error.is_integrity(),
            Self::Unopened(unopened) => unopened.any(Self::is_integrity),
            _ => false,
        }
    }

    /// Whether the request has changed what is stored, although it failed.
    ///
    /// After [`Written::Yes`] do not repeat it; after [`Written::Unknown`] read first. Of [`Error::NotWritten`] it speaks of the writes that
    /// failed; all others have happened.
    pub fn written(&self) -> Written {
        match self {
            Self::Unopened(unopened) => unopened.written(),
            Self::DynamoDb(error) => error.written(),
            Self::NotWritten(writes) => writes.written(),
            Self::AnswerLost
            | Self::Conflict { may_be_own: true, .. }
            | Self::Unprocessed { may_be_written: true, .. } => Written::Unknown,
            _ => Written::No,
        }
    }

    /// The items that could not be given, each with its own error.
    pub fn items(&self) -> &[UnopenedItem] {
        match self {
            Self::Unopened(unopened) => unopened.items(),
            _ => &[],
        }
    }

    /// The item that could not be given, by table and key; of several the first.
    pub fn item(&self) -> Option<&ItemRef> {
        self.items().first().map(UnopenedItem::item)
    }

    /// The item as it was stored, where this error may be the only place that has it: a write returned it, or the caller gave it.
    ///
    /// Nothing of it is authenticated, and what was stored in plaintext is in plaintext here. [`Tenant::open`](crate::Tenant::open) opens
    /// it as soon as that is possible:
    ///
    /// ```
    /// # async fn example(acme: tenantseal::Tenant, error: tenantseal::Error) -> Result<(), tenantseal::Error> {
    /// if let (Some(item), Some(sealed)) = (error.item(), error.sealed_item()) {
    ///     let opened = acme.open(item.table(), sealed.clone()).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn sealed_item(&self) -> Option<&Item> {
        self.items().first().and_then(UnopenedItem::sealed)
    }

    /// This error without the items that it names: what is wrong with the first of them.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Unopened(unopened) => unopened.cause().cause(),
            error => error,
        }
    }

    /// This error, of one item.
    pub(crate) fn at(self, item: ItemRef, sealed: Option<Item>, standing: Standing) -> Self {
        Self::Unopened(Unopened::one(UnopenedItem { item, sealed: sealed.map(Sealed), error: self }, standing))
    }
}

// Not `#[from]`, which would make them sources as well: their text is in this error's own.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<SinkPanicked> for Error {
    fn from(SinkPanicked: SinkPanicked) -> Self {
        Self::Audit
    }
}

impl From<OpeningKeyError> for Error {
    fn from(error: OpeningKeyError) -> Self {
        match error {
            OpeningKeyError::Open { attribute, fault } => Self::Open(OpenError::Attribute { attribute, fault }),
            OpeningKeyError::Service(error) => Self::KeyService(error),
            OpeningKeyError::Table(error) => Self::KeyTable(error),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Service(error) => Self::KeyService(error),
            KeyError::Table(error) => Self::KeyTable(error),
        }
    }
}
