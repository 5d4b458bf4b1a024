//! Update expressions.
//!
//! Source: "Using update expressions in DynamoDB".

use std::fmt;

use super::{
    ExpressionError, Placeholders,
    lexer::Token,
    parser::{Parser, UPDATE_FUNCTIONS},
    path::WrittenPath,
};

mod plan;

pub(crate) use self::plan::{SealedValue, SentToken, UpdatePlan};

/// An update expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(super) actions: Actions,
    placeholders: Placeholders,
}

/// The actions by clause, in the order in which each clause lists them. The order of the clauses does not matter to
/// DynamoDB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) set: Vec<(WrittenPath, SetValue)>,
    pub(super) remove: Vec<WrittenPath>,
    pub(super) add: Vec<(WrittenPath, String)>,
    pub(super) delete: Vec<(WrittenPath, String)>,
}

/// The value that a `SET` assigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SetValue {
    Path(WrittenPath),
    Value(String),
    IfNotExists(WrittenPath, Box<SetValue>),
    ListAppend(Box<SetValue>, Box<SetValue>),
    Arithmetic(Box<SetValue>, Sign, Box<SetValue>),
    /// In parentheses. The developer guide is silent on them, so they are kept where they stood.
    Group(Box<SetValue>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Update {
    /// Reads an update expression.
    pub(crate) fn parse(expression: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser::new(expression)?;
        let mut actions = Actions::default();
        loop {
            if parser.accept_keyword("SET") {
                clause("SET", &mut actions.set, &mut parser, |parser| {
                    let path = parser.path()?;
                    parser.expect("=")?;
                    Ok((path, SetValue::parse(parser)?))
                })?;
            } else if parser.accept_keyword("REMOVE") {
                clause("REMOVE", &mut actions.remove, &mut parser, Parser::path)?;
            } else if parser.accept_keyword("ADD") {
                clause("ADD", &mut actions.add, &mut parser, path_and_value)?;
            } else if parser.accept_keyword("DELETE") {
                clause("DELETE", &mut actions.delete, &mut parser, path_and_value)?;
            } else {
                return Err(parser.syntax("`SET`, `REMOVE`, `ADD` or `DELETE`"));
            }
            if parser.is_at_end() {
                return Ok(Self { actions, placeholders: parser.finish("the end")? });
            }
        }
    }

    /// Combines both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let Self { actions: Actions { set, remove, add, delete }, placeholders: Placeholders { names, values } } =
            other;
        self.actions.set.extend(set);
        self.actions.remove.extend(remove);
        self.actions.add.extend(add);
        self.actions.delete.extend(delete);
        self.placeholders.names.extend(names);
        self.placeholders.values.extend(values);
        self
    }

    /// The placeholders in it.
    pub(crate) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }
}

/// One or more actions. "Each action keyword can appear only once."
fn clause<'a, T>(
    clause: &'static str,
    actions: &mut Vec<T>,
    parser: &mut Parser<'a>,
    action: impl Fn(&mut Parser<'a>) -> Result<T, ExpressionError>,
) -> Result<(), ExpressionError> {
    if !actions.is_empty() {
        return Err(ExpressionError::RepeatedClause { clause });
    }
    actions.push(action(parser)?);
    while parser.accept(",") {
        actions.push(action(parser)?);
    }
    Ok(())
}

fn path_and_value(parser: &mut Parser<'_>) -> Result<(WrittenPath, String), ExpressionError> {
    Ok((parser.path()?, parser.value()?))
}

impl SetValue {
    /// One operand, or 2 joined by one sign. The syntax summary allows no more than 2.
    fn parse(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        let left = Self::term(parser)?;
        let sign = if parser.accept("+") {
            Sign::Plus
        } else if parser.accept("-") {
            Sign::Minus
        } else {
            return Ok(left);
        };
        parser.count_operator()?;
        Ok(Self::Arithmetic(Box::new(left), sign, Box::new(Self::term(parser)?)))
    }

    fn term(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        match parser.group(Self::parse)? {
            Some(value) => Ok(Self::Group(Box::new(value))),
            None => Self::operand(parser),
        }
    }

    fn operand(parser: &mut Parser<'_>) -> Result<Self, ExpressionError> {
        match parser.function(&UPDATE_FUNCTIONS)? {
            Some("if_not_exists") => {
                let path = parser.path()?;
                parser.expect(",")?;
                let value = parser.nest(Self::operand)?;
                parser.expect(")")?;
                Ok(Self::IfNotExists(path, Box::new(value)))
            }
            Some(_) => {
                let first = parser.nest(Self::operand)?;
                parser.expect(",")?;
                let second = parser.nest(Self::operand)?;
                parser.expect(")")?;
                Ok(Self::ListAppend(Box::new(first), Box::new(second)))
            }
            None if matches!(parser.peek(), Some(Token::Value(_))) => parser.value().map(Self::Value),
            None => parser.path().map(Self::Path),
        }
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actions.fmt(f)
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, remove, add, delete } = self;
        let with_value = |(path, value): &(WrittenPath, String)| format!("{path} {value}");
        let clauses = [
            ("SET", set.iter().map(|(path, value)| format!("{path} = {value}")).collect::<Vec<_>>()),
            ("REMOVE", remove.iter().map(WrittenPath::to_string).collect()),
            ("ADD", add.iter().map(with_value).collect()),
            ("DELETE", delete.iter().map(with_value).collect()),
        ];
        let clauses = clauses.iter().filter(|(_, actions)| !actions.is_empty());
        let clauses: Vec<_> = clauses.map(|(keyword, actions)| format!("{keyword} {}", actions.join(", "))).collect();
        f.write_str(&clauses.join(" "))
    }
}

impl fmt::Display for SetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Value(value) => f.write_str(value),
            Self::IfNotExists(path, value) => write!(f, "if_not_exists({path}, {value})"),
            Self::ListAppend(first, second) => write!(f, "list_append({first}, {second})"),
            Self::Arithmetic(left, Sign::Plus, right) => write!(f, "{left} + {right}"),
            Self::Arithmetic(left, Sign::Minus, right) => write!(f, "{left} - {right}"),
            Self::Group(value) => write!(f, "({value})"),
        }
    }
}
