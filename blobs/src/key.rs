//! The keys of objects: the tenant's prefix, and what the caller gives.

/// S3's limit, in bytes of UTF-8.
pub(crate) const MAX_LEN: usize = 1_024;

/// The whole key of an object, and of no other tenant's.
pub(crate) fn whole_key(prefix: &str, key: &str) -> Result<String, InvalidKey> {
    if key.is_empty() {
        return Err(InvalidKey::Empty);
    }
    whole_prefix(prefix, key)
}

/// The whole prefix of a list, within the tenant's.
pub(crate) fn whole_prefix(prefix: &str, key: &str) -> Result<String, InvalidKey> {
    let whole = format!("{prefix}{key}");
    if whole.len() > MAX_LEN {
        return Err(InvalidKey::TooLong);
    }
    check_segments(&whole)?;
    Ok(whole)
}

/// Refuses what a proxy or another store could resolve to another key.
pub(crate) fn check_segments(key: &str) -> Result<(), InvalidKey> {
    if key.chars().any(char::is_control) {
        return Err(InvalidKey::Control);
    }
    if key.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
        return Err(InvalidKey::Dots);
    }
    Ok(())
}

/// Why a text cannot be the key of an object. Does not show the key, which may say something about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// It is empty.
    #[error("the key is empty: name an object")]
    Empty,
    /// It is too long, with the tenant's prefix.
    #[error("the key is too long: with the tenant's prefix it may have 1,024 bytes")]
    TooLong,
    /// It has a segment `.` or `..`.
    #[error("the key has a segment `.` or `..`, which some stores and proxies resolve: leave it out")]
    Dots,
    /// It has a control character.
    #[error("the key has a control character: leave it out")]
    Control,
}
