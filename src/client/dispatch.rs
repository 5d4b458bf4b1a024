//! Identifies the operation by its input, and says how it is handled.

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
use super::known::{Checked, Known, operations};
use super::operation::NOT_CHECKED;
use super::put_item::Put;
use super::query::Query;
use super::scan::Scan;
use super::search_vectors::Search;
use super::transact_get_items::TransactGet;
use super::transact_write_items::TransactWrite;
use super::update_item::UpdateItem;
use crate::error::{Error, Refusal};

/// Item operations that are refused, each with what to use instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("ExecuteStatement", "PartiQL is not supported: use the item operations"),
    ("BatchExecuteStatement", "PartiQL is not supported: use the item operations"),
    ("ExecuteTransaction", "PartiQL is not supported: use the item operations"),
    ("ImportTable", "it fills a table with unsealed items: put the items instead"),
];

/// Boxes the check of one operation on items like that of any other operation.
macro_rules! items {
    ($operation:ident) => {
        |input, binding| Ok(Some(Box::new($operation::check(input, binding)?)))
    };
}

/// The operations that touch items.
static ITEMS: &[Known] = operations! {
    put_item::{PutItem, PutItemInput} => items!(Put);
    get_item::{GetItem, GetItemInput} => items!(Get);
    update_item::{UpdateItem, UpdateItemInput} => items!(UpdateItem);
    delete_item::{DeleteItem, DeleteItemInput} => items!(Delete);
    query::{Query, QueryInput} => items!(Query);
    scan::{Scan, ScanInput} => items!(Scan);
    batch_get_item::{BatchGetItem, BatchGetItemInput} => items!(BatchGet);
    batch_write_item::{BatchWriteItem, BatchWriteItemInput} => items!(BatchWrite);
    transact_get_items::{TransactGetItems, TransactGetItemsInput} => items!(TransactGet);
    transact_write_items::{TransactWriteItems, TransactWriteItemsInput} => items!(TransactWrite);
    search_vectors::{SearchVectors, SearchVectorsInput} => items!(Search);
};

/// The operation with this input. A refused operation is an error, which calls it `name`.
///
/// The type of the input decides: any hook can change a name, none can change a type.
pub(super) fn find_known(name: &str, input: &Input, binding: &Binding) -> Result<&'static Known, Error> {
    if let Some(known) = ITEMS.iter().find(|known| (known.has)(input)) {
        return Ok(known);
    }
    if let Some(known) = control_plane::PASSING.iter().find(|known| (known.has)(input)) {
        return match binding.control_plane {
            true => Ok(known),
            false => Err(Refusal::ControlPlane { operation: known.name }.into()),
        };
    }
    Err(match UNSUPPORTED.iter().find(|(operation, _)| *operation == name) {
        Some((operation, instead)) => Refusal::Unsupported { operation, instead },
        None => Refusal::UnknownOperation(name.to_owned()),
    }
    .into())
}
