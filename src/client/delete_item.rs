//! DeleteItem: sends nothing sensitive, and may return the deleted item.

use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::types::ReturnValue;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use tenantseal_core::envelope::VerifiedDataKey;

use super::Binding;
use super::actions::{Target, condition_of_write};
use super::expressions::no_legacy;
use super::operation::{Carrier, Leaves, Operation, Returned, returned_item};
use crate::error::Error;
use crate::item::OpenError;
use crate::schema::TableSchema;

pub(super) struct Delete {
    target: Target,
    gives_old: bool,
}

impl Delete {
    pub(super) fn check(input: &DeleteItemInput, binding: &Binding) -> Result<Self, Error> {
        let conditional = condition_of_write!(input);
        let gives_old = input.return_values == Some(ReturnValue::AllOld);
        Ok(Self { target: Target::for_key(binding, input.table_name(), input.key(), conditional)?, gives_old })
    }
}

impl Operation for Delete {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.target.table, 0)]
    }

    fn seal(&mut self, input: Input, _: Option<&VerifiedDataKey>) -> Result<Input, Error> {
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
