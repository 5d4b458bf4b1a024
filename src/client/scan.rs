//! Scan: filtered to the tenant's items.

use std::sync::Arc;

use aws_sdk_dynamodb::operation::scan::{ScanInput, ScanOutput};
use aws_sdk_dynamodb::types::Select;
use aws_smithy_runtime_api::client::interceptors::context::{Input, Output};

use super::Binding;
use super::expressions::{Expressions, no_legacy};
use super::operation::{Carrier, Keys, Operation, Returned};
use super::query::check_start_key;
use super::reading::{ReadingMany, Rows, remove_at};
use crate::error::Error;
use crate::expression::Place;
use crate::item::OpenError;
use crate::schema::TableSchema;

pub(super) struct Scan {
    rewritten: Option<ScanInput>,
    rows: Rows,
}

impl Scan {
    pub(super) fn check(input: &ScanInput, binding: &Binding) -> Result<Self, Error> {
        let table = binding.table(input.table_name())?;
        no_legacy(input.attributes_to_get.as_ref(), "AttributesToGet", "ProjectionExpression")?;
        no_legacy(input.scan_filter(), "ScanFilter", "FilterExpression")?;
        no_legacy(input.conditional_operator(), "ConditionalOperator", "FilterExpression")?;
        check_start_key(table, input.exclusive_start_key(), input.index_name())?;
        let mut expressions =
            Expressions::new(table, input.expression_attribute_names(), input.expression_attribute_values());
        expressions = expressions.in_index(input.index_name());
        let condition = expressions.condition("FilterExpression", input.filter_expression(), Some(Place::Filter))?;
        let selection = expressions.projection(input.projection_expression())?;
        let finished = expressions.finish()?;

        let mut rewritten = input.clone();
        let ScanInput {
            projection_expression: projection,
            filter_expression: filter,
            expression_attribute_names: names,
            expression_attribute_values: values,
            ..
        } = &mut rewritten;
        let mut many = ReadingMany { projection, filter, names, values };
        let filter = ("FilterExpression", condition.as_ref());
        many.complete(table, selection.as_ref(), &finished, Some(&binding.tenant), filter)?;
        let (index, edits) = (input.index_name.clone(), finished.edits);
        let rows = Rows { table: Arc::clone(table), partition: None, one: None, selection, index, edits };
        if input.select == Some(Select::Count) {
            rows.check_count()?;
        }
        Ok(Self { rewritten: Some(rewritten), rows })
    }
}

impl Operation for Scan {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.rows.table, 0)]
    }

    fn lookups(&self) -> Vec<u16> {
        self.rows.lookups()
    }

    fn seal(&mut self, input: Input, keys: &Keys<'_>) -> Result<Input, Error> {
        let Some(mut rewritten) = self.rewritten.take() else { return Ok(input) };
        self.rows.fill(keys, &mut rewritten.expression_attribute_values)?;
        Ok(Input::erase(rewritten))
    }

    fn remove(&self, output: &mut Output, dropped: &[usize]) {
        if let Some(ScanOutput { items: Some(items), count, .. }) = output.downcast_mut() {
            remove_at(items, dropped);
            *count = i32::try_from(items.len()).unwrap_or(i32::MAX);
        }
    }

    fn index(&self) -> Option<&str> {
        self.rows.index.as_deref()
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let items =
            output.downcast_mut::<ScanOutput>().into_iter().flat_map(|output| output.items.iter_mut().flatten());
        Ok(self.rows.returned(items))
    }
}
