//! Keeps a run that was stopped for a while from undoing what has happened since.
//!
//! KMS makes no call conditional on anything, so the registry is asked immediately before each call that changes something. What remains
//! open is the moment between its answer and the call; docs/DESIGN.md says how long that can be.

use std::time::Duration;

use super::entry::OperationId;
use super::steps::{Begun, CONTENTION};
use super::{Error, Tenants};
use crate::format::KeyArn;
use crate::keys::Clock;
use crate::tenant::TenantId;

/// How long ago the registry may have been asked when its answer is acted upon: a process that was stopped meanwhile asks again.
const FRESH: Duration = Duration::from_secs(2);

/// What must still be so when KMS is called.
#[derive(Debug)]
pub(super) struct Fence<'a> {
    tenants: &'a Tenants,
    tenant: &'a TenantId,
    holds: Holds<'a>,
}

#[derive(Debug)]
enum Holds<'a> {
    /// The operation has not been finished by another run.
    UnderWay(&'a OperationId),
    /// The key is not the tenant's.
    Stray(&'a KeyArn),
}

impl<'a> Fence<'a> {
    /// For the steps of an operation.
    pub(super) fn around(tenants: &'a Tenants, begun: &'a Begun) -> Self {
        Self { tenants, tenant: &begun.entry.tenant, holds: Holds::UnderWay(&begun.id) }
    }

    /// For the deletion of a key that no run has written down.
    pub(super) fn around_stray(tenants: &'a Tenants, tenant: &'a TenantId, key: &'a KeyArn) -> Self {
        Self { tenants, tenant, holds: Holds::Stray(key) }
    }

    /// Lets the next call through.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] when it would undo what others have done since; [`Error::SlowRegistry`] when no answer came in time.
    pub(super) async fn pass(&self) -> Result<(), Error> {
        let clock = Clock::new(self.tenants.time().clone());
        for _ in 0..CONTENTION {
            let asked = clock.now();
            let entry = self.tenants.entry(self.tenant).await?;
            let holds = match self.holds {
                Holds::UnderWay(id) => entry.pending(id).is_some(),
                Holds::Stray(key) => !entry.owns(key),
            };
            if !holds {
                return Err(Error::Overtaken(self.tenant.clone()));
            }
            if clock.now().since(asked) < FRESH {
                return Ok(());
            }
        }
        Err(Error::SlowRegistry)
    }
}
