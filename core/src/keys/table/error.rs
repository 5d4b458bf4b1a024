//! Errors of a key table.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::tenant::TenantId;

/// Why a data key could not be read from the key table, or shared through it.
#[derive(Debug, Clone)]
pub struct KeyTableError {
    table: Arc<str>,
    kind: KeyTableErrorKind,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl KeyTableError {
    /// An error of the table with this name.
    pub fn new(table: impl Into<Arc<str>>, kind: KeyTableErrorKind) -> Self {
        Self { table: table.into(), kind, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What the error means, and so what to do.
    pub fn kind(&self) -> &KeyTableErrorKind {
        &self.kind
    }

    /// Whether the same call may succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        self.kind == KeyTableErrorKind::Unavailable
    }

    /// Whether a lookup key must not be used any more.
    pub(crate) fn forbids_lookup_key(&self) -> bool {
        use KeyTableErrorKind::{ForgedLookupKey, LookupKeyChanged, LookupRedefined, NoLookupKey, TwoLookupKeys};
        matches!(
            self.kind,
            ForgedLookupKey { .. }
                | LookupKeyChanged { .. }
                | LookupRedefined { .. }
                | NoLookupKey { .. }
                | TwoLookupKeys { .. }
        )
    }

    /// Whether someone has tampered with the table, as far as can be told.
    pub fn is_integrity(&self) -> bool {
        use KeyTableErrorKind::{ForgedLookupKey, ForgedPointer, LookupKeyChanged};
        matches!(self.kind, ForgedPointer { .. } | ForgedLookupKey { .. } | LookupKeyChanged { .. })
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
    /// The table does not exist.
    #[error("it does not exist: create it with `DynamoDbKeyTable::create_table`")]
    NotFound,
    /// The application may not use the table.
    #[error(
        "access denied: the service needs dynamodb:GetItem and PutItem on it, and DescribeTable and DescribeContinuousBackups for compact tables"
    )]
    Denied,
    /// The application's own credentials are expired, unknown or not available.
    #[error("the credentials were refused: check the service's own AWS credentials")]
    Credentials,
    /// The table has other key attributes than a key table has.
    #[error("its primary key is not the strings `tenant` (partition) and `entry` (sort): it is not a key table")]
    NotAKeyTable,
    /// Point-in-time recovery is off: items of compact tables would be lost with this table.
    #[error(
        "point-in-time recovery is off, and items of compact tables are lost with this table: call \
         `DynamoDbKeyTable::enable_recovery`"
    )]
    NoRecovery,
    /// The pointer to the tenant's current data key names something else.
    #[error(
        "the pointer of tenant `{tenant}` is forged: it names no data key of this tenant, context and period. Find out who writes to this table, then delete the pointer"
    )]
    ForgedPointer {
        /// The tenant.
        tenant: TenantId,
    },
    /// The entry of the tenant's lookup key holds something else.
    #[error(
        "lookup key {number} of tenant `{tenant}` is forged: its entry does not open for this tenant, context and \
         number. Find out who writes to this table, then restore the entry from a backup"
    )]
    ForgedLookupKey {
        /// The tenant.
        tenant: TenantId,
        /// Which of its lookup keys.
        number: u16,
    },
    /// The entry of the tenant's lookup key holds another lookup key than this process has used.
    #[error(
        "lookup key {number} of tenant `{tenant}` is not the one that this process has used: what one half of the \
         fleet writes, the other would not find. Restore the entry that made the items' tokens, then restart the \
         processes that report this"
    )]
    LookupKeyChanged {
        /// The tenant.
        tenant: TenantId,
        /// Which of its lookup keys.
        number: u16,
    },
    /// There is an entry of the tenant's lookup key under the current static pairs, and one under former ones.
    #[error(
        "tenant `{tenant}` has several entries of lookup key {number}, under current and former static pairs. Find \
         out which one made the items' tokens, keep a copy of the others, and delete those"
    )]
    TwoLookupKeys {
        /// The tenant.
        tenant: TenantId,
        /// Which of its lookup keys.
        number: u16,
    },
    /// There is no entry of the tenant's lookup key, and this process makes none.
    #[error(
        "tenant `{tenant}` has no lookup key {number}, and this process makes none: it has used one before, or \
         `makes_no_lookup_keys` is set. If items have tokens, restore the entry from a backup; otherwise let a process \
         make it that may"
    )]
    NoLookupKey {
        /// The tenant.
        tenant: TenantId,
        /// Which of its lookup keys.
        number: u16,
    },
    /// A lookup was declared otherwise before: with another form, other bits, other parts or another lookup key.
    #[error(
        "lookup `{name}` of table `{table}` was declared otherwise before (form, bits, parts or lookup key), so items \
         that have its tokens would not be found: give it another name"
    )]
    LookupRedefined {
        /// The logical table.
        table: String,
        /// The lookup's name.
        name: String,
    },
    /// An unexpected answer.
    #[error("it gave an unexpected answer")]
    Unexpected,
}
