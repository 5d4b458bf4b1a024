//! The expressions of one request: each checked against the table's schema, and every value accounted for.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::Refusal;
use crate::expression::{
    Condition, ExpressionError, KeyCondition, Placeholders, Projection, Scope, Selection, Update, UpdatePlan,
};
use crate::schema::TableSchema;

/// ExpressionAttributeNames.
pub(super) type Names = HashMap<String, String>;
/// ExpressionAttributeValues.
pub(super) type Values = HashMap<String, AttributeValue>;

/// Checks the expressions of one request, one after the other.
pub(super) struct Expressions<'a> {
    table: &'a TableSchema,
    names: Option<&'a Names>,
    values: Option<&'a Values>,
    used: Placeholders,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(table: &'a TableSchema, names: Option<&'a Names>, values: Option<&'a Values>) -> Self {
        Self { table, names, values, used: Placeholders::default() }
    }

    /// A condition or filter: on an encrypted attribute only whether it exists can be asked.
    pub(super) fn condition(
        &mut self,
        parameter: &'static str,
        expression: Option<&str>,
    ) -> Result<Option<Condition>, Refusal> {
        let Some(expression) = expression else { return Ok(None) };
        let refused = |source| Refusal::Expression { parameter, source };
        let condition = Condition::parse(expression).map_err(refused)?;
        self.scoped(|scope| condition.check(scope)).map_err(refused)?;
        self.uses(condition.placeholders());
        Ok(Some(condition))
    }

    /// A key condition, with what it tests.
    pub(super) fn key_condition(&mut self, expression: Option<&str>) -> Result<KeyCondition, Refusal> {
        const PARAMETER: &str = "KeyConditionExpression";
        let refused = |source| Refusal::Expression { parameter: PARAMETER, source };
        let condition = KeyCondition::parse(expression.ok_or(Refusal::Missing(PARAMETER))?).map_err(refused)?;
        self.scoped(|scope| condition.tests(scope).map(drop)).map_err(refused)?;
        self.uses(condition.placeholders());
        Ok(condition)
    }

    /// A projection, with what it asks for.
    pub(super) fn projection(&mut self, expression: Option<&str>) -> Result<Option<Selection>, Refusal> {
        let Some(expression) = expression else { return Ok(None) };
        let refused = |source| Refusal::Expression { parameter: "ProjectionExpression", source };
        let projection = Projection::parse(expression).map_err(refused)?;
        self.scoped(|scope| projection.resolve(scope)).map(Some).map_err(refused)
    }

    /// An update: what it assigns to encrypted attributes, and how. Follows the conditions of the same request, whose values it
    /// leaves alone.
    pub(super) fn update(&mut self, expression: Option<&str>) -> Result<UpdatePlan, Refusal> {
        let Some(expression) = expression else {
            return Ok(UpdatePlan { expression: None, sealed: Vec::new(), touched: Vec::new() });
        };
        let refused = |source| Refusal::Expression { parameter: "UpdateExpression", source };
        let update = Update::parse(expression).map_err(refused)?;
        let taken = |placeholder: &str| self.values.is_some_and(|values| values.contains_key(placeholder));
        let plan = self.scoped(|scope| update.plan(scope, &self.used.values, &taken)).map_err(refused)?;
        self.uses(update.placeholders());
        Ok(plan)
    }

    /// Runs `check` with the names and the schema of this request.
    pub(super) fn scoped<T>(
        &self,
        check: impl FnOnce(&Scope<'_>) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        let protection = |attribute: &str| self.table.protection(attribute);
        check(&Scope::new(self.names, &protection))
    }

    fn uses(&mut self, Placeholders { names, values }: &Placeholders) {
        self.used.names.extend(names.iter().cloned());
        self.used.values.extend(values.iter().cloned());
    }

    /// The placeholders of names that conditions use, when every value that would be sent is used by one of them.
    ///
    /// DynamoDB refuses a superfluous value as well, but only after it has been sent, in plaintext.
    pub(super) fn finish(self) -> Result<BTreeSet<String>, Refusal> {
        if self.names.is_some_and(HashMap::is_empty) {
            return Err(Refusal::Empty("ExpressionAttributeNames"));
        }
        if self.values.is_some_and(HashMap::is_empty) {
            return Err(Refusal::Empty("ExpressionAttributeValues"));
        }
        let defined = |value: &String| self.values.is_some_and(|values| values.contains_key(value));
        if let Some(undefined) = self.used.values.iter().find(|value| !defined(value)) {
            // Also because a placeholder that is added must not come to define it.
            return Err(Refusal::UndefinedValue(undefined.clone()));
        }
        let unused = self.values.into_iter().flat_map(HashMap::keys).find(|value| !self.used.values.contains(*value));
        match unused {
            Some(value) => Err(Refusal::UnusedValue(value.clone())),
            None => Ok(self.used.names),
        }
    }
}

/// Refuses a parameter of the API before expressions.
pub(super) fn no_legacy<T>(value: Option<&T>, parameter: &'static str, instead: &'static str) -> Result<(), Refusal> {
    match value {
        Some(_) => Err(Refusal::Legacy { parameter, instead }),
        None => Ok(()),
    }
}
