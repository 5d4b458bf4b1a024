//! PutItem: the whole item is sealed under the tenant's current data key.

use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::{Conditional, ItemPut};
use super::expressions::no_legacy;
use super::operation::{Carrier, Operation, Returned, required};
use crate::crypto::OsRandom;
use crate::error::{Error, Refusal};
use crate::item::{Nonces, OpenError, UnwrappedKey};
use crate::schema::TableSchema;

pub(super) struct Put {
    /// Without its item. Taken when it is sealed.
    input: Option<PutItemInput>,
    put: ItemPut,
}

impl Put {
    pub(super) fn check(input: &PutItemInput, binding: &Binding) -> Result<Self, Error> {
        no_legacy(input.expected(), "Expected", "ConditionExpression")?;
        no_legacy(input.conditional_operator(), "ConditionalOperator", "ConditionExpression")?;
        let mut input = input.clone();
        let item = input.item.take();
        let conditional = Conditional {
            condition: input.condition_expression(),
            names: input.expression_attribute_names(),
            values: input.expression_attribute_values(),
        };
        let put = ItemPut::check(binding, input.table_name(), item, conditional)?;
        Ok(Self { input: Some(input), put })
    }
}

impl Operation for Put {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.put.target.table, 1)]
    }

    fn seals(&self) -> bool {
        true
    }

    fn sealed(&mut self, key: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        let mut input = self.input.take().ok_or(Refusal::Missing("Item"))?;
        input.item = Some(self.put.seal(required(key)?, Nonces::Random(&OsRandom))?);
        Ok(Some(Input::erase(input)))
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let item = match answer {
            Carrier::Output(output) => {
                output.downcast_mut::<PutItemOutput>().and_then(|output| output.attributes.as_mut())
            }
            Carrier::Error(error) => match error.downcast_mut() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item.as_mut(),
                _ => None,
            },
        };
        Ok(item.map(|item| self.put.target.returned(item)).into_iter().collect())
    }
}
