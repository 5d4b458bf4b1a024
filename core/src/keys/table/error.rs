//! What can be wrong with a key table.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::tenant::TenantId;

/// Why a data key could not be had from the key table, or shared by it.
#[derive(Debug, Clone)]
pub struct KeyTableError {
    table: Arc<str>,
    kind: KeyTableErrorKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl KeyTableError {
    /// An error of the table of this name.
    pub fn new(table: impl Into<Arc<str>>, kind: KeyTableErrorKind) -> Self {
        Self { table: table.into(), kind, source: None }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What it is, and so what to do.
    pub fn kind(&self) -> &KeyTableErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed later without anyone doing anything.
    pub fn is_retryable(&self) -> bool {
        self.kind == KeyTableErrorKind::Unavailable
    }

    /// Whether someone has tampered with the table, as far as can be told.
    pub fn is_integrity(&self) -> bool {
        matches!(self.kind, KeyTableErrorKind::ForgedPointer { .. })
    }
}

impl fmt::Display for KeyTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, kind, source: _ } = self;
        write!(f, "key table `{table}`: {kind}")?;
        if *kind == KeyTableErrorKind::NoRecovery {
            let option = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true";
            write!(f, ": run `aws dynamodb update-continuous-backups --table-name {table} {option}`")?;
        }
        Ok(())
    }
}

impl StdError for KeyTableError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What a key table's error means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTableErrorKind {
    /// Throttled, timed out or unreachable.
    #[error("it is throttling or unavailable: try again later")]
    Unavailable,
    /// There is no such table.
    #[error("it does not exist: create it with `DynamoDbKeyTable::create`")]
    NotFound,
    /// The application may not use it.
    #[error(
        "access denied: the service needs dynamodb:GetItem and PutItem on it, and DescribeTable and DescribeContinuousBackups for compact tables"
    )]
    Denied,
    /// The service's own credentials are expired, unknown or cannot be had.
    #[error("the credentials were refused: check the service's own AWS credentials")]
    Credentials,
    /// The table has other key attributes than a key table has.
    #[error("its keys are not the strings `tenant` (partition) and `entry` (sort): it is not a key table")]
    NotAKeyTable,
    /// Point-in-time recovery is off: what is sealed for compact tables would be lost with this table.
    #[error("point-in-time recovery is off, and items of compact tables are lost with this table")]
    NoRecovery,
    /// The pointer to the tenant's current data key names something else.
    #[error(
        "the current data key of tenant `{tenant}` is forged: it is not one of this tenant, context and period. Find out who writes to this table, then delete the pointer"
    )]
    ForgedPointer {
        /// The tenant.
        tenant: TenantId,
    },
    /// An answer that makes no sense.
    #[error("it answered something unexpected")]
    Unexpected,
}
