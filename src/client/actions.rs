//! The parts that operations on one item share, whether they run alone, in a batch or in a transaction.

use std::sync::Arc;

use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::Identity;

use super::Binding;
use super::adopting::Written;
use super::asking::Edits;
use super::expressions::{Expressions, Finished, Names, SentCondition, Values, check_length};
use super::notes::Mark;
use super::operation::{Cut, Expected, Keys, NOT_CHECKED, Returned};
use super::reading::Reading;
use crate::error::{Error, Refusal};
use crate::expression::{Place, Selection};
use crate::item::{Item, KeyNumbers, Prepared, SealError, adopted_in, leave_plain, seal_with, sealable_identity};
use crate::leaves::PlainNames;
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

/// A condition that is checked.
#[derive(Default)]
pub(super) struct CheckedCondition {
    /// The expression to send; `None` when the caller's own suffices.
    pub(super) rewritten: Option<String>,
    pub(super) edits: Edits,
}

/// A put whose item and condition are checked.
pub(super) struct ItemPut {
    pub(super) target: Target,
    condition: CheckedCondition,
    /// The numbers of the lookup keys that the item's tokens need.
    lookups: KeyNumbers,
    /// The unique lookups of which the item has a value, and whether there is something to look up in it.
    pub(super) unique: Vec<(usize, bool)>,
    /// Which of its attributes stay plaintext.
    pub(super) written: Written,
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
        let written = Written::new(adopted_in(table, item));
        let target = Target { table: Arc::clone(table), identity };
        Ok(Self { target, condition, lookups, unique, written, prepared: Some(prepared) })
    }

    /// Seals the checked item once, and stores the tokens of its lookups with it.
    pub(super) fn seal(&mut self, keys: &Keys<'_>, nonces: Nonces<'_>, item: &mut Item) -> Result<(), Error> {
        let prepared = self.prepared.take().ok_or(NOT_CHECKED)?;
        let (Target { table, identity }, plain) = (&self.target, self.written.plain());
        self.written.record();
        if self.seals().is_none() {
            return if leave_plain(table, item, plain)? { Ok(()) } else { Err(NOT_CHECKED) };
        }
        let tokens = keys.tokens().of_prepared(table, identity, &prepared)?;
        *item = seal_with(table, keys.sealing()?, identity, nonces, std::mem::take(item), tokens, plain)?;
        Ok(())
    }

    /// Where the key record must be, when anything is sealed.
    pub(super) fn seals(&self) -> Option<KeyRecordPlacement> {
        self.written.seals().then(|| self.target.table.record_place())
    }

    /// Its table, if it writes adopted attributes.
    pub(super) fn adopted(&self) -> Option<Arc<TableSchema>> {
        self.written.adopts().then(|| Arc::clone(&self.target.table))
    }

    /// Leaves these attributes plaintext, if they are of its table.
    pub(super) fn write_plain(&mut self, table: &str, names: &PlainNames) {
        if self.target.table.name() == table {
            self.written.write_plain(names);
        }
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
        let encrypted = sealed.iter().filter(|(name, _)| {
            !self.written.is_plain(name) && variant.protection(name).is_some_and(Protection::is_encrypted)
        });
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
pub(super) fn rewritten(condition: Option<SentCondition>) -> Result<Option<String>, Refusal> {
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
