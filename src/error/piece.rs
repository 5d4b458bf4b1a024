//! The parts of a sealing client that have to be its own.

use std::fmt;

/// A part of a sealing client that somebody has replaced or changed. See [`Error::Replaced`](super::Error::Replaced).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Piece {
    /// The interceptor that begins and ends each operation.
    Interceptor,
    /// The serializer, or the input that was checked.
    Serializer,
    /// The auth scheme resolver, which waits for the data key.
    AuthSchemeResolver,
    /// The request, after it was sealed.
    Request,
    /// The HTTP client. What another one did with the request is not known.
    HttpClient,
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interceptor => "interceptor",
            Self::Serializer => "serializer",
            Self::AuthSchemeResolver => "auth scheme resolver",
            Self::Request => "request",
            Self::HttpClient => "HTTP client",
        })
    }
}
