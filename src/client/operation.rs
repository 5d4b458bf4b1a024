//! What is common to the operations that touch items.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::interceptors::context::{Error as OperationError, Input, Output};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use tenantseal_core::envelope::{KeyRecordPlacement, VerifiedDataKey};
use tenantseal_core::format::{HEADER, Identity};
use tenantseal_core::keys::LookupKeys;
use tenantseal_core::tenant::TenantId;

use super::Binding;
use super::asking::Asking;
use super::claiming::Claiming;
use super::notes::Mark;
use crate::error::{Error, Piece};
use crate::expression::{Path, Selection, prune};
use crate::item::{Item, OpenError, Tokens};
use crate::leaves::PlainNames;
use crate::schema::{Protection, TableSchema};

/// DynamoDB's answer, with the SDK's types erased.
pub(super) type Answer = Result<Output, OrchestratorError<OperationError>>;

/// One checked operation that touches items, on its way out and back. Never waits.
pub(super) trait Operation: Send + Sync {
    /// Where the key record of the data key must be that the request needs; `None` when it needs no data key.
    fn seals(&self) -> Option<KeyRecordPlacement> {
        None
    }

    /// The adopted tables to whose adopted attributes the request writes. A table may appear several times.
    fn adopted(&self) -> Vec<Arc<TableSchema>> {
        Vec::new()
    }

    /// Leaves these adopted attributes of a logical table plaintext. Called before [`seals`](Self::seals) and
    /// [`seal`](Self::seal).
    fn write_plain(&mut self, _table: &str, _names: &PlainNames) {}

    /// The numbers of the lookup keys that the request needs for its tokens. Each may appear several times.
    fn lookups(&self) -> Vec<u16> {
        Vec::new()
    }

    /// The caller's own idempotency token. The data key is pinned to it, so that a repeated request repeats its bytes.
    fn token(&self) -> Option<&str> {
        None
    }

    /// The tables that the request names, and how many items it seals in each. A table may appear several times.
    fn tables(&self) -> Vec<(&TableSchema, usize)>;

    /// Called when the SDK made the token, so that nobody repeats it.
    fn forget_token(&mut self) {}

    /// Takes the claims of unique values that go with the request. A request that may bring some and needs what it does
    /// not bring is refused; each other one was refused when it was checked.
    fn claim(&mut self, _: Option<Claiming>, _: &Binding) -> Result<(), Error> {
        Ok(())
    }

    /// Turns the caller's checked input into the one that is sent. Called once.
    fn seal(&mut self, input: Input, keys: &Keys<'_>) -> Result<Input, Error>;

    /// Whether it may change what is stored. What it returns may then exist nowhere else.
    fn writes(&self) -> bool {
        false
    }

    /// Whether the caller asked for the old item, and whether the write then leaves an item there.
    fn gives_old(&self) -> Option<Leaves> {
        None
    }

    /// The marks that identify the sealed values. `sent` is the input as it is sent.
    fn marks(&self, _sent: &Input) -> Vec<Mark> {
        Vec::new()
    }

    /// All items in an answer, so that an item nobody asked for is an error.
    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError>;

    /// The index that it reads.
    fn index(&self) -> Option<&str> {
        None
    }

    /// Removes the items at these places, in ascending order, from an output whose items are opened.
    fn remove(&self, _: &mut Output, _dropped: &[usize]) {}

    /// Finishes an output whose items are opened and cut.
    fn finish(&mut self, _: &mut Output) -> Result<(), OpenError> {
        Ok(())
    }

    /// Explains an error of DynamoDB that this library's change to the request caused.
    fn explain(&self, _: &OperationError) -> Option<Error> {
        None
    }
}

/// Whether a write leaves an item in place of the one it returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    Nothing,
    Something,
}

/// The part of an answer that carries items: an output, or an error with the item that failed a condition.
pub(super) enum Carrier<'a> {
    Output(&'a mut Output),
    Error(&'a mut OperationError),
}

/// An item in an answer.
pub(super) struct Returned<'a> {
    pub(super) item: &'a mut Item,
    pub(super) table: &'a TableSchema,
    pub(super) expected: Expected<'a>,
    /// The parts that the caller asked for.
    pub(super) cut: Cut<'a>,
    /// The questions to lookups that it must answer, or it is removed.
    pub(super) asking: &'a [Asking],
}

/// Which items an answer may hold.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// The one that the request names.
    One(&'a Identity),
    /// One of those that the request names.
    Among(&'a HashSet<Identity>),
    /// Any of the tenant's items with this partition key.
    OfPartition(&'a str),
    /// Any of the tenant's items: the request names none.
    AnyOfTenant,
}

impl Expected<'_> {
    /// Whether the request asked for `item`, which has this identity.
    pub(super) fn check(self, table: &TableSchema, item: &Item, identity: &Identity) -> Result<(), OpenError> {
        let expected = match self {
            Self::One(expected) => expected == identity,
            Self::Among(expected) => expected.contains(identity),
            Self::OfPartition(expected) => item
                .get(table.partition_key())
                .and_then(|value| value.as_s().ok())
                .is_some_and(|value| value == expected),
            Self::AnyOfTenant => true,
        };
        if expected { Ok(()) } else { Err(OpenError::OtherItem) }
    }
}

/// The parts of an item that the caller asked for.
#[derive(Clone, Copy)]
pub(super) enum Cut<'a> {
    Whole,
    Selected(&'a Selection),
    Paths(&'a [Path]),
}

impl Cut<'_> {
    /// Whether the caller needs every part of a sealed item.
    pub(super) fn is_whole(self) -> bool {
        !matches!(self, Self::Paths(_))
    }

    /// Keeps of a sealed item what was asked for and what opens it, so that nothing else can fail or cost a key.
    pub(super) fn restrict(self, table: &TableSchema, item: &mut Item) {
        if let Self::Paths(paths) = self {
            let asked = |name: &str| paths.iter().any(|path| path.attribute() == name);
            let tells = |name: &str| {
                table.discriminator() == Some(name) || table.protection(name).is_some_and(Protection::is_key)
            };
            item.retain(|name, _| name == HEADER || asked(name) || tells(name));
        }
    }

    /// Keeps of an opened item what was asked for.
    pub(super) fn apply(self, item: &mut Item) {
        match self {
            Self::Whole => {}
            Self::Selected(selection) => selection.prune(item),
            Self::Paths(paths) => prune(item, paths),
        }
    }
}

/// The input to serialize does not have the shape that was checked, so nothing goes out.
pub(super) const NOT_CHECKED: Error = Error::Replaced(Piece::Serializer);

/// The input of an operation, which has the type that was checked.
pub(super) fn downcast_input<T: fmt::Debug + Send + Sync + 'static>(input: &mut Input) -> Result<&mut T, Error> {
    input.downcast_mut().ok_or(NOT_CHECKED)
}

/// The item in the answer to a put, update or delete: among its attributes, or in the error of a failed condition.
macro_rules! returned_item {
    ($answer:expr, $output:ty, $error:ident) => {
        match $answer {
            Carrier::Output(output) => output.downcast_mut::<$output>().and_then(|output| output.attributes.as_mut()),
            Carrier::Error(error) => match error.downcast_mut() {
                Some($error::ConditionalCheckFailedException(failed)) => failed.item.as_mut(),
                _ => None,
            },
        }
    };
}
pub(super) use returned_item;

/// The keys that were in the cache, or that the auth scheme resolver awaited.
pub(super) struct Keys<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) sealing: Option<&'a VerifiedDataKey>,
    pub(super) lookups: Option<&'a LookupKeys>,
}

impl<'a> Keys<'a> {
    /// The data key that seals.
    pub(super) fn sealing(&self) -> Result<&'a VerifiedDataKey, Error> {
        self.sealing.ok_or(Error::Replaced(Piece::AuthSchemeResolver))
    }

    /// What makes tokens.
    pub(super) fn tokens(&self) -> Tokens<'a> {
        Tokens::new(self.lookups, self.tenant)
    }
}
