//! Why a sweep did not begin, or did not come to its end.

use super::report::ReindexReport;
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
        matches!(self, Self::Stopped { is_retryable: true, .. } | Self::StoppedAtClaims { is_retryable: true, .. })
    }
}
