//! The encryption context as a key record stores it.

use super::FormatError;
use super::reader::Reader;
use crate::context::EncryptionContext;

/// The longest value of a pair, in bytes.
const MAX_VALUE: usize = 1024;

/// Appends `u8 count ‖ (u8 len ‖ name ‖ u16be len ‖ value)*`, names strictly ascending.
pub(crate) fn encode_context(context: &EncryptionContext, out: &mut Vec<u8>) {
    encode_pairs(context.pairs(), out);
}

/// The same of pairs that are in a context's order, and no more than one has.
pub(crate) fn encode_pairs<'p>(pairs: impl ExactSizeIterator<Item = (&'p str, &'p str)>, out: &mut Vec<u8>) {
    out.push(u8::try_from(pairs.len()).expect("a context has at most 8 pairs"));
    for (name, value) in pairs {
        out.push(u8::try_from(name.len()).expect("a name has at most 255 bytes"));
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&u16::try_from(value.len()).expect("a value has at most 1,024 bytes").to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

/// Takes a well-formed context off the front of `reader` and returns its bytes.
///
/// A context has exactly one encoding, so comparing bytes compares contexts, and nothing is built from a hostile
/// record.
pub(crate) fn take_context<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], FormatError> {
    let stored = reader.0;
    let count = reader.u8()?;
    if !(1..=EncryptionContext::MAX_PAIRS).contains(&count.into()) {
        return Err(FormatError::Context);
    }
    let mut previous = "";
    for _ in 0..count {
        let (name, value) = take_pair(reader)?;
        if name <= previous || !(1..=MAX_VALUE).contains(&value.len()) {
            return Err(FormatError::Context);
        }
        previous = name;
    }
    Ok(&stored[..stored.len() - reader.0.len()])
}

/// Takes one pair off the front of `reader`: its name and its value.
fn take_pair<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a str), FormatError> {
    let length = reader.u8()?;
    let name = reader.take(length.into())?;
    let length = reader.u16()?;
    let value = reader.take(length.into())?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| FormatError::Context);
    Ok((text(name)?, text(value)?))
}

/// The pairs of a well-formed context, ascending by name.
pub(crate) fn pairs(context: &[u8]) -> Result<Vec<(&str, &str)>, FormatError> {
    let mut reader = Reader(context);
    let count = reader.u8()?;
    (0..count).map(|_| take_pair(&mut reader)).collect()
}

/// The value of the pair `name` in a well-formed context.
pub(crate) fn value_of<'a>(context: &'a [u8], name: &str) -> Option<&'a str> {
    pairs(context).ok()?.into_iter().find(|(this, _)| *this == name).map(|(_, value)| value)
}
