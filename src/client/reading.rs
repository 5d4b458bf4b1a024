//! Widens reads: the header and the primary key are read along with what the caller asked for, and removed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::{HEADER, Identity};
use tenantseal_core::tenant::TenantId;

use super::expressions::{Names, Values};
use super::operation::{Cut, Expected, Returned};
use crate::error::Refusal;
use crate::expression::{Condition, ExpressionError, Fresh, ProjectionRequest, Selection};
use crate::item::Item;
use crate::schema::TableSchema;

/// The rows that a query or scan reads.
pub(super) struct Rows {
    pub(super) table: Arc<TableSchema>,
    /// The partition key of every item, when the caller asked for one.
    pub(super) partition: Option<String>,
    /// The only item that can exist, when the caller asked for both of its keys.
    pub(super) one: Option<Identity>,
    pub(super) selection: Option<Selection>,
    pub(super) index: Option<String>,
}

impl Rows {
    /// The items of a page.
    pub(super) fn returned<'a>(&'a self, items: impl IntoIterator<Item = &'a mut Item>) -> Vec<Returned<'a>> {
        let expected = match (&self.one, &self.partition) {
            (Some(identity), _) => Expected::One(identity),
            (None, Some(partition)) => Expected::OfPartition(partition),
            (None, None) => Expected::AnyOfTenant,
        };
        let cut = self.selection.as_ref().map_or(Cut::Whole, Cut::Selected);
        let returned = |item| Returned { item, table: &self.table, expected, cut };
        items.into_iter().map(returned).collect()
    }
}

/// The parameters of a read that may have to change.
pub(super) struct Reading<'a> {
    pub(super) projection: &'a mut Option<String>,
    pub(super) names: &'a mut Option<Names>,
}

impl Reading<'_> {
    /// Makes the answer contain what opening needs: the key attributes, and the header when the caller asks for an
    /// encrypted attribute.
    ///
    /// `used` are the placeholders that other expressions of the request use. Returns whether anything changed.
    pub(super) fn widen(
        &mut self,
        table: &TableSchema,
        selection: &Selection,
        used: &BTreeSet<String>,
    ) -> Result<bool, Refusal> {
        let header = selection.is_encrypted().then_some(HEADER);
        let discriminator = table.discriminator().filter(|_| selection.varies());
        let needed: Vec<&str> = table.key_names().chain(header).chain(discriminator).collect();
        let taken = |placeholder: &str| self.names.as_ref().is_some_and(|names| names.contains_key(placeholder));
        let Some(request) = selection.request(&needed, &taken) else { return Ok(false) };
        let ProjectionRequest { expression, added_names, dropped_names } = request;
        *self.projection = Some(short_enough("ProjectionExpression", expression)?);
        let names = self.names.get_or_insert_default();
        names.retain(|placeholder, _| !dropped_names.contains(placeholder) || used.contains(placeholder));
        names.extend(added_names);
        Ok(true)
    }
}

/// DynamoDB accepts expressions of at most 4 KB (developer guide, "Constraints", expression strings).
fn short_enough(parameter: &'static str, expression: String) -> Result<String, Refusal> {
    if expression.len() <= 4_096 {
        return Ok(expression);
    }
    Err(Refusal::Expression { parameter, source: ExpressionError::TooLongRewritten })
}

/// The parameters of a read of many items that may have to change.
pub(super) struct ReadingMany<'a> {
    pub(super) projection: &'a mut Option<String>,
    pub(super) filter: &'a mut Option<String>,
    pub(super) names: &'a mut Option<Names>,
    pub(super) values: &'a mut Option<Values>,
}

impl ReadingMany<'_> {
    /// Makes the answer contain what opening needs. A read that is not bound to the tenant's items is limited to those
    /// of `tenant`. `condition` is the parsed filter, and `parameter` its name in the request.
    pub(super) fn complete(
        &mut self,
        table: &TableSchema,
        selection: Option<&Selection>,
        used: &BTreeSet<String>,
        tenant: Option<&TenantId>,
        (parameter, condition): (&'static str, Option<&Condition>),
    ) -> Result<(), Refusal> {
        if let Some(selection) = selection {
            Reading { projection: self.projection, names: self.names }.widen(table, selection, used)?;
        }
        let Some(tenant) = tenant else { return Ok(()) };
        let names = self.names.get_or_insert_default();
        let values = self.values.get_or_insert_default();
        let name = Fresh::new('#', &|placeholder: &str| names.contains_key(placeholder)).placeholder();
        let value = Fresh::new(':', &|placeholder: &str| values.contains_key(placeholder)).placeholder();
        let of_tenant = match table.tenant().is_prefix() {
            true => format!("begins_with({name}, {value})"),
            false => format!("{name} = {value}"),
        };
        let filter = match condition {
            Some(condition) => condition.and(&of_tenant),
            None => of_tenant,
        };
        *self.filter = Some(short_enough(parameter, filter)?);
        names.insert(name, table.partition_key().to_owned());
        values.insert(value, AttributeValue::S(table.tenant().render(tenant)));
        Ok(())
    }
}
