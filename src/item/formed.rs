//! Values in the form of a lookup: what a token is made of, and what is compared after an item was opened.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use smallvec::SmallVec;
use tenantseal_core::format::Number;

use super::SealError;
use super::value::{self, InvalidValue};
use crate::schema::{Form, Lookup, LookupKind, LookupPart};

/// What tokens are made of, from the values of all parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Formed {
    /// One token.
    Parts(FormedParts),
    /// One token per member of a set or list, at least one. Members of one form may repeat.
    Members(Vec<FormedParts>),
    /// There is nothing to look up: NULL, an empty form, or a string shorter than the prefix.
    Nothing,
}

/// The parts of one token: encoded values in their form. Short ones need no allocation.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct FormedParts {
    bytes: SmallVec<[u8; 64]>,
    /// Where each part ends.
    ends: SmallVec<[usize; 8]>,
}

/// Shows nothing of the values.
impl fmt::Debug for FormedParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormedParts(..)")
    }
}

/// A question to a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    token: FormedParts,
    /// The whole value in its form, where the token is made of its beginning alone.
    whole: Option<FormedParts>,
}

impl Lookup {
    /// What the tokens of an item are made of. `values` are those of all parts, in their order.
    pub(crate) fn formed(&self, values: &[&AttributeValue]) -> Result<Formed, SealError> {
        if self.kind() == LookupKind::Each {
            let members = self.members(values)?;
            return Ok(if members.is_empty() { Formed::Nothing } else { Formed::Members(members) });
        }
        Ok(self.one(values, self.prefix())?.map_or(Formed::Nothing, Formed::Parts))
    }

    /// What a question is made of; `None` when there is nothing to look up. Where the lookup has a token per member,
    /// the value is one member.
    pub(crate) fn asked(&self, values: &[&AttributeValue]) -> Result<Option<Asked>, SealError> {
        let Some(token) = self.one(values, self.prefix())? else { return Ok(None) };
        let whole = self.prefix().map(|_| self.one(values, None)).transpose()?.flatten();
        Ok(Some(Asked { token, whole }))
    }

    /// Whether an item with these values answers the question. A value that the lookup does not take answers none.
    pub(crate) fn answers(&self, asked: &Asked, values: &[&AttributeValue]) -> bool {
        match self.kind() {
            LookupKind::Each => self.members(values).is_ok_and(|members| members.contains(&asked.token)),
            _ => match (self.one(values, None), &asked.whole) {
                (Ok(Some(value)), Some(beginning)) => value.bytes.starts_with(&beginning.bytes),
                (Ok(Some(value)), None) => value == asked.token,
                (Ok(None) | Err(_), _) => false,
            },
        }
    }

    fn prefix(&self) -> Option<u8> {
        match self.kind() {
            LookupKind::Prefix(characters) => Some(characters),
            _ => None,
        }
    }

    /// The parts of one token, each cut to its first characters.
    fn one(&self, values: &[&AttributeValue], prefix: Option<u8>) -> Result<Option<FormedParts>, SealError> {
        let mut formed = FormedParts::default();
        for (part, value) in self.parts().iter().zip(values) {
            if !self.put(part, value, prefix, &mut formed)? {
                return Ok(None);
            }
        }
        Ok(Some(formed))
    }

    /// The members of a set or list in which there is something to look up.
    fn members(&self, values: &[&AttributeValue]) -> Result<Vec<FormedParts>, SealError> {
        let ([part], [value]) = (self.parts(), values) else { return Ok(Vec::new()) };
        let mut formed = Vec::new();
        let mut put = |member: &AttributeValue| -> Result<(), SealError> {
            let mut one = FormedParts::default();
            if self.put(part, member, None, &mut one)? {
                formed.push(one);
            }
            Ok(())
        };
        match value {
            AttributeValue::Null(_) => {}
            AttributeValue::Ss(set) => set.iter().try_for_each(|member| put(&AttributeValue::S(member.clone())))?,
            AttributeValue::Ns(set) => set.iter().try_for_each(|member| put(&AttributeValue::N(member.clone())))?,
            AttributeValue::Bs(set) => set.iter().try_for_each(|member| put(&AttributeValue::B(member.clone())))?,
            AttributeValue::L(list) => list.iter().try_for_each(put)?,
            _ => return Err(self.refuse(part)),
        }
        Ok(formed)
    }

    /// Appends a value in its form. Returns whether there is something to look up.
    fn put(
        &self,
        part: &LookupPart,
        value: &AttributeValue,
        prefix: Option<u8>,
        out: &mut FormedParts,
    ) -> Result<bool, SealError> {
        let form = part.form();
        let is_whole = form == Form::EXACT && self.prefix().is_none();
        let invalid = |rule| {
            let source = InvalidValue::Number(rule);
            SealError::Value { attribute: part.attribute().to_owned(), source }
        };
        Ok(match value {
            AttributeValue::Null(_) => false,
            AttributeValue::S(text) => out.put_text(form, text, prefix),
            AttributeValue::N(number) if form.is_own() => {
                out.put_text(form, &Number::parse(number).map_err(invalid)?.render(), prefix)
            }
            AttributeValue::N(number) if is_whole => {
                let mut encoded = Vec::new();
                Number::parse(number).map_err(invalid)?.encode(&mut encoded);
                out.put(value::N, &encoded)
            }
            AttributeValue::B(bytes) if is_whole => !bytes.as_ref().is_empty() && out.put(value::B, bytes.as_ref()),
            AttributeValue::Bool(truth) if is_whole && self.parts().len() > 1 => {
                out.put(value::BOOL, &[u8::from(*truth)])
            }
            _ => return Err(self.refuse(part)),
        })
    }

    fn refuse(&self, part: &LookupPart) -> SealError {
        let form = part.form();
        let is_whole = form == Form::EXACT && self.prefix().is_none();
        let takes = match (self.kind() == LookupKind::Each, form.is_own(), is_whole) {
            (true, true, _) => "sets and lists of strings and numbers",
            (true, false, true) => "sets and lists of strings, numbers and binary values",
            (true, false, false) => "sets and lists of strings",
            (false, true, _) => "strings and numbers",
            (false, false, true) if self.parts().len() > 1 => "strings, numbers, binary values and booleans",
            (false, false, true) => "strings, numbers and binary values",
            (false, false, false) => "strings",
        };
        SealError::LookupValue { attribute: part.attribute().to_owned(), form: form.name().into_owned(), takes }
    }
}

impl Asked {
    /// What the token is made of.
    pub(crate) fn token(&self) -> &FormedParts {
        &self.token
    }
}

impl FormedParts {
    /// The encoded parts, in their order.
    pub(crate) fn parts(&self) -> SmallVec<[&[u8]; 8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end]).collect()
    }

    /// Appends the beginning of a text in its form. Returns whether there is something to look up.
    fn put_text(&mut self, form: Form, text: &str, prefix: Option<u8>) -> bool {
        let Some(formed) = form.apply(text) else { return false };
        let kept = match prefix.map(usize::from) {
            None => formed.len(),
            Some(characters) => {
                match formed.char_indices().map(|(at, letter)| at + letter.len_utf8()).nth(characters - 1) {
                    Some(end) => end,
                    None => return false,
                }
            }
        };
        self.put(value::S, &formed.as_bytes()[..kept])
    }

    /// Appends a part, in which there is something to look up.
    fn put(&mut self, kind: u8, body: &[u8]) -> bool {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(body);
        self.ends.push(self.bytes.len());
        true
    }
}
