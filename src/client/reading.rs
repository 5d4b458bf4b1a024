//! What a read asks for in place of what the caller asked for: the header and the keys come along, and go again.

use std::collections::BTreeSet;

use super::expressions::{Names, Values};
use crate::expression::{Fresh, ProjectionRequest, Selection};
use crate::format::HEADER;
use crate::schema::TableSchema;
use crate::tenant::TenantId;
use aws_sdk_dynamodb::types::AttributeValue;

/// The parameters of a read that may have to change.
pub(super) struct Reading<'a> {
    pub(super) projection: &'a mut Option<String>,
    pub(super) names: &'a mut Option<Names>,
}

impl Reading<'_> {
    /// Has the answer hold what opening needs: the key attributes, and the header when an encrypted attribute is asked for.
    ///
    /// `used` are the placeholders that other expressions of the request use. Says whether anything changed.
    pub(super) fn widen(&mut self, table: &TableSchema, selection: &Selection, used: &BTreeSet<String>) -> bool {
        let header = selection.is_encrypted().then_some(HEADER);
        let needed: Vec<&str> = table.key_names().chain(header).collect();
        let taken = |placeholder: &str| self.names.as_ref().is_some_and(|names| names.contains_key(placeholder));
        let Some(request) = selection.request(&needed, &taken) else { return false };
        let ProjectionRequest { expression, added_names, dropped_names } = request;
        *self.projection = Some(expression);
        let names = self.names.get_or_insert_default();
        names.retain(|placeholder, _| !dropped_names.contains(placeholder) || used.contains(placeholder));
        names.extend(added_names);
        true
    }
}

/// The filter of a read that is not bound to one partition, and so would return other tenants' items.
pub(super) struct Filtering<'a> {
    pub(super) filter: &'a mut Option<String>,
    pub(super) names: &'a mut Option<Names>,
    pub(super) values: &'a mut Option<Values>,
}

impl Filtering<'_> {
    /// Has DynamoDB return the tenant's items alone.
    pub(super) fn keep_only(&mut self, table: &TableSchema, tenant: &TenantId) {
        let names = self.names.get_or_insert_default();
        let values = self.values.get_or_insert_default();
        let name = Fresh::new('#', &|placeholder: &str| names.contains_key(placeholder)).placeholder();
        let value = Fresh::new(':', &|placeholder: &str| values.contains_key(placeholder)).placeholder();
        let of_tenant = match table.tenant().is_prefix() {
            true => format!("begins_with({name}, {value})"),
            false => format!("{name} = {value}"),
        };
        *self.filter = Some(match self.filter.take() {
            Some(filter) => format!("({filter}) AND {of_tenant}"),
            None => of_tenant,
        });
        names.insert(name, table.partition_key().to_owned());
        values.insert(value, AttributeValue::S(table.tenant().render(tenant)));
    }
}
