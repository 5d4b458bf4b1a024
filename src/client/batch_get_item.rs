//! BatchGetItem: reads of many items, in several tables.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::widened;
use super::expressions::{Names, no_legacy};
use super::operation::{Carrier, Cut, Expected, NOT_CHECKED, Operation, Returned};
use crate::error::Error;
use crate::expression::Selection;
use crate::format::Identity;
use crate::item::{OpenError, UnwrappedKey, stored_identity};
use crate::schema::TableSchema;
use crate::tenant::TenantId;

pub(super) struct BatchGet {
    tenant: TenantId,
    /// What is sent in place of the caller's input. Taken when it is sent.
    rewritten: Option<BatchGetItemInput>,
    /// By the table's name as the request has it.
    reads: HashMap<String, Read>,
}

/// What is read from one table.
struct Read {
    table: Arc<TableSchema>,
    /// Whose items.
    identities: HashSet<Identity>,
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
            let keys = request.keys.iter().map(|key| binding.identity_of_key(table, Some(key)));
            let identities = keys.collect::<Result<_, _>>()?;
            let KeysAndAttributes { projection_expression, expression_attribute_names, .. } = request;
            let (projection, names) = (projection_expression.clone(), expression_attribute_names.clone());
            let (selection, _) = widened(table, projection_expression, expression_attribute_names)?;
            reads.insert(name.clone(), Read { table: Arc::clone(table), identities, selection, projection, names });
        }
        Ok(Self { tenant: binding.tenant.clone(), rewritten: Some(rewritten), reads })
    }
}

impl Operation for BatchGet {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.reads.values().map(|read| (&*read.table, 0)).collect()
    }

    fn sealed(&mut self, _: Input, _: Option<&UnwrappedKey>) -> Result<Input, Error> {
        self.rewritten.take().map(Input::erase).ok_or(NOT_CHECKED)
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let Some(output) = output.downcast_mut::<BatchGetItemOutput>() else { return Ok(Vec::new()) };
        for (name, unprocessed) in output.unprocessed_keys.iter_mut().flatten() {
            let Read { table, identities, projection, names, .. } = self.reads.get(name).ok_or(OpenError::OtherItem)?;
            for key in &unprocessed.keys {
                Expected::Among(identities).check(table, key, &stored_identity(table, &self.tenant, key)?)?;
            }
            unprocessed.projection_expression.clone_from(projection);
            unprocessed.expression_attribute_names.clone_from(names);
        }
        let mut returned = Vec::new();
        for (name, items) in output.responses.iter_mut().flatten() {
            let Read { table, identities, selection, .. } = self.reads.get(name).ok_or(OpenError::OtherItem)?;
            let (cut, expected) = (selection.as_ref().map_or(Cut::Whole, Cut::Selected), Expected::Among(identities));
            returned.extend(items.iter_mut().map(|item| Returned { item, table, expected, cut }));
        }
        Ok(returned)
    }
}
