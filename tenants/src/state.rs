//! The states of a tenant, and the operations that each allows.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenantseal_core::tenant::TenantId;

/// The state of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Onboarding is unfinished.
    Onboarding,
    /// In service.
    Active,
    /// Its KEKs are disabled; all of it can be resumed.
    Suspended,
    /// Its KEKs are disabled and pending deletion, which can be cancelled until it happens.
    Offboarded,
}

impl State {
    /// The operations that this state allows. An operation whose target state the tenant is in repairs what differs: it
    /// enables, disables or creates it.
    pub fn allowed_operations(self) -> &'static [Operation] {
        use Operation::{CancelOffboarding, Offboard, Onboard, Rekey, Resume, Rotate, Suspend};
        match self {
            Self::Onboarding => &[Onboard, Suspend],
            Self::Active => &[Onboard, Rotate, Rekey, Suspend, Resume, Offboard],
            Self::Suspended => &[Resume, Suspend, Offboard, CancelOffboarding],
            Self::Offboarded => &[CancelOffboarding, Offboard],
        }
    }

    /// Refuses an operation that this state does not allow for `tenant`.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] names the state and its allowed operations.
    pub fn check(self, tenant: &TenantId, operation: Operation) -> Result<(), IllegalTransition> {
        if self.allowed_operations().contains(&operation) {
            return Ok(());
        }
        Err(IllegalTransition { tenant: tenant.clone(), state: self, operation })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onboarding => "being onboarded",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Offboarded => "offboarded",
        })
    }
}

/// An operation on a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Create its KEK, aliases and entry.
    Onboard,
    /// Rotate its KEK, automatically or now.
    Rotate,
    /// Put another KEK behind its alias: a new one, or one of another tier.
    Rekey,
    /// Disable its KEKs.
    Suspend,
    /// Enable its KEKs.
    Resume,
    /// Disable its KEKs and schedule their deletion.
    Offboard,
    /// Cancel the deletion of an offboarded tenant's KEKs; they stay disabled.
    CancelOffboarding,
}

impl Operation {
    /// Whether it may begin while `unfinished` is under way, and stops it. Taking a tenant out of service never waits.
    /// Operations with opposite effects cancel each other: suspend and resume, offboard and its cancellation.
    pub(super) fn supersedes(self, unfinished: Self) -> bool {
        use Operation::{CancelOffboarding, Offboard, Onboard, Rekey, Resume, Rotate, Suspend};
        matches!(
            (self, unfinished),
            (Suspend, Onboard | Rotate | Rekey | Resume)
                | (Resume, Suspend)
                | (Offboard, Suspend | Resume | CancelOffboarding)
                | (CancelOffboarding, Offboard)
        )
    }

    /// Whether a suspension pauses it; it continues after the resumption.
    pub(super) fn is_pausable(self) -> bool {
        matches!(self, Self::Onboard | Self::Rotate | Self::Rekey)
    }

    /// The state after this operation.
    pub(super) fn leads_to(self) -> State {
        match self {
            Self::Onboard | Self::Rotate | Self::Rekey | Self::Resume => State::Active,
            Self::Suspend | Self::CancelOffboarding => State::Suspended,
            Self::Offboard => State::Offboarded,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Onboard => "onboard",
            Self::Rotate => "rotate",
            Self::Rekey => "rekey",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Offboard => "offboard",
            Self::CancelOffboarding => "cancel-offboard",
        })
    }
}

/// An operation that a tenant's state does not allow. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IllegalTransition {
    tenant: TenantId,
    state: State,
    operation: Operation,
}

impl IllegalTransition {
    /// The tenant's state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The refused operation.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, state, operation } = self;
        let allowed: Vec<_> = state.allowed_operations().iter().map(ToString::to_string).collect();
        write!(f, "tenant `{tenant}` is {state}, so `{operation}` is not possible; possible: {}", allowed.join(", "))
    }
}

impl std::error::Error for IllegalTransition {}
