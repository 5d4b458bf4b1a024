//! The `Condition` element: its operators, and when they hold.
//!
//! The rules that decide the hard cases, from "IAM JSON policy elements: Condition operators":
//!
//! - All operators and all keys of a statement must hold. Of several values of one key, one must match (of a negated
//!   operator: none).
//! - A key that is absent from the request fails a positive operator, and satisfies a negated one and `IfExists`.
//! - `ForAllValues:` holds when every value in the request passes, so also when there is none. `ForAnyValue:` holds
//!   when one passes.
//! - A multi-valued key without a set prefix has no defined meaning at AWS. Here such a test never helps the request:
//!   the statement does not allow, and does deny.

use aws_smithy_types::{DateTime, date_time::Format};

use super::{
    Context, MalformedPolicy,
    context::Value,
    document::{Scalars, Unique},
    pattern::{Grammar, Pattern},
};

/// The result of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    /// AWS does not define it.
    Undefined,
}

/// All tests of one statement.
#[derive(Clone, Debug)]
pub(super) struct Condition(Vec<Test>);

#[derive(Clone, Debug)]
struct Test {
    operator: Operator,
    /// In lower case.
    key: String,
    values: Vec<Operand>,
}

#[derive(Clone, Copy, Debug)]
struct Operator {
    comparison: Comparison,
    negated: bool,
    over: Option<Quantifier>,
    if_exists: bool,
}

#[derive(Clone, Copy, Debug)]
enum Quantifier {
    AllValues,
    AnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    /// `ArnEquals` and `ArnLike` are the same operator.
    Arn,
    Bool,
    Null,
    Numeric(Relation),
    Date(Relation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One value of a policy, prepared for comparison with a value of the request.
#[derive(Clone, Debug)]
enum Operand {
    Text(Pattern),
    Bool(bool),
    Number(f64),
}

impl Condition {
    pub(super) fn read(raw: Unique<Unique<Scalars>>, variables: bool) -> Result<Self, MalformedPolicy> {
        let mut tests = Vec::new();
        for (name, Unique(keys)) in raw.0 {
            let operator = Operator::parse(&name)?;
            for (key, Scalars(values)) in keys {
                if !key.contains(':') {
                    return Err(MalformedPolicy::new(format!("invalid condition key {key}")));
                }
                let values = values.iter().map(|value| operator.comparison.operand(value, variables));
                let values = values.collect::<Result<_, _>>()?;
                tests.push(Test { operator, key: key.to_ascii_lowercase(), values });
            }
        }
        Ok(Self(tests))
    }

    pub(super) fn holds(&self, context: &Context) -> Truth {
        let truths: Vec<_> = self.0.iter().map(|test| test.holds(context)).collect();
        if truths.contains(&Truth::No) {
            Truth::No
        } else if truths.contains(&Truth::Undefined) {
            Truth::Undefined
        } else {
            Truth::Yes
        }
    }
}

impl Test {
    fn holds(&self, context: &Context) -> Truth {
        let Operator { comparison, negated, over, if_exists } = self.operator;
        let found = context.get(&self.key);
        if comparison == Comparison::Null {
            let absent = found.is_none();
            return Truth::from(
                self.values.iter().any(|value| matches!(value, Operand::Bool(wanted) if *wanted == absent)),
            );
        }
        // Negation applies to each single value: it must match none of the policy's values.
        let passes = |value: &String| self.values.iter().any(|own| comparison.holds(own, value, context)) != negated;
        match (found, over) {
            (None, _) if if_exists => Truth::Yes,
            (None, None) => Truth::from(negated),
            (None, Some(Quantifier::AllValues)) => Truth::Yes,
            (None, Some(Quantifier::AnyValue)) => Truth::No,
            (Some(Value::One(value)), _) => Truth::from(passes(value)),
            (Some(Value::Many(values)), Some(Quantifier::AllValues)) => Truth::from(values.iter().all(passes)),
            (Some(Value::Many(values)), Some(Quantifier::AnyValue)) => Truth::from(values.iter().any(passes)),
            (Some(Value::Many(_)), None) => Truth::Undefined,
        }
    }
}

impl Operator {
    /// Parses an operator such as `ForAnyValue:StringNotLikeIfExists`.
    fn parse(name: &str) -> Result<Self, MalformedPolicy> {
        use Comparison::{Arn, Bool, Date, Equals, EqualsIgnoreCase, Like, Null, Numeric};
        use Relation::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};

        let unknown = || MalformedPolicy::new(format!("invalid condition operator {name}"));
        let (over, bare) = match name.split_once(':') {
            None => (None, name),
            Some(("ForAllValues", bare)) => (Some(Quantifier::AllValues), bare),
            Some(("ForAnyValue", bare)) => (Some(Quantifier::AnyValue), bare),
            Some(_) => return Err(unknown()),
        };
        let (bare, if_exists) = bare.strip_suffix("IfExists").map_or((bare, false), |bare| (bare, true));
        let (comparison, negated) = match bare {
            "StringEquals" => (Equals, false),
            "StringNotEquals" => (Equals, true),
            "StringEqualsIgnoreCase" => (EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (EqualsIgnoreCase, true),
            "StringLike" => (Like, false),
            "StringNotLike" => (Like, true),
            "ArnEquals" | "ArnLike" => (Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Arn, true),
            "Bool" => (Bool, false),
            "Null" if !if_exists && over.is_none() => (Null, false),
            "NumericEquals" => (Numeric(Equal), false),
            "NumericNotEquals" => (Numeric(Equal), true),
            "NumericLessThan" => (Numeric(Less), false),
            "NumericLessThanEquals" => (Numeric(LessOrEqual), false),
            "NumericGreaterThan" => (Numeric(Greater), false),
            "NumericGreaterThanEquals" => (Numeric(GreaterOrEqual), false),
            "DateEquals" => (Date(Equal), false),
            "DateNotEquals" => (Date(Equal), true),
            "DateLessThan" => (Date(Less), false),
            "DateLessThanEquals" => (Date(LessOrEqual), false),
            "DateGreaterThan" => (Date(Greater), false),
            "DateGreaterThanEquals" => (Date(GreaterOrEqual), false),
            _ => return Err(unknown()),
        };
        Ok(Self { comparison, negated, over, if_exists })
    }
}

impl Comparison {
    /// Parses a value of the policy.
    fn operand(self, value: &str, variables: bool) -> Result<Operand, MalformedPolicy> {
        let wrong = |expected| MalformedPolicy::new(format!("condition value {value} is not {expected}"));
        match self {
            Self::Equals | Self::EqualsIgnoreCase => {
                Pattern::parse(value, Grammar { wildcards: false, variables }).map(Operand::Text)
            }
            Self::Like | Self::Arn => Pattern::parse(value, Grammar { wildcards: true, variables }).map(Operand::Text),
            Self::Bool | Self::Null => {
                value.to_ascii_lowercase().parse().map(Operand::Bool).map_err(|_| wrong("a Boolean"))
            }
            Self::Numeric(_) => value.parse().map(Operand::Number).map_err(|_| wrong("a number")),
            Self::Date(_) => date(value).map(Operand::Number).ok_or_else(|| wrong("a date")),
        }
    }

    /// Compares one value of the policy with one of the request. A request value that is not of the operator's type
    /// matches nothing.
    fn holds(self, own: &Operand, value: &str, context: &Context) -> bool {
        match (self, own) {
            (Self::Equals | Self::Like, Operand::Text(own)) => own.matches(value, context),
            (Self::EqualsIgnoreCase, Operand::Text(own)) => own.matches_ignoring_case(value, context),
            (Self::Arn, Operand::Text(own)) => own.matches_arn(value, context),
            (Self::Bool, Operand::Bool(own)) => value.to_ascii_lowercase().parse() == Ok(*own),
            (Self::Numeric(relation), Operand::Number(own)) => {
                value.parse().is_ok_and(|value| relation.holds(value, *own))
            }
            (Self::Date(relation), Operand::Number(own)) => {
                date(value).is_some_and(|value| relation.holds(value, *own))
            }
            _ => false,
        }
    }
}

impl Relation {
    fn holds(self, value: f64, own: f64) -> bool {
        match self {
            Self::Equal => value == own,
            Self::Less => value < own,
            Self::LessOrEqual => value <= own,
            Self::Greater => value > own,
            Self::GreaterOrEqual => value >= own,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Seconds since the epoch, from an ISO 8601 date with or without a time, or from a number of seconds.
fn date(text: &str) -> Option<f64> {
    let parse = |text: &str| DateTime::from_str(text, Format::DateTimeWithOffset).ok().map(|date| date.as_secs_f64());
    parse(text).or_else(|| parse(&format!("{text}T00:00:00Z"))).or_else(|| text.parse().ok())
}
