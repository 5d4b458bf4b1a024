//! What failed of writes that are many, or happen together or not at all.

use std::fmt;
use std::sync::Arc;

use super::{Error, Written};

/// Why a transaction did not happen: a reason for each of its actions, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled(Vec<Option<Reason>>);

/// Why an action of a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Its condition did not hold.
    ConditionFailed,
    /// The record has another version than the one it was read with: another writer was faster.
    Conflict,
    /// Another transaction was working on the item. The same transaction may succeed later.
    TransactionConflict,
    /// Too many requests. The same transaction may succeed later.
    Throttled,
    /// Something else, by DynamoDB's code for it.
    Other(String),
}

impl Cancelled {
    pub(crate) fn new(reasons: Vec<Option<Reason>>) -> Self {
        Self(reasons)
    }

    /// For each action, in the order in which they were added: why it failed, or `None` if it did not.
    pub fn reasons(&self) -> &[Option<Reason>] {
        &self.0
    }

    pub(super) fn is(&self, wanted: &Reason) -> bool {
        self.0.iter().flatten().any(|reason| reason == wanted)
    }

    /// Whether the same transaction may succeed later without intervention.
    pub(super) fn is_passing(&self) -> bool {
        let passing = |reason: &Reason| matches!(reason, Reason::TransactionConflict | Reason::Throttled);
        self.0.iter().flatten().next().is_some() && self.0.iter().flatten().all(passing)
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.0.iter().enumerate().filter_map(|(at, reason)| Some((at, reason.as_ref()?)));
        for (count, (at, reason)) in reasons.enumerate() {
            let between = if count == 0 { "" } else { ", " };
            write!(f, "{between}action {at}: ")?;
            match reason {
                Reason::ConditionFailed => f.write_str("its condition failed")?,
                Reason::Conflict => f.write_str("the stored version differs")?,
                Reason::TransactionConflict => f.write_str("another transaction is using the item")?,
                Reason::Throttled => f.write_str("throttled")?,
                Reason::Other(code) => f.write_str(code)?,
            }
        }
        Ok(())
    }
}

/// Which of many writes failed. All others were carried out.
#[derive(Debug, Clone)]
pub struct NotWritten(Arc<[(usize, Error)]>);

impl NotWritten {
    pub(crate) fn new(failed: Vec<(usize, Error)>) -> Self {
        Self(failed.into())
    }

    /// The positions of the failed writes among the given records or primary keys, and why they failed. After a connection error a failed
    /// write may have happened all the same.
    pub fn failed(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.0.iter().map(|(at, error)| (*at, error))
    }

    /// Whether the failed writes happened. All others did.
    pub(super) fn written(&self) -> Written {
        match self.0.iter().all(|(_, error)| error.written() == Written::No) {
            true => Written::No,
            false => Written::Unknown,
        }
    }

    /// Whether each may succeed later.
    pub(super) fn is_retryable(&self) -> bool {
        self.0.iter().all(|(_, error)| error.is_retryable())
    }
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} writes failed", self.0.len())?;
        self.0.first().map_or(Ok(()), |(at, error)| write!(f, "; the first is number {at}: {error}"))
    }
}
