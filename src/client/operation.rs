//! What the client does with each operation of DynamoDB, and what is common to those that touch items.

use std::collections::HashSet;
use std::sync::LazyLock;

use aws_sdk_dynamodb::operation as sdk;
use aws_smithy_runtime_api::client::interceptors::context::{Error as OperationError, Input, Output};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::actions::Cut;
use super::batch_get_item::BatchGet;
use super::batch_write_item::BatchWrite;
use super::control_plane;
use super::delete_item::Delete;
use super::get_item::Get;
use super::put_item::Put;
use super::query::Query;
use super::scan::Scan;
use super::transact_get_items::TransactGet;
use super::transact_write_items::TransactWrite;
use super::update_item::UpdateItem;
use crate::error::{Error, Refusal};
use crate::format::Identity;
use crate::item::{
    self, Item, KeyRing, NeededRecord, OpenError, OpenFault, UnwrappedKey, distinct_records, stored_identity,
};
use crate::schema::TableSchema;
use crate::tenant::TenantId;

/// What comes back from DynamoDB: typed, but behind the SDK's erasure.
pub(super) type Answer = Result<Output, OrchestratorError<OperationError>>;

/// One checked operation that touches items, on its way out and back. Waits for nothing.
pub(super) trait Operation: Send + Sync {
    /// Whether the request needs a data key.
    fn seals(&self) -> bool {
        false
    }

    /// The caller's own idempotency token, to which the data key is pinned so that a repeated request repeats its bytes.
    fn token(&self) -> Option<&str> {
        None
    }

    /// Called when the token is one that the SDK made, and so never repeated.
    fn forget_token(&mut self) {}

    /// The input to send in place of the caller's; none when that goes as it is. Called once.
    fn sealed(&mut self, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error>;

    /// The items in an answer: all of them, so one that nobody asked for is an error.
    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError>;

    /// The index that is read.
    fn index(&self) -> Option<&str> {
        None
    }

    /// The last touch to an output whose items are opened and cut.
    fn finish(&self, _: &mut Output) {}

    /// What an error of DynamoDB means, when this library's change to the request brought it about.
    fn explain(&self, _: &OperationError) -> Option<Error> {
        None
    }
}

/// What carries items back: an output, or an error that shows the item which failed a condition.
pub(super) enum Carrier<'a> {
    Output(&'a mut Output),
    Error(&'a mut OperationError),
}

/// An item in an answer.
pub(super) struct Returned<'a> {
    pub(super) item: &'a mut Item,
    pub(super) table: &'a TableSchema,
    pub(super) expected: Expected<'a>,
    /// What the caller asked for.
    pub(super) cut: Cut<'a>,
}

/// Which identities an item in an answer may have.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// The one that the request names.
    One(&'a Identity),
    /// One of those that the request names.
    Among(&'a HashSet<Identity>),
    /// Any of the tenant's: the request names none.
    AnyOfTenant,
}

/// Item operations that are refused, and what to use.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("ExecuteStatement", "PartiQL is not understood: use the item operations"),
    ("BatchExecuteStatement", "PartiQL is not understood: use the item operations"),
    ("ExecuteTransaction", "PartiQL is not understood: use the item operations"),
    ("SearchVectors", "use Query"),
    ("ImportTable", "it fills a table with items that nobody has sealed: put them"),
];

/// A checked operation, and what the SDK itself knows of it: the deserializer of its answer.
pub(super) struct Checked {
    pub(super) operation: Box<dyn Operation>,
    pub(super) sdk: &'static FrozenLayer,
}

/// Checks an operation by its input: none when it passes as it is, an error when it is refused, which `name` words.
pub(super) fn of(name: &str, input: &Input, binding: &Binding) -> Result<Option<Checked>, Error> {
    macro_rules! the_one_with_this_input {
        ($($operation:ident answers as $module:ident::$sdk:ident;)*) => {
            $(if let Some(input) = input.downcast_ref() {
                static SDK: LazyLock<FrozenLayer> = LazyLock::new(|| {
                    sdk::$module::$sdk::new().config().expect("each operation of the SDK has a configuration")
                });
                return Ok(Some(Checked { operation: Box::new($operation::check(input, binding)?), sdk: &SDK }));
            })*
        };
    }
    the_one_with_this_input! {
        Put answers as put_item::PutItem;
        Get answers as get_item::GetItem;
        UpdateItem answers as update_item::UpdateItem;
        Delete answers as delete_item::DeleteItem;
        Query answers as query::Query;
        Scan answers as scan::Scan;
        BatchGet answers as batch_get_item::BatchGetItem;
        BatchWrite answers as batch_write_item::BatchWriteItem;
        TransactGet answers as transact_get_items::TransactGetItems;
        TransactWrite answers as transact_write_items::TransactWriteItems;
    }
    if control_plane::passes(input) {
        return Ok(None);
    }
    Err(match UNSUPPORTED.iter().find(|(operation, _)| *operation == name) {
        Some((operation, instead)) => Refusal::Unsupported { operation, instead },
        None => Refusal::UnknownOperation(name.to_owned()),
    }
    .into())
}

/// The key that the auth scheme resolver awaited.
pub(super) fn required(key: Option<&UnwrappedKey>) -> Result<&UnwrappedKey, Error> {
    key.ok_or(Error::Replaced("auth scheme resolver"))
}

/// The distinct key records that the items of an answer rely on.
pub(super) fn needed_records(
    operation: &dyn Operation,
    tenant: &TenantId,
    answer: Answer,
) -> (Answer, Result<Vec<NeededRecord>, Error>) {
    each_returned(operation, answer, |returned| {
        let mut items = Vec::with_capacity(returned.len());
        for Returned { item, table, expected, cut } in returned {
            expected.check(&stored_identity(table, tenant, item)?)?;
            cut.restrict(table, item);
            items.push((table, &*item));
        }
        Ok(distinct_records(items.into_iter()).map_err(|error| in_index(operation.index(), error))?)
    })
}

/// Opens the items of an answer and leaves of each what the caller asked for.
pub(super) fn open(
    operation: &dyn Operation,
    binding: &Binding,
    keys: &KeyRing,
    answer: Answer,
) -> (Answer, Result<(), Error>) {
    let (mut answer, result) = each_returned(operation, answer, |returned| {
        for Returned { item, table, expected, cut } in returned {
            let identity = stored_identity(table, &binding.tenant, item)?;
            expected.check(&identity)?;
            *item = item::open(table, &identity, keys, std::mem::take(item))?;
            cut.apply(item);
        }
        Ok(())
    });
    if let Ok(output) = &mut answer {
        operation.finish(output);
    }
    (answer, result)
}

/// Says of a missing header which index lacks it.
fn in_index(index: Option<&str>, error: OpenError) -> OpenError {
    match (index, error) {
        (Some(index), OpenError::Attribute { attribute, fault: OpenFault::NoHeader }) => {
            OpenError::IndexLacksHeader { index: index.to_owned(), attribute }
        }
        (_, error) => error,
    }
}

impl Expected<'_> {
    /// Whether an item with this identity was asked for.
    fn check(self, identity: &Identity) -> Result<(), OpenError> {
        let expected = match self {
            Self::One(expected) => expected == identity,
            Self::Among(expected) => expected.contains(identity),
            Self::AnyOfTenant => true,
        };
        if expected { Ok(()) } else { Err(OpenError::OtherItem) }
    }
}

/// Runs `visit` on the items of an answer, whether it is an output or an error.
fn each_returned<T: Default>(
    operation: &dyn Operation,
    answer: Answer,
    visit: impl FnOnce(Vec<Returned<'_>>) -> Result<T, Error>,
) -> (Answer, Result<T, Error>) {
    match answer {
        Ok(mut output) => {
            let visited = operation.returned(Carrier::Output(&mut output)).map_err(Error::from).and_then(visit);
            (Ok(output), visited)
        }
        Err(error) if error.is_operation_error() => {
            let mut visited = Ok(T::default());
            let error = error.map_operation_error(|mut error| {
                visited = operation.returned(Carrier::Error(&mut error)).map_err(Error::from).and_then(visit);
                error
            });
            (Err(error), visited)
        }
        other => (other, Ok(T::default())),
    }
}
