//! TransactGetItems: reads many items at one moment.

use aws_sdk_dynamodb::operation::transact_get_items::{TransactGetItemsInput, TransactGetItemsOutput};
use aws_sdk_dynamodb::types::Get;
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::ItemRead;
use super::operation::{Carrier, Keys, NOT_CHECKED, Operation, Returned};
use crate::error::{Error, Refusal};
use crate::item::OpenError;
use crate::schema::TableSchema;

pub(super) struct TransactGet {
    /// The input that is sent instead of the caller's. Taken when it is sent.
    rewritten: Option<TransactGetItemsInput>,
    /// In the order of the request, which is also that of the answer.
    reads: Vec<ItemRead>,
}

impl TransactGet {
    pub(super) fn check(input: &TransactGetItemsInput, binding: &Binding) -> Result<Self, Error> {
        let mut rewritten = input.clone();
        let mut reads = Vec::new();
        for request in rewritten.transact_items.iter_mut().flatten() {
            let Get { table_name, key, projection_expression, expression_attribute_names, .. } =
                request.get.as_mut().ok_or(Refusal::Missing("Get"))?;
            let (read, _) = ItemRead::check(
                binding,
                Some(table_name),
                Some(key),
                projection_expression,
                expression_attribute_names,
            )?;
            reads.push(read);
        }
        Ok(Self { rewritten: Some(rewritten), reads })
    }
}

impl Operation for TransactGet {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        self.reads.iter().map(|read| (read.table(), 0)).collect()
    }

    fn seal(&mut self, _: Input, _: &Keys<'_>) -> Result<Input, Error> {
        self.rewritten.take().map(Input::erase).ok_or(NOT_CHECKED)
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let Some(output) = output.downcast_mut::<TransactGetItemsOutput>() else { return Ok(Vec::new()) };
        let responses = output.responses.as_deref_mut().unwrap_or_default();
        // Answers match reads by position, even where a read found nothing.
        if responses.len() != self.reads.len() {
            return Err(OpenError::OtherItem);
        }
        let answered = responses.iter_mut().zip(&self.reads);
        // A read that found nothing has no item, or an empty one.
        let found = answered.filter_map(|(response, read)| Some((response.item.as_mut()?, read)));
        Ok(found.filter(|(item, _)| !item.is_empty()).map(|(item, read)| read.returned(item)).collect())
    }
}
