//! What can go wrong between a caller and DynamoDB, and how to find it in the SDK's errors.

use std::error::Error as StdError;

use tenantseal_core::error::chain;
use tenantseal_core::keys::{KeyServiceError, KeyTableError};

use crate::item::Item;
use crate::schema::Lookup;

mod config;
mod from;
mod http;
mod leave;
mod piece;
mod refusal;
mod service;
mod tables;
mod unopened;
mod writes;

pub use crate::expression::ExpressionError;
pub use crate::item::{InvalidValue, OpenError, PrimaryKeyError, SealError};
pub use config::{AdoptFault, ConfigError};
pub use leave::{LeaveError, LeaveErrorKind};
pub use piece::Piece;
pub use refusal::Refusal;
pub use service::ServiceError;
pub use tables::{TableFault, TableFaultKind, TablesError};
pub use tenantseal_core::context::InvalidContext;
pub use tenantseal_core::crypto::{InvalidDataKeyId, WrongLength};
pub use tenantseal_core::envelope::OpenFault;
pub use tenantseal_core::error::Written;
pub use tenantseal_core::format::{FormatError, InvalidKekId, InvalidKeyArn, InvalidNumber, InvalidPrimaryKey};
pub use tenantseal_core::tenant::{InvalidAliasTemplate, InvalidTenantId};
pub use unopened::{ItemRef, Unopened, UnopenedItem};
pub(crate) use unopened::{Sealed, Standing};
pub use writes::{Cancelled, NotWritten, Reason};

/// Why an operation on a tenant's items failed.
///
/// The drop-in client returns it inside the SDK's own error, where [`Error::find_in`] finds it. No error contains item data.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library refused the request. Nothing was sent.
    #[error("refused before anything was sent: {0}")]
    Refused(Refusal),
    /// The item could not be sealed. Nothing was sent.
    #[error("the item cannot be sealed: {0}")]
    Seal(SealError),
    /// The stored item does not open.
    #[error("the stored item does not open: {0}")]
    Open(OpenError),
    /// The tenant's data key is not available.
    #[error(transparent)]
    KeyService(#[from] KeyServiceError),
    /// The key table failed.
    #[error(transparent)]
    KeyTable(#[from] KeyTableError),
    /// The tenant's leave, which lets an adopted table have plaintext, does not count.
    #[error(transparent)]
    Leave(#[from] LeaveError),
    /// A part of the sealing client was replaced, so it neither sends nor returns anything.
    #[error(
        "the sealing client's {0} was replaced: build the client with `Tenant::dynamodb` and leave that part alone"
    )]
    Replaced(Piece),
    /// `Tenant::dynamodb_with` got the configuration of a client that already seals.
    #[error("the client is bound twice: give `Tenant::dynamodb_with` the configuration of a plain client")]
    BoundTwice,
    /// The audit sink panicked, so nothing was sealed or opened.
    #[error("the audit sink panicked, so nothing was sealed or opened: each use of a data key must be recorded")]
    Audit,
    /// A query of an index with the tenant among its keys did not test the tenant.
    #[error(
        "`{attribute}` is a key of the index: test it in the key condition, for equality with a value of this \
         client's tenant"
    )]
    TenantInIndex {
        /// The table's partition key.
        attribute: String,
    },
    /// A filter by a lookup whose token is a key of the index that is read.
    #[error(
        "the token of lookup `{lookup}` is a key of the index, which no filter may test: test the attribute in the \
         key condition"
    )]
    LookupInIndex {
        /// The lookup.
        lookup: String,
    },
    /// Several records have the value, and one was asked for.
    #[error("{record}: several records have the value that lookup `{lookup}` was asked for: read all of them")]
    Several {
        /// The record type.
        record: &'static str,
        /// The lookup, as it was asked for.
        lookup: String,
    },
    /// A vector index cannot be searched for one tenant alone.
    #[error(
        "the vector index lacks `{attribute}` in its search schema, so the search would cover all tenants' items: add \
         it there as HASH or INLINE_FILTER"
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
    /// Items came back that do not open, or that the request did not ask for. [`Error::cause`] says why, and [`Error::items`] which. If a
    /// write returned them, [`Error::written`] says whether it happened, and [`Error::sealed_item`] has what it returned.
    #[error(transparent)]
    Unopened(Unopened),
    /// The answer to a write was lost, and the answer to its retry does not say what the first attempt did.
    ///
    /// For a write of the repository, [`Error::sealed_item`] has what it would have returned, as read before. For a write of the drop-in
    /// client nothing has it: read, use, then write on a condition, as [`Records::take`](crate::records::Records::take) shows.
    #[error("an answer of DynamoDB was lost, and with it what the first attempt returned: read before you write again")]
    AnswerLost,
    /// The stored record has another version than expected: another writer was faster. Read it again.
    #[error(
        "{record}: the stored version differs from the one that was read: read the record again{}",
        if *may_be_own { " (an answer was lost, so this very write may have stored the new version)" } else { "" }
    )]
    Conflict {
        /// The record type.
        record: &'static str,
        /// An answer to the same write was lost, so the faster write may be this one.
        may_be_own: bool,
    },
    /// Another item of the tenant has the value of a unique lookup. Nothing was written.
    #[error(
        "lookup `{lookup}` of table `{}` is unique, and another item has the value: give another value, or change that \
         item first (`Error::NotUnique` has its primary key)", item.table()
    )]
    NotUnique {
        /// The lookup.
        lookup: String,
        /// The item that has the value.
        item: ItemRef,
    },
    /// A claim of a unique value has another shape, or names another tenant's item. Nothing was written.
    #[error(
        "claims table `{table}`: the claim `{entry}` names no item of this tenant: find out who writes to this table, \
         then delete the claim"
    )]
    ForgedClaim {
        /// The claims table.
        table: String,
        /// The claim's sort key.
        entry: String,
    },
    /// DynamoDB canceled the transaction.
    #[error("the transaction was cancelled: {0}")]
    Cancelled(Cancelled),
    /// DynamoDB left requests of a batch unprocessed too often.
    #[error(
        "DynamoDB is throttling: after all retries {count} requests of the batch are unprocessed{}",
        if *may_be_written { " (an answer was lost, so some may be written: read before you repeat them)" } else { "" }
    )]
    Unprocessed {
        /// How many.
        count: usize,
        /// They are writes, and the answer to an earlier attempt was lost.
        may_be_written: bool,
    },
    /// Some of many writes failed.
    #[error("{0}")]
    NotWritten(NotWritten),
    /// DynamoDB, or the connection to it, failed.
    #[error("DynamoDB: {0}")]
    DynamoDb(ServiceError),
    /// A stored object does not open.
    #[cfg(feature = "s3")]
    #[error("bucket `{bucket}`: the object does not open: {fault}")]
    Blob {
        /// The logical bucket.
        bucket: String,
        /// What is wrong with the object.
        fault: tenantseal_blobs::BlobFault,
    },
    /// Another operation on objects failed.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    S3(tenantseal_blobs::Error),
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

    /// Whether the same call may succeed later without intervention, as far as this library knows.
    ///
    /// This holds when the key service or the key table throttles or is unavailable, when DynamoDB leaves requests of a batch
    /// unprocessed, and when another transaction works on the items. Other errors of DynamoDB are for the SDK to judge, which has
    /// already retried them.
    ///
    /// It never holds when a write has happened, or may have: repeated, it could count twice, or return what it wrote itself. What the
    /// write returned may still open later: see [`sealed_item`](Self::sealed_item).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unopened(unopened) => unopened.written() == Written::No && unopened.is_passing(),
            Self::KeyService(error) => error.is_retryable(),
            Self::KeyTable(error) => error.is_retryable(),
            Self::Leave(error) => error.is_retryable(),
            Self::Cancelled(cancelled) => cancelled.is_passing(),
            Self::NotWritten(writes) => writes.is_retryable(),
            Self::Unprocessed { may_be_written, .. } => !may_be_written,
            #[cfg(feature = "s3")]
            Self::S3(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether another writer was faster: the stored record has another version than expected. Read it again, and write again.
    ///
    /// It is false when the request also had a condition of the caller's: DynamoDB does not say which of the two failed.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Conflict { .. } => true,
            Self::Cancelled(cancelled) => cancelled.is(&Reason::Conflict),
            Self::Unopened(unopened) => unopened.cause().is_conflict(),
            _ => false,
        }
    }

    /// Whether a condition of the request, or of an action of the transaction, failed. The expected version is such a condition.
    pub fn is_condition_failed(&self) -> bool {
        use aws_sdk_dynamodb::Error::ConditionalCheckFailedException;
        match self {
            Self::DynamoDb(error) => matches!(error.as_sdk(), ConditionalCheckFailedException(_)),
            Self::Cancelled(cancelled) => cancelled.is(&Reason::ConditionFailed) || self.is_conflict(),
            Self::Unopened(unopened) => unopened.is_condition_failed() || unopened.cause().is_condition_failed(),
            #[cfg(feature = "s3")]
            Self::S3(error) => error.is_condition_failed(),
            _ => self.is_conflict(),
        }
    }

    /// Whether another item of the tenant has the value of a unique lookup. Nothing was written.
    pub fn is_not_unique(&self) -> bool {
        matches!(self.cause(), Self::NotUnique { .. })
    }

    /// Whether the tenant was revoked, as [`KeyServiceError::is_revoked`] defines it: its KEK is disabled, pending deletion or refused by
    /// its owner, or an alias that did work is denied or gone.
    pub fn is_revoked(&self) -> bool {
        match self {
            Self::KeyService(error) => error.is_revoked(),
            Self::Unopened(unopened) => unopened.any(Self::is_revoked),
            #[cfg(feature = "s3")]
            Self::S3(error) => error.is_revoked(),
            _ => false,
        }
    }

    /// Whether stored bytes are not what was sealed there: altered, moved, replayed from another place, or not sealed at all.
    ///
    /// It is false for what an operator probably did: an index that does not project the header, an alias that was re-pointed. It is
    /// false as well for what a newer release may have written: a version, form or type reserved for those
    /// ([`FormatError::UnknownVersion`] and so on). An attacker with write access could store the same, so the item does not open,
    /// and its error says both.
    pub fn is_integrity(&self) -> bool {
        match self {
            Self::Open(error) => error.is_integrity(),
            Self::KeyTable(error) => error.is_integrity(),
            Self::Leave(error) => error.is_integrity(),
            Self::ForgedClaim { .. } => true,
            Self::Unopened(unopened) => unopened.any(Self::is_integrity),
            #[cfg(feature = "s3")]
            Self::Blob { fault, .. } => fault.is_integrity(),
            #[cfg(feature = "s3")]
            Self::S3(error) => error.is_integrity(),
            _ => false,
        }
    }

    /// Whether the request has changed what is stored, although it failed.
    ///
    /// After [`Written::Yes`] do not repeat the request; after [`Written::Unknown`] read first. For [`Error::NotWritten`] the answer covers
    /// the writes that failed; all others have happened.
    pub fn written(&self) -> Written {
        match self {
            Self::Unopened(unopened) => unopened.written(),
            Self::DynamoDb(error) => error.written(),
            Self::NotWritten(writes) => writes.written(),
            #[cfg(feature = "s3")]
            Self::S3(error) => error.written(),
            Self::AnswerLost
            | Self::Conflict { may_be_own: true, .. }
            | Self::Unprocessed { may_be_written: true, .. } => Written::Unknown,
            _ => Written::No,
        }
    }

    /// The items that could not be returned, each with its own error.
    pub fn items(&self) -> &[UnopenedItem] {
        match self {
            Self::Unopened(unopened) => unopened.items(),
            _ => &[],
        }
    }

    /// The item that could not be returned, by table and primary key; the first of several.
    pub fn item(&self) -> Option<&ItemRef> {
        self.items().first().map(UnopenedItem::item)
    }

    /// The item as it was stored, where this error may be the only place that has it: a write returned it, or the caller passed it in.
    ///
    /// Nothing of it is authenticated, and plaintext attributes are in plaintext here. [`Tenant::open`](crate::Tenant::open) opens the
    /// item as soon as that is possible:
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

    /// This error without its items: what is wrong with the first of them.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Unopened(unopened) => unopened.cause().cause(),
            error => error,
        }
    }

    /// That this item has the value of a unique lookup.
    pub(crate) fn not_unique(lookup: &Lookup, item: ItemRef) -> Self {
        Self::NotUnique { lookup: lookup.name().to_owned(), item }
    }

    /// This error, of one item.
    pub(crate) fn at(self, item: ItemRef, sealed: Option<Item>, standing: Standing) -> Self {
        Self::Unopened(Unopened::one(UnopenedItem { item, sealed: sealed.map(Sealed), error: self }, standing))
    }
}
