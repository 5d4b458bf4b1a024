//! BatchGetItem: reads of many items, in several tables.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_smithy_runtime_api::client::interceptors::context::{Input, Output};
use tenantseal_core::format::Identity;
use tenantseal_core::tenant::TenantId;

use super::actions::widen;
use super::expressions::no_legacy;
use super::operation::{Carrier, Cut, Expected, Keys, NOT_CHECKED, Operation, Returned};
use super::{Binding, asked_name};
use crate::error::Error;
use crate::expression::Selection;
use crate::item::{Item, OpenError, stored_identity};
use crate::schema::TableSchema;

pub(super) struct BatchGet {
    tenant: TenantId,
    /// The input that is sent instead of the caller's. Taken when it is sent.
    rewritten: Option<BatchGetItemInput>,
    /// The caller's own input, kept after the other is sent: unprocessed reads are rebuilt from it.
    asked: Option<BatchGetItemInput>,
    /// Keyed by the table's name as the request gives it.
    reads: HashMap<String, Read>,
}

/// The reads from one table.
struct Read {
    table: Arc<TableSchema>,
    /// The items that the request names.
    identities: HashSet<Identity>,
    selection: Option<Selection>,
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
            let (selection, _) = widen(table, projection_expression, expression_attribute_names)?;
            reads.insert(name.clone(), Read { table: Arc::clone(table), identities, selection });
        }
        Ok(Self { tenant: binding.tenant.clone(), rewritten: Some(rewritten), asked: None, reads })
    }
}

impl Operation for BatchGet {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.reads.values().map(|read| (&*read.table, 0)).collect()
    }

    fn seal(&mut self, input: Input, _: &Keys<'_>) -> Result<Input, Error> {
        self.asked = Some(input.downcast().map_err(|_| NOT_CHECKED)?);
        self.rewritten.take().map(Input::erase).ok_or(NOT_CHECKED)
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let Some(output) = output.downcast_mut::<BatchGetItemOutput>() else { return Ok(Vec::new()) };
        let mut returned = Vec::new();
        for (name, items) in output.responses.iter_mut().flatten() {
            let asked = asked_name(&self.reads, name).and_then(|name| self.reads.get(name));
            let Read { table, identities, selection } = asked.ok_or(OpenError::OtherItem)?;
            let (cut, expected) = (selection.as_ref().map_or(Cut::Whole, Cut::Selected), Expected::Among(identities));
            returned.extend(items.iter_mut().map(|item| Returned { item, table, expected, cut, asking: &[] }));
        }
        Ok(returned)
    }

    /// Rebuilds the unprocessed reads from the caller's own request, settings included, as far as the answer lists
    /// them.
    fn finish(&mut self, output: &mut Output) -> Result<(), OpenError> {
        let Some(output) = output.downcast_mut::<BatchGetItemOutput>() else { return Ok(()) };
        let Some(unprocessed) = output.unprocessed_keys.take() else { return Ok(()) };
        let mut left = HashMap::new();
        for (answered, KeysAndAttributes { keys, .. }) in unprocessed {
            let name = asked_name(&self.reads, &answered).ok_or(OpenError::OtherItem)?;
            let table = &self.reads.get(name).ok_or(OpenError::OtherItem)?.table;
            let identities = keys.iter().map(|key| stored_identity(table, &self.tenant, key));
            let mut identities = identities.collect::<Result<HashSet<_>, _>>()?;
            let asked = self.asked.as_mut().and_then(|asked| asked.request_items.as_mut());
            let mut asked = asked.and_then(|asked| asked.remove(name)).ok_or(OpenError::OtherItem)?;
            let mut of_asked =
                |key: &Item| stored_identity(table, &self.tenant, key).is_ok_and(|key| identities.remove(&key));
            asked.keys.retain(&mut of_asked);
            if !identities.is_empty() {
                return Err(OpenError::OtherItem);
            }
            left.insert(name.to_owned(), asked);
        }
        output.unprocessed_keys = Some(left);
        Ok(())
    }
}
