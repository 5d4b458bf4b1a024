//! Why a sweep did not begin, or did not come to its end.

use tenantseal_core::tenant::TenantId;

use super::ledger_error::LedgerError;
use super::report::ReindexReport;
use crate::adoption::AdoptionError;
use crate::error::Error;

/// Why a sweep did not begin, or did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// No table of this logical name is configured.
    #[error("table `{0}` is not configured: give its logical name, or register its records with the builder")]
    UnknownTable(String),
    /// The table has no lookups.
    #[error("table `{0}` has no lookups, so it has no tokens to sweep: declare one, or check the table's name")]
    NoLookups(String),
    /// An option is out of range.
    #[error("`{option}` must be {must}")]
    Option {
        /// The setter.
        option: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// The report to resume from is of another sweep.
    #[error("the report to resume from is of another sweep: it has {0}. Begin a new one without it")]
    OtherSweep(&'static str),
    /// The sweep stopped. What it has done until then is right.
    #[error("the sweep of `{}` stopped: {cause}. Resume it with this error's report", report.table())]
    Stopped {
        /// Why.
        cause: Error,
        /// Whether the same sweep, resumed later, may succeed without anyone's help.
        is_retryable: bool,
        /// What it has done, and where it goes on.
        report: Box<ReindexReport>,
    },
    /// The sweep stopped at the claims of unique values. What it has done until then is right.
    #[error(
        "the sweep of `{}` stopped at claims table `{table}`: {cause}. See that the table exists and that this process \
         may read and write it (`TenantSeal::check_tables`), then resume the sweep with this error's report",
        report.table()
    )]
    StoppedAtClaims {
        /// The claims table.
        table: String,
        /// Why.
        cause: Box<Error>,
        /// Whether the same sweep, resumed later, may succeed without anyone's help.
        is_retryable: bool,
        /// What it has done, and where it goes on.
        report: Box<ReindexReport>,
    },
    /// No action was named.
    #[error("the sweep has nothing to do: name what, such as `count` or `verify`")]
    NoAction,
    /// What several machines do together needs a ledger.
    #[error("`{0}` needs a ledger: give one with `on`")]
    NoLedger(&'static str),
    /// Data keys are wrapped anew by a role of its own.
    #[error("`rewrap` needs a rewrapper: give one with `rewrap`, to the sweep and to its workers")]
    NoRewrapper,
    /// The ledger has no sweep of this id.
    #[error("the ledger has no sweep `{0}`: check its id, and that it is the ledger in which it was planned")]
    Unknown(String),
    /// Another sweep writes the table.
    #[error("sweep `{sweep}` writes this table: let it end, or stop it, then begin another one")]
    Busy {
        /// The other sweep.
        sweep: String,
    },
    /// An adoption is not where a sealing sweep needs it, or its ledger failed.
    #[error("the adoption: {0}")]
    Adoption(#[from] AdoptionError),
    /// The tenant's items are not being sealed.
    #[error("tenant `{tenant}` is not being sealed: `tenantseal migrate seal` comes first")]
    NotSealing {
        /// The tenant.
        tenant: TenantId,
    },
    /// The table has no point-in-time recovery, so nobody could undo the sweep.
    #[error(
        "table `{table}` has no point-in-time recovery, so nothing could undo this sweep: run `aws dynamodb \
         update-continuous-backups --table-name {table} --point-in-time-recovery-specification \
         PointInTimeRecoveryEnabled=true`"
    )]
    NoRecovery {
        /// The table's name in DynamoDB.
        table: String,
    },
    /// The table has replicas, where writers could undo what the sweep writes.
    #[error(
        "table `{table}` has replicas in {regions}, and no condition reaches across Regions: let all writers write in \
         one Region, and name it with `writers_in`"
    )]
    Replicas {
        /// The table's name in DynamoDB.
        table: String,
        /// Where.
        regions: String,
    },
    /// The worker is not what the sweep was planned with.
    #[error("sweep `{sweep}` was planned with {fault}. Run it with the build it was planned with, or plan another one")]
    PlanMismatch {
        /// The sweep.
        sweep: String,
        /// What differs.
        fault: PlanFault,
    },
    /// The ledger failed, or holds something else.
    #[error("the sweep's ledger: {0}")]
    Ledger(#[from] LedgerError),
    /// The table could not be described.
    #[error(
        "the table could not be described: {0}. A plan needs dynamodb:DescribeTable and DescribeContinuousBackups on it"
    )]
    Describe(Error),
    /// The operating system gave no random bytes for the name of a sweep or a worker.
    #[error("the operating system gave no random bytes")]
    Random,
    /// The worker ended. What it has done until then is right, and in the ledger.
    #[error("this worker of sweep `{sweep}` ended: {cause}. Run it again when that is mended")]
    Worker {
        /// The sweep.
        sweep: String,
        /// The claims table, where it ended there.
        claims: Option<String>,
        /// Why.
        cause: Box<Error>,
        /// Whether a worker that begins later may succeed without anyone's help.
        is_retryable: bool,
    },
}

/// In what a worker differs from the plan of its sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// The table is not configured.
    #[error("a table that is not configured here")]
    UnknownTable,
    /// The logical table has another physical name.
    #[error("another table under this logical name")]
    OtherTable,
    /// The schema, or the state of a lookup, differs.
    #[error("another schema, or another state of a lookup")]
    OtherSchema,
}

impl SweepError {
    /// The report from which [`Reindex::resume`](super::Reindex::resume) goes on, if the sweep had begun.
    pub fn report(&self) -> Option<&ReindexReport> {
        match self {
            Self::Stopped { report, .. } | Self::StoppedAtClaims { report, .. } => Some(report),
            _ => None,
        }
    }

    /// Whether the same sweep, resumed later, may succeed without anyone's help: DynamoDB throttled for too long, or
    /// did not answer.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Stopped { is_retryable, .. }
            | Self::StoppedAtClaims { is_retryable, .. }
            | Self::Worker { is_retryable, .. } => *is_retryable,
            Self::Ledger(error) => error.is_retryable(),
            Self::Adoption(error) => error.is_retryable(),
            _ => false,
        }
    }
}
