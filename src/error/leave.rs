//! Why a leave does not count.

use std::fmt;
use std::sync::Arc;

use tenantseal_core::keys::KeyTableError;

/// Why a tenant's leave for a table does not count, so that nothing was written as plaintext or read from it.
#[derive(Debug, Clone)]
pub struct LeaveError {
    table: Box<str>,
    kind: LeaveErrorKind,
    /// Boxed, as most errors are not this one.
    ledger: Option<Arc<KeyTableError>>,
}

/// What is wrong with a leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaveErrorKind {
    /// It was not made for this tenant and table, or was altered.
    Forged,
    /// This process has seen a later one.
    RolledBack,
    /// The ledger did not answer, or not in time.
    Unavailable,
    /// It ended, or changed, before the request could be signed. The request was not sent.
    Expired,
}

impl LeaveError {
    pub(crate) fn new(table: &str, kind: LeaveErrorKind) -> Self {
        Self { table: table.into(), kind, ledger: None }
    }

    pub(crate) fn from_ledger(table: &str, error: KeyTableError) -> Self {
        Self { ledger: Some(Arc::new(error)), ..Self::new(table, LeaveErrorKind::Unavailable) }
    }

    /// The logical table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What is wrong.
    pub fn kind(&self) -> LeaveErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        match (self.kind, &self.ledger) {
            (LeaveErrorKind::Unavailable, Some(error)) => error.is_retryable(),
            (kind, _) => matches!(kind, LeaveErrorKind::Unavailable | LeaveErrorKind::Expired),
        }
    }

    /// Whether someone seems to have tampered with the ledger.
    pub fn is_integrity(&self) -> bool {
        matches!(self.kind, LeaveErrorKind::Forged | LeaveErrorKind::RolledBack)
    }
}

impl fmt::Display for LeaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, kind, ledger } = self;
        write!(f, "the tenant's leave for table `{table}` ")?;
        match (kind, ledger) {
            (LeaveErrorKind::Forged, _) => f.write_str(
                "is forged: it was altered, or made for another tenant or table. Find out who writes to the ledger, \
                 then issue it again with `tenantseal migrate open --again`",
            ),
            (LeaveErrorKind::RolledBack, _) => f.write_str(
                "is older than one that this process has seen: find out who writes to the ledger, then issue it again \
                 with `tenantseal migrate`",
            ),
            (LeaveErrorKind::Unavailable, Some(ledger)) => write!(f, "could not be read: ledger: {ledger}"),
            (LeaveErrorKind::Unavailable, None) => f.write_str("could not be read in time: try again later"),
            (LeaveErrorKind::Expired, _) => {
                f.write_str("ended or changed before the request was signed, so it was not sent: try again")
            }
        }
    }
}

impl std::error::Error for LeaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self.ledger.as_deref()?)
    }
}
