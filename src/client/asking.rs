//! Questions to lookups: the tokens that are sent instead of the caller's values, and the comparison after opening.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{Error, Refusal};
use crate::expression::{LookupTest, Placeholders};
use crate::item::{Asked, Item, OpenError, Tokens};
use crate::schema::{Lookup, TableSchema, Variant};

/// ExpressionAttributeNames.
pub(super) type Names = HashMap<String, String>;
/// ExpressionAttributeValues.
pub(super) type Values = Item;

/// A question to a lookup.
pub(super) struct Asking {
    /// The lookup's place among the table's.
    lookup: usize,
    /// What is asked for, with the placeholder of its token.
    alternatives: Vec<(Asked, String)>,
}

impl Asking {
    /// The question of a test whose lookup takes the values.
    fn new(table: &TableSchema, test: &LookupTest, values: Option<&Values>) -> Result<Self, Refusal> {
        let LookupTest { stored, given, sent } = test;
        let found = table.lookups().iter().enumerate().find(|(_, lookup)| lookup.stored() == stored);
        let unanswered = || Refusal::LookupValue { lookup: stored.clone() };
        let (at, lookup) = found.ok_or_else(unanswered)?;
        // Each value is an alternative, unless together they are the parts of one.
        let per_token = given.len() / sent.len().max(1);
        let alternatives = given.chunks(per_token.max(1)).zip(sent).map(|(given, sent)| {
            let value = |placeholder: &String| {
                let value = values.and_then(|values| values.get(placeholder));
                value.ok_or_else(|| Refusal::UndefinedValue(placeholder.clone()))
            };
            let given = given.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            let asked = lookup.asked(&given).ok().flatten().ok_or_else(unanswered)?;
            Ok((asked, sent.clone()))
        });
        Ok(Self { lookup: at, alternatives: alternatives.collect::<Result<_, Refusal>>()? })
    }

    /// The lookup that is asked.
    pub(super) fn lookup<'t>(&self, table: &'t TableSchema) -> &'t Lookup {
        &table.lookups()[self.lookup]
    }

    /// Whether an opened item is what was asked for. An attribute that the index does not project is an error.
    pub(super) fn holds(&self, table: &TableSchema, item: &Item, index: Option<&str>) -> Result<bool, OpenError> {
        let lookup = self.lookup(table);
        if Variant::from_item(table, item).declares(lookup) == Some(false) {
            return Ok(false);
        }
        let mut values = Vec::new();
        for part in lookup.parts() {
            match (item.get(part.attribute()), index) {
                (Some(value), _) => values.push(value),
                // In a table the token is there without its attribute. In an index, the attribute may be left out.
                (None, None) => return Ok(false),
                (None, Some(index)) => {
                    let (index, attribute) = (index.to_owned(), part.attribute().to_owned());
                    return Err(OpenError::IndexLacksLookup { index, attribute });
                }
            }
        }
        Ok(self.alternatives.iter().any(|(asked, _)| lookup.answers(asked, &values)))
    }
}

/// What lookups change of a request's names and values.
#[derive(Default)]
pub(super) struct Edits {
    dropped: Placeholders,
    added_names: BTreeMap<String, String>,
    pub(super) asking: Vec<Asking>,
}

impl Edits {
    /// `dropped` are the caller's placeholders that no expression uses any more.
    pub(super) fn new(
        table: &TableSchema,
        tests: &[LookupTest],
        values: Option<&Values>,
        dropped: Placeholders,
        added_names: BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        let asking = tests.iter().map(|test| Asking::new(table, test, values)).collect::<Result<_, _>>()?;
        Ok(Self { dropped, added_names, asking })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asking.is_empty() && self.added_names.is_empty()
    }

    /// The numbers of the lookup keys that make its tokens.
    pub(super) fn numbers<'t>(&'t self, table: &'t TableSchema) -> impl Iterator<Item = u16> + 't {
        self.asking.iter().map(|asking| asking.lookup(table).key())
    }

    /// Takes out what nothing uses any more, and adds names and places for tokens.
    pub(super) fn apply(&self, names: &mut Option<Names>, values: &mut Option<Values>) {
        if self.is_empty() {
            return;
        }
        let edited = names.get_or_insert_default();
        edited.retain(|placeholder, _| !self.dropped.names.contains(placeholder));
        edited.extend(self.added_names.clone());
        *names = names.take().filter(|names| !names.is_empty());
        let edited = values.get_or_insert_default();
        edited.retain(|placeholder, _| !self.dropped.values.contains(placeholder));
        // Until the lookup keys are there, NULL, which equals no token.
        let sent = self.asking.iter().flat_map(|asking| &asking.alternatives).map(|(_, sent)| sent.clone());
        edited.extend(sent.map(|placeholder| (placeholder, AttributeValue::Null(true))));
        *values = values.take().filter(|values| !values.is_empty());
    }

    /// Fills in the tokens.
    pub(super) fn fill(
        &self,
        table: &TableSchema,
        tokens: Tokens<'_>,
        values: &mut Option<Values>,
    ) -> Result<(), Error> {
        for asking in &self.asking {
            for (asked, sent) in &asking.alternatives {
                let token = tokens.asked(table, asking.lookup(table), asked)?;
                values.get_or_insert_default().insert(sent.clone(), AttributeValue::S(token));
            }
        }
        Ok(())
    }
}
