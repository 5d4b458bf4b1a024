//! Query: bound to the tenant by its key condition, or filtered to the tenant on an index.

use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::query::{QueryError, QueryInput, QueryOutput};
use aws_sdk_dynamodb::types::Select;
use aws_smithy_runtime_api::client::interceptors::context::{Error as OperationError, Input, Output};
use tenantseal_core::format::Identity;
use tenantseal_core::tenant::TenantId;

use super::Binding;
use super::expressions::{Expressions, Values, check_length, no_legacy};
use super::operation::{Carrier, Keys, Operation, Returned};
use super::reading::{ReadingMany, Rows, names, remove_at};
use crate::error::{Error, Refusal};
use crate::expression::{KeyTest, Place};
use crate::item::{Item, OpenError, PrimaryKeyError, check_name, identity};
use crate::schema::{Lookup, TableSchema, Variant};

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
        expressions = expressions.in_index(input.index_name());
        expressions.learn_from("FilterExpression", input.filter_expression())?;
        let (keys, keys_are_rewritten) = expressions.key_condition(input.key_condition_expression())?;
        let tests = expressions
            .check_in_scope(|scope| keys.tests(scope))
            .map_err(|source| Refusal::Expression { parameter: KEY_CONDITION, source })?;
        let partition = tests.iter().find(|(attribute, _)| attribute == table.partition_key()).map(|(_, test)| *test);
        let reach = reach(table, &binding.tenant, partition, values, input.index_name().is_some())?;
        match (reach, input.exclusive_start_key()) {
            (Reach::Partition(_), Some(start)) if input.index_name().is_none() => {
                binding.identity_of_key(table, Some(start))?;
            }
            (_, start) => check_start_key(table, start, input.index_name())?,
        }
        let condition = expressions.condition("FilterExpression", input.filter_expression(), Some(Place::Filter))?;
        let selection = expressions.projection(input.projection_expression())?;
        let finished = expressions.finish()?;

        let filtered = reach == Reach::Beyond;
        let is_rewritten = filtered || selection.is_some() || !finished.edits.is_empty();
        let mut rewritten = is_rewritten.then(|| input.clone());
        if let Some(QueryInput {
            key_condition_expression: key_condition,
            projection_expression: projection,
            filter_expression: filter,
            expression_attribute_names: names,
            expression_attribute_values: values,
            ..
        }) = &mut rewritten
        {
            if keys_are_rewritten {
                let rewritten = keys.to_string();
                check_length(KEY_CONDITION, &rewritten)?;
                *key_condition = Some(rewritten);
            }
            let mut many = ReadingMany { projection, filter, names, values };
            let (tenant, filter) = (filtered.then_some(&binding.tenant), ("FilterExpression", condition.as_ref()));
            many.complete(table, selection.as_ref(), &finished, tenant, filter)?;
        }
        let partition = match reach {
            Reach::Partition(value) => value.map(str::to_owned),
            Reach::Beyond => None,
        };
        let one = named_identity(table, &binding.tenant, &tests, values);
        let (index, edits) = (input.index_name.clone(), finished.edits);
        let rows = Rows { table: Arc::clone(table), partition, one, selection, index, edits };
        if input.select == Some(Select::Count) {
            rows.check_count()?;
        }
        Ok(Self { rewritten, filtered, rows })
    }
}

const KEY_CONDITION: &str = "KeyConditionExpression";

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
/// It must not carry a sensitive value. The token of a lookup is a key of the lookup's index.
pub(super) fn check_start_key(table: &TableSchema, start: Option<&Item>, index: Option<&str>) -> Result<(), Error> {
    let Some(start) = start else { return Ok(()) };
    for (name, value) in start {
        if index.is_some() && value.is_s() && is_token_in(table, name, index) {
            continue;
        }
        if !check_name(&Variant::unknown(table), name)?.is_plain() {
            return Err(Refusal::PrimaryKey(PrimaryKeyError::Superfluous { attribute: name.clone() }).into());
        }
    }
    Ok(())
}

/// Whether the attribute stores the tokens of a lookup that has this index, or declares none.
fn is_token_in(table: &TableSchema, attribute: &str, index: Option<&str>) -> bool {
    let stores = |lookup: &&Lookup| lookup.stored() == attribute;
    let found = table.lookups().iter().find(stores);
    found.is_some_and(|lookup| lookup.index().is_none_or(|own| Some(own.name()) == index))
}

impl Operation for Query {
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
        if let Some(QueryOutput { items: Some(items), count, .. }) = output.downcast_mut() {
            remove_at(items, dropped);
            *count = i32::try_from(items.len()).unwrap_or(i32::MAX);
        }
    }

    fn explain(&self, error: &OperationError) -> Option<Error> {
        // A filter may not name a key of the index (developer guide, "Filter expressions for the Query operation").
        let message = error.downcast_ref::<QueryError>()?.message()?;
        // The message names the key. The caller's own filter may test the same key.
        if message.contains("non-primary key attributes")
            && let Some(error) = self.rows.lookup_named_in(message)
        {
            return Some(error);
        }
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
