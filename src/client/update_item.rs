//! UpdateItem: one round trip, without reading. Each sensitive value that it assigns carries its own key record.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::ReturnValue;
use aws_smithy_runtime_api::client::interceptors::context::{Input, Output};
use tenantseal_core::crypto::OsRandom;
use tenantseal_core::envelope::KeyRecordPlacement;

use super::Binding;
use super::actions::{condition_of_write, condition_parts};
use super::expressions::no_legacy;
use super::item_update::ItemUpdate;
use super::notes::Mark;
use super::operation::{Carrier, Cut, Keys, Leaves, Operation, Returned, downcast_input, returned_item};
use crate::error::Error;
use crate::item::OpenError;
use crate::leaves::PlainNames;
use crate::schema::TableSchema;
use tenantseal_core::envelope::Nonces;

pub(super) struct UpdateItem {
    update: ItemUpdate,
    /// Requests all attributes instead of only those that the update touches.
    all: Option<ReturnValue>,
    gives_old: bool,
}

impl UpdateItem {
    pub(super) fn check(input: &UpdateItemInput, binding: &Binding) -> Result<Self, Error> {
        no_legacy(input.attribute_updates(), "AttributeUpdates", "UpdateExpression")?;
        let conditional = condition_of_write!(input);
        let expression = input.update_expression();
        let update = ItemUpdate::check(binding, input.table_name(), input.key(), expression, conditional)?;
        // UPDATED_* would return sealed attributes without the header that opens them. So all are requested, and then
        // cut.
        let all = match input.return_values {
            Some(ReturnValue::UpdatedOld) => Some(ReturnValue::AllOld),
            Some(ReturnValue::UpdatedNew) => Some(ReturnValue::AllNew),
            _ => None,
        };
        let gives_old = matches!(input.return_values, Some(ReturnValue::AllOld | ReturnValue::UpdatedOld));
        Ok(Self { update, all, gives_old })
    }
}

impl Operation for UpdateItem {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.update.target.table, usize::from(self.update.seals().is_some()))]
    }

    fn seals(&self) -> Option<KeyRecordPlacement> {
        self.update.seals()
    }

    fn adopted(&self) -> Vec<Arc<TableSchema>> {
        self.update.adopted().into_iter().collect()
    }

    fn write_plain(&mut self, table: &str, names: &PlainNames) {
        self.update.write_plain(table, names);
    }

    fn lookups(&self) -> Vec<u16> {
        self.update.lookups().collect()
    }

    fn seal(&mut self, mut input: Input, keys: &Keys<'_>) -> Result<Input, Error> {
        let given: &mut UpdateItemInput = downcast_input(&mut input)?;
        self.update.seal(keys, Nonces::Random(&OsRandom), &mut given.update_expression, condition_parts!(given))?;
        if let Some(all) = &self.all {
            given.return_values = Some(all.clone());
        }
        Ok(input)
    }

    fn writes(&self) -> bool {
        true
    }

    fn gives_old(&self) -> Option<Leaves> {
        self.gives_old.then_some(Leaves::Something)
    }

    fn marks(&self, sent: &Input) -> Vec<Mark> {
        let values = sent.downcast_ref::<UpdateItemInput>();
        let values = values.and_then(|input| input.expression_attribute_values.as_ref());
        values.map(|values| self.update.marks(values)).unwrap_or_default()
    }

    fn finish(&mut self, output: &mut Output) -> Result<(), OpenError> {
        // DynamoDB leaves `Attributes` out when none of the touched attributes exists.
        if self.all.is_some()
            && let Some(output) = output.downcast_mut::<UpdateItemOutput>()
            && output.attributes.as_ref().is_some_and(HashMap::is_empty)
        {
            output.attributes = None;
        }
        Ok(())
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let target = &self.update.target;
        let cut = match &answer {
            Carrier::Output(_) if self.all.is_some() => Cut::Paths(self.update.touched_paths()),
            _ => Cut::Whole,
        };
        let item = returned_item!(answer, UpdateItemOutput, UpdateItemError);
        Ok(item.map(|item| Returned { cut, ..target.returned(item) }).into_iter().collect())
    }
}
