//! PutItem: the whole item is sealed under the tenant's current data key.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::{PutItem, PutItemError, PutItemInput, PutItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::expressions::{Expressions, no_legacy};
use super::operation::{Carrier, Operation, Returned};
use crate::error::{Error, Refusal};
use crate::format::Identity;
use crate::item::{UnwrappedKey, check_names, identity};
use crate::schema::TableSchema;

pub(super) struct Put {
    input: PutItemInput,
    table: Arc<TableSchema>,
    identity: Identity,
}

impl Put {
    pub(super) fn check(input: &PutItemInput, binding: &Binding) -> Result<Self, Error> {
        let table = binding.table(input.table_name())?;
        no_legacy(input.expected(), "Expected", "ConditionExpression")?;
        no_legacy(input.conditional_operator(), "ConditionalOperator", "ConditionExpression")?;
        let item = input.item().ok_or(Refusal::Missing("Item"))?;
        check_names(table, item.keys())?;
        let identity = identity(table, &binding.tenant, item).map_err(Refusal::Key)?;
        let mut expressions =
            Expressions::new(table, input.expression_attribute_names(), input.expression_attribute_values());
        expressions.condition("ConditionExpression", input.condition_expression())?;
        expressions.finish()?;
        Ok(Self { input: input.clone(), table: Arc::clone(table), identity })
    }
}

impl Operation for Put {
    fn seals(&self) -> bool {
        true
    }

    fn sealed(&mut self, binding: &Binding, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let key = key.ok_or(Error::Replaced("auth scheme resolver"))?;
        let item = self.input.item.take().ok_or(Refusal::Missing("Item"))?;
        self.input.item = Some(binding.seal(&self.table, key, item)?);
        Ok(Some(Input::erase(self.input.clone())))
    }

    fn sdk(&self) -> FrozenLayer {
        PutItem::new().config().expect("the SDK's operations have a configuration")
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Vec<Returned<'a>> {
        let item = match answer {
            Carrier::Output(output) => {
                output.downcast_mut::<PutItemOutput>().and_then(|output| output.attributes.as_mut())
            }
            Carrier::Error(error) => match error.downcast_mut() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item.as_mut(),
                _ => None,
            },
        };
        let expected = Some(&self.identity);
        item.map(|item| Returned { item, table: &self.table, expected, selection: None }).into_iter().collect()
    }
}
