//! Widens reads: the header and the primary key are read along with what the caller asked for, and removed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::{HEADER, Identity};
use tenantseal_core::tenant::TenantId;

use super::asking::Edits;
use super::expressions::{Finished, Names, SentCondition, Values, check_length};
use super::operation::{Cut, Expected, Keys, Returned};
use crate::error::{Error, Refusal};
use crate::expression::{Fresh, ProjectionRequest, Selection};
use crate::item::Item;
use crate::schema::{LookupPart, TableSchema};

/// The rows that a query or scan reads.
pub(super) struct Rows {
    pub(super) table: Arc<TableSchema>,
    /// The partition key of every item, when the caller asked for one.
    pub(super) partition: Option<String>,
    /// The only item that can exist, when the caller asked for both of its keys.
    pub(super) one: Option<Identity>,
    pub(super) selection: Option<Selection>,
    pub(super) index: Option<String>,
    /// What lookups change of the request, and what each item must answer.
    pub(super) edits: Edits,
}

impl Rows {
    /// The numbers of the lookup keys that its questions need.
    pub(super) fn lookups(&self) -> Vec<u16> {
        self.edits.numbers(&self.table).collect()
    }

    /// Fills in the tokens that are asked for.
    pub(super) fn fill(&self, keys: &Keys<'_>, values: &mut Option<Values>) -> Result<(), Error> {
        self.edits.fill(&self.table, keys.tokens(), values)
    }

    /// Refuses to count items by a lookup that finds other values too.
    pub(super) fn check_count(&self) -> Result<(), Refusal> {
        let mut asked = self.edits.asking.iter().map(|asking| asking.lookup(&self.table));
        match asked.find(|lookup| !lookup.is_exact()) {
            Some(lookup) => Err(Refusal::LookupCount { lookup: lookup.name().to_owned() }),
            None => Ok(()),
        }
    }

    /// The lookup whose token a filter tests although it is a key of the index, as DynamoDB's message says.
    pub(super) fn lookup_named_in(&self, message: &str) -> Option<Error> {
        let mut asked = self.edits.asking.iter().map(|asking| asking.lookup(&self.table));
        let lookup = asked.find(|lookup| names(message, lookup.stored()))?;
        Some(Error::LookupInIndex { lookup: lookup.name().to_owned() })
    }

    /// The items of a page.
    pub(super) fn returned<'a>(&'a self, items: impl IntoIterator<Item = &'a mut Item>) -> Vec<Returned<'a>> {
        let expected = match (&self.one, &self.partition) {
            (Some(identity), _) => Expected::One(identity),
            (None, Some(partition)) => Expected::OfPartition(partition),
            (None, None) => Expected::AnyOfTenant,
        };
        let cut = self.selection.as_ref().map_or(Cut::Whole, Cut::Selected);
        let returned = |item| Returned { item, table: &self.table, expected, cut, asking: &self.edits.asking };
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
    /// `used` are the placeholders that other expressions of the request use; `compared` are the attributes that lookups
    /// compare. Returns whether anything changed.
    pub(super) fn widen(
        &mut self,
        table: &TableSchema,
        selection: &Selection,
        used: &BTreeSet<String>,
        compared: &[&str],
    ) -> Result<bool, Refusal> {
        let header = (selection.is_encrypted() || !compared.is_empty()).then_some(HEADER);
        let discriminator = table.discriminator().filter(|_| selection.varies() || !compared.is_empty());
        let needed: Vec<&str> =
            table.key_names().chain(header).chain(discriminator).chain(compared.iter().copied()).collect();
        let taken = |placeholder: &str| self.names.as_ref().is_some_and(|names| names.contains_key(placeholder));
        let Some(request) = selection.request(&needed, &taken) else { return Ok(false) };
        let ProjectionRequest { expression, added_names, dropped_names } = request;
        check_length("ProjectionExpression", &expression)?;
        *self.projection = Some(expression);
        let names = self.names.get_or_insert_default();
        names.retain(|placeholder, _| !dropped_names.contains(placeholder) || used.contains(placeholder));
        names.extend(added_names);
        Ok(true)
    }
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
        Finished { names: used, edits }: &Finished,
        tenant: Option<&TenantId>,
        (parameter, condition): (&'static str, Option<&SentCondition>),
    ) -> Result<(), Refusal> {
        edits.apply(self.names, self.values);
        if let Some(selection) = selection {
            let asked = edits.asking.iter().flat_map(|asking| asking.lookup(table).parts());
            let compared: BTreeSet<_> = asked.map(LookupPart::attribute).collect();
            let compared: Vec<_> = compared.into_iter().collect();
            Reading { projection: self.projection, names: self.names }.widen(table, selection, used, &compared)?;
        }
        if let Some(SentCondition { condition, is_rewritten: true }) = condition {
            let rewritten = condition.to_string();
            check_length(parameter, &rewritten)?;
            *self.filter = Some(rewritten);
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
            Some(SentCondition { condition, .. }) => condition.and(&of_tenant),
            None => of_tenant,
        };
        check_length(parameter, &filter)?;
        *self.filter = Some(filter);
        names.insert(name, table.partition_key().to_owned());
        values.insert(value, AttributeValue::S(table.tenant().render(tenant)));
        Ok(())
    }
}

/// Whether a message of DynamoDB ends with this attribute's name.
pub(super) fn names(message: &str, attribute: &str) -> bool {
    message.strip_suffix(attribute).is_some_and(|before| before.ends_with(": "))
}

/// Removes the elements at these places, which are in ascending order.
pub(super) fn remove_at<T>(elements: &mut Vec<T>, places: &[usize]) {
    let mut at = 0;
    elements.retain(|_| {
        at += 1;
        places.binary_search(&(at - 1)).is_err()
    });
}
