//! Conditions and filters on a record's attributes, with placeholders of their own.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use super::key::PrimaryKeyValue;
use super::request::{Names, TakesExpression};
use super::values::{Given, Use};
use crate::error::{Error, Refusal};
use crate::expression;
use crate::item::Item;
use crate::schema::Record;

/// Names an attribute to test, as it is stored: `attribute("status").equals("open")`.
///
/// An encrypted attribute supports only [`exists`](Attribute::exists) and [`not_exists`](Attribute::not_exists). With a
/// lookup, filters have [`equals`](Attribute::equals), [`begins_with`](Attribute::begins_with) and
/// [`contains`](Attribute::contains) too, as the lookup answers them, and conditions of writes have
/// [`equals`](Attribute::equals) and [`not_equals`](Attribute::not_equals) of an exact one.
///
/// Values are compared in the form in which the record stores them, also where the field has a `#[serde(with = "..")]`. Give a value of
/// the field's type, or in its stored form. A value that the field never holds is refused ([`Refusal::Value`]), because nothing would
/// match. Numbers compare with any number. The order of a text compares with any text.
///
/// [`Refusal::Value`]: crate::error::Refusal::Value
pub fn attribute(name: impl Into<String>) -> Attribute {
    Attribute(name.into())
}

/// An attribute to test; see [`attribute`].
#[derive(Debug, Clone)]
#[must_use = "an attribute by itself tests nothing"]
pub struct Attribute(String);

macro_rules! comparisons {
    ($($(#[$doc:meta])* $method:ident $operator:literal;)*) => {
        $($(#[$doc])*
        pub fn $method(self, value: impl Serialize) -> Condition {
            Condition(Node::Compare(self.0, $operator, Given::to_test(value)))
        })*
    };
}

impl Attribute {
    comparisons! {
        /// Whether it equals `value`.
        equals "=";
        /// Whether it differs from `value`, or does not exist.
        not_equals "<>";
        /// Whether it is less than `value`.
        less_than "<";
        /// Whether it is `value` or less.
        at_most "<=";
        /// Whether it is greater than `value`.
        greater_than ">";
        /// Whether it is `value` or greater.
        at_least ">=";
    }

    /// Whether it is between both values, inclusive.
    pub fn between(self, low: impl Serialize, high: impl Serialize) -> Condition {
        Condition(Node::Between(self.0, Given::to_test(low), Given::to_test(high)))
    }

    /// Whether it is a string or binary that begins with `prefix`.
    pub fn begins_with(self, prefix: impl Serialize) -> Condition {
        Condition(Node::Function("begins_with", self.0, Some(Given::to_test(prefix))))
    }

    /// [`equals`](Self::equals), for a value in its stored form.
    pub(super) fn is(self, value: AttributeValue) -> Condition {
        Condition(Node::Compare(self.0, "=", Given::Stored(value)))
    }

    /// Whether it equals, or begins with, what a lookup is asked for.
    pub(super) fn tested(self, value: Given, begins: bool) -> Condition {
        Condition(match begins {
            true => Node::Function("begins_with", self.0, Some(value)),
            false => Node::Compare(self.0, "=", value),
        })
    }

    /// [`between`](Self::between), for the values of a key.
    pub(super) fn key_between(self, low: PrimaryKeyValue, high: PrimaryKeyValue) -> Condition {
        Condition(Node::Between(self.0, Given::Stored(low.into()), Given::Stored(high.into())))
    }

    /// [`begins_with`](Self::begins_with), for the value of a key.
    pub(super) fn key_begins_with(self, prefix: PrimaryKeyValue) -> Condition {
        Condition(Node::Function("begins_with", self.0, Some(Given::Stored(prefix.into()))))
    }

    /// Whether it is a string with this substring, or a set or list with this element.
    pub fn contains(self, sought: impl Serialize) -> Condition {
        Condition(Node::Function("contains", self.0, Some(Given::to_test(sought))))
    }

    /// Whether it exists.
    pub fn exists(self) -> Condition {
        Condition(Node::Function("attribute_exists", self.0, None))
    }

    /// Whether it does not exist.
    pub fn not_exists(self) -> Condition {
        Condition(Node::Function("attribute_not_exists", self.0, None))
    }
}

/// A condition on a record, made from [`attribute`]. Its `Debug` shows no value.
///
/// ```
/// use tenantseal::records::attribute;
///
/// let is_open = attribute("status").equals("open").and(attribute("lines").at_most(20));
/// let is_free = attribute("owner").not_exists().or(attribute("owner").equals("nobody"));
/// let both = is_open.and(is_free.not());
/// ```
#[derive(Clone)]
#[must_use = "a condition is given to a request"]
pub struct Condition(Node);

#[derive(Clone)]
enum Node {
    Compare(String, &'static str, Given),
    Between(String, Given, Given),
    Function(&'static str, String, Option<Given>),
    /// Several, one after the other: a long chain is not nested.
    Joined(&'static str, Vec<Node>),
    Not(Box<Node>),
}

impl Condition {
    /// Both conditions.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.join("AND", other.0))
    }

    /// At least one of the conditions.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.join("OR", other.0))
    }

    /// The negation.
    #[expect(clippy::should_implement_trait, reason = "it reads as the two beside it")]
    pub fn not(self) -> Self {
        Self(Node::Not(Box::new(self.0)))
    }

    /// All conditions that are present.
    pub(super) fn all(conditions: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        conditions.into_iter().flatten().reduce(Self::and)
    }

    /// Whether an attribute of this name is tested.
    pub(super) fn names(&self, attribute: &str) -> bool {
        self.0.names(attribute)
    }
}

impl Node {
    fn join(self, operator: &'static str, other: Self) -> Self {
        let parts = |node| match node {
            Self::Joined(of, parts) if of == operator => parts,
            node => vec![node],
        };
        let mut all = parts(self);
        all.append(&mut parts(other));
        Self::Joined(operator, all)
    }

    fn names(&self, attribute: &str) -> bool {
        match self {
            Self::Compare(name, ..) | Self::Between(name, ..) | Self::Function(_, name, _) => name == attribute,
            Self::Joined(_, parts) => parts.iter().any(|part| part.names(attribute)),
            Self::Not(node) => node.names(attribute),
        }
    }

    /// In parentheses where it is joined: DynamoDB refuses redundant ones.
    fn write_grouped<T: Record>(&self, writer: &mut Writer<T>) -> Result<String, Error> {
        let written = self.write(writer)?;
        Ok(if matches!(self, Self::Joined(..)) { format!("({written})") } else { written })
    }

    fn write<T: Record>(&self, writer: &mut Writer<T>) -> Result<String, Error> {
        Ok(match self {
            Self::Compare(name, operator, value) => {
                let purpose = if matches!(*operator, "=" | "<>") { Use::Equal } else { Use::Order };
                format!("{} {operator} {}", writer.name(name)?, writer.value(name, value, purpose)?)
            }
            Self::Between(name, low, high) => {
                let path = writer.name(name)?;
                let (low, high) = (writer.value(name, low, Use::Order)?, writer.value(name, high, Use::Order)?);
                format!("{path} BETWEEN {low} AND {high}")
            }
            Self::Function(function, name, None) => format!("{function}({})", writer.name(name)?),
            Self::Function(function, name, Some(value)) => {
                let purpose = if *function == "contains" { Use::Element } else { Use::Prefix };
                format!("{function}({}, {})", writer.name(name)?, writer.value(name, value, purpose)?)
            }
            Self::Joined(operator, parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.write_grouped(writer)).collect::<Result<_, _>>()?;
                parts.join(&format!(" {operator} "))
            }
            Self::Not(node) => format!("NOT {}", node.write_grouped(writer)?),
        })
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Condition(..)")
    }
}

/// Writes the expressions of one request: checks names against the record and gives placeholders to names and values.
pub(super) struct Writer<T> {
    names: Vec<String>,
    values: Vec<AttributeValue>,
    /// The caller's own, which the request has already.
    given: (Names, Item),
    /// What placeholders begin with: none of the caller's does.
    stem: String,
    record: std::marker::PhantomData<fn() -> T>,
}

impl<T: Record> Writer<T> {
    pub(super) fn new() -> Self {
        Self::with_given(None, None)
    }

    /// Writes into a request that has names and values of the caller's.
    pub(super) fn beside(request: &impl TakesExpression) -> Self {
        Self::with_given(request.names(), request.values())
    }

    fn with_given(names: Option<&Names>, values: Option<&Item>) -> Self {
        let given = (names.cloned().unwrap_or_default(), values.cloned().unwrap_or_default());
        let mut stem = "record".to_owned();
        let taken = given.0.keys().chain(given.1.keys()).filter_map(|placeholder| placeholder.get(1..));
        while taken.clone().any(|placeholder| placeholder.starts_with(&stem)) {
            stem.push('_');
        }
        Self { names: Vec::new(), values: Vec::new(), given, stem, record: std::marker::PhantomData }
    }

    /// The placeholder of an attribute that the record declares.
    pub(super) fn name(&mut self, attribute: &str) -> Result<String, Error> {
        let is_discriminator = T::SCHEMA.discriminator().is_some_and(|(name, _)| name == attribute);
        if T::SCHEMA.field(attribute).is_none() && !is_discriminator {
            let (record, attribute) = (std::any::type_name::<T>(), attribute.to_owned());
            return Err(Refusal::UnknownAttribute { record, attribute }.into());
        }
        let known = self.names.iter().position(|name| name == attribute);
        let at = known.unwrap_or_else(|| {
            self.names.push(attribute.to_owned());
            self.names.len() - 1
        });
        Ok(format!("#{}{at}", self.stem))
    }

    /// The placeholder of a value for `attribute`.
    pub(super) fn value(&mut self, attribute: &str, value: &Given, purpose: Use) -> Result<String, Error> {
        self.values.push(value.to_attribute_value::<T>(attribute, purpose)?);
        Ok(format!(":{}{}", self.stem, self.values.len() - 1))
    }

    pub(super) fn condition(&mut self, condition: Option<&Condition>) -> Result<Option<String>, Error> {
        condition.map(|condition| condition.0.write(self)).transpose()
    }

    /// Ends with a condition of the repository's beside the one that the request has: both must hold.
    pub(super) fn finish_into<B: TakesExpression>(
        mut self,
        request: B,
        condition: Option<&Condition>,
    ) -> Result<B, Error> {
        let expression = match (request.expression(), condition) {
            (Some(given), Some(own)) => {
                let given = expression::Condition::parse(given)
                    .map_err(|source| Refusal::Expression { parameter: B::PARAMETER, source })?;
                Some(given.and(&own.0.write_grouped(&mut self)?))
            }
            (given, own) => given.map(str::to_owned).or(self.condition(own)?),
        };
        let (names, values) = self.finish();
        Ok(request.with_expression(expression, names, values))
    }

    /// ExpressionAttributeNames and ExpressionAttributeValues; none where there would be no entry.
    pub(super) fn finish(self) -> (Option<Names>, Option<Item>) {
        let Self { names, values, given: (mut all_names, mut all_values), stem, record: _ } = self;
        all_names.extend(names.into_iter().enumerate().map(|(at, name)| (format!("#{stem}{at}"), name)));
        all_values.extend(values.into_iter().enumerate().map(|(at, value)| (format!(":{stem}{at}"), value)));
        (Some(all_names).filter(|names| !names.is_empty()), Some(all_values).filter(|values| !values.is_empty()))
    }
}
