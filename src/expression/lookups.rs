//! Tests on encrypted attributes that lookups answer, and the tokens that updates write.
//!
//! A lookup stores a token beside the encrypted attribute, in an attribute of its own. A test on the encrypted
//! attribute becomes a test on the token. The caller's value is not sent.

use std::collections::BTreeMap;

use super::{
    Condition, ExpressionError, Fresh, Placeholders, Scope, Secrecy,
    condition::{Clause, Comparator, Operand, Test},
    path::{Name, WrittenPath},
};

/// What a test asks of an encrypted attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// `=` and `IN`.
    Equals,
    /// `<>`.
    Differs,
    /// `begins_with`.
    BeginsWith,
    /// `contains`.
    Contains,
}

impl Question {
    /// The operation, as errors name it.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Equals => "=",
            Self::Differs => "<>",
            Self::BeginsWith => "begins_with",
            Self::Contains => "contains",
        }
    }
}

/// Where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The filter of a query or scan. Each item found is opened and compared.
    Filter,
    /// The condition of a write. DynamoDB alone decides.
    Write,
}

/// A test that asks a lookup instead of the encrypted attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LookupTest {
    /// The attribute that stores the lookup's tokens.
    pub(crate) stored: String,
    /// The placeholders of the caller's values: the alternatives of an `IN`, or one value of each part of the lookup.
    pub(crate) given: Vec<String>,
    /// The placeholders of the tokens: one of each alternative, or one of all parts.
    pub(crate) sent: Vec<String>,
}

/// A test of a key condition on an encrypted attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyQuestion<'a> {
    pub(crate) attribute: &'a str,
    pub(crate) question: Question,
    /// The placeholder of the value.
    pub(crate) value: &'a str,
}

/// The lookup that answers some tests of a key condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyAnswer {
    /// The attribute that stores the lookup's tokens.
    pub(crate) stored: String,
    /// The positions of the tests, in the order of the lookup's parts.
    pub(crate) tests: Vec<usize>,
}

/// What an update does to the token of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenAction {
    /// The token of these values: their placeholders, in the order of the lookup's parts.
    Set { stored: String, given: Vec<String> },
    /// The same where no token is stored yet.
    SetIfNotExists { stored: String, given: Vec<String> },
    /// The token goes with its attribute.
    Remove { stored: String },
}

/// A value that an update assigns to an encrypted attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assigned<'a> {
    pub(crate) attribute: &'a str,
    /// The placeholder of the caller's value.
    pub(crate) given: &'a str,
    /// Whether by `if_not_exists`.
    pub(crate) if_not_exists: bool,
}

/// The lookups of the items that a request addresses.
pub(crate) trait LookupSchema {
    /// Whether any lookup has the attribute as a part.
    fn has(&self, attribute: &str) -> bool;

    /// The attribute with the tokens of the lookup that answers a test in a condition; `values` are placeholders.
    fn answer(
        &self,
        attribute: &str,
        question: Question,
        values: &[String],
        place: Place,
    ) -> Result<String, ExpressionError>;

    /// The lookups that answer these tests of a key condition. Each test has one.
    fn answer_keys(&self, questions: &[KeyQuestion<'_>]) -> Result<Vec<KeyAnswer>, ExpressionError>;

    /// What an update must do to the tokens of what it assigns and removes.
    fn write(&self, assigned: &[Assigned<'_>], removed: &[&str]) -> Result<Vec<TokenAction>, ExpressionError>;
}

/// The lookups of a scope, and the placeholders that the request defines or has been given.
#[derive(Clone, Copy)]
pub(crate) struct Lookups<'a> {
    pub(crate) schema: &'a dyn LookupSchema,
    pub(crate) taken: &'a dyn Fn(&str) -> bool,
}

/// What lookups add to a request for one of its expressions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The added names: placeholders of the attributes that store tokens.
    pub(crate) names: BTreeMap<String, String>,
    /// The tests, with the placeholders of their values.
    pub(crate) tests: Vec<LookupTest>,
}

/// Gives placeholders to stored attributes and tokens.
pub(super) struct Placing<'a> {
    names: Fresh<'a>,
    values: Fresh<'a>,
    placed: BTreeMap<String, String>,
}

impl<'a> Placing<'a> {
    pub(super) fn new(lookups: Lookups<'a>) -> Self {
        Self { names: Fresh::new('#', lookups.taken), values: Fresh::new(':', lookups.taken), placed: BTreeMap::new() }
    }

    /// The path of the attribute that stores tokens.
    pub(super) fn path(&mut self, stored: &str) -> WrittenPath {
        let known = self.placed.iter().find(|(_, attribute)| *attribute == stored);
        let placeholder = known.map(|(placeholder, _)| placeholder.clone()).unwrap_or_else(|| {
            let placeholder = self.names.placeholder();
            self.placed.insert(placeholder.clone(), stored.to_owned());
            placeholder
        });
        WrittenPath { attribute: Name::Placeholder(placeholder), steps: Vec::new() }
    }

    /// A placeholder for a token.
    pub(super) fn value(&mut self) -> String {
        self.values.placeholder()
    }

    /// The added names.
    pub(super) fn names(self) -> BTreeMap<String, String> {
        self.placed
    }
}

impl Condition {
    /// Checks the condition as [`check`](Self::check) does. Replaces tests on encrypted attributes that lookups answer.
    pub(crate) fn look_up(&mut self, scope: &Scope<'_>, place: Place) -> Result<Asked, ExpressionError> {
        let Some(lookups) = scope.lookups else { return self.check(scope).map(|()| Asked::default()) };
        let mut rewriting = Rewriting { scope, lookups, place, placing: Placing::new(lookups), tests: Vec::new() };
        rewriting.clause(&mut self.clause, true)?;
        let Rewriting { placing, tests, .. } = rewriting;
        if !tests.is_empty() {
            self.placeholders = Placeholders::default();
            self.clause.collect_placeholders(&mut self.placeholders);
        }
        Ok(Asked { names: placing.names(), tests })
    }
}

struct Rewriting<'a> {
    scope: &'a Scope<'a>,
    lookups: Lookups<'a>,
    place: Place,
    placing: Placing<'a>,
    tests: Vec<LookupTest>,
}

/// A test that a lookup could answer.
struct Candidate<'t> {
    path: &'t mut WrittenPath,
    question: Question,
    operation: &'static str,
    values: Vec<&'t mut String>,
}

impl Rewriting<'_> {
    /// `joined`: whether the whole condition holds only where this clause does.
    fn clause(&mut self, clause: &mut Clause, joined: bool) -> Result<(), ExpressionError> {
        match clause {
            Clause::And(clauses) => clauses.iter_mut().try_for_each(|clause| self.clause(clause, joined)),
            Clause::Or(clauses) => clauses.iter_mut().try_for_each(|clause| self.clause(clause, false)),
            Clause::Not(clause) => self.clause(clause, false),
            Clause::Test(test) => self.test(test, joined),
        }
    }

    fn test(&mut self, test: &mut Test, joined: bool) -> Result<(), ExpressionError> {
        let Some(attribute) = test.encrypted_path(self.scope)?.filter(|attribute| self.lookups.schema.has(attribute))
        else {
            return test.check(self.scope);
        };
        let Some(Candidate { path, question, operation, values }) = candidate(test) else {
            return test.check(self.scope).map_err(|error| advise(error, self.lookups));
        };
        if self.place == Place::Filter && (!joined || question == Question::Differs) {
            return Err(ExpressionError::LookupFilter { attribute, operation });
        }
        let given: Vec<_> = values.iter().map(|value| (**value).clone()).collect();
        let stored = self.lookups.schema.answer(&attribute, question, &given, self.place)?;
        *path = self.placing.path(&stored);
        let mut sent = Vec::new();
        for value in values {
            *value = self.placing.value();
            sent.push(value.clone());
        }
        // What begins with a prefix has the token of the prefix.
        if let Test::BeginsWith(path, value) = test {
            *test = Test::Compare(path.clone(), Comparator::Equal, value.clone());
        }
        self.tests.push(LookupTest { stored, given, sent });
        Ok(())
    }
}

/// Says what lookups can do of an operation that they cannot.
fn advise(error: ExpressionError, lookups: Lookups<'_>) -> ExpressionError {
    match error {
        ExpressionError::EncryptedCondition { attribute, operation } if lookups.schema.has(&attribute) => {
            ExpressionError::LookupOperation { attribute, operation }
        }
        error => error,
    }
}

/// The test as a question to a lookup: one encrypted attribute and values.
fn candidate(test: &mut Test) -> Option<Candidate<'_>> {
    use Operand::{Path, Value};
    let (path, question, operation, values) = match test {
        Test::Compare(Path(path), comparator @ (Comparator::Equal | Comparator::NotEqual), Value(value))
        | Test::Compare(Value(value), comparator @ (Comparator::Equal | Comparator::NotEqual), Path(path)) => {
            let question = if *comparator == Comparator::Equal { Question::Equals } else { Question::Differs };
            (path, question, question.operation(), vec![value])
        }
        Test::In(Path(path), candidates) => {
            let values = candidates.iter_mut().map(|candidate| match candidate {
                Value(value) => Some(value),
                Path(_) | Operand::Size(_) => None,
            });
            (path, Question::Equals, "IN", values.collect::<Option<Vec<_>>>()?)
        }
        Test::BeginsWith(Path(path), Value(prefix)) => (path, Question::BeginsWith, "begins_with", vec![prefix]),
        Test::Contains(Path(path), Value(sought)) => (path, Question::Contains, "contains", vec![sought]),
        _ => return None,
    };
    Some(Candidate { path, question, operation, values })
}

impl Test {
    /// The encrypted attribute that the test compares as a whole, if there is one.
    fn encrypted_path(&self, scope: &Scope<'_>) -> Result<Option<String>, ExpressionError> {
        let operands: Vec<&Operand> = match self {
            Self::Exists(_) | Self::NotExists(_) | Self::HasType(..) => return Ok(None),
            Self::BeginsWith(one, other) | Self::Contains(one, other) | Self::Compare(one, _, other) => {
                vec![one, other]
            }
            Self::Between(operand, low, high) => vec![operand, low, high],
            Self::In(operand, candidates) => candidates.iter().chain([operand]).collect(),
        };
        for operand in operands {
            if let Operand::Path(path) | Operand::Size(path) = operand {
                let (path, protection) = scope.resolve(path)?;
                if protection.secrecy == Secrecy::Encrypted && path.segments.is_empty() {
                    return Ok(Some(path.attribute));
                }
            }
        }
        Ok(None)
    }

    fn collect_placeholders(&self, into: &mut Placeholders) {
        let operand = |operand: &Operand, into: &mut Placeholders| match operand {
            Operand::Path(path) | Operand::Size(path) => path.collect_placeholders(into),
            Operand::Value(value) => _ = into.values.insert(value.clone()),
        };
        match self {
            Self::Exists(path) | Self::NotExists(path) => path.collect_placeholders(into),
            Self::HasType(path, kind) => {
                path.collect_placeholders(into);
                into.values.insert(kind.clone());
            }
            Self::BeginsWith(one, other) | Self::Contains(one, other) | Self::Compare(one, _, other) => {
                [one, other].into_iter().for_each(|one| operand(one, into));
            }
            Self::Between(tested, low, high) => [tested, low, high].into_iter().for_each(|one| operand(one, into)),
            Self::In(tested, candidates) => candidates.iter().chain([tested]).for_each(|one| operand(one, into)),
        }
    }
}

impl Clause {
    fn collect_placeholders(&self, into: &mut Placeholders) {
        match self {
            Self::Or(clauses) | Self::And(clauses) => {
                clauses.iter().for_each(|clause| clause.collect_placeholders(into));
            }
            Self::Not(clause) => clause.collect_placeholders(into),
            Self::Test(test) => test.collect_placeholders(into),
        }
    }
}
