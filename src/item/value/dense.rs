//! The dense encoding of lists, maps and sets. It takes about as many bytes as DynamoDB counts for them, so that what
//! fits there also fits sealed.
//!
//! Each value begins with a head. The head gives its type and, where that is short, its length or the value itself
//! (docs/FORMAT.md, "Dense encoding"). A value takes at least 1 byte, so the number of values never exceeds the number
//! of bytes.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use tenantseal_core::format::reader::Reader;
use tenantseal_core::format::{FormatError, Number};

use super::{InvalidValue, sorted_set, text};

/// Lengths and integers below this are stored in the head.
const SHORT: u8 = 0x40;
const SHORT_S: u8 = 0x40;
const SHORT_B: u8 = 0x80;
const NULL: u8 = 0xc0;
const FALSE: u8 = 0xc1;
const TRUE: u8 = 0xc2;
const S: u8 = 0xc3;
const B: u8 = 0xc4;
const L: u8 = 0xc5;
const M: u8 = 0xc6;
const SS: u8 = 0xc7;
const NS: u8 = 0xc8;
const BS: u8 = 0xc9;
/// Integers of 1 to 8 bytes, then numbers with an exponent and a coefficient of 1 to 16 bytes. In each pair, the first
/// byte stands for positive numbers and the second for negative ones.
const INTEGER: [u8; 2] = [0xd0, 0xd8];
const SCALED: [u8; 2] = [0xe0, 0xf0];
/// The smallest exponent is stored as 0.
const LEAST_EXPONENT: i16 = -130;

/// Appends the dense encoding of a value that up to `depth` more lists and maps may enclose.
pub(super) fn encode(value: &AttributeValue, depth: usize, out: &mut Vec<u8>) -> Result<(), InvalidValue> {
    match value {
        AttributeValue::S(text) => put_bytes(SHORT_S, S, text.as_bytes(), out),
        AttributeValue::N(text) => put_number(&Number::parse(text)?, out),
        AttributeValue::B(bytes) => put_bytes(SHORT_B, B, bytes.as_ref(), out),
        AttributeValue::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        AttributeValue::Null(true) => out.push(NULL),
        AttributeValue::Null(false) => return Err(InvalidValue::NullFalse),
        AttributeValue::M(map) => {
            let depth = depth.checked_sub(1).ok_or(InvalidValue::TooDeep)?;
            put_head(M, map.len(), out);
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in entries {
                if name.is_empty() {
                    return Err(InvalidValue::EmptyName);
                }
                put_sized(name.as_bytes(), out);
                encode(value, depth, out)?;
            }
        }
        AttributeValue::L(list) => {
            let depth = depth.checked_sub(1).ok_or(InvalidValue::TooDeep)?;
            put_head(L, list.len(), out);
            list.iter().try_for_each(|value| encode(value, depth, out))?;
        }
        AttributeValue::Ss(set) => {
            put_head(SS, set.len(), out);
            let members = sorted_set(set.iter().map(|text| text.as_bytes()).collect())?;
            members.iter().for_each(|member| put_sized(member, out));
        }
        AttributeValue::Ns(set) => {
            put_head(NS, set.len(), out);
            let numbers = set.iter().map(|text| {
                let mut number = Vec::new();
                put_number(&Number::parse(text)?, &mut number);
                Ok(number)
            });
            let numbers: Vec<Vec<u8>> = numbers.collect::<Result<_, InvalidValue>>()?;
            let members = sorted_set(numbers.iter().map(Vec::as_slice).collect())?;
            members.iter().for_each(|member| out.extend_from_slice(member));
        }
        AttributeValue::Bs(set) => {
            put_head(BS, set.len(), out);
            let members = sorted_set(set.iter().map(AsRef::as_ref).collect())?;
            members.iter().for_each(|member| put_sized(member, out));
        }
        _ => return Err(InvalidValue::UnknownType),
    }
    Ok(())
}

fn put_head(head: u8, count: usize, out: &mut Vec<u8>) {
    out.push(head);
    put_size(count, out);
}

fn put_bytes(short: u8, long: u8, bytes: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(bytes.len()) {
        Ok(length) if length < SHORT => {
            out.push(short + length);
            out.extend_from_slice(bytes);
        }
        _ => {
            out.push(long);
            put_sized(bytes, out);
        }
    }
}

fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    put_size(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Digits of base 128, the most significant first; all but the last have the highest bit set.
fn put_size(size: usize, out: &mut Vec<u8>) {
    let size = u32::try_from(size).expect("DynamoDB's requests end at 16 MiB, far below 256 MiB");
    for shift in [21, 14, 7] {
        if size >> shift != 0 {
            out.push(0x80 | (size >> shift & 0x7f) as u8);
        }
    }
    out.push((size & 0x7f) as u8);
}

fn put_number(number: &Number, out: &mut Vec<u8>) {
    let Some((negative, exponent, digits)) = number.parts() else { return out.push(0) };
    let coefficient = digits.iter().fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let integer = usize::try_from(exponent).ok().and_then(|exponent| {
        let zeros = u32::try_from((exponent + 1).checked_sub(digits.len())?).ok()?;
        u64::try_from(coefficient.checked_mul(10_u128.checked_pow(zeros)?)?).ok()
    });
    let (integer, coefficient) = (integer.map(u64::to_be_bytes), coefficient.to_be_bytes());
    match (integer.as_ref().map(|integer| significant(integer)), significant(&coefficient)) {
        (Some([small @ ..SHORT]), _) if !negative => out.push(*small),
        // The exponent takes a byte, which trailing zeros may be worth.
        (Some(integer), coefficient) if integer.len() <= 1 + coefficient.len() => {
            put_magnitude(INTEGER[usize::from(negative)], None, integer, out);
        }
        (_, coefficient) => {
            let exponent = u8::try_from(exponent - LEAST_EXPONENT).expect("a number's exponent is -130 to 125");
            put_magnitude(SCALED[usize::from(negative)], Some(exponent), coefficient, out);
        }
    }
}

fn put_magnitude(first: u8, exponent: Option<u8>, magnitude: &[u8], out: &mut Vec<u8>) {
    let length = u8::try_from(magnitude.len()).expect("a magnitude has 1 to 16 bytes");
    out.push(first + (length - 1));
    out.extend(exponent);
    out.extend_from_slice(magnitude);
}

/// The bytes of a magnitude without leading zeros.
fn significant(magnitude: &[u8]) -> &[u8] {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    &magnitude[zeros..]
}

/// Reads a list, map or set and nothing else; `depth` lists and maps may nest, itself included.
///
/// Accepts only what [`encode`] would have written.
pub(super) fn decode(stored: &[u8], depth: usize) -> Result<AttributeValue, FormatError> {
    match stored.first() {
        None => return Err(FormatError::Truncated),
        Some(L..=BS) => {}
        Some(_) => return Err(FormatError::NotCanonical),
    }
    let mut decoder = Decoder { reader: Reader(stored), scratch: Vec::new() };
    let value = decoder.value(depth)?;
    decoder.reader.finish()?;
    Ok(value)
}

struct Decoder<'a> {
    reader: Reader<'a>,
    /// A buffer for the number as it should be written.
    scratch: Vec<u8>,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, depth: usize) -> Result<AttributeValue, FormatError> {
        let before = self.reader;
        Ok(match self.reader.u8()? {
            ..SHORT_S | 0xd0.. => {
                self.reader = before;
                AttributeValue::N(self.number()?.1)
            }
            head @ SHORT_S..SHORT_B => AttributeValue::S(text(self.reader.take((head - SHORT_S).into())?)?),
            head @ SHORT_B..NULL => AttributeValue::B(Blob::new(self.reader.take((head - SHORT_B).into())?)),
            NULL => AttributeValue::Null(true),
            FALSE => AttributeValue::Bool(false),
            TRUE => AttributeValue::Bool(true),
            S => AttributeValue::S(text(self.long()?)?),
            B => AttributeValue::B(Blob::new(self.long()?)),
            L => {
                let depth = depth.checked_sub(1).ok_or(FormatError::TooDeep)?;
                let mut list = Vec::new();
                for _ in 0..self.count()? {
                    list.push(self.value(depth)?);
                }
                AttributeValue::L(list)
            }
            M => {
                let depth = depth.checked_sub(1).ok_or(FormatError::TooDeep)?;
                let mut map = HashMap::new();
                let mut previous: &[u8] = b"";
                for _ in 0..self.count()? {
                    let name = self.read_sized()?;
                    // Strictly ascending. The empty name is never greater than the previous one.
                    if name <= previous {
                        return Err(FormatError::NotCanonical);
                    }
                    previous = name;
                    map.insert(text(name)?, self.value(depth)?);
                }
                AttributeValue::M(map)
            }
            SS => AttributeValue::Ss(self.set(|set| set.read_sized().and_then(|member| Ok((member, text(member)?))))?),
            NS => AttributeValue::Ns(self.set(Self::number)?),
            BS => AttributeValue::Bs(self.set(|set| set.read_sized().map(|member| (member, Blob::new(member))))?),
            unknown => return Err(FormatError::UnknownType(unknown)),
        })
    }

    /// Reads the announced number of members, which must be strictly ascending. Each comes with the bytes that are
    /// compared.
    fn set<T>(
        &mut self,
        member: impl Fn(&mut Self) -> Result<(&'a [u8], T), FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let mut members = Vec::new();
        let mut previous = None;
        for _ in 0..self.count()? {
            let (stored, member) = member(self)?;
            if previous.is_some_and(|previous| stored <= previous) {
                return Err(FormatError::NotCanonical);
            }
            previous = Some(stored);
            members.push(member);
        }
        if members.is_empty() { Err(FormatError::NotCanonical) } else { Ok(members) }
    }

    /// A number: its bytes, and its form as DynamoDB renders it.
    fn number(&mut self) -> Result<(&'a [u8], String), FormatError> {
        let before = self.reader.0;
        let head = self.reader.u8()?;
        let (negative, exponent, length) = match head {
            ..SHORT => (false, None, 0),
            0xd0..=0xdf => (head >= INTEGER[1], None, 1 + usize::from(head & 0x07)),
            0xe0.. => (head >= SCALED[1], Some(self.reader.u8()?), 1 + usize::from(head & 0x0f)),
            _ => return Err(FormatError::NotCanonical),
        };
        let mut magnitude = u128::from(if length == 0 { head } else { 0 });
        for byte in self.reader.take(length)? {
            magnitude = magnitude << 8 | u128::from(*byte);
        }
        let exponent = exponent.map(|exponent| i16::from(exponent) + LEAST_EXPONENT);
        let number = Number::from_parts(negative, exponent, magnitude).ok_or(FormatError::NotCanonical)?;
        let taken = &before[..before.len() - self.reader.0.len()];
        self.scratch.clear();
        put_number(&number, &mut self.scratch);
        if self.scratch == taken { Ok((taken, number.render())) } else { Err(FormatError::NotCanonical) }
    }

    /// The number of members that follow: never more than there are bytes.
    fn count(&mut self) -> Result<usize, FormatError> {
        let count = self.size()?;
        if count <= self.reader.0.len() { Ok(count) } else { Err(FormatError::Truncated) }
    }

    fn size(&mut self) -> Result<usize, FormatError> {
        let mut size = 0;
        for digits in 0..4 {
            let digit = self.reader.u8()?;
            if digits == 0 && digit == 0x80 {
                return Err(FormatError::NotCanonical);
            }
            size = size << 7 | usize::from(digit & 0x7f);
            if digit & 0x80 == 0 {
                return Ok(size);
            }
        }
        Err(FormatError::NotCanonical)
    }

    fn read_sized(&mut self) -> Result<&'a [u8], FormatError> {
        let size = self.size()?;
        self.reader.take(size)
    }

    /// The bytes of a value whose length is too long for the head.
    fn long(&mut self) -> Result<&'a [u8], FormatError> {
        let bytes = self.read_sized()?;
        if bytes.len() < SHORT.into() { Err(FormatError::NotCanonical) } else { Ok(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(value: &AttributeValue) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, 31, &mut out).unwrap();
        out
    }

    fn list(values: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
        AttributeValue::L(values.into_iter().collect())
    }

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    #[test]
    fn numbers_are_integers_unless_an_exponent_is_shorter() {
        for (text, bytes) in [
            ("0", &[0x00][..]),
            ("63", &[0x3f]),
            ("64", &[0xd0, 64]),
            ("-1", &[0xd8, 1]),
            ("256", &[0xd1, 1, 0]),
            ("1000", &[0xd1, 0x03, 0xe8]),
            ("10000", &[0xd1, 0x27, 0x10]),
            ("100000", &[0xe0, 135, 1]),
            ("123400", &[0xd2, 0x01, 0xe2, 0x08]),
            ("20000000", &[0xe0, 137, 2]),
            ("18446744073709551615", &[0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            ("18446744073709551616", &[0xe8, 149, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            ("-0.05", &[0xf0, 128, 5]),
            ("12.34", &[0xe1, 131, 0x04, 0xd2]),
            ("1e-130", &[0xe0, 0, 1]),
            ("-9e125", &[0xf0, 255, 9]),
        ] {
            let stored = dense(&list([n(text)]));
            assert_eq!(stored, [&[L, 1], bytes].concat(), "{text}");
            let read = AttributeValue::N(Number::parse(text).unwrap().render());
            assert_eq!(decode(&stored, 31), Ok(list([read])), "{text}");
        }
    }

    #[test]
    fn nothing_is_read_that_would_not_have_been_written() {
        for stored in [
            &[L, 1, 0xd0, 0][..],
            &[L, 1, 0xd0, 63],
            &[L, 1, 0xd1, 0, 64],
            &[L, 1, 0xd3, 0x01, 0x31, 0x2d, 0x00],
            &[L, 1, 0xe0, 132, 20],
            &[L, 1, 0xe0, 130, 1],
            &[L, 1, 0xe1, 130, 0, 1],
            &[L, 1, 0xd8, 0],
            &[L, 0x80, 1, 0],
            &[L, 0x80, 0x80, 0x80, 0x80, 0],
            &[L, 0x81, 0x80, 0x80, 0x80, 0],
            &[L, 1, S, 1, b'a'],
            &[L, 1, 0x41, 0xff],
            &[M, 1, 0, NULL],
            &[M, 2, 1, b'b', NULL, 1, b'a', NULL],
            &[SS, 0],
            &[SS, 2, 1, b'b', 1, b'a'],
            &[NS, 2, 1, 1],
            &[NS, 1, NULL],
            &[0],
            &[TRUE],
        ] {
            assert_eq!(decode(stored, 31), Err(FormatError::NotCanonical), "{stored:02x?}");
        }
        let mut of_39_digits = vec![L, 1, 0xef, 168];
        of_39_digits.extend_from_slice(&[0xff; 16]);
        assert_eq!(decode(&of_39_digits, 31), Err(FormatError::NotCanonical));
        for stored in
            [&[][..], &[L], &[L, 1], &[L, 2, NULL], &[L, 0x83, 0x80, 0], &[L, 1, 0x42, b'a'], &[L, 1, 0xd1, 1]]
        {
            assert_eq!(decode(stored, 31), Err(FormatError::Truncated), "{stored:02x?}");
        }
        assert_eq!(decode(&[L, 0, 0], 31), Err(FormatError::Trailing));
        assert_eq!(decode(&[L, 1, 0xca], 31), Err(FormatError::UnknownType(0xca)));
    }

    #[test]
    fn a_few_bytes_that_promise_many_members_hold_few() {
        for head in [L, M, SS, NS, BS] {
            assert_eq!(decode(&[head, 0xff, 0xff, 0xff, 0x7f, 1, 1], 31), Err(FormatError::Truncated));
        }
    }
}
