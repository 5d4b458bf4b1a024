//! Patterns: `*`, `?`, and policy variables, whose values are never patterns themselves.

use super::{Context, MalformedPolicy};

/// The characters of a policy string that have a special meaning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grammar {
    /// `*` stands for any sequence of characters, and `?` for any single one.
    pub(super) wildcards: bool,
    /// `${key}` stands for the value of a condition key (policy version 2012-10-17).
    pub(super) variables: bool,
}

/// A string of a policy, split into literal and special pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Glyph(Glyph),
    Variable { key: String, default: Option<String> },
}

/// One position of a pattern whose variables have been replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glyph {
    Char(char),
    AnyRun,
    AnyOne,
}

impl Pattern {
    pub(super) fn parse(text: &str, grammar: Grammar) -> Result<Self, MalformedPolicy> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if grammar.variables
                && let Some(opened) = rest.strip_prefix("${")
            {
                let Some((name, after)) = opened.split_once('}') else {
                    return Err(MalformedPolicy::new(format!("unclosed policy variable in {text}")));
                };
                pieces.push(Piece::variable(name)?);
                rest = after;
                continue;
            }
            pieces.push(Piece::Glyph(match first {
                '*' if grammar.wildcards => Glyph::AnyRun,
                '?' if grammar.wildcards => Glyph::AnyOne,
                literal => Glyph::Char(literal),
            }));
            rest = &rest[first.len_utf8()..];
        }
        Ok(Self(pieces))
    }

    /// Whether the whole of `value` matches.
    pub(super) fn matches(&self, value: &str, context: &Context) -> bool {
        resolve(&self.0, context).is_some_and(|glyphs| glob(&glyphs, &chars(value)))
    }

    /// As [`matches`](Self::matches), ignoring case.
    pub(super) fn matches_ignoring_case(&self, value: &str, context: &Context) -> bool {
        let fold = |glyph| match glyph {
            Glyph::Char(c) => c.to_lowercase().map(Glyph::Char).collect(),
            wildcard => vec![wildcard],
        };
        resolve(&self.0, context).is_some_and(|glyphs| {
            glob(&glyphs.into_iter().flat_map(fold).collect::<Vec<_>>(), &chars(&value.to_lowercase()))
        })
    }

    /// Whether `value` is an ARN each of whose six parts matches.
    ///
    /// The parts are compared one by one, so that a wildcard never reaches across a colon into another part. The
    /// pattern is split before its variables are replaced, so that a colon in a value does not shift the parts.
    pub(super) fn matches_arn(&self, value: &str, context: &Context) -> bool {
        let parts: Vec<_> = value.splitn(6, ':').collect();
        let patterns = self.arn_parts();
        parts.len() == 6
            && parts[0] == "arn"
            && (self.is_any() || patterns.len() == 6)
            && matches_all(&patterns, &parts, context)
    }

    /// Whether the `Resource` pattern matches this ARN (or the `*` of an action without a resource).
    ///
    /// IAM completes an ARN pattern of fewer than 6 parts with `*`.
    pub(super) fn matches_resource(&self, resource: &str, context: &Context) -> bool {
        let parts: Vec<_> = resource.splitn(6, ':').collect();
        self.is_any() || (parts.len() == 6 && matches_all(&self.arn_parts(), &parts, context))
    }

    fn is_any(&self) -> bool {
        self.0 == [Piece::Glyph(Glyph::AnyRun)]
    }

    fn arn_parts(&self) -> Vec<&[Piece]> {
        self.0.splitn(6, |piece| *piece == Piece::Glyph(Glyph::Char(':'))).collect()
    }
}

impl Piece {
    /// Parses the text between `${` and `}`: an escape, or a key with an optional default (`${key, 'default'}`).
    fn variable(name: &str) -> Result<Self, MalformedPolicy> {
        let malformed = || MalformedPolicy::new(format!("malformed policy variable ${{{name}}}"));
        Ok(match name {
            "*" => Self::Glyph(Glyph::Char('*')),
            "?" => Self::Glyph(Glyph::Char('?')),
            "$" => Self::Glyph(Glyph::Char('$')),
            _ => {
                let (key, default) = match name.split_once(',') {
                    None => (name, None),
                    Some((key, default)) => {
                        let default = default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
                        (key, Some(default.ok_or_else(malformed)?.to_owned()))
                    }
                };
                let key = key.trim();
                if key.is_empty() || key.contains(['$', '{', '*', '?']) {
                    return Err(malformed());
                }
                Self::Variable { key: key.to_ascii_lowercase(), default }
            }
        })
    }
}

/// Replaces variables with their values, as literal characters. `None` when a variable has no value, because it then
/// never matches.
fn resolve(pieces: &[Piece], context: &Context) -> Option<Vec<Glyph>> {
    let mut glyphs = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Glyph(glyph) => glyphs.push(*glyph),
            Piece::Variable { key, default } => {
                let value = context.variable(key).or(default.as_deref())?;
                glyphs.extend(value.chars().map(Glyph::Char));
            }
        }
    }
    Some(glyphs)
}

fn matches_all(patterns: &[&[Piece]], parts: &[&str], context: &Context) -> bool {
    patterns
        .iter()
        .zip(parts)
        .all(|(pattern, part)| resolve(pattern, context).is_some_and(|glyphs| glob(&glyphs, &chars(part))))
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Matches greedily, and backtracks to the last `*` when stuck: linear space, at worst quadratic time.
fn glob(pattern: &[Glyph], text: &[char]) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut retry = None;
    while next < text.len() {
        match pattern.get(at) {
            Some(Glyph::AnyRun) => {
                retry = Some((at, next));
                at += 1;
            }
            Some(Glyph::AnyOne) => (at, next) = (at + 1, next + 1),
            Some(Glyph::Char(c)) if *c == text[next] => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (at, next) = (star + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|glyph| *glyph == Glyph::AnyRun)
}
