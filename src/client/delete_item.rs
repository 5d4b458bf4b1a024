//! DeleteItem: sends nothing sensitive, and may return the deleted item.

use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::types::ReturnValue;
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::{CheckedCondition, Target, condition_of_write, condition_parts};
use super::expressions::no_legacy;
use super::operation::{Carrier, Keys, Leaves, Operation, Returned, downcast_input, returned_item};
use crate::error::Error;
use crate::item::OpenError;
use crate::schema::TableSchema;

pub(super) struct Delete {
    target: Target,
    condition: CheckedCondition,
    gives_old: bool,
}

impl Delete {
    pub(super) fn check(input: &DeleteItemInput, binding: &Binding) -> Result<Self, Error> {
        let conditional = condition_of_write!(input);
        let gives_old = input.return_values == Some(ReturnValue::AllOld);
        let (target, condition) = Target::for_key(binding, input.table_name(), input.key(), conditional)?;
        Ok(Self { target, condition, gives_old })
    }
}

impl Operation for Delete {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.target.table, 0)]
    }

    fn lookups(&self) -> Vec<u16> {
        self.condition.lookups(&self.target.table).collect()
    }

    fn seal(&mut self, mut input: Input, keys: &Keys<'_>) -> Result<Input, Error> {
        let given: &mut DeleteItemInput = downcast_input(&mut input)?;
        self.condition.write(&self.target.table, keys, condition_parts!(given))?;
        Ok(input)
    }

    fn writes(&self) -> bool {
        true
    }

    fn gives_old(&self) -> Option<Leaves> {
        self.gives_old.then_some(Leaves::Nothing)
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let item = returned_item!(answer, DeleteItemOutput, DeleteItemError);
        Ok(item.map(|item| self.target.returned(item)).into_iter().collect())
    }
}
