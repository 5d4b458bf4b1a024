//! TransactGetItems: reads of many items at one moment.

use aws_sdk_dynamodb::operation::transact_get_items::{
    TransactGetItems, TransactGetItemsInput, TransactGetItemsOutput,
};
use aws_sdk_dynamodb::types::Get;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::actions::ItemRead;
use super::operation::{Carrier, Operation, Returned};
use crate::error::{Error, Refusal};
use crate::item::UnwrappedKey;

pub(super) struct TransactGet {
    /// What is sent in place of the caller's input. Taken when it is sent.
    rewritten: Option<TransactGetItemsInput>,
    /// In the order of the request, which is that of the answer.
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
    fn sealed(&mut self, _: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let input = self.rewritten.take().ok_or(Refusal::Missing("TransactItems"))?;
        Ok(Some(Input::erase(input)))
    }

    fn sdk(&self) -> FrozenLayer {
        TransactGetItems::new().config().expect("the SDK's operations have a configuration")
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Vec<Returned<'a>> {
        let Carrier::Output(output) = answer else { return Vec::new() };
        let responses = output.downcast_mut::<TransactGetItemsOutput>().and_then(|output| output.responses.as_mut());
        let pairs = responses.into_iter().flatten().zip(&self.reads);
        // A read that found nothing has no item, or an empty one.
        let found =
            pairs.filter_map(|(response, read)| Some((response.item.as_mut().filter(|item| !item.is_empty())?, read)));
        found.map(|(item, read)| read.returned(item)).collect()
    }
}
