//! Randomness: key material, nonces, and the names that AWS generates.

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the operating system")]
pub(crate) struct NoRandomness;

pub(crate) fn bytes(len: usize) -> Result<Vec<u8>, NoRandomness> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

pub(crate) fn array<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Upper-case letters and digits, as in `AKIAIOSFODNN7EXAMPLE` and in the unique ids of roles and users.
pub(crate) fn capitals(prefix: &str, len: usize) -> Result<String, NoRandomness> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = bytes(len)?.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Ok(prefix.chars().chain(letters).collect())
}

pub(crate) fn hex(len: usize) -> Result<String, NoRandomness> {
    Ok(bytes(len)?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A random UUID (version 4).
pub(crate) fn uuid() -> Result<String, NoRandomness> {
    let mut raw: [u8; 16] = array()?;
    raw[6] = raw[6] & 0x0f | 0x40;
    raw[8] = raw[8] & 0x3f | 0x80;
    let digits: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let [a, b, c, d, e] = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(format!("{a}-{b}-{c}-{d}-{e}"))
}
