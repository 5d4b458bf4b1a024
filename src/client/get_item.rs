//! GetItem.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::get_item::{GetItem, GetItemInput, GetItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::expressions::{Expressions, no_legacy};
use super::operation::{Carrier, Operation, Returned};
use super::reading::Reading;
use crate::error::Error;
use crate::expression::Selection;
use crate::format::Identity;
use crate::item::UnwrappedKey;
use crate::schema::TableSchema;

pub(super) struct Get {
    /// What is sent in place of the caller's input, when that lacks something.
    rewritten: Option<GetItemInput>,
    table: Arc<TableSchema>,
    identity: Identity,
    selection: Option<Selection>,
}

impl Get {
    pub(super) fn check(input: &GetItemInput, binding: &Binding) -> Result<Self, Error> {
        let table = binding.table(input.table_name())?;
        no_legacy(input.attributes_to_get.as_ref(), "AttributesToGet", "ProjectionExpression")?;
        let identity = binding.identity_of_key(table, input.key())?;
        let selection = Expressions::new(table, input.expression_attribute_names(), None)
            .projection(input.projection_expression())?;
        let mut rewritten = None;
        if let Some(selection) = &selection {
            let mut input = input.clone();
            let GetItemInput { projection_expression: projection, expression_attribute_names: names, .. } = &mut input;
            if (Reading { projection, names }).widen(table, selection, &Default::default()) {
                rewritten = Some(input);
            }
        }
        Ok(Self { rewritten, table: Arc::clone(table), identity, selection })
    }
}

impl Operation for Get {
    fn sealed(&mut self, _: &Binding, _: Option<&UnwrappedKey>) -> Result<Option<Input>, Error> {
        Ok(self.rewritten.take().map(Input::erase))
    }

    fn sdk(&self) -> FrozenLayer {
        GetItem::new().config().expect("the SDK's operations have a configuration")
    }

    fn returned<'a>(&'a self, answer: Carrier<'a>) -> Vec<Returned<'a>> {
        let Carrier::Output(output) = answer else { return Vec::new() };
        let item = output.downcast_mut::<GetItemOutput>().and_then(|output| output.item.as_mut());
        let (expected, selection) = (Some(&self.identity), self.selection.as_ref());
        item.map(|item| Returned { item, table: &self.table, expected, selection }).into_iter().collect()
    }
}
