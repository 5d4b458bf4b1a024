//! Query: bound to the tenant by its key condition, or filtered to the tenant on an index.

use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::query::{QueryError, QueryInput, QueryOutput};
use aws_smithy_runtime_api::client::interceptors::context::{Error as OperationError, Input};
use tenantseal_core::envelope::VerifiedDataKey;
use tenantseal_core::format::Identity;
use tenantseal_core::tenant::TenantId;

use super::Binding;
use super::expressions::{Expressions, Values, no_legacy};
use super::operation::{Carrier, Operation, Returned};
use super::reading::{ReadingMany, Rows};
use crate::error::{Error, Refusal};
use crate::expression::KeyTest;
use crate::item::{Item, OpenError, PrimaryKeyError, check_name, identity};
use crate::schema::{TableSchema, Variant};

pub(super) struct Query {
    /// The input that is sent instead of the caller's, when the caller's lacks something.
    rewritten: Option<QueryInput>,
    /// Whether a filter was added.
    filtered: bool,
    rows: Rows,
}

impl Query {
    pub(super) fn check(input: &QueryInput, binding: &Binding) -> Result<Self, Error> {
        let table = binding.table(input.table_name())?;
        no_legacy(input.attributes_to_get.as_ref(), "AttributesToGet", "ProjectionExpression")?;
        no_legacy(input.key_conditions(), "KeyConditions", "KeyConditionExpression")?;
        no_legacy(input.query_filter(), "QueryFilter", "FilterExpression")?;
        no_legacy(input.conditional_operator(), "ConditionalOperator", "FilterExpression")?;
        let values = input.expression_attribute_values();
        let mut expressions = Expressions::new(table, input.expression_attribute_names(), values);
        let keys = expressions.key_condition(input.key_condition_expression())?;
        let tests = expressions
            .check_in_scope(|scope| keys.tests(scope))
            .map_err(|source| Refusal::Expression { parameter: "KeyConditionExpression", source })?;
        let partition = tests.iter().find(|(attribute, _)| attribute == table.partition_key()).map(|(_, test)| *test);
        let reach = reach(table, &binding.tenant, partition, values, input.index_name().is_some())?;
        match (reach, input.exclusive_start_key()) {
            (Reach::Partition(_), Some(start)) if input.index_name().is_none() => {
                binding.identity_of_key(table, Some(start))?;
            }
            (_, start) => check_start_key(table, start)?,
        }
        let condition = expressions.condition("FilterExpression", input.filter_expression())?;
        let selection = expressions.projection(input.projection_expression())?;
        let used = expressions.finish()?;

        let filtered = reach == Reach::Beyond;
        let mut rewritten = (filtered || selection.is_some()).then(|| input.clone());
        if let Some(QueryInput {
            projection_expression: projection,
            filter_expression: filter,
            expression_attribute_names: names,
            expression_attribute_values: values,
            ..
        }) = &mut rewritten
        {
            let mut many = ReadingMany { projection, filter, names, values };
            let (tenant, filter) = (filtered.then_some(&binding.tenant), ("FilterExpression", condition.as_ref()));
            many.complete(table, selection.as_ref(), &used, tenant, filter)?;
        }
        let partition = match reach {
            Reach::Partition(value) => value.map(str::to_owned),
            Reach::Beyond => None,
        };
        let one = named_identity(table, &binding.tenant, &tests, values);
        let rows = Rows { table: Arc::clone(table), partition, one, selection, index: input.index_name.clone() };
        Ok(Self { rewritten, filtered, rows })
    }
}

/// Which tenants' items a read can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach<'v> {
    /// The tenant's alone; of one partition key, when the request gives it.
    Partition(Option<&'v str>),
    /// Other tenants' items too: an index is not divided by tenant.
    Beyond,
}

/// Which tenants' items a query can find, judged by its test of the table's partition key.
fn reach<'v>(
    table: &TableSchema,
    tenant: &TenantId,
    partition: Option<&KeyTest>,
    values: Option<&'v Values>,
    index: bool,
) -> Result<Reach<'v>, Refusal> {
    let owned = |placeholder: &String| -> Result<Option<&str>, Refusal> {
        let value = values.and_then(|values| values.get(placeholder));
        let value = value.ok_or_else(|| Refusal::UndefinedValue(placeholder.clone()))?;
        Ok(value.as_s().ok().map(String::as_str).filter(|value| table.tenant().owns(tenant, value)))
    };
    let reach = match partition {
        Some(KeyTest::Equals(placeholder)) => owned(placeholder)?.map(|value| Reach::Partition(Some(value))),
        // This may be the sort key of an index. A beginning counts only where it belongs to one tenant.
        Some(KeyTest::BeginsWith(placeholder)) if index && table.tenant().is_prefix() => {
            owned(placeholder)?.map(|_| Reach::Partition(None))
        }
        Some(_) => None,
        None if index => Some(Reach::Beyond),
        None => None,
    };
    reach.ok_or_else(|| Refusal::NotOneTenant { attribute: table.partition_key().to_owned() })
}

/// The one item that the query can find, when it tests both of the table's keys for equality.
fn named_identity(
    table: &TableSchema,
    tenant: &TenantId,
    tests: &[(String, &KeyTest)],
    values: Option<&Values>,
) -> Option<Identity> {
    let equals = |(attribute, test): &(String, &KeyTest)| match test {
        KeyTest::Equals(placeholder) => Some((attribute.clone(), values?.get(placeholder)?.clone())),
        _ => None,
    };
    identity(table, tenant, &tests.iter().filter_map(equals).collect()).ok()
}

/// Checks the key at which a scan or an index query continues. It may be another tenant's, as the last key evaluated.
/// It must not carry a sensitive value.
pub(super) fn check_start_key(table: &TableSchema, start: Option<&Item>) -> Result<(), Error> {
    let Some(start) = start else { return Ok(()) };
    for name in start.keys() {
        if !check_name(&Variant::unknown(table), name)?.is_plain() {
            return Err(Refusal::PrimaryKey(PrimaryKeyError::Superfluous { attribute: name.clone() }).into());
        }
    }
    Ok(())
}

/// Whether a message of DynamoDB ends with this attribute's name.
pub(super) fn names(message: &str, attribute: &str) -> bool {
    message.strip_suffix(attribute).is_some_and(|before| before.ends_with(": "))
}

impl Operation for Query {
    fn tables(&self) -> Vec<(&TableSchema, usize)> {
        vec![(&self.rows.table, 0)]
    }

    fn seal(&mut self, input: Input, _: Option<&VerifiedDataKey>) -> Result<Input, Error> {
        Ok(self.rewritten.take().map_or(input, Input::erase))
    }

    fn explain(&self, error: &OperationError) -> Option<Error> {
        // A filter may not name a key of the index (developer guide, "Filter expressions for the Query operation").
        let message = error.downcast_ref::<QueryError>()?.message()?;
        // The message names the key. The caller's own filter may test the same key.
        let attribute = self.rows.table.partition_key();
        let refused = self.filtered && message.contains("non-primary key attributes") && names(message, attribute);
        refused.then(|| Error::TenantInIndex { attribute: attribute.to_owned() })
    }

    fn index(&self) -> Option<&str> {
        self.rows.index.as_deref()
    }

    fn returned_items<'a>(&'a self, answer: Carrier<'a>) -> Result<Vec<Returned<'a>>, OpenError> {
        let Carrier::Output(output) = answer else { return Ok(Vec::new()) };
        let items =
            output.downcast_mut::<QueryOutput>().into_iter().flat_map(|output| output.items.iter_mut().flatten());
        Ok(self.rows.returned(items))
    }
}
