//! The expressions of one request. Each is checked against the table's schema, and every value is accounted for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::asking::Edits;
use super::lookups::Lookable;
use crate::error::Refusal;
use crate::expression::{
    Asked, Condition, ExpressionError, KeyCondition, LookupTest, Lookups, Place, Placeholders, Projection, Scope,
    Selection, Update, UpdatePlan,
};
use crate::item::Item;
use crate::schema::{TableSchema, Variant};

pub(super) use super::asking::{Names, Values};

/// Checks the expressions of one request, one after the other.
pub(super) struct Expressions<'a> {
    table: &'a TableSchema,
    names: Option<&'a Names>,
    values: Option<&'a Values>,
    /// The index that the request reads.
    index: Option<&'a str>,
    /// What the caller's expressions use.
    used: Placeholders,
    /// What the expressions that are sent use of it. Differs from `used` where lookups are asked.
    kept: Placeholders,
    /// The names that lookups add.
    added_names: BTreeMap<String, String>,
    tests: Vec<LookupTest>,
    /// The placeholders of the sealed values and tokens of an update.
    sent: BTreeSet<String>,
    /// The name placeholders of the projection.
    projected: BTreeSet<String>,
    /// The record type of the items that the expressions address, as far as the request shows it.
    variant: Variant<'a>,
}

/// A condition to send.
pub(super) struct SentCondition {
    pub(super) condition: Condition,
    /// Whether it differs from the caller's.
    pub(super) is_rewritten: bool,
}

/// What the expressions of a request come to.
pub(super) struct Finished {
    /// The caller's name placeholders that the conditions and key conditions that are sent use.
    pub(super) names: BTreeSet<String>,
    /// What lookups change.
    pub(super) edits: Edits,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(table: &'a TableSchema, names: Option<&'a Names>, values: Option<&'a Values>) -> Self {
        Self {
            table,
            names,
            values,
            index: None,
            used: Placeholders::default(),
            kept: Placeholders::default(),
            added_names: BTreeMap::new(),
            tests: Vec::new(),
            sent: BTreeSet::new(),
            projected: BTreeSet::new(),
            variant: Variant::unknown(table),
        }
    }

    /// The same for a request that reads this index.
    pub(super) fn in_index(self, index: Option<&'a str>) -> Self {
        Self { index, ..self }
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

    /// Learns the record type of the items from a filter that is checked later, where a lookup's place depends on it.
    pub(super) fn learn_from(&mut self, parameter: &'static str, filter: Option<&str>) -> Result<(), Refusal> {
        let Some(filter) = filter.filter(|_| !self.table.lookups().is_empty()) else { return Ok(()) };
        let condition = Condition::parse(filter).map_err(|source| Refusal::Expression { parameter, source })?;
        self.learn(|attribute, scope| condition.requires(attribute, scope));
        Ok(())
    }

    /// A condition or filter. An encrypted attribute can only be tested for existence, and for what lookups answer where
    /// `place` lets them.
    pub(super) fn condition(
        &mut self,
        parameter: &'static str,
        expression: Option<&str>,
        place: Option<Place>,
    ) -> Result<Option<SentCondition>, Refusal> {
        let Some(expression) = expression else { return Ok(None) };
        let refused = |source| Refusal::Expression { parameter, source };
        let mut condition = Condition::parse(expression).map_err(refused)?;
        self.learn(|attribute, scope| condition.requires(attribute, scope));
        self.use_all(condition.placeholders());
        let asked = match place {
            Some(place) => self.check_in_scope(|scope| condition.look_up(scope, place)),
            None => self.check_in_scope(|scope| condition.check(scope)).map(|()| Asked::default()),
        };
        let is_rewritten = self.ask(asked.map_err(refused)?, condition.placeholders());
        Ok(Some(SentCondition { condition, is_rewritten }))
    }

    /// A key condition, and whether it differs from the caller's.
    pub(super) fn key_condition(&mut self, expression: Option<&str>) -> Result<(KeyCondition, bool), Refusal> {
        const PARAMETER: &str = "KeyConditionExpression";
        let refused = |source| Refusal::Expression { parameter: PARAMETER, source };
        let mut condition = KeyCondition::parse(expression.ok_or(Refusal::Missing(PARAMETER))?).map_err(refused)?;
        self.learn(|attribute, scope| condition.requires(attribute, scope));
        self.use_all(condition.placeholders());
        let asked = self.check_in_scope(|scope| condition.look_up(scope)).map_err(refused)?;
        self.check_in_scope(|scope| condition.tests(scope).map(drop)).map_err(refused)?;
        let is_rewritten = self.ask(asked, condition.placeholders());
        Ok((condition, is_rewritten))
    }

    /// A projection and its selection.
    pub(super) fn projection(&mut self, expression: Option<&str>) -> Result<Option<Selection>, Refusal> {
        let Some(expression) = expression else { return Ok(None) };
        let refused = |source| Refusal::Expression { parameter: "ProjectionExpression", source };
        let projection = Projection::parse(expression).map_err(refused)?;
        self.projected.extend(projection.placeholders().names.iter().cloned());
        // Returned items show their record type themselves.
        let protection = |attribute: &str| self.table.protection(attribute);
        projection.resolve(&Scope::new(self.names, &protection)).map(Some).map_err(refused)
    }

    /// An update: what it assigns to encrypted attributes, and how. Call it after the conditions of the same request,
    /// because it leaves their values alone.
    pub(super) fn update(&mut self, expression: Option<&str>) -> Result<UpdatePlan, Refusal> {
        let Some(expression) = expression else {
            return Ok(UpdatePlan::default());
        };
        let refused = |source| Refusal::Expression { parameter: "UpdateExpression", source };
        let update = Update::parse(expression).map_err(refused)?;
        let taken = |placeholder: &str| self.is_taken(placeholder);
        let plan = self.check_in_scope(|scope| update.plan(scope, &self.kept.values, &taken)).map_err(refused)?;
        if let Some(rewritten) = &plan.expression {
            check_length("UpdateExpression", rewritten)?;
        }
        self.use_all(update.placeholders());
        self.kept.names.extend(update.placeholders().names.iter().cloned());
        self.kept.values.extend(plan.plain_values.iter().cloned());
        self.added_names.extend(plan.names.clone());
        self.sent.extend(plan.sealed.iter().map(|sealed| sealed.sent.clone()));
        self.sent.extend(plan.tokens.iter().map(|token| token.sent.clone()));
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
        let scope = Scope::new(self.names, &protection).with_discriminator(self.table.discriminator());
        if self.table.lookups().is_empty() {
            return check(&scope);
        }
        let schema = Lookable { variant: self.variant, values: self.values, index: self.index };
        let taken = |placeholder: &str| self.is_taken(placeholder);
        check(&scope.with_lookups(Lookups { schema: &schema, taken: &taken }))
    }

    /// Whether the request defines the placeholder, or it was given one of this name.
    fn is_taken(&self, placeholder: &str) -> bool {
        self.names.is_some_and(|names| names.contains_key(placeholder))
            || self.values.is_some_and(|values| values.contains_key(placeholder))
            || self.added_names.contains_key(placeholder)
            || self.tests.iter().any(|test| test.sent.iter().any(|sent| sent == placeholder))
    }

    fn use_all(&mut self, Placeholders { names, values }: &Placeholders) {
        self.used.names.extend(names.iter().cloned());
        self.used.values.extend(values.iter().cloned());
    }

    /// Takes note of what an expression asks, and what it uses now. Returns whether it was rewritten.
    fn ask(&mut self, Asked { names, tests }: Asked, now: &Placeholders) -> bool {
        self.kept.names.extend(now.names.iter().cloned());
        self.kept.values.extend(now.values.iter().cloned());
        let is_rewritten = !tests.is_empty();
        self.added_names.extend(names);
        self.tests.extend(tests);
        is_rewritten
    }

    /// What the request comes to. Fails unless an expression uses every value that would be sent.
    ///
    /// DynamoDB also refuses a superfluous value, but only after it has been sent, in plaintext.
    pub(super) fn finish(self) -> Result<Finished, Refusal> {
        let Self { table, names, values, used, mut kept, added_names, tests, sent, projected, .. } = self;
        if names.is_some_and(HashMap::is_empty) {
            return Err(Refusal::Empty("ExpressionAttributeNames"));
        }
        if values.is_some_and(HashMap::is_empty) {
            return Err(Refusal::Empty("ExpressionAttributeValues"));
        }
        let defined = |value: &String| values.is_some_and(|values| values.contains_key(value));
        if let Some(undefined) = used.values.iter().find(|value| !defined(value)) {
            // This also keeps a placeholder that is added later from defining it.
            return Err(Refusal::UndefinedValue(undefined.clone()));
        }
        let unused = values.into_iter().flat_map(HashMap::keys).find(|value| !used.values.contains(*value));
        if let Some(value) = unused {
            return Err(Refusal::UnusedValue(value.clone()));
        }
        // What a lookup and a plain attribute use would be sent beside its token.
        if let Some(placeholder) = tests.iter().flat_map(|test| &test.given).find(|given| kept.values.contains(*given))
        {
            return Err(Refusal::SharedValue(placeholder.clone()));
        }
        if tests.is_empty() && added_names.is_empty() {
            return Ok(Finished { names: kept.names, edits: Edits::default() });
        }
        kept.values.extend(sent);
        let dropped = Placeholders {
            names: used
                .names
                .iter()
                .filter(|name| !kept.names.contains(*name) && !projected.contains(*name))
                .cloned()
                .collect(),
            values: used.values.difference(&kept.values).cloned().collect(),
        };
        let edits = Edits::new(table, &tests, values, dropped, added_names)?;
        Ok(Finished { names: kept.names, edits })
    }
}

/// DynamoDB accepts expressions of at most 4 KB (developer guide, "Constraints", expression strings).
pub(super) fn check_length(parameter: &'static str, expression: &str) -> Result<(), Refusal> {
    if expression.len() <= 4_096 {
        return Ok(());
    }
    Err(Refusal::Expression { parameter, source: ExpressionError::TooLongRewritten })
}

/// Refuses a legacy parameter of the API, from before expressions.
pub(crate) fn no_legacy<T>(value: Option<&T>, parameter: &'static str, instead: &'static str) -> Result<(), Refusal> {
    match value {
        Some(_) => Err(Refusal::Legacy { parameter, instead }),
        None => Ok(()),
    }
}
