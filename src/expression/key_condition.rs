//! Key condition expressions.
//!
//! Source: "Key condition expressions for the Query operation in DynamoDB". As there, the value stands on the right: a
//! server may read `:v = pk`, but the guide does not list it.

use super::{
    ExpressionError, Placeholders, Scope,
    condition::{Clause, Comparator, Operand, Test},
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
        // Without an equality there is no partition to query.
        if !tests.iter().any(|(_, test)| matches!(test, KeyTest::Equals(_))) {
            return Err(ExpressionError::NotAKeyCondition);
        }
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
        for (path, test) in &self.tests {
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
        Ok(tests)
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
