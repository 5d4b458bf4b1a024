//! Splits an expression into tokens.
//!
//! Where the developer guide and servers disagree, the stricter reading holds: we refuse what a server might refuse or
//! read differently. Sources: "Expression attribute names (aliases)", "Using expression attribute values", "Referring
//! to item attributes".

use super::ExpressionError;

/// The maximum length of an expression in bytes ("Constraints", expression parameters, lengths).
const MAX_LENGTH: usize = 4096;

/// The maximum length of a placeholder in bytes, including its `#` or `:` (same section).
const MAX_PLACEHOLDER: usize = 255;

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 12] = ["<>", "<=", ">=", "<", ">", "=", "+", "-", "(", ")", ",", "."];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, or the name of a function or attribute: the parser knows which.
    Word(&'a str),
    /// `#name`, with its sign.
    Name(&'a str),
    /// `:value`, with its sign.
    Value(&'a str),
    /// `[n]`.
    Index(u32),
    Symbol(&'static str),
}

/// The tokens of an expression, each with the byte where it starts.
pub(super) fn tokens(expression: &str) -> Result<Vec<(usize, Token<'_>)>, ExpressionError> {
    if expression.len() > MAX_LENGTH {
        return Err(ExpressionError::TooLong);
    }
    let mut tokens = Vec::new();
    let mut rest = expression;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let at = expression.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (token, length) = match first {
            '#' | ':' => placeholder(rest, at)?,
            '[' => index(rest, at)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = name_length(rest);
                (Token::Word(&rest[..length]), length)
            }
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol =
                    symbol.ok_or(ExpressionError::Syntax { at, expected: "a name, a placeholder or an operator" })?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        tokens.push((at, token));
        rest = &rest[length..];
    }
}

/// "One or more alphanumeric characters. The underscore character is also allowed."
fn placeholder(rest: &str, at: usize) -> Result<(Token<'_>, usize), ExpressionError> {
    let length = 1 + name_length(&rest[1..]);
    if length == 1 {
        return Err(ExpressionError::Syntax { at, expected: "a letter, a digit or an underscore after `#` or `:`" });
    }
    if length > MAX_PLACEHOLDER {
        return Err(ExpressionError::Syntax { at, expected: "a placeholder of at most 255 bytes" });
    }
    let text = &rest[..length];
    Ok((if text.starts_with('#') { Token::Name(text) } else { Token::Value(text) }, length))
}

/// One token, because servers disagree on blanks and leading zeros between the brackets.
fn index(rest: &str, at: usize) -> Result<(Token<'_>, usize), ExpressionError> {
    let malformed = ExpressionError::Syntax { at, expected: "a list index such as `[0]`" };
    let Some(end) = rest.find(']') else {
        return Err(malformed);
    };
    let digits = &rest[1..end];
    let plain = digits == "0" || !digits.starts_with(['0', '+']);
    match digits.parse() {
        Ok(index) if plain => Ok((Token::Index(index), end + 1)),
        _ => Err(malformed),
    }
}

fn name_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(expression: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
        Ok(tokens(expression)?.into_iter().map(|(_, token)| token).collect())
    }

    #[test]
    fn an_operator_is_read_as_long_as_it_goes() {
        let expected = vec![Token::Word("a"), Token::Symbol("<="), Token::Value(":v"), Token::Symbol("<>")];
        assert_eq!(kinds("a<=:v<>"), Ok(expected));
    }

    #[test]
    fn an_index_is_one_token_without_blanks_signs_or_leading_zeros() {
        assert_eq!(kinds("[0][12]"), Ok(vec![Token::Index(0), Token::Index(12)]));
        for malformed in ["[]", "[ 0]", "[0 ]", "[00]", "[+1]", "[-1]", "[4294967296]", "[a]", "[#i]", "[", "[0"] {
            assert!(kinds(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_placeholder_has_at_least_one_character_and_at_most_255_bytes() {
        assert_eq!(kinds("#5star :_"), Ok(vec![Token::Name("#5star"), Token::Value(":_")]));
        assert!(kinds(&format!("#{}", "a".repeat(254))).is_ok());
        for malformed in ["#", ":", "# a", ":-", &format!(":{}", "a".repeat(255))] {
            assert!(kinds(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn what_no_rule_names_is_refused_with_its_place() {
        for (expression, place) in
            [("a = 'x'", 4), ("a!=b", 1), ("a = 5", 4), ("a\u{a0}= :v", 1), ("é", 0), ("a\u{b}", 1)]
        {
            match kinds(expression) {
                Err(ExpressionError::Syntax { at, .. }) => assert_eq!(at, place, "{expression}"),
                other => panic!("{expression}: {other:?}"),
            }
        }
    }

    #[test]
    fn four_kilobytes_are_read_and_one_byte_more_is_not() {
        assert!(kinds(&"a".repeat(4096)).is_ok());
        assert_eq!(kinds(&"a".repeat(4097)), Err(ExpressionError::TooLong));
    }
}
