//! An update of one item, whether it runs alone or in a transaction.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::envelope::{KeyRecordPlacement, Nonces};

use super::Binding;
use super::actions::{CONDITION, CheckedCondition, ConditionParts, Conditional, Target, rewritten};
use super::adopting::Written;
use super::expressions::{Expressions, Finished, Values};
use super::notes::Mark;
use super::operation::Keys;
use crate::error::{Error, Refusal};
use crate::expression::{Path, Place, SealedValue, SentToken, UpdatePlan};
use crate::item::{Formed, Item, SealError, refuse_sealed, refuse_taken_for_sealed, seal_values};
use crate::leaves::PlainNames;
use crate::schema::{Lookup, TableSchema};

/// An update whose expression is parsed and checked.
pub(super) struct ItemUpdate {
    pub(super) target: Target,
    pub(super) plan: UpdatePlan,
    condition: CheckedCondition,
    /// The places of the lookups of which it assigns a value that has something to look up.
    pub(super) claimed: Vec<usize>,
    /// Which of the attributes that it assigns stay plaintext.
    written: Written,
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
        let assigned = plan.sealed.iter().map(|value| value.attribute.clone());
        let (adopted, others): (PlainNames, PlainNames) = assigned.partition(|name| table.adopts(name));
        let written = Written::new((adopted, !others.is_empty()));
        let mut update = Self { target, plan, condition, claimed: Vec::new(), written };
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
        (!self.plan.sealed.is_empty() && self.written.seals()).then(|| self.target.table.record_place())
    }

    /// Its table, if it assigns adopted attributes.
    pub(super) fn adopted(&self) -> Option<Arc<TableSchema>> {
        self.written.adopts().then(|| Arc::clone(&self.target.table))
    }

    /// Leaves these attributes plaintext, if they are of its table.
    pub(super) fn write_plain(&mut self, table: &str, names: &PlainNames) {
        if self.target.table.name() == table {
            self.written.write_plain(names);
        }
    }

    /// The marks that identify the sealed values.
    pub(super) fn marks(&self, values: &Values) -> Vec<Mark> {
        let mark = |value: &SealedValue| Mark::from_sealed(&value.attribute, values.get(&value.sent)?);
        self.plan.sealed.iter().filter(|value| !self.written.is_plain(&value.attribute)).filter_map(mark).collect()
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
            let (plain, sealed): (Vec<_>, Vec<_>) =
                sealed.iter().partition(|value| self.written.is_plain(&value.attribute));
            self.written.record();
            for SealedValue { attribute, given, sent } in plain {
                let value = given_value(given, values.as_ref())?;
                refuse_taken_for_sealed(attribute, value)?;
                made.push((sent.clone(), value.clone()));
            }
            let given = sealed.iter().map(|SealedValue { attribute, given, .. }| {
                Ok((attribute.as_str(), given_value(given, values.as_ref())?))
            });
            let given = given.collect::<Result<Vec<_>, Refusal>>()?;
            if !given.is_empty() {
                let ciphertexts = seal_values(table, keys.sealing()?, identity, nonces, &given)?;
                made.extend(sealed.iter().map(|SealedValue { sent, .. }| sent.clone()).zip(ciphertexts));
            }
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
