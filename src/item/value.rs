//! The canonical encoding of an attribute value: what GCM encrypts.
//!
//! `value = type ‖ body`, where the body ends where the value ends. Members of lists, maps and sets are length-prefixed; maps are
//! sorted by name and sets by encoded member. Those with many members are written [densely](dense) instead. So a value is always
//! encoded to the same bytes (docs/FORMAT.md, "Values").

mod dense;

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use tenantseal_core::format::reader::{Reader, put_lp};
use tenantseal_core::format::{FormatError, InvalidNumber, Number};

const S: u8 = 0x01;
const N: u8 = 0x02;
const B: u8 = 0x03;
const BOOL: u8 = 0x04;
const NULL: u8 = 0x05;
const M: u8 = 0x06;
const L: u8 = 0x07;
const SS: u8 = 0x08;
const NS: u8 = 0x09;
const BS: u8 = 0x0a;
/// A list, map or set in the dense encoding.
const DENSE: u8 = 0x10;

/// A list, map or set whose encoding is longer than this is written densely when that is shorter. Below, DynamoDB would bill no unit less.
const DENSE_BEYOND: usize = 1024;

/// DynamoDB refuses a leaf within 32 lists or maps (developer guide, "Quotas": nested attribute depth).
const MAX_CONTAINERS: usize = 31;

/// Why DynamoDB would not have stored a value, so it is not sealed either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// A set has no member.
    #[error("a set must have at least one member")]
    EmptySet,
    /// A set has a member twice (numbers are compared by value).
    #[error("a set must not have a member twice")]
    RepeatedMember,
    /// A number is not one.
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

/// Encodes a value behind its length, which is filled in afterwards.
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

/// The members of a set in their order, each there once.
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

/// About how long the encoding of `value` will be, so that one allocation is enough; never trusted for more than that.
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

/// The two encodings of a list, map or set, the only one of any other value: what a decoder accepts.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn encodings(value: &AttributeValue) -> Result<Vec<Vec<u8>>, InvalidValue> {
    let (mut plain, mut dense) = (Vec::new(), vec![DENSE]);
    encode(value, MAX_CONTAINERS, &mut plain)?;
    dense::encode(value, MAX_CONTAINERS, &mut dense)?;
    Ok(if matches!(plain[0], M..=BS) { vec![plain, dense] } else { vec![plain] })
}

/// Reads an encoded value whose first byte is at `start`, reusing the buffer when the value is a string or binary.
///
/// Accepts nothing that [`encode_value`] would not have written, but for which of its two encodings a list, map or set has: who wrote it
/// may know the plain one alone.
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
                // Strictly ascending; the empty name, which DynamoDB refuses, is never greater than what came before.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(value: &AttributeValue) -> Result<Vec<u8>, InvalidValue> {
        let mut out = Vec::new();
        encode_value(value, &mut out).map(|()| out)
    }

    fn number() -> impl Strategy<Value = String> {
        (any::<i64>(), -100i32..100)
            .prop_map(|(digits, exponent)| Number::parse(&format!("{digits}e{exponent}")).unwrap().render())
    }

    /// Values as DynamoDB returns them: numbers normalised, sets in the order of their encoding.
    fn value() -> impl Strategy<Value = AttributeValue> {
        let leaf = prop_oneof![
            any::<String>().prop_map(AttributeValue::S),
            number().prop_map(AttributeValue::N),
            any::<Vec<u8>>().prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
            prop::collection::btree_set(any::<String>(), 1..4)
                .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
            prop::collection::btree_set(any::<Vec<u8>>(), 1..4)
                .prop_map(|set| AttributeValue::Bs(set.into_iter().map(Blob::new).collect())),
            prop::collection::btree_set(number(), 1..4).prop_map(|set| {
                let mut members: Vec<String> = set.into_iter().collect();
                members.sort_by_key(|text| {
                    let mut stored = Vec::new();
                    Number::parse(text).unwrap().encode(&mut stored);
                    stored
                });
                AttributeValue::Ns(members)
            }),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                prop::collection::hash_map("\\PC{1,4}", inner, 0..4).prop_map(AttributeValue::M),
            ]
        })
    }

    /// Whether two values are the same, whatever the order of their sets.
    fn same(one: &AttributeValue, other: &AttributeValue) -> bool {
        encodings(one) == encodings(other)
    }

    proptest! {
        #[test]
        fn every_value_comes_back_from_each_encoding(value in value(), offset in 0usize..20) {
            let mut buffer = vec![0xaa; offset];
            encode_value(&value, &mut buffer).unwrap();
            prop_assert!(buffer.len() <= offset + encoded_len(&value));
            prop_assert_eq!(decode_value(buffer, offset).unwrap(), value.clone());
            for bytes in encodings(&value).unwrap() {
                prop_assert!(same(&decode_value(bytes, 0).unwrap(), &value));
            }
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_not_at_all(mut bytes: Vec<u8>, dense: bool) {
            if dense {
                bytes.splice(..0, [DENSE, 0xc5, 1]);
            }
            if let Ok(value) = decode_value(bytes.clone(), 0) {
                prop_assert!(encodings(&value).unwrap().contains(&bytes));
            }
        }

        #[test]
        fn a_value_changed_in_one_byte_decodes_to_another_value_or_not_at_all(value in value(), at: prop::sample::Index, flip in 1u8..) {
            for mut bytes in encodings(&value).unwrap() {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
                if let Ok(other) = decode_value(bytes.clone(), 0) {
                    prop_assert!(!same(&other, &value));
                    prop_assert!(encodings(&other).unwrap().contains(&bytes));
                }
            }
        }

        #[test]
        fn no_prefix_of_a_container_or_number_is_passed_off_as_the_whole(value in value()) {
            for bytes in encodings(&value).unwrap() {
                for end in 0..bytes.len() {
                    if let Ok(other) = decode_value(bytes[..end].to_vec(), 0) {
                        prop_assert!(!same(&other, &value));
                    }
                }
            }
        }
    }

    fn list(count: u32, element: impl Fn(u32) -> AttributeValue) -> AttributeValue {
        AttributeValue::L((0..count).map(element).collect())
    }

    #[test]
    fn what_has_many_members_is_written_densely_and_what_has_few_is_not() {
        let null = |_| AttributeValue::Null(true);
        for (count, first, length) in [(204, L, 1021), (205, DENSE, 1 + 1 + 2 + 205)] {
            let bytes = stored(&list(count, null)).unwrap();
            assert_eq!((bytes[0], bytes.len()), (first, length), "{count}");
            assert_eq!(decode_value(bytes, 0), Ok(list(count, null)));
        }
        // Long members gain nothing: a list of one has a length and a type around it either way.
        let long = list(1, |_| AttributeValue::B(Blob::new(vec![7; 100_000])));
        assert_eq!(stored(&long).unwrap()[0], L);
        // Who knew the plain encoding alone may have written what would be written densely today.
        let [plain, dense] = &encodings(&list(205, null)).unwrap()[..] else { unreachable!("a list has two") };
        assert_eq!(decode_value(plain.clone(), 0), decode_value(dense.clone(), 0));
    }

    #[test]
    fn dense_encodings_are_as_long_as_the_design_says() {
        let digits = |at: u32| format!("{}{at:08}", "9".repeat(30));
        let bytes = list(45_000, |at| AttributeValue::N((at % 256).to_string()));
        let numbers = AttributeValue::Ns((1..20_479).map(|at| digits(at * 10 + 1)).collect());
        let flags = list(100_000, |at| AttributeValue::Bool(at % 2 == 0));
        for (value, lengths) in [(bytes, [470_368, 78_741]), (numbers, [921_511, 368_609]), (flags, [600_001, 100_005])]
        {
            let found: Vec<_> = encodings(&value).unwrap().iter().map(Vec::len).collect();
            assert_eq!(found, lengths);
            assert_eq!(stored(&value).unwrap().len(), lengths[1]);
        }
    }

    fn nested(containers: usize, map: bool) -> AttributeValue {
        (0..containers).fold(AttributeValue::Bool(true), |inner, _| {
            if map { AttributeValue::M([("x".to_owned(), inner)].into()) } else { AttributeValue::L(vec![inner]) }
        })
    }

    #[test]
    fn nesting_is_bounded_both_ways() {
        for map in [false, true] {
            assert!(decode_value(stored(&nested(31, map)).unwrap(), 0).is_ok());
            assert_eq!(stored(&nested(32, map)), Err(InvalidValue::TooDeep));
            let mut deeper = vec![L];
            put_lp(&mut deeper, &stored(&nested(31, map)).unwrap());
            assert_eq!(decode_value(deeper, 0), Err(FormatError::TooDeep));
            let mut deeper = encodings(&nested(31, map)).unwrap().remove(1);
            deeper.splice(1..1, [0xc5, 1]);
            assert_eq!(decode_value(deeper, 0), Err(FormatError::TooDeep));
        }
    }

    #[test]
    fn what_dynamodb_would_refuse_is_not_encoded() {
        let repeated = AttributeValue::Ns(vec!["1".into(), "1.0".into()]);
        for (value, fault) in [
            (AttributeValue::Ss(vec![]), InvalidValue::EmptySet),
            (AttributeValue::Bs(vec![Blob::new("a"), Blob::new("a")]), InvalidValue::RepeatedMember),
            (repeated, InvalidValue::RepeatedMember),
            (AttributeValue::N("one".into()), InvalidValue::Number(InvalidNumber::Syntax)),
            (AttributeValue::Null(false), InvalidValue::NullFalse),
            (AttributeValue::M([(String::new(), AttributeValue::Bool(true))].into()), InvalidValue::EmptyName),
        ] {
            assert_eq!(stored(&value), Err(fault));
        }
    }
}
