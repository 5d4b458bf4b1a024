//! Condition and filter expressions.
//!
//! Source: "Condition and filter expressions, operators, and functions in DynamoDB".

use std::fmt;

use super::{
    ExpressionError, Placeholders, Scope, Secrecy,
    lexer::Token,
    parser::{CONDITION_FUNCTIONS, Parser},
    path::WrittenPath,
};

/// The maximum number of operands of one `IN` ("Constraints", operators and operands).
const MAX_IN_OPERANDS: usize = 100;

/// A condition or filter expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(super) clause: Clause,
    pub(super) placeholders: Placeholders,
}

/// The syntax tree of a condition. Parentheses are not kept: the nesting implies them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clause {
    Or(Vec<Clause>),
    And(Vec<Clause>),
    Not(Box<Clause>),
    /// Boxed, because the size of a clause multiplies with the depth of the recursion.
    Test(Box<Test>),
}

/// One test of one or several operands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(WrittenPath),
    NotExists(WrittenPath),
    HasType(WrittenPath, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

/// An operand of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Path(WrittenPath),
    Value(String),
    Size(WrittenPath),
}

/// How two operands are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Reads a condition or filter expression.
    pub(crate) fn parse(expression: &str) -> Result<Self, ExpressionError> {
        let (clause, placeholders) = Clause::parse(expression)?;
        Ok(Self { clause, placeholders })
    }

    /// The placeholders in it.
    pub(crate) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// The value that `attribute` must equal, or begin with, wherever the condition holds: whether it is the whole
    /// value, and its placeholder.
    pub(crate) fn requires(&self, attribute: &str, scope: &Scope<'_>) -> Option<(bool, &str)> {
        self.clause.requires(attribute, scope)
    }

    /// Combines this condition with another, given as an expression of a single test.
    pub(crate) fn and(&self, test: &str) -> String {
        match &self.clause {
            Clause::Or(_) => format!("({self}) AND {test}"),
            _ => format!("{self} AND {test}"),
        }
    }

    /// Refuses a condition that would mean something else on ciphertexts, or that names an attribute no schema
    /// declares.
    pub(crate) fn check(&self, scope: &Scope<'_>) -> Result<(), ExpressionError> {
        self.clause.check(scope)
    }
}

impl Clause {
    pub(super) fn parse(expression: &str) -> Result<(Self, Placeholders), ExpressionError> {
        let mut parser = Parser::new(expression)?;
        let clause = Self::or(&mut parser)?;
        Ok((clause, parser.finish("`AND`, `OR` or the end")?))
    }

    fn or(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        Self::chain(parser, "OR", Self::Or, Self::and)
    }

    fn and(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        Self::chain(parser, "AND", Self::And, Self::not)
    }

    /// One or more links joined by `keyword`, kept flat: 100 `AND`s are not 100 levels.
    fn chain(
        parser: &mut Parser<'_>,
        keyword: &str,
        joined: fn(Vec<Self>) -> Self,
        link: fn(&mut Parser<'_>) -> Result<Self, ExpressionError>,
    ) -> Result<Self, ExpressionError> {
        let first = link(parser)?;
        let mut links = vec![first];
        while parser.accept_keyword(keyword) {
            parser.count_operator()?;
            links.push(link(parser)?);
        }
        Ok(if links.len() == 1 { links.remove(0) } else { joined(links) })
    }

    fn not(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        if parser.accept_keyword("NOT") {
            parser.count_operator()?;
            return Ok(Self::Not(Box::new(parser.nest(Self::not)?)));
        }
        match parser.group(Self::or)? {
            Some(clause) => Ok(clause),
            None => Ok(Self::Test(Box::new(Test::parse(parser)?))),
        }
    }

    fn check(&self, scope: &Scope<'_>) -> Result<(), ExpressionError> {
        match self {
            Self::Or(clauses) | Self::And(clauses) => clauses.iter().try_for_each(|clause| clause.check(scope)),
            Self::Not(clause) => clause.check(scope),
            Self::Test(test) => test.check(scope),
        }
    }

    fn requires(&self, attribute: &str, scope: &Scope<'_>) -> Option<(bool, &str)> {
        use Operand::{Path, Value};
        match self {
            Self::And(clauses) => clauses.iter().find_map(|clause| clause.requires(attribute, scope)),
            Self::Or(_) | Self::Not(_) => None,
            Self::Test(test) => {
                let (path, whole, value) = match &**test {
                    Test::Compare(Path(path), Comparator::Equal, Value(value))
                    | Test::Compare(Value(value), Comparator::Equal, Path(path)) => (path, true, value),
                    Test::BeginsWith(Path(path), Value(value)) => (path, false, value),
                    _ => return None,
                };
                let is_it = path.steps.is_empty() && scope.name(&path.attribute).is_ok_and(|name| name == attribute);
                is_it.then_some((whole, value.as_str()))
            }
        }
    }

    /// Whether the clause needs parentheses after a `NOT` or as a link of `AND`.
    fn binds_weaker_than_and(&self) -> bool {
        matches!(self, Self::Or(_) | Self::And(_))
    }
}

impl Test {
    fn parse(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        let Some(function) = parser.function(&CONDITION_FUNCTIONS)? else {
            let operand = Operand::parse(parser)?;
            return Self::comparison(operand, parser);
        };
        let test = match function {
            "size" => {
                let operand = Operand::Size(parser.path()?);
                parser.expect(")")?;
                return Self::comparison(operand, parser);
            }
            "attribute_exists" => Self::Exists(parser.path()?),
            "attribute_not_exists" => Self::NotExists(parser.path()?),
            "attribute_type" => {
                let path = parser.path()?;
                parser.expect(",")?;
                // "You must use an expression attribute value for the type parameter."
                Self::HasType(path, parser.value()?)
            }
            function => {
                let operand = Operand::parse(parser)?;
                parser.expect(",")?;
                let sought = Operand::parse(parser)?;
                if function == "contains" { Self::Contains(operand, sought) } else { Self::BeginsWith(operand, sought) }
            }
        };
        parser.expect(")")?;
        Ok(test)
    }

    fn comparison(operand: Operand, parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        parser.count_operator()?;
        if parser.accept_keyword("BETWEEN") {
            let low = Operand::parse(parser)?;
            if !parser.accept_keyword("AND") {
                return Err(parser.syntax("the `AND` of `BETWEEN`"));
            }
            return Ok(Self::Between(operand, low, Operand::parse(parser)?));
        }
        if parser.accept_keyword("IN") {
            parser.expect("(")?;
            let mut candidates = vec![Operand::parse(parser)?];
            while parser.accept(",") {
                candidates.push(Operand::parse(parser)?);
            }
            parser.expect(")")?;
            if candidates.len() > MAX_IN_OPERANDS {
                return Err(ExpressionError::TooManyOperands);
            }
            return Ok(Self::In(operand, candidates));
        }
        match Comparator::ALL.into_iter().find(|comparator| parser.accept(comparator.symbol())) {
            Some(comparator) => Ok(Self::Compare(operand, comparator, Operand::parse(parser)?)),
            None => Err(parser.syntax("a comparison, `BETWEEN` or `IN`")),
        }
    }

    pub(super) fn check(&self, scope: &Scope<'_>) -> Result<(), ExpressionError> {
        match self {
            Self::Exists(path) | Self::NotExists(path) => scope.resolve_whole(path).map(drop),
            Self::HasType(path, _) => check_plain(path, "attribute_type", scope),
            Self::BeginsWith(operand, prefix) => check_operands([operand, prefix], "begins_with", scope),
            Self::Contains(operand, sought) => check_operands([operand, sought], "contains", scope),
            Self::Compare(left, comparator, right) => check_operands([left, right], comparator.symbol(), scope),
            Self::Between(operand, low, high) => check_operands([operand, low, high], "BETWEEN", scope),
            Self::In(operand, candidates) => check_operands(candidates.iter().chain([operand]), "IN", scope),
        }
    }
}

fn check_operands<'a>(
    operands: impl IntoIterator<Item = &'a Operand>,
    operation: &'static str,
    scope: &Scope<'_>,
) -> Result<(), ExpressionError> {
    operands.into_iter().try_for_each(|operand| match operand {
        Operand::Path(path) => check_plain(path, operation, scope),
        Operand::Size(path) => check_plain(path, "size", scope),
        Operand::Value(_) => Ok(()),
    })
}

fn check_plain(path: &WrittenPath, operation: &'static str, scope: &Scope<'_>) -> Result<(), ExpressionError> {
    let (path, protection) = scope.resolve(path)?;
    match protection.secrecy {
        Secrecy::Plain => Ok(()),
        Secrecy::Encrypted => Err(ExpressionError::EncryptedCondition { attribute: path.attribute, operation }),
        Secrecy::Varies => Err(scope.varies(path)),
    }
}

impl Operand {
    fn parse(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        if parser.function(&["size"])?.is_some() {
            let path = parser.path()?;
            parser.expect(")")?;
            return Ok(Self::Size(path));
        }
        match parser.peek() {
            Some(Token::Value(_)) => parser.value().map(Self::Value),
            _ => parser.path().map(Self::Path),
        }
    }
}

impl Comparator {
    pub(super) const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clause.fmt(f)
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(clauses) => join(f, clauses, " OR ", |clause| matches!(clause, Self::Or(_))),
            Self::And(clauses) => join(f, clauses, " AND ", Self::binds_weaker_than_and),
            Self::Not(clause) if clause.binds_weaker_than_and() => write!(f, "NOT ({clause})"),
            Self::Not(clause) => write!(f, "NOT {clause}"),
            Self::Test(test) => test.fmt(f),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(left, comparator, right) => write!(f, "{left} {} {right}", comparator.symbol()),
            Self::Between(operand, low, high) => write!(f, "{operand} BETWEEN {low} AND {high}"),
            Self::In(operand, candidates) => {
                let candidates: Vec<_> = candidates.iter().map(Operand::to_string).collect();
                write!(f, "{operand} IN ({})", candidates.join(", "))
            }
            Self::Exists(path) => write!(f, "attribute_exists({path})"),
            Self::NotExists(path) => write!(f, "attribute_not_exists({path})"),
            Self::HasType(path, kind) => write!(f, "attribute_type({path}, {kind})"),
            Self::BeginsWith(operand, prefix) => write!(f, "begins_with({operand}, {prefix})"),
            Self::Contains(operand, sought) => write!(f, "contains({operand}, {sought})"),
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    clauses: &[Clause],
    operator: &str,
    in_parentheses: fn(&Clause) -> bool,
) -> fmt::Result {
    for (position, clause) in clauses.iter().enumerate() {
        if position > 0 {
            f.write_str(operator)?;
        }
        if in_parentheses(clause) { write!(f, "({clause})") } else { write!(f, "{clause}") }?;
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Value(value) => f.write_str(value),
            Self::Size(path) => write!(f, "size({path})"),
        }
    }
}
