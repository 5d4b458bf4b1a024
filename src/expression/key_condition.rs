//! Key condition expressions.
//!
//! Source: "Key condition expressions for the Query operation in DynamoDB". As there, the value stands on the right: a
//! server may read `:v = pk`, but the guide does not list it.

use std::fmt;

use super::{
    Asked, ExpressionError, KeyQuestion, LookupTest, Placeholders, Question, Scope,
    condition::{Clause, Comparator, Operand, Test},
    lookups::Placing,
    path::WrittenPath,
};

/// A key condition expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyCondition {
    tests: Vec<(WrittenPath, KeyTest)>,
    placeholders: Placeholders,
}

/// The test of a key attribute, with the placeholders of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyTest {
    /// `attribute = :v`: the only test that a partition key allows.
    Equals(String),
    /// `<`, `<=`, `>` or `>=`.
    Compares(Comparator, String),
    /// `BETWEEN :low AND :high`.
    Between(String, String),
    /// `begins_with(attribute, :prefix)`.
    BeginsWith(String),
    /// A lookup's stored attribute equals a token.
    Token(String),
}

impl KeyCondition {
    /// Reads a key condition expression.
    ///
    /// DynamoDB reads it as a condition of a special form, and so does this parser: the same tokens, parentheses and
    /// limits.
    pub(crate) fn parse(expression: &str) -> Result<Self, ExpressionError> {
        let (clause, placeholders) = Clause::parse(expression)?;
        let clauses = match clause {
            Clause::And(clauses) => clauses,
            clause => vec![clause],
        };
        let tests: Vec<_> = clauses.into_iter().map(key_test).collect::<Result<_, _>>()?;
        Ok(Self { tests, placeholders })
    }

    /// The placeholders in it.
    pub(crate) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// The value that `attribute` must equal, or begin with: whether it is the whole value, and its placeholder.
    pub(crate) fn requires(&self, attribute: &str, scope: &Scope<'_>) -> Option<(bool, &str)> {
        self.tests.iter().find_map(|(path, test)| {
            let (whole, value) = match test {
                KeyTest::Equals(value) => (true, value),
                KeyTest::BeginsWith(value) => (false, value),
                _ => return None,
            };
            scope.name(&path.attribute).is_ok_and(|name| name == attribute).then_some((whole, value.as_str()))
        })
    }

    /// The tested attributes, as they are written. The table or index says which of them is the partition key. That one
    /// must be tested for equality. An index may have up to 4 attributes of each kind.
    pub(crate) fn tests(&self, scope: &Scope<'_>) -> Result<Vec<(String, &KeyTest)>, ExpressionError> {
        let mut tests: Vec<(String, &KeyTest)> = Vec::new();
        for (path, test) in self.tests.iter().filter(|(_, test)| !matches!(test, KeyTest::Token(_))) {
            let (path, protection) = scope.resolve(path)?;
            if protection.varies() {
                return Err(scope.varies(path));
            }
            let attribute = path.attribute;
            if protection.is_encrypted() {
                return Err(ExpressionError::EncryptedKey { attribute });
            }
            if tests.iter().any(|(tested, _)| *tested == attribute) {
                return Err(ExpressionError::RepeatedKey { attribute });
            }
            tests.push((attribute, test));
        }
        // Without an equality there is no partition to query.
        if !self.tests.iter().any(|(_, test)| matches!(test, KeyTest::Equals(_) | KeyTest::Token(_))) {
            return Err(ExpressionError::NotAKeyCondition);
        }
        Ok(tests)
    }

    /// Replaces the tests of encrypted attributes that lookups answer.
    pub(crate) fn look_up(&mut self, scope: &Scope<'_>) -> Result<Asked, ExpressionError> {
        let Some(lookups) = scope.lookups else { return Ok(Asked::default()) };
        let mut asked = Vec::new();
        for (at, (path, test)) in self.tests.iter().enumerate() {
            let (path, protection) = scope.resolve(path)?;
            if protection.is_encrypted() && lookups.schema.has(&path.attribute) {
                let (question, value) = match test {
                    KeyTest::Equals(value) => (Question::Equals, value.clone()),
                    KeyTest::BeginsWith(value) => (Question::BeginsWith, value.clone()),
                    test => return Err(test.not_answered(path.attribute)),
                };
                asked.push((at, path.attribute, question, value));
            }
        }
        let questions: Vec<_> = asked
            .iter()
            .map(|(_, attribute, question, value)| KeyQuestion { attribute, question: *question, value })
            .collect();
        if questions.is_empty() {
            return Ok(Asked::default());
        }
        let mut placing = Placing::new(lookups);
        let mut tests = Vec::new();
        for answer in lookups.schema.answer_keys(&questions)? {
            let (path, token) = (placing.path(&answer.stored), placing.value());
            self.tests.push((path, KeyTest::Token(token.clone())));
            tests.push(LookupTest {
                stored: answer.stored,
                given: answer.tests.iter().map(|test| questions[*test].value.to_owned()).collect(),
                sent: vec![token],
            });
        }
        let replaced: Vec<_> = asked.iter().map(|(at, ..)| *at).collect();
        let mut at = 0;
        self.tests.retain(|_| {
            at += 1;
            !replaced.contains(&(at - 1))
        });
        self.placeholders = Placeholders::default();
        for (path, test) in &self.tests {
            path.collect_placeholders(&mut self.placeholders);
            self.placeholders.values.extend(test.values().map(str::to_owned));
        }
        Ok(Asked { names: placing.names(), tests })
    }
}

impl KeyTest {
    /// The placeholders of its values.
    fn values(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Self::Equals(value) | Self::Compares(_, value) | Self::BeginsWith(value) | Self::Token(value) => {
                (value, None)
            }
            Self::Between(low, high) => (low, Some(high)),
        };
        std::iter::once(one).chain(other).map(String::as_str)
    }

    /// No lookup answers it.
    fn not_answered(&self, attribute: String) -> ExpressionError {
        let operation = match self {
            Self::Compares(comparator, _) => comparator.symbol(),
            Self::Between(..) => "BETWEEN",
            Self::BeginsWith(_) => "begins_with",
            Self::Equals(_) | Self::Token(_) => "=",
        };
        ExpressionError::LookupOperation { attribute, operation }
    }
}

impl fmt::Display for KeyCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, test)) in self.tests.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " AND " })?;
            match test {
                KeyTest::Equals(value) | KeyTest::Token(value) => write!(f, "{path} = {value}"),
                KeyTest::Compares(comparator, value) => write!(f, "{path} {} {value}", comparator.symbol()),
                KeyTest::Between(low, high) => write!(f, "{path} BETWEEN {low} AND {high}"),
                KeyTest::BeginsWith(prefix) => write!(f, "begins_with({path}, {prefix})"),
            }?;
        }
        Ok(())
    }
}

fn key_test(clause: Clause) -> Result<(WrittenPath, KeyTest), ExpressionError> {
    use Operand::{Path, Value};
    let Clause::Test(test) = clause else {
        return Err(ExpressionError::NotAKeyCondition);
    };
    let (path, test) = match *test {
        Test::Compare(Path(path), Comparator::Equal, Value(value)) => (path, KeyTest::Equals(value)),
        Test::Compare(Path(path), comparator, Value(value)) if comparator != Comparator::NotEqual => {
            (path, KeyTest::Compares(comparator, value))
        }
        Test::Between(Path(path), Value(low), Value(high)) => (path, KeyTest::Between(low, high)),
        Test::BeginsWith(Path(path), Value(prefix)) => (path, KeyTest::BeginsWith(prefix)),
        _ => return Err(ExpressionError::NotAKeyCondition),
    };
    // Keys are scalars, so no path goes below them.
    if path.steps.is_empty() { Ok((path, test)) } else { Err(ExpressionError::NotAKeyCondition) }
}
