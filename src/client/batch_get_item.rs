//! BatchGetItem: reads of many items, in several tables.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItem, BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::actions::{Cut, widened};
use super::expressions::{Names, no_legacy};
use super::operation::{Carrier, Operation, Returned};
use crate::error::{Error, Refusal};
use crate::expression::Selection;
use crate::item::UnwrappedKey;
use crate::schema::TableSchema;

pub(super) struct BatchGet {
    /// What is sent in place of the caller's input. Taken when it is sent.
    rewritten: Option<BatchGetItemInput>,
    /// By the table's name as the request has it.
    reads: HashMap<String, Read>,
}

/// What is read from one table.
struct Read {
    table: Arc<TableSchema>,
    selection: Option<Selection>,
    /// The caller's own, which unprocessed keys get back.
    projection: Option<String>,
    names: Option<Names>,
}

impl BatchGet {
    pub(super) fn check(input: &BatchGetItemInput, binding: &Binding) -> Result<Self, Error> {
        let mut rewritten = input.clone();
        let mut reads = HashMap::new();
        for (name, request) in rewritten.request_items.iter_mut().flatten() {
            no_legacy(request.attributes_to_get.as_ref(), "AttributesToGet", "ProjectionExpression")?;
            let table = binding.table(Some(name))?;
            for key in &request.keys {
                binding.identity_of_key(table, Some(key))?;
            }
            let KeysAndAttributes { projection_expression, expression_attribute_names, .. } = request;
            let (projection, names) = (projection_expression.clone(), expression_attribute_names.clone());
            let (selection, _) = widened(table, projection_expression, expression_attribute_names)?;
            reads.insert(name.clone(), Read { table: Arc::clone(table), selection, projection, names });
        }
        Ok(Self { rewritten: Some(rewritten), reads })
    }
}

impl Operation for BatchGet {
    fn sealed(&mut self, _: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let input = self.rewritten.take().ok_or(Refusal::Missing("RequestItems"))?;
        Ok(Some(Input::erase(input)))
    }

    fn sdk(&self) -> FrozenLayer {
        BatchGetItem::new().config().expect("the SDK's operations have a configuration")
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Vec<Returned<'a>> {
        let Carrier::Output(output) = answer else { return Vec::new() };
        let Some(output) = output.downcast_mut::<BatchGetItemOutput>() else { return Vec::new() };
        for (name, unprocessed) in output.unprocessed_keys.iter_mut().flatten() {
            if let Some(read) = self.reads.get(name) {
                unprocessed.projection_expression.clone_from(&read.projection);
                unprocessed.expression_attribute_names.clone_from(&read.names);
            }
        }
        let mut returned = Vec::new();
        for (name, items) in output.responses.iter_mut().flatten() {
            let Some(Read { table, selection, .. }) = self.reads.get(name) else { continue };
            let cut = selection.as_ref().map_or(Cut::Whole, Cut::Selected);
            returned.extend(items.iter_mut().map(|item| Returned { item, table, expected: None, cut }));
        }
        returned
    }
}
