//! Parses, classifies and rewrites DynamoDB expressions.
//!
//! The parser reads an expression as the Amazon DynamoDB Developer Guide defines it, or refuses it. Nothing passes on
//! unread, and nothing changes its meaning. DynamoDB sees an encrypted attribute as one binary value. These work on
//! one: `attribute_exists` and `attribute_not_exists`, `SET a = :v`, `SET a = if_not_exists(a, :v)` and `REMOVE a`.
//! What a lookup answers becomes a test on its token.
//!
//! Input: strings, names and a lookup. Output: checked paths, plans or a refusal.

use std::collections::{BTreeSet, HashMap};

mod condition;
mod error;
mod key_condition;
mod lexer;
mod lookups;
mod parser;
mod path;
mod projection;
mod prune;
mod reserved;
mod update;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use self::error::ExpressionError;
pub(crate) use self::{
    condition::Condition,
    key_condition::{KeyCondition, KeyTest},
    lookups::{
        Asked, Assigned, KeyAnswer, KeyQuestion, LookupSchema, LookupTest, Lookups, Place, Question, TokenAction,
    },
    path::{Path, Segment},
    projection::{Projection, ProjectionRequest, Selection},
    prune::prune,
    update::{SealedValue, SentToken, Update, UpdatePlan},
};

use self::path::{Name, Step, WrittenPath};
use crate::schema::{Protection, Secrecy};
use tenantseal_core::format::RESERVED_PREFIX;

/// What the names in a request's expressions mean.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    names: Option<&'a HashMap<String, String>>,
    protection: &'a dyn Fn(&str) -> Option<Protection>,
    discriminator: Option<&'a str>,
    /// `None` where the table has no lookups.
    lookups: Option<Lookups<'a>>,
}

impl<'a> Scope<'a> {
    /// A scope of the request's `ExpressionAttributeNames` and the schema's answer for each top-level attribute. The
    /// answer is `None` where no schema names the attribute.
    pub(crate) fn new(
        names: Option<&'a HashMap<String, String>>,
        protection: &'a dyn Fn(&str) -> Option<Protection>,
    ) -> Self {
        Self { names, protection, discriminator: None, lookups: None }
    }

    /// The same scope in a table where `discriminator` tells record types apart.
    pub(crate) fn with_discriminator(self, discriminator: Option<&'a str>) -> Self {
        Self { discriminator, ..self }
    }

    /// The same scope in a table with lookups.
    pub(crate) fn with_lookups(self, lookups: Lookups<'a>) -> Self {
        Self { lookups: Some(lookups), ..self }
    }

    /// Refuses an attribute when it is unknown whether it is encrypted.
    fn varies(&self, path: Path) -> ExpressionError {
        let discriminator = self.discriminator.unwrap_or_default().into();
        ExpressionError::Varies { attribute: path.attribute, discriminator }
    }

    /// Resolves a path. Refuses an undeclared attribute, because a misspelt name would carry a sensitive value in
    /// plaintext.
    fn resolve(&self, written: &WrittenPath) -> Result<(Path, Protection), ExpressionError> {
        let attribute = self.name(&written.attribute)?;
        if attribute.starts_with(RESERVED_PREFIX) {
            return Err(ExpressionError::ReservedAttribute { attribute });
        }
        let Some(protection) = (self.protection)(&attribute) else {
            return Err(ExpressionError::Undeclared { attribute });
        };
        let segments = written.steps.iter().map(|step| match step {
            Step::Field(name) => Ok(Segment::Field(self.name(name)?)),
            Step::Element(index) => Ok(Segment::Element(*index)),
        });
        Ok((Path { attribute, segments: segments.collect::<Result<_, _>>()? }, protection))
    }

    /// Resolves a path. An encrypted attribute can only be named as a whole.
    fn resolve_whole(&self, written: &WrittenPath) -> Result<(Path, Protection), ExpressionError> {
        let (path, protection) = self.resolve(written)?;
        if protection.may_encrypt() && !path.segments().is_empty() {
            return Err(ExpressionError::InsideEncrypted { path: path.to_string() });
        }
        Ok((path, protection))
    }

    fn name(&self, name: &Name) -> Result<String, ExpressionError> {
        match name {
            Name::Literal(name) => Ok(name.clone()),
            Name::Placeholder(placeholder) => match self.names.and_then(|names| names.get(placeholder)) {
                Some(name) => Ok(name.clone()),
                None => Err(ExpressionError::UndefinedName { placeholder: placeholder.clone() }),
            },
        }
    }
}

/// The placeholders in an expression, with their signs. DynamoDB refuses a request that defines more than it uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placeholders {
    /// The `#name`s.
    pub(crate) names: BTreeSet<String>,
    /// The `:value`s.
    pub(crate) values: BTreeSet<String>,
}

/// Makes placeholders that the request does not use yet.
///
/// They depend on the request alone, so that the same request always becomes the same bytes.
pub(crate) struct Fresh<'a> {
    sign: char,
    stem: &'static str,
    taken: &'a dyn Fn(&str) -> bool,
    count: usize,
}

impl<'a> Fresh<'a> {
    pub(crate) fn new(sign: char, taken: &'a dyn Fn(&str) -> bool) -> Self {
        Self { sign, stem: "seal", taken, count: 0 }
    }

    /// The shortest ones, where an expression has many.
    pub(crate) fn short(sign: char, taken: &'a dyn Fn(&str) -> bool) -> Self {
        Self { stem: "", ..Self::new(sign, taken) }
    }

    pub(crate) fn placeholder(&mut self) -> String {
        loop {
            let placeholder = format!("{}{}{}", self.sign, self.stem, self.count);
            self.count += 1;
            if !(self.taken)(&placeholder) {
                return placeholder;
            }
        }
    }
}
