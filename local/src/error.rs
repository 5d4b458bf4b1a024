//! Errors that can occur while a stack is set up.

use std::io;

use crate::{policy::MalformedPolicy, random::NoRandomness};

/// Why a stack, an account, a role or a user could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A loopback port could not be opened.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    /// The in-memory DynamoDB could not be opened.
    #[error("cannot open the in-memory DynamoDB")]
    DynamoDb(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An account id is not twelve digits.
    #[error("an account id has twelve digits, unlike {0:?}")]
    AccountId(String),
    /// The name of a user or role is not 1 to 64 characters of `[A-Za-z0-9+=,.@_-]`.
    #[error("invalid name of a user or role: {0:?}")]
    Name(String),
    /// A role was created without a trust policy, so that nobody could assume it.
    #[error("role {0} has no trust policy")]
    NoTrustPolicy(String),
    /// A policy cannot be read.
    #[error(transparent)]
    MalformedPolicy(#[from] MalformedPolicy),
    /// The operating system gave no random bytes.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl From<NoRandomness> for Error {
    fn from(NoRandomness: NoRandomness) -> Self {
        Self::NoRandomness
    }
}
