//! The encryption context as a key record stores it.

use super::FormatError;
use super::reader::Reader;
use crate::context::EncryptionContext;

/// The longest value of a pair, in bytes.
const MAX_VALUE: usize = 1024;

/// Appends `u8 count ‖ (u8 len ‖ name ‖ u16be len ‖ value)*`, names strictly ascending.
pub(super) fn encode_context(context: &EncryptionContext, out: &mut Vec<u8>) {
    let pairs = context.pairs();
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
/// It has exactly one encoding, so comparing bytes compares contexts, and nothing of a hostile record is ever built.
pub(super) fn take_context<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], FormatError> {
    let stored = reader.0;
    let count = reader.u8()?;
    if !(1..=EncryptionContext::MAX_PAIRS).contains(&count.into()) {
        return Err(FormatError::Context);
    }
    let mut previous: &[u8] = b"";
    for _ in 0..count {
        let length = reader.u8()?;
        let name = reader.take(length.into())?;
        let length = reader.u16()?;
        let value = reader.take(length.into())?;
        if name <= previous
            || !(1..=MAX_VALUE).contains(&value.len())
            || std::str::from_utf8(name).is_err()
            || std::str::from_utf8(value).is_err()
        {
            return Err(FormatError::Context);
        }
        previous = name;
    }
    Ok(&stored[..stored.len() - reader.0.len()])
}

/// The value of the pair `name` in a well-formed context.
pub(super) fn value_of<'a>(context: &'a [u8], name: &str) -> Option<&'a str> {
    let mut reader = Reader(context);
    for _ in 0..reader.u8().ok()? {
        let length = reader.u8().ok()?;
        let this = reader.take(length.into()).ok()?;
        let length = reader.u16().ok()?;
        let value = reader.take(length.into()).ok()?;
        if this == name.as_bytes() {
            return std::str::from_utf8(value).ok();
        }
    }
    None
}
