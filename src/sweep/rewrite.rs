//! The rule by which a sweep writes: one UpdateItem of what it changes alone, on the condition that what it relies on
//! is what it has read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use tenantseal_core::format::{HEADER, Sealed};

use crate::item::Item;
use crate::schema::TableSchema;

/// Changes a stored item that its owner has not asked to change.
///
/// Nothing else of the item is named, so nothing else can be lost. A write in between wins: then the condition does not
/// hold. An item that is gone does not come back.
pub(super) struct Rewrite {
    key: Item,
    set: BTreeMap<String, AttributeValue>,
    remove: Vec<String>,
    /// What it relies on, as it was read; `None` stands for an attribute that was not there.
    read: BTreeMap<String, Option<AttributeValue>>,
}

/// What became of a rewrite.
pub(super) enum Rewritten {
    /// It is done, and took so many units.
    Yes(Option<f64>),
    /// Something it relies on has changed: this is the item as it is now, unless it is gone.
    Changed(Option<Item>),
    /// A transaction works on the item.
    Conflict,
}

impl Rewrite {
    /// A rewrite of this item, which changes nothing yet.
    pub(super) fn new(schema: &TableSchema, item: &Item) -> Self {
        let key = schema.key_names().filter_map(|name| item.get_key_value(name));
        let key = key.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { key, set: BTreeMap::new(), remove: Vec::new(), read: BTreeMap::new() }
    }

    /// Sets the attribute, or removes it.
    pub(super) fn change(&mut self, name: &str, value: Option<AttributeValue>) {
        match value {
            Some(value) => drop(self.set.insert(name.to_owned(), value)),
            None => self.remove.push(name.to_owned()),
        }
    }

    /// Relies on an attribute: it must still be what was read, or absent.
    pub(super) fn rely_on(&mut self, item: &Item, name: &str) {
        self.read.insert(name.to_owned(), item.get(name).cloned());
    }

    /// The same of an encrypted attribute, which may need the header to open.
    pub(super) fn rely_on_sealed(&mut self, item: &Item, name: &str) {
        self.rely_on(item, name);
        let stored = item.get(name).and_then(|value| value.as_b().ok());
        if stored.is_some_and(|stored| Sealed::parse(stored.as_ref()).is_ok_and(|sealed| sealed.key.is_none())) {
            self.rely_on(item, HEADER);
        }
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Sends it, once.
    pub(super) async fn send(
        &self,
        client: &Client,
        table: &str,
        partition_key: &str,
    ) -> Result<Rewritten, SdkError<UpdateItemError>> {
        let mut terms = Terms::default();
        let exists = format!("attribute_exists({})", terms.name(partition_key));
        let unchanged = self.read.iter().map(|(name, value)| {
            let name = terms.name(name);
            match value {
                Some(value) => format!("{name} = {}", terms.value(value.clone())),
                None => format!("attribute_not_exists({name})"),
            }
        });
        let condition: Vec<_> = std::iter::once(exists).chain(unchanged).collect();
        let set = self.set.iter();
        let set = set.map(|(name, value)| format!("{} = {}", terms.name(name), terms.value(value.clone())));
        let set: Vec<_> = set.collect();
        let remove: Vec<_> = self.remove.iter().map(|name| terms.name(name)).collect();
        let clauses = [("SET", set), ("REMOVE", remove)].into_iter().filter(|(_, actions)| !actions.is_empty());
        let clauses: Vec<_> = clauses.map(|(keyword, actions)| format!("{keyword} {}", actions.join(", "))).collect();
        let Terms { names, values } = terms;
        let request = client.update_item().table_name(table).set_key(Some(self.key.clone()));
        let request = request.update_expression(clauses.join(" ")).condition_expression(condition.join(" AND "));
        let request = request.set_expression_attribute_names(Some(names));
        let request = request.set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
        let request = request.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        match request.return_values_on_condition_check_failure(all_old).send().await {
            Ok(output) => Ok(Rewritten::Yes(output.consumed_capacity.and_then(|consumed| consumed.capacity_units))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Rewritten::Changed(failed.item.clone().filter(|item| !item.is_empty())))
                }
                Some(UpdateItemError::TransactionConflictException(_)) => Ok(Rewritten::Conflict),
                _ => Err(error),
            },
        }
    }
}

/// The placeholders of an expression.
#[derive(Default)]
struct Terms {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Terms {
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}
