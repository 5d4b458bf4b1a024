//! DeleteItem: sends nothing sensitive, and may bring the deleted item back.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::delete_item::{DeleteItem, DeleteItemError, DeleteItemInput, DeleteItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::expressions::{Expressions, no_legacy};
use super::operation::{Carrier, Operation, Returned};
use crate::error::Error;
use crate::format::Identity;
use crate::item::UnwrappedKey;
use crate::schema::TableSchema;

pub(super) struct Delete {
    table: Arc<TableSchema>,
    identity: Identity,
}

impl Delete {
    pub(super) fn check(input: &DeleteItemInput, binding: &Binding) -> Result<Self, Error> {
        let table = binding.table(input.table_name())?;
        no_legacy(input.expected(), "Expected", "ConditionExpression")?;
        no_legacy(input.conditional_operator(), "ConditionalOperator", "ConditionExpression")?;
        let identity = binding.identity_of_key(table, input.key())?;
        let mut expressions =
            Expressions::new(table, input.expression_attribute_names(), input.expression_attribute_values());
        expressions.condition("ConditionExpression", input.condition_expression())?;
        expressions.finish()?;
        Ok(Self { table: Arc::clone(table), identity })
    }
}

impl Operation for Delete {
    fn sealed(&mut self, _: &Binding, _: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        Ok(None)
    }

    fn sdk(&self) -> FrozenLayer {
        DeleteItem::new().config().expect("the SDK's operations have a configuration")
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Vec<Returned<'a>> {
        let item = match answer {
            Carrier::Output(output) => {
                output.downcast_mut::<DeleteItemOutput>().and_then(|output| output.attributes.as_mut())
            }
            Carrier::Error(error) => match error.downcast_mut() {
                Some(DeleteItemError::ConditionalCheckFailedException(failed)) => failed.item.as_mut(),
                _ => None,
            },
        };
        let expected = Some(&self.identity);
        item.map(|item| Returned { item, table: &self.table, expected, selection: None }).into_iter().collect()
    }
}
