//! Why a sweep leaves an item as it is.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenantseal_core::keys::{KeyServiceErrorKind as KeyKind, KeyTableErrorKind as TableKind};

use crate::error::Error;
use crate::item::SealError;

/// Why a sweep has left an item as it is. In a report's JSON in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// Its partition key shows no tenant, but it is sealed, or has what a lookup is made of: the tenant template is not
    /// the table's.
    NoTenant,
    /// The tenant's alias or key does not exist, or its use is denied: the tenant is not onboarded, or offboarded.
    NotOnboarded,
    /// The tenant is suspended: its KMS key is disabled or pending deletion.
    Suspended,
    /// KMS, STS or the key table did not answer: sweep again later.
    Unavailable,
    /// The key table's entry of the tenant's lookup key does not do. The error says why.
    LookupKey,
    /// It does not open: it was tampered with, or its key record needs a key that is gone.
    Unopened,
    /// Its discriminator is of no registered record type, so nothing says which lookups it has.
    UnknownType,
    /// A value cannot be sealed, or a lookup cannot take it: it has another type than the form takes.
    Value,
    /// It has plaintext in an encrypted attribute, which this sweep does not seal: an earlier pass has not seen it, or
    /// the attribute is not adopted.
    Plain,
    /// It has plaintext, and its tenant's items are not being sealed, or by another leave than when the sweep began.
    NotAdopting,
    /// It is too large when it is sealed.
    TooLarge,
    /// It has more encrypted attributes than one expression takes: 100.
    TooManyAttributes,
    /// DynamoDB refuses the write, for example because the item would be too large.
    Refused,
    /// The claim of one of its values names no item of the tenant: someone else has written it. Its tokens are right.
    ForgedClaim,
    /// Others kept writing it, five times in a row: sweep again.
    Busy,
}

impl SkipReason {
    /// Whether the next pass may succeed without anyone's help.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy)
    }

    /// What an error says about the items of one tenant; `None` when it concerns the whole sweep.
    pub(super) fn from_error(error: &Error) -> Option<Self> {
        match error.cause() {
            Error::KeyService(error) if error.is_revoked() => Some(Self::Suspended),
            Error::KeyService(error) => match error.kind() {
                KeyKind::NotFound | KeyKind::Denied => Some(Self::NotOnboarded),
                KeyKind::Unavailable | KeyKind::Contradictory | KeyKind::TooManyRefused => Some(Self::Unavailable),
                // The service's own: no tenant's key is asked for without them.
                KeyKind::Credentials => None,
                _ => Some(Self::Unopened),
            },
            Error::KeyTable(error) if error.is_retryable() => Some(Self::Unavailable),
            Error::KeyTable(error) => match error.kind() {
                TableKind::NotFound
                | TableKind::Denied
                | TableKind::Credentials
                | TableKind::NotAKeyTable
                | TableKind::NoRecovery => None,
                _ => Some(Self::LookupKey),
            },
            Error::Open(_) => Some(Self::Unopened),
            Error::Seal(SealError::TooLarge { .. }) => Some(Self::TooLarge),
            Error::Seal(_) => Some(Self::Value),
            _ => None,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTenant => "show no tenant in their partition key",
            Self::NotOnboarded => "are of tenants that are not onboarded",
            Self::Suspended => "are of suspended tenants",
            Self::Unavailable => "are of tenants whose keys were not available: sweep again later",
            Self::LookupKey => "are of tenants whose lookup key does not do",
            Self::Unopened => "do not open",
            Self::UnknownType => "are of no registered record type",
            Self::Value => "have values that cannot be sealed, or that their lookup cannot take",
            Self::Plain => "have plaintext that this sweep does not seal",
            Self::NotAdopting => "have plaintext, and are of tenants whose items are not being sealed",
            Self::TooLarge => "are too large when they are sealed",
            Self::TooManyAttributes => "have more than 100 encrypted attributes",
            Self::Refused => "were refused by DynamoDB",
            Self::ForgedClaim => "have values with forged claims",
            Self::Busy => "were being written by others: sweep again",
        })
    }
}
