//! GetItem.

use aws_sdk_dynamodb::operation::get_item::{GetItemInput, GetItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;

use super::Binding;
use super::actions::ItemRead;
use super::expressions::no_legacy;
use super::operation::{Carrier, Keys, Operation, Returned};
use crate::error::Error;
use crate::item::OpenError;
use crate::schema::TableSchema;

pub(super) struct Get {
    /// The input that is sent instead of the caller's, when the caller's lacks something.
    rewritten: Option<GetItemInput>,
    read: ItemRead,
}

impl Get {
    pub(super) fn check(input: &GetItemInput, binding: &Binding) -> Result<Self, Error> {
        no_legacy(input.attributes_to_get.as_ref(), "AttributesToGet", "ProjectionExpression")?;
        let mut projection = input.projection_expression.clone();
        let mut names = input.expression_attribute_names.clone();
        let (read, changed) = ItemRead::check(binding, input.table_name(), input.key(), &mut projection, &mut names)?;
        let rewritten = changed.then(|| {
            let mut input = input.clone();
            input.projection_expression = projection;
            input.expression_attribute_names = names;
            input
        });
        Ok(Self { rewritten, read })
    }
}

impl Operation for Get {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(self.read.table(), 0)]
    }

    fn seal(&mut self, input: Input, _: &Keys<'_>) -> Result<Input, Error> {
        Ok(self.rewritten.take().map_or(input, Input::erase))
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let item = output.downcast_mut::<GetItemOutput>().and_then(|output| output.item.as_mut());
        Ok(item.map(|item| self.read.returned(item)).into_iter().collect())
    }
}
