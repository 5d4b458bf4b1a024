//! PutItem: the whole item is sealed under the tenant's current data key.

use aws_sdk_dynamodb::operation::put_item::{PutItem, PutItemError, PutItemInput, PutItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::actions::{Conditional, Target};
use super::expressions::no_legacy;
use super::operation::{Carrier, Operation, Returned, required};
use crate::crypto::OsRandom;
use crate::error::{Error, Refusal};
use crate::item::{Nonces, UnwrappedKey};

pub(super) struct Put {
    /// Taken when it is sealed.
    input: Option<PutItemInput>,
    target: Target,
}

impl Put {
    pub(super) fn check(input: &PutItemInput, binding: &Binding) -> Result<Self, Error> {
        no_legacy(input.expected(), "Expected", "ConditionExpression")?;
        no_legacy(input.conditional_operator(), "ConditionalOperator", "ConditionExpression")?;
        let conditional = Conditional {
            condition: input.condition_expression(),
            names: input.expression_attribute_names(),
            values: input.expression_attribute_values(),
        };
        let target = Target::of_item(binding, input.table_name(), input.item(), conditional)?;
        Ok(Self { input: Some(input.clone()), target })
    }
}

impl Operation for Put {
    fn seals(&self) -> bool {
        true
    }

    fn sealed(&mut self, binding: &Binding, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let mut input = self.input.take().ok_or(Refusal::Missing("Item"))?;
        let item = input.item.take().ok_or(Refusal::Missing("Item"))?;
        input.item = Some(binding.seal(&self.target.table, required(key)?, Nonces::Random(&OsRandom), item)?);
        Ok(Some(Input::erase(input)))
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
        item.map(|item| self.target.returned(item)).into_iter().collect()
    }
}
