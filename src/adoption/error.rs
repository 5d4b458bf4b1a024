//! Why a step of an adoption was not taken.

use tenantseal_core::keys::KeyTableError;
use tenantseal_core::tenant::TenantId;

use super::AdoptionStage;
use crate::error::Error;

/// Why a step of an adoption was not taken. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptionError {
    /// There is no ledger, where leaves are.
    #[error("there is no ledger, where leaves are: give the builder one with `ledger`")]
    NoLedger,
    /// The code does not adopt the table.
    #[error("table `{0}` is not adopted: name its attributes with the builder's `adopt`")]
    NotAdopted(String),
    /// A leave lasts longer than 90 days, or no time.
    #[error("a leave lasts at most 90 days, and longer than no time")]
    Lasting,
    /// The adoption is at another stage than the step needs.
    #[error("table `{table}`, tenant `{tenant}`: `{step}` is no step from here: {}", next(.step, *.stage))]
    Stage {
        /// The logical table.
        table: String,
        /// The tenant.
        tenant: TenantId,
        /// The step.
        step: &'static str,
        /// Where the adoption is.
        stage: AdoptionStage,
    },
    /// It is not known that all of the tenant's items are sealed.
    #[error("table `{table}`, tenant `{tenant}`: {why}")]
    NotPassed {
        /// The logical table.
        table: String,
        /// The tenant.
        tenant: TenantId,
        /// What is missing.
        why: NotPassed,
    },
    /// Somebody else has changed the ledger's entry meanwhile.
    #[error("table `{table}`, tenant `{tenant}`: somebody else was faster: look at the status, then try again")]
    Changed {
        /// The logical table.
        table: String,
        /// The tenant.
        tenant: TenantId,
    },
    /// The ledger failed.
    #[error("ledger: {0}")]
    Ledger(#[source] KeyTableError),
    /// The tenant's data key is not available, or the leave is forged.
    #[error(transparent)]
    Tenant(Error),
}

/// Why it is not known that all of a tenant's items are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPassed {
    /// No sealing pass was recorded since the items are written sealed.
    #[error("no sealing pass has ended since its items are written sealed: run `tenantseal sweep migrate`")]
    None,
    /// The pass began before the fence, when another process could still write plaintext.
    #[error("the sealing pass began within 15 minutes of `seal`, when plaintext could still be written: run it again")]
    TooEarly,
    /// The pass has left items plain.
    #[error("the sealing pass has left {0} items as they were: look at its report, then run it again")]
    Failed(u64),
}

impl AdoptionError {
    /// Whether the same step may succeed later without anyone's help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_retryable(),
            Self::Tenant(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether someone seems to have tampered with the ledger.
    pub fn is_integrity(&self) -> bool {
        matches!(self, Self::Tenant(error) if error.is_integrity())
    }
}

// Not `#[from]`, which would make them sources as well: their text is in this error's own.
impl From<Error> for AdoptionError {
    fn from(error: Error) -> Self {
        Self::Tenant(error)
    }
}

impl From<KeyTableError> for AdoptionError {
    fn from(error: KeyTableError) -> Self {
        Self::Ledger(error)
    }
}

/// What is to be done at this stage instead of the step.
fn next(step: &str, stage: AdoptionStage) -> &'static str {
    match (stage, step) {
        (AdoptionStage::None, _) => "it has no leave, so its items are sealed or refused: `open` comes first",
        (AdoptionStage::Plain, _) => "its items are written as plaintext: `seal` comes next",
        (AdoptionStage::Sealing, "open") => "its items are written sealed: `back` writes them as plaintext again",
        (AdoptionStage::Sealing, _) => "its items are written sealed: sweep them, then `close`",
        (AdoptionStage::Closed, _) => "it is closed, and its items are sealed: only `open --again` undoes that",
    }
}
