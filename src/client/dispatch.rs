//! Which operation an input is, and what is done with it.

use std::fmt;
use std::sync::LazyLock;

use aws_sdk_dynamodb::operation as sdk;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::batch_get_item::BatchGet;
use super::batch_write_item::BatchWrite;
use super::control_plane;
use super::delete_item::Delete;
use super::get_item::Get;
use super::operation::Operation;
use super::put_item::Put;
use super::query::Query;
use super::scan::Scan;
use super::transact_get_items::TransactGet;
use super::transact_write_items::TransactWrite;
use super::update_item::UpdateItem;
use crate::error::{Error, Refusal};

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
    /// By its input, whatever hooks call it.
    pub(super) name: &'static str,
    pub(super) operation: Box<dyn Operation>,
    pub(super) copied: fn(&Input) -> Option<Input>,
    pub(super) sdk: &'static FrozenLayer,
}

/// Checks an operation by its input: none when it passes as it is, an error when it is refused, which `name` words.
pub(super) fn check(name: &str, input: &Input, binding: &Binding) -> Result<Option<Checked>, Error> {
    macro_rules! the_one_with_this_input {
        ($($operation:ident answers as $module:ident::$sdk:ident;)*) => {
            $(if let Some(input) = input.downcast_ref() {
                static SDK: LazyLock<FrozenLayer> = LazyLock::new(|| {
                    sdk::$module::$sdk::new().config().expect("each operation of the SDK has a configuration")
                });
                let operation = Box::new($operation::check(input, binding)?);
                return Ok(Some(Checked { name: stringify!($sdk), operation, copied: copied_as(input), sdk: &SDK }));
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

/// Copies inputs of the type of this one, for an operation whose input must outlive its first serialization.
fn copied_as<T: Clone + fmt::Debug + Send + Sync + 'static>(_: &T) -> fn(&Input) -> Option<Input> {
    |input| input.downcast_ref::<T>().cloned().map(Input::erase)
}
