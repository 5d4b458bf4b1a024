//! GetItem.

use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::ItemRead;
use super::expressions::no_legacy;
use super::operation::{Carrier, Operation, Returned};
use crate::error::Error;
use crate::item::{OpenError, UnwrappedKey};
use crate::schema::TableSchema;

pub(super) struct Get {
    /// What is sent in place of the caller's input, when that lacks something.
    rewritten: Option<GetItemInput>,
    read: ItemRead,
}

impl Get {
    pub(super) fn check(input: &GetItemInput, binding: &Binding) -> Result<Self, Error> {
        no_legacy(input.attributes_to_get.as_ref(), "AttributesToGet", "ProjectionExpression")?;
        let mut input = input.clone();
        let GetItemInput { table_name, key, projection_expression, expression_attribute_names, .. } = &mut input;
        let (read, changed) = ItemRead::check(
            binding,
            table_name.as_deref(),
            key.as_ref(),
            projection_expression,
            expression_attribute_names,
        )?;
        Ok(Self { rewritten: changed.then_some(input), read })
    }
}

impl Operation for Get {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(self.read.table(), 0)]
    }

    fn sealed(&mut self, _: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        Ok(self.rewritten.take().map(Input::erase))
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let item = output.downcast_mut::<GetItemOutput>().and_then(|output| output.item.as_mut());
        Ok(item.map(|item| self.read.returned(item)).into_iter().collect())
    }
}
