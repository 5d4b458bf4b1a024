//! The parts that operations on one item share, whether they run alone, in a batch or in a transaction.

use std::sync::Arc;

use tenantseal_core::envelope::{KeyRecordPlacement, VerifiedDataKey};
use tenantseal_core::format::Identity;

use super::Binding;
use super::expressions::{Expressions, Names, Values};
use super::notes::Mark;
use super::operation::{Cut, Expected, Returned};
use super::reading::Reading;
use crate::error::{Error, Refusal};
use crate::expression::{Path, SealedValue, Selection, UpdatePlan};
use crate::item::{Item, SealError, refuse_sealed, seal, seal_values, sealable_identity};
use crate::schema::{Protection, TableSchema, Variant};
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

/// A put whose item and condition are checked.
pub(super) struct ItemPut {
    pub(super) target: Target,
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
    /// Checks the item and the condition.
    pub(super) fn check(
        binding: &Binding,
        table: Option<&str>,
        item: Option<&Item>,
        conditional: Conditional<'_>,
    ) -> Result<Self, Error> {
        let table = binding.table(table)?;
        let item = item.ok_or(Refusal::Missing("Item"))?;
        conditional.check(table, Some(item))?;
        let identity = sealable_identity(table, &binding.tenant, item).map_err(to_refusal)?;
        Ok(Self { target: Target { table: Arc::clone(table), identity } })
    }

    /// Seals the checked item.
    pub(super) fn seal(&self, key: &VerifiedDataKey, nonces: Nonces<'_>, item: &mut Item) -> Result<(), Error> {
        let Target { table, identity } = &self.target;
        *item = seal(table, key, identity, nonces, std::mem::take(item))?;
        Ok(())
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
    ) -> Result<Self, Error> {
        let table = binding.table(table)?;
        let identity = binding.identity_of_key(table, key)?;
        conditional.check(table, key)?;
        Ok(Self { table: Arc::clone(table), identity })
    }

    /// An item in the answer, which must be this one.
    pub(super) fn returned<'a>(&'a self, item: &'a mut Item) -> Returned<'a> {
        Returned { item, table: &self.table, expected: Expected::One(&self.identity), cut: Cut::Whole }
    }
}

impl Conditional<'_> {
    /// Without a condition.
    pub(super) const NONE: Conditional<'static> = Conditional { condition: None, names: None, values: None };

    /// Checks the condition on the stored item that has this primary key.
    fn check(self, table: &TableSchema, key: Option<&Item>) -> Result<(), Refusal> {
        let Self { condition, names, values } = self;
        let mut expressions = Expressions::new(table, names, values).for_key(key);
        expressions.condition("ConditionExpression", condition)?;
        expressions.finish().map(drop)
    }
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
        let target = Target::for_key(binding, table, key, Conditional::NONE)?;
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
        Some(selection) => Reading { projection, names }.widen(table, selection, &Default::default())?,
        None => false,
    };
    Ok((selection, changed))
}

/// An update whose expression is parsed and checked.
pub(super) struct ItemUpdate {
    pub(super) target: Target,
    plan: UpdatePlan,
}

impl ItemUpdate {
    /// Checks the primary key, the update and the condition.
    pub(super) fn check(
        binding: &Binding,
        table: Option<&str>,
        key: Option<&Item>,
        update: Option<&str>,
        Conditional { condition, names, values }: Conditional<'_>,
    ) -> Result<Self, Error> {
        let table = binding.table(table)?;
        let identity = binding.identity_of_key(table, key)?;
        let mut expressions = Expressions::new(table, names, values).for_key(key);
        expressions.condition("ConditionExpression", condition)?;
        let plan = expressions.update(update)?;
        let variant = expressions.variant();
        expressions.finish()?;
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
        Ok(Self { target: Target { table: Arc::clone(table), identity }, plan })
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

    /// Replaces plain values with sealed ones. Where several attributes shared a placeholder, each gets its own.
    pub(super) fn seal(
        &self,
        key: &VerifiedDataKey,
        nonces: Nonces<'_>,
        expression: &mut Option<String>,
        values: &mut Option<Values>,
    ) -> Result<(), Error> {
        let UpdatePlan { expression: rewritten, sealed, .. } = &self.plan;
        let values = values.get_or_insert_default();
        let given = sealed
            .iter()
            .map(|SealedValue { attribute, given, .. }| {
                let value = values.get(given).ok_or_else(|| Refusal::UndefinedValue(given.clone()))?;
                Ok((attribute.as_str(), value))
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        let made = seal_values(&self.target.table, key, &self.target.identity, nonces, &given)?;
        values.extend(sealed.iter().map(|SealedValue { sent, .. }| sent.clone()).zip(made));
        if let Some(rewritten) = rewritten {
            *expression = Some(rewritten.clone());
        }
        Ok(())
    }
}
