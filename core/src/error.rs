//! Errors and their causes.

use std::error::Error as StdError;

/// Whether a request that failed has changed what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Written {
    /// It has not. Reads are always this.
    No,
    /// It has, but the answer could not be returned. Do not repeat the request unless it may happen twice.
    Yes,
    /// Nobody can tell: an answer was lost, or only a part was written. Read before you write again.
    Unknown,
}

/// An error, then each of its causes.
pub fn chain<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
