//! Reads what all expressions share: paths, placeholders, functions, parentheses and the limits.

use super::{
    ExpressionError, Placeholders,
    lexer::{self, Token},
    path::{Name, Step, WrittenPath},
    reserved::is_reserved,
};

/// The maximum number of operators and functions in one expression ("Constraints", operators and operands).
const MAX_OPERATORS: usize = 300;

/// How deep parentheses, `NOT`s and functions may nest. The developer guide names no limit. Ours keeps the recursion of
/// parsing, checking and rendering within a small stack.
const MAX_DEPTH: usize = 100;

/// "Condition and filter expressions, operators, and functions in DynamoDB".
pub(super) const CONDITION_FUNCTIONS: [&str; 6] =
    ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"];

/// "Using update expressions in DynamoDB".
pub(super) const UPDATE_FUNCTIONS: [&str; 2] = ["if_not_exists", "list_append"];

/// A position in an expression's tokens.
pub(super) struct Parser<'a> {
    tokens: Vec<(usize, Token<'a>)>,
    next: usize,
    length: usize,
    operators: usize,
    depth: usize,
    /// The tokens of the parenthesised group that was read last.
    group: Option<(usize, usize)>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(expression: &'a str) -> Result<Self, ExpressionError> {
        let tokens = lexer::tokens(expression)?;
        Ok(Self { tokens, next: 0, length: expression.len(), operators: 0, depth: 0, group: None })
    }

    /// Ends the expression and returns its placeholders.
    pub(super) fn finish(self, expected: &'static str) -> Result<Placeholders, ExpressionError> {
        if self.next < self.tokens.len() {
            return Err(self.syntax(expected));
        }
        let mut placeholders = Placeholders::default();
        for (_, token) in &self.tokens {
            match token {
                Token::Name(name) => _ = placeholders.names.insert((*name).to_owned()),
                Token::Value(value) => _ = placeholders.values.insert((*value).to_owned()),
                _ => {}
            }
        }
        Ok(placeholders)
    }

    /// The error that refuses the next token.
    pub(super) fn syntax(&self, expected: &'static str) -> ExpressionError {
        let at = self.tokens.get(self.next).map_or(self.length, |(at, _)| *at);
        ExpressionError::Syntax { at, expected }
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|(_, token)| *token)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.next == self.tokens.len()
    }

    /// Skips `symbol` if it is next.
    pub(super) fn accept(&mut self, symbol: &'static str) -> bool {
        let accepted = self.peek() == Some(Token::Symbol(symbol));
        self.next += usize::from(accepted);
        accepted
    }

    pub(super) fn expect(&mut self, symbol: &'static str) -> Result<(), ExpressionError> {
        if self.accept(symbol) { Ok(()) } else { Err(self.syntax(symbol)) }
    }

    /// Skips `keyword`, in any case, if it is next.
    pub(super) fn accept_keyword(&mut self, keyword: &str) -> bool {
        let accepted = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(accepted);
        accepted
    }

    /// Counts an operator or function.
    pub(super) fn count_operator(&mut self) -> Result<(), ExpressionError> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS { Err(ExpressionError::TooManyOperators) } else { Ok(()) }
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nest<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        if self.depth == MAX_DEPTH {
            return Err(ExpressionError::TooDeep { max: MAX_DEPTH });
        }
        self.depth += 1;
        let read = inner(self)?;
        self.depth -= 1;
        Ok(read)
    }

    /// Reads `inner` in parentheses if a parenthesis is next.
    ///
    /// A group that contains only another group is refused, as by DynamoDB.
    pub(super) fn group<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<Option<T>, ExpressionError> {
        let start = self.next;
        if !self.accept("(") {
            return Ok(None);
        }
        let read = self.nest(inner)?;
        if self.group == Some((start + 1, self.next)) {
            return Err(ExpressionError::RedundantParentheses);
        }
        self.expect(")")?;
        self.group = Some((start, self.next));
        Ok(Some(read))
    }

    /// Skips a function's name and opening parenthesis if they are next.
    ///
    /// "These function names are case-sensitive": a function in other letters is refused, whatever a server would make
    /// of it.
    pub(super) fn function(&mut self, known: &[&'static str]) -> Result<Option<&'static str>, ExpressionError> {
        let Some(Token::Word(word)) = self.peek() else {
            return Ok(None);
        };
        if !matches!(self.tokens.get(self.next + 1), Some((_, Token::Symbol("(")))) {
            return Ok(None);
        }
        match known.iter().find(|function| function.eq_ignore_ascii_case(word)) {
            None => Err(ExpressionError::UnknownFunction { name: word.to_owned() }),
            Some(function) if *function != word => Err(ExpressionError::FunctionCase { function }),
            Some(function) => {
                self.next += 2;
                self.count_operator()?;
                Ok(Some(function))
            }
        }
    }

    pub(super) fn value(&mut self) -> Result<String, ExpressionError> {
        let Some(Token::Value(value)) = self.peek() else {
            return Err(self.syntax("a value placeholder"));
        };
        self.next += 1;
        Ok(value.to_owned())
    }

    pub(super) fn path(&mut self) -> Result<WrittenPath, ExpressionError> {
        let attribute = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.accept(".") {
                steps.push(Step::Field(self.name()?));
            } else if let Some(Token::Index(index)) = self.peek() {
                self.next += 1;
                steps.push(Step::Element(index));
            } else {
                return Ok(WrittenPath { attribute, steps });
            }
        }
    }

    /// "The first character is `a-z` or `A-Z`": a leading underscore needs a placeholder ("Key condition expressions
    /// for the Query operation"). A function's name needs one too, because servers disagree on it.
    fn name(&mut self) -> Result<Name, ExpressionError> {
        let name = match self.peek() {
            Some(Token::Name(name)) => Name::Placeholder(name.to_owned()),
            Some(Token::Word(word)) if word.starts_with('_') || is_function(word) => {
                return Err(ExpressionError::NeedsPlaceholder { name: word.to_owned() });
            }
            Some(Token::Word(word)) if is_reserved(word) => {
                return Err(ExpressionError::ReservedWord { name: word.to_owned() });
            }
            Some(Token::Word(word)) => Name::Literal(word.to_owned()),
            _ => return Err(self.syntax("an attribute")),
        };
        self.next += 1;
        Ok(name)
    }
}

fn is_function(word: &str) -> bool {
    CONDITION_FUNCTIONS.iter().chain(&UPDATE_FUNCTIONS).any(|function| function.eq_ignore_ascii_case(word))
}
