//! The expressions of one request. Each is checked against the table's schema, and every value is accounted for.

use std::collections::{BTreeSet, HashMap};

use crate::error::Refusal;
use crate::expression::{
    Condition, ExpressionError, KeyCondition, Placeholders, Projection, Scope, Selection, Update, UpdatePlan,
};
use crate::item::Item;
use crate::schema::{TableSchema, Variant};

/// ExpressionAttributeNames.
pub(super) type Names = HashMap<String, String>;
/// ExpressionAttributeValues.
pub(super) type Values = Item;

/// Checks the expressions of one request, one after the other.
pub(super) struct Expressions<'a> {
    table: &'a TableSchema,
    names: Option<&'a Names>,
    values: Option<&'a Values>,
    used: Placeholders,
    /// The record type of the items that the expressions address, as far as the request shows it.
    variant: Variant<'a>,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(table: &'a TableSchema, names: Option<&'a Names>, values: Option<&'a Values>) -> Self {
        Self { table, names, values, used: Placeholders::default(), variant: Variant::unknown(table) }
    }

    /// The same for a request that addresses the item with this primary key. Where the sort key shows the record type,
    /// it is taken from there.
    pub(super) fn for_key(self, key: Option<&Item>) -> Self {
        match key {
            Some(key) if self.table.is_told_apart_by_sort_key() => {
                Self { variant: Variant::from_item(self.table, key), ..self }
            }
            _ => self,
        }
    }

    /// A condition or filter: an encrypted attribute can only be tested for existence.
    pub(super) fn condition(
        &mut self,
        parameter: &'static str,
        expression: Option<&str>,
    ) -> Result<Option<Condition>, Refusal> {
        let Some(expression) = expression else { return Ok(None) };
        let refused = |source| Refusal::Expression { parameter, source };
        let condition = Condition::parse(expression).map_err(refused)?;
        self.learn(|attribute, scope| condition.requires(attribute, scope));
        self.check_in_scope(|scope| condition.check(scope)).map_err(refused)?;
        self.uses(condition.placeholders());
        Ok(Some(condition))
    }

    /// A key condition and its tests.
    pub(super) fn key_condition(&mut self, expression: Option<&str>) -> Result<KeyCondition, Refusal> {
        const PARAMETER: &str = "KeyConditionExpression";
        let refused = |source| Refusal::Expression { parameter: PARAMETER, source };
        let condition = KeyCondition::parse(expression.ok_or(Refusal::Missing(PARAMETER))?).map_err(refused)?;
        self.learn(|attribute, scope| condition.requires(attribute, scope));
        self.check_in_scope(|scope| condition.tests(scope).map(drop)).map_err(refused)?;
        self.uses(condition.placeholders());
        Ok(condition)
    }

    /// A projection and its selection.
    pub(super) fn projection(&mut self, expression: Option<&str>) -> Result<Option<Selection>, Refusal> {
        let Some(expression) = expression else { return Ok(None) };
        let refused = |source| Refusal::Expression { parameter: "ProjectionExpression", source };
        let projection = Projection::parse(expression).map_err(refused)?;
        // Returned items show their record type themselves.
        let protection = |attribute: &str| self.table.protection(attribute);
        projection.resolve(&Scope::new(self.names, &protection)).map(Some).map_err(refused)
    }

    /// An update: what it assigns to encrypted attributes, and how. Call it after the conditions of the same request,
    /// because it leaves their values alone.
    pub(super) fn update(&mut self, expression: Option<&str>) -> Result<UpdatePlan, Refusal> {
        let Some(expression) = expression else {
            return Ok(UpdatePlan { expression: None, sealed: Vec::new(), plain: Vec::new(), touched: Vec::new() });
        };
        let refused = |source| Refusal::Expression { parameter: "UpdateExpression", source };
        let update = Update::parse(expression).map_err(refused)?;
        let taken = |placeholder: &str| self.values.is_some_and(|values| values.contains_key(placeholder));
        let plan = self.check_in_scope(|scope| update.plan(scope, &self.used.values, &taken)).map_err(refused)?;
        self.uses(update.placeholders());
        Ok(plan)
    }

    /// The record type of the items, as far as the expressions read so far show it.
    pub(super) fn variant(&self) -> Variant<'a> {
        self.variant
    }

    /// Learns the record type of the items from the value that a condition requires of the discriminator.
    fn learn<'c>(&mut self, required: impl FnOnce(&str, &Scope<'_>) -> Option<(bool, &'c str)>) {
        // Once the primary key or an earlier condition has fixed the record type, a contradicting condition would never
        // hold.
        let Some(discriminator) = self.table.discriminator().filter(|_| !self.variant.is_known()) else { return };
        let found = required(discriminator, &Scope::new(self.names, &|_| None));
        // The beginning of a value shows nothing, unless beginnings tell record types apart.
        let telling = found.filter(|(whole, _)| *whole || self.table.is_told_apart_by_sort_key());
        let value = telling.and_then(|(_, placeholder)| self.values?.get(placeholder));
        self.variant = Variant::from_value(self.table, value);
    }

    /// Runs `check` with the names and the schema of this request.
    pub(super) fn check_in_scope<T>(
        &self,
        check: impl FnOnce(&Scope<'_>) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        let protection = |attribute: &str| self.variant.protection(attribute);
        check(&Scope::new(self.names, &protection).with_discriminator(self.table.discriminator()))
    }

    fn uses(&mut self, Placeholders { names, values }: &Placeholders) {
        self.used.names.extend(names.iter().cloned());
        self.used.values.extend(values.iter().cloned());
    }

    /// The name placeholders that conditions use. Fails unless a condition uses every value that would be sent.
    ///
    /// DynamoDB also refuses a superfluous value, but only after it has been sent, in plaintext.
    pub(super) fn finish(self) -> Result<BTreeSet<String>, Refusal> {
        if self.names.is_some_and(HashMap::is_empty) {
            return Err(Refusal::Empty("ExpressionAttributeNames"));
        }
        if self.values.is_some_and(HashMap::is_empty) {
            return Err(Refusal::Empty("ExpressionAttributeValues"));
        }
        let defined = |value: &String| self.values.is_some_and(|values| values.contains_key(value));
        if let Some(undefined) = self.used.values.iter().find(|value| !defined(value)) {
            // This also keeps a placeholder that is added later from defining it.
            return Err(Refusal::UndefinedValue(undefined.clone()));
        }
        let unused = self.values.into_iter().flat_map(HashMap::keys).find(|value| !self.used.values.contains(*value));
        match unused {
            Some(value) => Err(Refusal::UnusedValue(value.clone())),
            None => Ok(self.used.names),
        }
    }
}

/// Refuses a legacy parameter of the API, from before expressions.
pub(crate) fn no_legacy<T>(value: Option<&T>, parameter: &'static str, instead: &'static str) -> Result<(), Refusal> {
    match value {
        Some(_) => Err(Refusal::Legacy { parameter, instead }),
        None => Ok(()),
    }
}
