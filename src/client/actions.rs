//! The parts that operations on one item share, whether they run alone, in a batch or in a transaction.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::Identity;

use super::Binding;
use super::asking::Edits;
use super::expressions::{Expressions, Finished, Names, SentCondition, Values, check_length};
use super::notes::Mark;
use super::operation::{Cut, Expected, Keys, NOT_CHECKED, Returned};
use super::reading::Reading;
use crate::error::{Error, Refusal};
use crate::expression::{Path, Place, SealedValue, Selection, SentToken, UpdatePlan};
use crate::item::{
    Formed, Item, KeyNumbers, Prepared, SealError, refuse_sealed, seal_values, seal_with, sealable_identity,
};
use crate::schema::{Lookup, Protection, TableSchema, Variant};
use tenantseal_core::envelope::Nonces;

/// One item that a request names: its table and identity.
pub(super) struct Target {
    pub(super) table: Arc<TableSchema>,
    pub(super) identity: Identity,
}

/// A condition, with the names and values that its request defines.
#[derive(Clone, Copy)]
pub(super) struct Conditional<'a> {
    pub(super) condition: Option<&'a str>,
    pub(super) names: Option<&'a Names>,
    pub(super) values: Option<&'a Values>,
}

/// A condition that is checked.
#[derive(Default)]
pub(super) struct CheckedCondition {
    /// The expression to send; `None` when the caller's own suffices.
    rewritten: Option<String>,
    edits: Edits,
}

/// A put whose item and condition are checked.
pub(super) struct ItemPut {
    pub(super) target: Target,
    condition: CheckedCondition,
    /// The numbers of the lookup keys that the item's tokens need.
    lookups: KeyNumbers,
    /// The unique lookups of which the item has a value, and whether there is something to look up in it.
    pub(super) unique: Vec<(usize, bool)>,
    /// What the tokens are made of, until the item is sealed.
    prepared: Option<Prepared>,
}

/// The condition of a request or of a transaction's action.
macro_rules! conditional {
    ($of:expr) => {
        $crate::client::actions::Conditional {
            condition: $of.condition_expression().into(),
            names: $of.expression_attribute_names(),
            values: $of.expression_attribute_values(),
        }
    };
}
pub(super) use conditional;

/// The condition of a request to write one item. Refuses the legacy conditions that predate expressions.
macro_rules! condition_of_write {
    ($input:expr) => {{
        no_legacy($input.expected(), "Expected", "ConditionExpression")?;
        no_legacy($input.conditional_operator(), "ConditionalOperator", "ConditionExpression")?;
        $crate::client::actions::conditional!($input)
    }};
}
pub(super) use condition_of_write;

impl ItemPut {
    /// Checks the item and the condition. The request must bring the claims of unique values.
    pub(super) fn check_any(
        binding: &Binding,
        table: Option<&str>,
        item: Option<&Item>,
        conditional: Conditional<'_>,
    ) -> Result<Self, Error> {
        let table = binding.table(table)?;
        let item = item.ok_or(Refusal::Missing("Item"))?;
        let condition = conditional.check(table, Some(item))?;
        let identity = sealable_identity(table, &binding.tenant, item).map_err(to_refusal)?;
        let prepared = Prepared::new(table, item)?;
        let (lookups, unique) = (prepared.keys(table), prepared.unique(table));
        let target = Target { table: Arc::clone(table), identity };
        Ok(Self { target, condition, lookups, unique, prepared: Some(prepared) })
    }

    /// Seals the checked item once, and stores the tokens of its lookups with it.
    pub(super) fn seal(&mut self, keys: &Keys<'_>, nonces: Nonces<'_>, item: &mut Item) -> Result<(), Error> {
        let prepared = self.prepared.take().ok_or(NOT_CHECKED)?;
        let Target { table, identity } = &self.target;
        let tokens = keys.tokens().of_prepared(table, identity, &prepared)?;
        *item = seal_with(table, keys.sealing()?, identity, nonces, std::mem::take(item), tokens)?;
        Ok(())
    }

    /// Turns the condition into the one that is sent.
    pub(super) fn write_condition(&self, keys: &Keys<'_>, condition: ConditionParts<'_>) -> Result<(), Error> {
        self.condition.write(&self.target.table, keys, condition)
    }

    /// The numbers of the lookup keys that it needs.
    pub(super) fn lookups(&self) -> impl Iterator<Item = u16> + '_ {
        self.lookups.iter().copied().chain(self.condition.edits.numbers(&self.target.table))
    }
}

/// The parameters of a condition that may have to change.
pub(super) struct ConditionParts<'a> {
    pub(super) condition: &'a mut Option<String>,
    pub(super) names: &'a mut Option<Names>,
    pub(super) values: &'a mut Option<Values>,
}

/// The parameters of a request's condition that may have to change.
macro_rules! condition_parts {
    ($of:expr) => {
        $crate::client::actions::ConditionParts {
            condition: &mut $of.condition_expression,
            names: &mut $of.expression_attribute_names,
            values: &mut $of.expression_attribute_values,
        }
    };
}
pub(super) use condition_parts;

impl CheckedCondition {
    /// Turns the caller's condition into the one that is sent, and fills in the tokens that it asks for.
    pub(super) fn write(
        &self,
        table: &TableSchema,
        keys: &Keys<'_>,
        ConditionParts { condition, names, values }: ConditionParts<'_>,
    ) -> Result<(), Error> {
        if let Some(rewritten) = &self.rewritten {
            *condition = Some(rewritten.clone());
        }
        self.edits.apply(names, values);
        self.edits.fill(table, keys.tokens(), values)
    }

    pub(super) fn lookups<'t>(&'t self, table: &'t TableSchema) -> impl Iterator<Item = u16> + 't {
        self.edits.numbers(table)
    }
}

impl ItemPut {
    /// The marks that identify the sealed values.
    pub(super) fn marks(&self, sealed: &Item) -> Vec<Mark> {
        let variant = Variant::from_item(&self.target.table, sealed);
        let encrypted =
            sealed.iter().filter(|(name, _)| variant.protection(name).is_some_and(Protection::is_encrypted));
        encrypted.filter_map(|(name, value)| Mark::from_sealed(name, value)).collect()
    }
}

/// A wrong primary key is a refusal, as in every other operation.
fn to_refusal(error: SealError) -> Error {
    match error {
        SealError::PrimaryKey(error) => Refusal::PrimaryKey(error).into(),
        other => other.into(),
    }
}

impl Target {
    /// The target of a delete or a condition check. Checks the primary key and the condition.
    pub(super) fn for_key(
        binding: &Binding,
        table: Option<&str>,
        key: Option<&Item>,
        conditional: Conditional<'_>,
    ) -> Result<(Self, CheckedCondition), Error> {
        let table = binding.table(table)?;
        let identity = binding.identity_of_key(table, key)?;
        let condition = conditional.check(table, key)?;
        Ok((Self { table: Arc::clone(table), identity }, condition))
    }

    /// An item in the answer, which must be this one.
    pub(super) fn returned<'a>(&'a self, item: &'a mut Item) -> Returned<'a> {
        Returned { item, table: &self.table, expected: Expected::One(&self.identity), cut: Cut::Whole, asking: &[] }
    }
}

impl Conditional<'_> {
    /// Without a condition.
    pub(super) const NONE: Conditional<'static> = Conditional { condition: None, names: None, values: None };

    /// Checks the condition on the stored item that has this primary key.
    fn check(self, table: &TableSchema, key: Option<&Item>) -> Result<CheckedCondition, Refusal> {
        let Self { condition, names, values } = self;
        let mut expressions = Expressions::new(table, names, values).for_key(key);
        let condition = expressions.condition(CONDITION, condition, Some(Place::Write))?;
        let Finished { edits, .. } = expressions.finish()?;
        Ok(CheckedCondition { rewritten: rewritten(condition)?, edits })
    }
}

pub(super) const CONDITION: &str = "ConditionExpression";

/// The condition to send; `None` when the caller's own suffices.
fn rewritten(condition: Option<SentCondition>) -> Result<Option<String>, Refusal> {
    let rewritten = condition.filter(|condition| condition.is_rewritten);
    let rewritten = rewritten.map(|SentCondition { condition, .. }| condition.to_string());
    rewritten.as_deref().map_or(Ok(()), |rewritten| check_length(CONDITION, rewritten))?;
    Ok(rewritten)
}

/// A read of one item by its primary key.
pub(super) struct ItemRead {
    target: Target,
    selection: Option<Selection>,
}

impl ItemRead {
    /// Checks the read and widens its projection. Returns whether the request changed.
    pub(super) fn check(
        binding: &Binding,
        table: Option<&str>,
        key: Option<&Item>,
        projection: &mut Option<String>,
        names: &mut Option<Names>,
    ) -> Result<(Self, bool), Error> {
        let (target, _) = Target::for_key(binding, table, key, Conditional::NONE)?;
        let (selection, changed) = widen(&target.table, projection, names)?;
        Ok((Self { target, selection }, changed))
    }

    pub(super) fn table(&self) -> &TableSchema {
        &self.target.table
    }

    pub(super) fn returned<'a>(&'a self, item: &'a mut Item) -> Returned<'a> {
        let cut = self.selection.as_ref().map_or(Cut::Whole, Cut::Selected);
        Returned { cut, ..self.target.returned(item) }
    }
}

/// Checks a projection, and widens it so that the items it returns can be opened. Returns whether the request changed.
pub(super) fn widen(
    table: &TableSchema,
    projection: &mut Option<String>,
    names: &mut Option<Names>,
) -> Result<(Option<Selection>, bool), Refusal> {
    let mut expressions = Expressions::new(table, names.as_ref(), None);
    let selection = expressions.projection(projection.as_deref())?;
    expressions.finish()?;
    let changed = match &selection {
        Some(selection) => Reading { projection, names }.widen(table, selection, &Default::default(), &[])?,
        None => false,
    };
    Ok((selection, changed))
}

/// An update whose expression is parsed and checked.
pub(super) struct ItemUpdate {
    pub(super) target: Target,
    pub(super) plan: UpdatePlan,
    condition: CheckedCondition,
    /// The places of the lookups of which it assigns a value that has something to look up.
    pub(super) claimed: Vec<usize>,
}

impl ItemUpdate {
    /// Checks the primary key, the update and the condition. The request must bring the claims of unique values.
    pub(super) fn check_any(
        binding: &Binding,
        table: Option<&str>,
        key: Option<&Item>,
        update: Option<&str>,
        Conditional { condition, names, values }: Conditional<'_>,
    ) -> Result<Self, Error> {
        let table = binding.table(table)?;
        let identity = binding.identity_of_key(table, key)?;
        let mut expressions = Expressions::new(table, names, values).for_key(key);
        let condition = expressions.condition(CONDITION, condition, Some(Place::Write))?;
        let plan = expressions.update(update)?;
        let variant = expressions.variant();
        let Finished { edits, .. } = expressions.finish()?;
        let condition = CheckedCondition { rewritten: rewritten(condition)?, edits };
        let value = |placeholder: &str| values.and_then(|values| values.get(placeholder));
        let binary = |placeholder: &str| value(placeholder).is_some_and(|value| value.is_b());
        let mut assigned = plan.plain.iter();
        if let Some((name, _)) = assigned.find(|(name, value)| variant.forbids_binary(name) && binary(value)) {
            return Err(SealError::Binary(name.clone()).into());
        }
        for SealedValue { attribute, given, .. } in &plan.sealed {
            let value = value(given).ok_or_else(|| Refusal::UndefinedValue(given.clone()))?;
            refuse_sealed(table, attribute, value)?;
        }
        let target = Target { table: Arc::clone(table), identity };
        let mut update = Self { target, plan, condition, claimed: Vec::new() };
        for token in &update.plan.tokens {
            let formed = update.lookup(token)?.formed(&given_values(&token.given, values)?)?;
            let place = table.lookups().iter().position(|lookup| lookup.stored() == token.stored);
            update.claimed.extend(place.filter(|_| formed != Formed::Nothing));
        }
        Ok(update)
    }

    /// The lookup of a token that the update writes.
    fn lookup(&self, token: &SentToken) -> Result<&Lookup, Refusal> {
        let mut lookups = self.target.table.lookups().iter();
        let found = lookups.find(|lookup| lookup.stored() == token.stored);
        found.ok_or_else(|| Refusal::LookupValue { lookup: token.stored.clone() })
    }

    /// The numbers of the lookup keys that it needs.
    pub(super) fn lookups(&self) -> impl Iterator<Item = u16> + '_ {
        let written = self.plan.tokens.iter().filter_map(|token| Some(self.lookup(token).ok()?.key()));
        written.chain(self.condition.lookups(&self.target.table))
    }

    /// Where the key record must be, when the update assigns a sensitive value.
    pub(super) fn seals(&self) -> Option<KeyRecordPlacement> {
        (!self.plan.sealed.is_empty()).then(|| self.target.table.record_place())
    }

    /// The marks that identify the sealed values.
    pub(super) fn marks(&self, values: &Values) -> Vec<Mark> {
        let mark = |value: &SealedValue| Mark::from_sealed(&value.attribute, values.get(&value.sent)?);
        self.plan.sealed.iter().filter_map(mark).collect()
    }

    /// The paths that the update touches.
    pub(super) fn touched_paths(&self) -> &[Path] {
        &self.plan.touched
    }

    /// Replaces plain values with sealed ones, and stores tokens with them. Where several attributes shared a
    /// placeholder, each gets its own.
    pub(super) fn seal(
        &self,
        keys: &Keys<'_>,
        nonces: Nonces<'_>,
        expression: &mut Option<String>,
        condition: ConditionParts<'_>,
    ) -> Result<(), Error> {
        let UpdatePlan { expression: rewritten, sealed, tokens, names: added_names, .. } = &self.plan;
        let ConditionParts { condition, names, values } = condition;
        if let Some(rewritten) = rewritten {
            *expression = Some(rewritten.clone());
        }
        // All values are read before any is replaced: one may serve several attributes.
        let mut made = Vec::new();
        if !sealed.is_empty() {
            let Target { table, identity } = &self.target;
            let given = sealed.iter().map(|SealedValue { attribute, given, .. }| {
                Ok((attribute.as_str(), given_value(given, values.as_ref())?))
            });
            let given = given.collect::<Result<Vec<_>, Refusal>>()?;
            let ciphertexts = seal_values(table, keys.sealing()?, identity, nonces, &given)?;
            made.extend(sealed.iter().map(|SealedValue { sent, .. }| sent.clone()).zip(ciphertexts));
            for token in tokens {
                let given = given_values(&token.given, values.as_ref())?;
                made.push((token.sent.clone(), keys.tokens().stored(table, self.lookup(token)?, identity, &given)?));
            }
        }
        self.condition.write(&self.target.table, keys, ConditionParts { condition, names, values })?;
        if !added_names.is_empty() {
            names.get_or_insert_default().extend(added_names.clone());
        }
        if !made.is_empty() {
            values.get_or_insert_default().extend(made);
        }
        Ok(())
    }
}

/// A value of the request.
fn given_value<'v>(placeholder: &str, values: Option<&'v Values>) -> Result<&'v AttributeValue, Refusal> {
    let value = values.and_then(|values| values.get(placeholder));
    value.ok_or_else(|| Refusal::UndefinedValue(placeholder.to_owned()))
}

fn given_values<'v>(placeholders: &[String], values: Option<&'v Values>) -> Result<Vec<&'v AttributeValue>, Refusal> {
    placeholders.iter().map(|placeholder| given_value(placeholder, values)).collect()
}
