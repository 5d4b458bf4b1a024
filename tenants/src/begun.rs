//! An operation under way: its pending entry, and whether it may begin.

use tenantseal_core::crypto::{OsRandom, RandomSource};

use super::entry::{Entry, OperationId, Pending, Tier};
use super::error::Error;
use super::state::Operation;

/// How many times an entry is read again after a concurrent write.
pub(super) const MAX_ATTEMPTS: usize = 10;

/// An operation under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) entry: Entry,
    pub(super) id: OperationId,
    pub(super) operation: Operation,
    /// Whether this run began it: then no earlier run can have left anything behind.
    pub(super) fresh: bool,
}

impl Begun {
    /// What the registry says about it.
    pub(super) fn pending(&self) -> Option<&Pending> {
        self.entry.pending(&self.id)
    }
}

impl Entry {
    /// Checks that an operation may begin or continue.
    pub(super) fn check(&self, operation: Operation) -> Result<(), Error> {
        match &self.pending {
            Some(pending) if pending.operation == operation || operation.supersedes(pending.operation) => Ok(()),
            Some(pending) => Err(Error::under_way(&self.tenant, pending)),
            None => Ok(self.state.check(&self.tenant, operation)?),
        }
    }
}

impl Entry {
    /// Refuses what the tenant's tier does not allow: a pool's key rotates for all of its members, and stays the pool's.
    pub(super) fn check_tier(&self, operation: Operation) -> Result<(), Error> {
        let tenant = self.tenant.clone();
        match (&self.tier, operation) {
            (Tier::Shared { pool }, Operation::Rotate) => Err(Error::RotatesWithPool { tenant, pool: pool.clone() }),
            (Tier::Pool, Operation::Rekey) => Err(Error::PoolKeepsKek(tenant)),
            _ => Ok(()),
        }
    }
}

impl OperationId {
    pub(super) fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        OsRandom.fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}
