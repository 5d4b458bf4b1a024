//! Why a change does not open.

use std::error::Error as StdError;
use std::fmt;

use tenantseal_core::tenant::TenantId;

use crate::error::{Error, PrimaryKeyError};
use crate::item::Item;

/// What is wrong with a record of a change. It says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// It is not a JSON object, or has a name twice.
    #[error("it is not a JSON object with distinct names")]
    NotJson,
    /// A part of it is not what DynamoDB writes there.
    #[error("`{0}` is not what DynamoDB writes there")]
    Field(&'static str),
    /// It is none of the shapes that are known.
    #[error("it is neither a record of a stream, nor a line of an export, nor an item in DynamoDB JSON")]
    Shape,
    /// The event has another name.
    #[error("its event is none of INSERT, MODIFY and REMOVE")]
    EventName,
    /// It says of no item that it changed.
    #[error("it has neither keys nor an image")]
    NoKeys,
}

/// Why a change as a whole does not open.
#[derive(Clone)]
pub struct ChangeError(Box<Parts>);

#[derive(Clone)]
struct Parts {
    kind: ChangeErrorKind,
    tenant: Option<TenantId>,
    keys: Option<Item>,
    sequence_number: Option<String>,
}

/// The reasons.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeErrorKind {
    /// The record is malformed.
    #[error("the record of the change is malformed: {0}")]
    Record(RecordFault),
    /// The keys are not those of an item of any tenant.
    #[error("the record's keys are no tenant's: {0}")]
    Keys(PrimaryKeyError),
    /// [`OpenChanges::only`](super::OpenChanges::only) leaves the tenant out.
    #[error("the change is of a tenant that was not asked for")]
    LeftOut,
    /// An image does not open now, and may open later.
    #[error(transparent)]
    NotNow(Error),
}

impl ChangeError {
    pub(super) fn new(kind: ChangeErrorKind, tenant: Option<TenantId>, keys: Option<Item>) -> Self {
        Self(Box::new(Parts { kind, tenant, keys, sequence_number: None }))
    }

    /// The same, of the record in this place.
    pub(super) fn with_sequence_number(mut self, number: Option<String>) -> Self {
        self.0.sequence_number = number;
        self
    }

    /// The reason.
    pub fn kind(&self) -> &ChangeErrorKind {
        &self.0.kind
    }

    /// The tenant whose item the keys name, if they name one.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.0.tenant.as_ref()
    }

    /// The primary key, if the record has one. Keys are data: print them where your logs may hold them.
    pub fn keys(&self) -> Option<&Item> {
        self.0.keys.as_ref()
    }

    /// The record's place in its stream, for `batchItemFailures`.
    pub fn sequence_number(&self) -> Option<&str> {
        self.0.sequence_number.as_deref()
    }

    /// Whether the same record may open later: see [`Error::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        matches!(&self.0.kind, ChangeErrorKind::NotNow(error) if error.is_retryable())
    }

    /// Whether the caller asked for other tenants.
    pub fn is_left_out(&self) -> bool {
        matches!(self.0.kind, ChangeErrorKind::LeftOut)
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl StdError for ChangeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.kind.source()
    }
}

impl fmt::Debug for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeError")
            .field("kind", &self.0.kind)
            .field("tenant", &self.0.tenant)
            .finish_non_exhaustive()
    }
}
