//! SearchVectors: finds the nearest of the tenant's own items, by a vector that is stored unencrypted.
//!
//! For the conditions of a search, DynamoDB promises equality alone (developer guide, "Troubleshooting vector
//! indexes"). So the tenant's part is added where it is a whole partition key. Where it is only a beginning, the caller
//! must test it.

use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::search_vectors::{SearchVectorsError, SearchVectorsInput, SearchVectorsOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::interceptors::context::{Error as OperationError, Input};

use super::Binding;
use super::expressions::Expressions;
use super::operation::{Carrier, Keys, Operation, Returned};
use super::reading::{ReadingMany, Rows, names};
use crate::error::{Error, Refusal};
use crate::item::OpenError;
use crate::schema::TableSchema;

pub(super) struct Search {
    /// The input that is sent instead of the caller's, when the caller's lacks something.
    rewritten: Option<SearchVectorsInput>,
    /// Whether a condition was added.
    filtered: bool,
    rows: Rows,
}

impl Search {
    pub(super) fn check(input: &SearchVectorsInput, binding: &Binding) -> Result<Self, Error> {
        let table = binding.table(input.table_name())?;
        if !input.search_vector().iter().all(AttributeValue::is_n) {
            return Err(Refusal::SearchVector.into());
        }
        let values = input.expression_attribute_values();
        let mut expressions = Expressions::new(table, input.expression_attribute_names(), values);
        let condition =
            expressions.condition("SearchConditionExpression", input.search_condition_expression(), None)?;
        let selection = expressions.projection(input.projection_expression())?;
        let required = condition.as_ref().and_then(|sent| {
            expressions.check_in_scope(|scope| Ok(sent.condition.requires(table.partition_key(), scope))).ok().flatten()
        });
        let not_one_tenant = || Refusal::NotOneTenant { attribute: table.partition_key().to_owned() };
        let partition = match required {
            Some((true, placeholder)) => {
                let value = values.and_then(|values| values.get(placeholder)).and_then(|value| value.as_s().ok());
                let own = value.filter(|value| table.tenant().owns(&binding.tenant, value));
                Some(own.ok_or_else(not_one_tenant)?.clone())
            }
            _ if table.tenant().is_prefix() => return Err(not_one_tenant().into()),
            _ => None,
        };
        let finished = expressions.finish()?;

        let filtered = partition.is_none();
        let mut rewritten = (filtered || selection.is_some()).then(|| input.clone());
        if let Some(SearchVectorsInput {
            projection_expression: projection,
            search_condition_expression: filter,
            expression_attribute_names: names,
            expression_attribute_values: values,
            ..
        }) = &mut rewritten
        {
            let mut many = ReadingMany { projection, filter, names, values };
            let (tenant, filter) =
                (filtered.then_some(&binding.tenant), ("SearchConditionExpression", condition.as_ref()));
            many.complete(table, selection.as_ref(), &finished, tenant, filter)?;
        }
        let (index, edits) = (input.index_name.clone(), finished.edits);
        let rows = Rows { table: Arc::clone(table), partition, one: None, selection, index, edits };
        Ok(Self { rewritten, filtered, rows })
    }
}

impl Operation for Search {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.rows.table, 0)]
    }

    fn seal(&mut self, input: Input, _: &Keys<'_>) -> Result<Input, Error> {
        Ok(self.rewritten.take().map_or(input, Input::erase))
    }

    fn explain(&self, error: &OperationError) -> Option<Error> {
        // "SearchConditionExpression must not contain any attributes that is not in SearchSchema. Invalid attribute:
        // .."
        let message = error.downcast_ref::<SearchVectorsError>()?.message()?;
        let attribute = self.rows.table.partition_key();
        let refused = self.filtered && message.contains("not in SearchSchema") && names(message, attribute);
        refused.then(|| Error::TenantNotInIndex { attribute: attribute.to_owned() })
    }

    fn index(&self) -> Option<&str> {
        self.rows.index.as_deref()
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let output = output.downcast_mut::<SearchVectorsOutput>();
        let results = output.into_iter().flat_map(|output| output.search_results.iter_mut().flatten());
        Ok(self.rows.returned(results.filter_map(|result| result.item.as_mut())))
    }
}
