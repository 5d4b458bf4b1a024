//! What requests do to unique lookups. What would store a unique value without its claim is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use super::Binding;
use super::actions::{CONDITION, ConditionParts, Conditional, ItemPut, Target, conditional};
use super::expressions::check_length;
use super::item_update::ItemUpdate;
use super::operation::NOT_CHECKED;
use crate::claims::{Becomes, Spot, Stored, Touch};
use crate::error::{Error, Refusal};
use crate::expression::{Condition, Fresh};
use crate::item::Item;
use crate::schema::{Lookup, LookupState, TableSchema};

/// Whether an action writes or removes tokens of unique lookups.
pub(crate) fn touches_unique(binding: &Binding, action: &TransactWriteItem) -> Result<bool, Error> {
    let TransactWriteItem { put, update, delete, .. } = action;
    let table = [
        put.as_ref().map(|put| &put.table_name),
        update.as_ref().map(|update| &update.table_name),
        delete.as_ref().map(|delete| &delete.table_name),
    ];
    let Some(table) = table.into_iter().flatten().next() else { return Ok(false) };
    let has_unique = binding.table(Some(table))?.lookups().iter().any(|lookup| lookup.is_unique());
    match update {
        Some(update) if has_unique => {
            let expression = Some(update.update_expression.as_str());
            let (table, key) = (Some(update.table_name.as_str()), Some(&update.key));
            let update = ItemUpdate::check_any(binding, table, key, expression, conditional!(update))?;
            update.refuse_untold()?;
            Ok(!update.unique()?.is_empty())
        }
        _ => Ok(has_unique),
    }
}

/// What an action does to the token of a unique lookup.
enum Effect {
    /// It stores this one, or the placeholder's. `is_claimed` unless there is nothing to look up in the value.
    Set {
        stored: String,
        is_claimed: bool,
    },
    /// The same where none is stored.
    SetIfNotExists {
        stored: String,
        is_claimed: bool,
    },
    Remove,
}

impl Effect {
    /// What becomes of the token that was read.
    fn becomes(self, stored: &Stored, spot: &Spot) -> Result<Becomes, Error> {
        let lookup = spot.lookup();
        Ok(match self {
            Self::Set { stored, is_claimed } => Becomes::Token { stored, is_claimed },
            Self::Remove => Becomes::Nothing,
            Self::SetIfNotExists { .. } if *stored == Stored::Unknown => {
                return Err(Refusal::UniqueIfNotExists { lookup: lookup.name().to_owned() }.into());
            }
            Self::SetIfNotExists { .. } if stored.attribute(lookup.stored()).is_some() => Becomes::Kept,
            Self::SetIfNotExists { stored, is_claimed } => Becomes::Token { stored, is_claimed },
        })
    }
}

/// The changes of unique lookups that an action makes to its item.
fn touches(
    target: &Target,
    physical: &str,
    key: &Item,
    stored: &Stored,
    effects: Vec<(usize, Effect)>,
) -> Result<Vec<Touch>, Error> {
    let names: BTreeSet<_> = target.table.key_names().collect();
    let key: Item =
        key.iter().filter(|(name, _)| names.contains(name.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    let touch = |(lookup, effect): (usize, Effect)| {
        let spot = Spot { physical: physical.into(), schema: Arc::clone(&target.table), lookup };
        let was = stored.attribute(spot.lookup().stored()).cloned();
        Ok(Touch { becomes: effect.becomes(stored, &spot)?, spot, key: key.clone(), was })
    };
    effects.into_iter().map(touch).collect()
}

/// The places of a table's unique lookups.
fn unique(table: &TableSchema) -> impl Iterator<Item = usize> + '_ {
    table.lookups().iter().enumerate().filter(|(_, lookup)| lookup.is_unique()).map(|(at, _)| at)
}

impl ItemPut {
    /// Checks the item and the condition. Refuses values of unique lookups.
    pub(super) fn check(
        binding: &Binding,
        table: Option<&str>,
        item: Option<&Item>,
        conditional: Conditional<'_>,
    ) -> Result<Self, Error> {
        Ok(Self::check_any(binding, table, item, conditional)?.refuse_unique()?)
    }

    /// Refuses a put that stores a unique value without its claim.
    pub(super) fn refuse_unique(self) -> Result<Self, Refusal> {
        match self.unique.first() {
            Some((at, _)) => Err(Refusal::UniqueLookup { lookup: self.target.table.lookups()[*at].name().to_owned() }),
            None => Ok(self),
        }
    }

    /// The changes of unique lookups that the put of this sealed item makes.
    pub(super) fn touches(&self, physical: &str, sealed: &Item, stored: &Stored) -> Result<Vec<Touch>, Error> {
        let table = &self.target.table;
        // An item of a type without unique values.
        if *stored == Stored::Untouched && self.unique.is_empty() {
            return Ok(Vec::new());
        }
        let effect = |at: usize| match self.unique.iter().find(|(written, _)| *written == at) {
            Some((_, is_claimed)) => {
                let token = sealed.get(table.lookups()[at].stored()).and_then(|token| token.as_s().ok());
                let stored = token.ok_or(NOT_CHECKED)?.clone();
                Ok((at, Effect::Set { stored, is_claimed: *is_claimed }))
            }
            None => Ok((at, Effect::Remove)),
        };
        let effects = unique(table).map(effect).collect::<Result<_, Error>>()?;
        touches(&self.target, physical, sealed, stored, effects)
    }
}

impl ItemUpdate {
    /// Checks the primary key, the update and the condition. Refuses values of unique lookups.
    pub(super) fn check(
        binding: &Binding,
        table: Option<&str>,
        key: Option<&Item>,
        update: Option<&str>,
        conditional: Conditional<'_>,
    ) -> Result<Self, Error> {
        Self::check_any(binding, table, key, update, conditional)?.refuse_unique()
    }

    /// Refuses an update that assigns a unique value without its claim.
    pub(super) fn refuse_unique(self) -> Result<Self, Error> {
        let table = &self.target.table;
        let assigned = self.unique()?.into_iter().find(|(at, effect)| match effect {
            Effect::Set { .. } | Effect::SetIfNotExists { .. } => true,
            // While a lookup is built, `if_not_exists` removes the token of what it may assign.
            Effect::Remove => {
                let lookup = &table.lookups()[*at];
                let is_part = |attribute: &str| lookup.has_part(attribute);
                lookup.state() != LookupState::Retired && self.plan.sealed.iter().any(|value| is_part(&value.attribute))
            }
        });
        match assigned {
            Some((at, _)) => Err(Refusal::UniqueLookup { lookup: table.lookups()[at].name().to_owned() }.into()),
            None => Ok(self),
        }
    }

    /// Refuses `if_not_exists` of a unique value while its lookup is built. It removes the token, so nothing would tell
    /// which value the item has: one that stays would lose its claim, and a new one would have none.
    fn refuse_untold(&self) -> Result<(), Refusal> {
        let Self { plan, target, .. } = self;
        let is_untold = |lookup: &&Lookup| {
            let [part] = lookup.parts() else { return false };
            lookup.is_unique()
                && lookup.state() == LookupState::Building
                && plan.removed_tokens.contains(lookup.stored())
                && plan.sealed.iter().any(|value| value.attribute == part.attribute())
        };
        match target.table.lookups().iter().find(is_untold) {
            Some(lookup) => Err(Refusal::UniqueIfNotExists { lookup: lookup.name().to_owned() }),
            None => Ok(()),
        }
    }

    /// What the update does to unique lookups. Of a token that it stores, the placeholder.
    fn unique(&self) -> Result<Vec<(usize, Effect)>, Error> {
        let mut effects = Vec::new();
        for at in unique(&self.target.table) {
            let lookup = &self.target.table.lookups()[at];
            if self.plan.removed_tokens.contains(lookup.stored()) {
                effects.push((at, Effect::Remove));
            }
            if let Some(token) = self.plan.tokens.iter().find(|token| token.stored == lookup.stored()) {
                let (stored, is_claimed) = (token.sent.clone(), self.claimed.contains(&at));
                effects.push(match self.plan.kept_tokens.contains(lookup.stored()) {
                    true => (at, Effect::SetIfNotExists { stored, is_claimed }),
                    false => (at, Effect::Set { stored, is_claimed }),
                });
            }
        }
        Ok(effects)
    }

    /// The changes of unique lookups that the update with these sealed values makes.
    pub(super) fn touches(
        &self,
        physical: &str,
        key: &Item,
        values: Option<&Item>,
        stored: &Stored,
    ) -> Result<Vec<Touch>, Error> {
        let token = |placeholder: String| {
            let token = values.and_then(|values| values.get(&placeholder)).and_then(|token| token.as_s().ok());
            token.cloned().ok_or(NOT_CHECKED)
        };
        let sealed = |(at, effect)| {
            Ok((
                at,
                match effect {
                    Effect::Set { stored, is_claimed } => Effect::Set { stored: token(stored)?, is_claimed },
                    Effect::SetIfNotExists { stored, is_claimed } => {
                        Effect::SetIfNotExists { stored: token(stored)?, is_claimed }
                    }
                    Effect::Remove => Effect::Remove,
                },
            ))
        };
        let effects = self.unique()?.into_iter().map(sealed).collect::<Result<_, Error>>()?;
        touches(&self.target, physical, key, stored, effects)
    }
}

impl Target {
    /// The changes of unique lookups that a delete of this item makes.
    pub(super) fn touches_of_delete(&self, physical: &str, key: &Item, stored: &Stored) -> Result<Vec<Touch>, Error> {
        if *stored == Stored::Untouched {
            return Ok(Vec::new());
        }
        let effects = unique(&self.table).map(|at| (at, Effect::Remove)).collect();
        touches(self, physical, key, stored, effects)
    }
}

/// Adds to a condition that what was read is unchanged.
pub(super) fn require_unchanged(
    unchanged: Vec<(String, Option<AttributeValue>)>,
    ConditionParts { condition, names, values }: ConditionParts<'_>,
) -> Result<(), Error> {
    if unchanged.is_empty() {
        return Ok(());
    }
    let (names, sent) = (names.get_or_insert_default(), values.clone().unwrap_or_default());
    let (taken, is_sent) = (names.clone(), |placeholder: &str| sent.contains_key(placeholder));
    let is_taken = |placeholder: &str| taken.contains_key(placeholder);
    // An item may have many attributes, and an expression no more than 4 KB.
    let (mut fresh_names, mut fresh_values) = (Fresh::short('#', &is_taken), Fresh::short(':', &is_sent));
    let mut tests = Vec::new();
    for (attribute, value) in unchanged {
        let name = fresh_names.placeholder();
        tests.push(match value {
            None => format!("attribute_not_exists({name})"),
            Some(value) => {
                let sent = fresh_values.placeholder();
                let test = format!("{name}={sent}");
                values.get_or_insert_default().insert(sent, value);
                test
            }
        });
        names.insert(name, attribute);
    }
    let tests = tests.join(" AND ");
    let joined = match condition.take() {
        None => tests,
        Some(given) => {
            let parse = |source| Refusal::Expression { parameter: CONDITION, source };
            Condition::parse(&given).map_err(parse)?.and(&tests)
        }
    };
    check_length(CONDITION, &joined)?;
    *condition = Some(joined);
    Ok(())
}
