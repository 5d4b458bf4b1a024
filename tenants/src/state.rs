//! Where a tenant stands, and where it may go from there.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenantseal_core::tenant::TenantId;

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Onboarding has begun and not finished.
    Onboarding,
    /// In service.
    Active,
    /// Its keys are disabled; everything can come back.
    Suspended,
    /// Its keys are disabled and wait for their deletion, which can be cancelled until it happens.
    Offboarded,
}

impl State {
    /// What may be done with a tenant in this state. An operation that leads to where the tenant is already makes sure that it
    /// really is there: it enables, disables or creates whatever differs.
    pub fn allowed(self) -> &'static [Operation] {
        use Operation::{CancelOffboarding, Offboard, Onboard, Rekey, Resume, Rotate, Suspend};
        match self {
            Self::Onboarding => &[Onboard, Suspend],
            Self::Active => &[Onboard, Rotate, Rekey, Suspend, Resume, Offboard],
            Self::Suspended => &[Resume, Suspend, Offboard, CancelOffboarding],
            Self::Offboarded => &[CancelOffboarding, Offboard],
        }
    }

    /// Refuses what may not be done with `tenant` in this state.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] names the state and what is allowed in it.
    pub fn check(self, tenant: &TenantId, operation: Operation) -> Result<(), IllegalTransition> {
        if self.allowed().contains(&operation) {
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

/// What can be done with a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Give it a key, aliases and an entry.
    Onboard,
    /// Give its key new material, yearly or now.
    Rotate,
    /// Put another key behind its alias: a new one, or one of another tier.
    Rekey,
    /// Disable its keys.
    Suspend,
    /// Enable them again.
    Resume,
    /// Disable its keys and have them deleted.
    Offboard,
    /// Keep the keys of an offboarded tenant, disabled.
    CancelOffboarding,
}

impl Operation {
    /// Whether it may begin while `unfinished` is under way, which then goes no further. Nobody waits for anything to take a tenant out of
    /// service; what leads to service and out of it, or to its end and away from it, take each other back.
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

    /// Whether it is put aside when a suspension supersedes it, and goes on afterwards.
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

    /// What was asked for.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, state, operation } = self;
        let allowed: Vec<_> = state.allowed().iter().map(ToString::to_string).collect();
        write!(f, "tenant `{tenant}` is {state}, so `{operation}` is not possible; possible: {}", allowed.join(", "))
    }
}

impl std::error::Error for IllegalTransition {}
