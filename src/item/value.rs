//! The canonical encoding of an attribute value, which is the plaintext of GCM.
//!
//! `value = type ‖ body`, where the body ends where the value ends. Members of lists, maps and sets are
//! length-prefixed. Maps are sorted by name, and sets by encoded member. Those with many members are written
//! [densely](dense) instead. So a value is always encoded to the same bytes (docs/FORMAT.md, "Values").

mod dense;

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use tenantseal_core::format::reader::{Reader, put_lp};
use tenantseal_core::format::{FormatError, InvalidNumber, Number};

pub(super) const S: u8 = 0x01;
pub(super) const N: u8 = 0x02;
pub(super) const B: u8 = 0x03;
pub(super) const BOOL: u8 = 0x04;
const NULL: u8 = 0x05;
const M: u8 = 0x06;
const L: u8 = 0x07;
const SS: u8 = 0x08;
const NS: u8 = 0x09;
const BS: u8 = 0x0a;
/// A list, map or set in the dense encoding.
const DENSE: u8 = 0x10;

/// A list, map or set with a longer encoding is written densely when that is shorter. Below this length, DynamoDB would
/// not bill a unit less.
const DENSE_BEYOND: usize = 1024;

/// DynamoDB refuses a leaf within 32 lists or maps (developer guide, "Quotas": nested attribute depth).
const MAX_CONTAINERS: usize = 31;

/// Why DynamoDB would not have stored a value, so that it is not sealed either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// A set has no member.
    #[error("a set must have at least one member")]
    EmptySet,
    /// A set contains a member twice (numbers are compared by value).
    #[error("a set must not contain a member twice")]
    RepeatedMember,
    /// A number is not valid.
    #[error("not a number that DynamoDB stores: {0}")]
    Number(#[from] InvalidNumber),
    /// `NULL` is `false`.
    #[error("a NULL must be true")]
    NullFalse,
    /// A map has an empty name.
    #[error("a name in a map must not be empty")]
    EmptyName,
    /// Lists and maps are nested more deeply than DynamoDB allows.
    #[error("lists and maps may be nested at most 31 deep")]
    TooDeep,
    /// A type that this release of the SDK, or of this library, does not know.
    #[error("this type of attribute value is unknown to this release")]
    UnknownType,
}

/// Appends the encoding of `value`.
pub(crate) fn encode_value(value: &AttributeValue, out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let start = out.len();
    encode(value, MAX_CONTAINERS, out)?;
    if out.len() - start > DENSE_BEYOND && matches!(out[start], M..=BS) {
        let mut dense = vec![DENSE];
        dense::encode(value, MAX_CONTAINERS, &mut dense)?;
        if dense.len() < out.len() - start {
            out.truncate(start);
            out.extend_from_slice(&dense);
        }
    }
    Ok(())
}

fn encode(value: &AttributeValue, depth: usize, out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    match value {
        AttributeValue::S(text) => put(out, S, text.as_bytes()),
        AttributeValue::N(text) => {
            let number = Number::parse(text)?;
            out.push(N);
            number.encode(out);
        }
        AttributeValue::B(bytes) => put(out, B, bytes.as_ref()),
        AttributeValue::Bool(value) => put(out, BOOL, &[u8::from(*value)]),
        AttributeValue::Null(true) => out.push(NULL),
        AttributeValue::Null(false) => return Err(InvalidValue::NullFalse),
        AttributeValue::M(map) => {
            let depth = depth.checked_sub(1).ok_or(InvalidValue::TooDeep)?;
            out.push(M);
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in entries {
                if name.is_empty() {
                    return Err(InvalidValue::EmptyName);
                }
                put_lp(out, name.as_bytes());
                encode_member(value, depth, out)?;
            }
        }
        AttributeValue::L(list) => {
            let depth = depth.checked_sub(1).ok_or(InvalidValue::TooDeep)?;
            out.push(L);
            list.iter().try_for_each(|value| encode_member(value, depth, out))?;
        }
        AttributeValue::Ss(set) => {
            out.push(SS);
            encode_set(set.iter().map(|text| text.as_bytes()).collect(), out)?;
        }
        AttributeValue::Ns(set) => {
            let numbers: Vec<Vec<u8>> = set
                .iter()
                .map(|text| {
                    let mut number = Vec::new();
                    Number::parse(text)?.encode(&mut number);
                    Ok(number)
                })
                .collect::<Result<_, InvalidValue>>()?;
            out.push(NS);
            encode_set(numbers.iter().map(Vec::as_slice).collect(), out)?;
        }
        AttributeValue::Bs(set) => {
            out.push(BS);
            encode_set(set.iter().map(AsRef::as_ref).collect(), out)?;
        }
        _ => return Err(InvalidValue::UnknownType),
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(body);
}

/// Encodes a value after its length, which is filled in at the end.
fn encode_member(value: &AttributeValue, depth: usize, out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    encode(value, depth, out)?;
    let length = u32::try_from(out.len() - start - 4).expect("DynamoDB's requests end at 16 MiB, far below 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn encode_set(members: Vec<&[u8]>, out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    sorted_set(members)?.iter().for_each(|member| put_lp(out, member));
    Ok(())
}

/// The members of a set in order, each once.
pub(super) fn sorted_set(mut members: Vec<&[u8]>) -> Result<Vec<&[u8]>, InvalidValue> {
    if members.is_empty() {
        return Err(InvalidValue::EmptySet);
    }
    members.sort_unstable();
    if members.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(InvalidValue::RepeatedMember);
    }
    Ok(members)
}

/// The approximate length of the encoding of `value`, so that one allocation is enough. Nothing else relies on it.
pub(crate) fn encoded_len(value: &AttributeValue) -> usize {
    1 + match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => text.len() + 3,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => map.iter().map(|(name, value)| 8 + name.len() + encoded_len(value)).sum(),
        AttributeValue::L(list) => list.iter().map(|value| 4 + encoded_len(value)).sum(),
        AttributeValue::Ss(set) => set.iter().map(|text| 4 + text.len()).sum(),
        AttributeValue::Ns(set) => set.iter().map(|text| 7 + text.len()).sum(),
        AttributeValue::Bs(set) => set.iter().map(|bytes| 4 + bytes.as_ref().len()).sum(),
        _ => 1,
    }
}

/// Every encoding that a decoder accepts: 2 for a list, map or set, 1 for any other value.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn encodings(value: &AttributeValue) -> Result<Vec<Vec<u8>>, InvalidValue> {
    let (mut plain, mut dense) = (Vec::new(), vec![DENSE]);
    encode(value, MAX_CONTAINERS, &mut plain)?;
    dense::encode(value, MAX_CONTAINERS, &mut dense)?;
    Ok(if matches!(plain[0], M..=BS) { vec![plain, dense] } else { vec![plain] })
}

/// Reads an encoded value whose first byte is at `start`, reusing the buffer when the value is a string or binary.
///
/// Accepts only what [`encode_value`] would have written, except that a list, map or set may have either of its 2
/// encodings. The writer may know only the plain one.
pub(crate) fn decode_value(mut stored: Vec<u8>, start: usize) -> Result<AttributeValue, FormatError> {
    match stored.get(start) {
        Some(&S) => {
            stored.drain(..=start);
            String::from_utf8(stored).map(AttributeValue::S).map_err(|_| FormatError::NotCanonical)
        }
        Some(&B) => {
            stored.drain(..=start);
            Ok(AttributeValue::B(Blob::new(stored)))
        }
        Some(&DENSE) => dense::decode(&stored[start + 1..], MAX_CONTAINERS),
        Some(_) => decode(&stored[start..], MAX_CONTAINERS),
        None => Err(FormatError::Truncated),
    }
}

fn decode(stored: &[u8], depth: usize) -> Result<AttributeValue, FormatError> {
    let (&kind, body) = stored.split_first().ok_or(FormatError::Truncated)?;
    Ok(match kind {
        S => AttributeValue::S(text(body)?),
        N => AttributeValue::N(Number::decode(body)?.render()),
        B => AttributeValue::B(Blob::new(body)),
        BOOL => match body {
            [0] => AttributeValue::Bool(false),
            [1] => AttributeValue::Bool(true),
            [] => return Err(FormatError::Truncated),
            _ => return Err(FormatError::NotCanonical),
        },
        NULL if body.is_empty() => AttributeValue::Null(true),
        NULL => return Err(FormatError::Trailing),
        M => {
            let depth = depth.checked_sub(1).ok_or(FormatError::TooDeep)?;
            let mut reader = Reader(body);
            let mut map = HashMap::new();
            let mut previous: &[u8] = b"";
            while !reader.is_empty() {
                let name = reader.lp()?;
                // Strictly ascending. DynamoDB refuses the empty name, and it is never greater than the previous one.
                if name <= previous {
                    return Err(FormatError::NotCanonical);
                }
                previous = name;
                map.insert(text(name)?, decode(reader.lp()?, depth)?);
            }
            AttributeValue::M(map)
        }
        L => {
            let depth = depth.checked_sub(1).ok_or(FormatError::TooDeep)?;
            let mut reader = Reader(body);
            let mut list = Vec::new();
            while !reader.is_empty() {
                list.push(decode(reader.lp()?, depth)?);
            }
            AttributeValue::L(list)
        }
        SS => AttributeValue::Ss(decode_set(body, text)?),
        NS => AttributeValue::Ns(decode_set(body, |member| Ok(Number::decode(member)?.render()))?),
        BS => AttributeValue::Bs(decode_set(body, |member| Ok(Blob::new(member)))?),
        unknown => return Err(FormatError::UnknownType(unknown)),
    })
}

pub(super) fn text(bytes: &[u8]) -> Result<String, FormatError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| FormatError::NotCanonical)
}

fn decode_set<T>(body: &[u8], member: impl Fn(&[u8]) -> Result<T, FormatError>) -> Result<Vec<T>, FormatError> {
    let mut reader = Reader(body);
    let mut members = Vec::new();
    let mut previous = None;
    while !reader.is_empty() {
        let stored = reader.lp()?;
        if previous.is_some_and(|previous| stored <= previous) {
            return Err(FormatError::NotCanonical);
        }
        previous = Some(stored);
        members.push(member(stored)?);
    }
    if members.is_empty() { Err(FormatError::NotCanonical) } else { Ok(members) }
}

#[cfg(test)]
mod tests;
