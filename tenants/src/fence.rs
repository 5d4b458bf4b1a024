//! Keeps a run that was stopped for a while from undoing what has happened since.
//!
//! KMS makes no call conditional on anything, so the registry is asked immediately before each call that changes something, and no attempt of
//! that call is signed long afterwards. docs/DESIGN.md says what remains open.

use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tenantseal_core::format::KeyArn;
use tenantseal_core::keys::{Clock, Moment};
use tenantseal_core::tenant::TenantId;

use super::begun::{Begun, CONTENTION};
use super::entry::OperationId;
use super::{Error, Tenants};

/// How long ago the registry may have been asked when its answer is acted upon: a process that was stopped meanwhile asks again.
const FRESH: Duration = Duration::from_secs(2);

/// How long ago the registry may have been asked when an attempt of the call is signed: longer than a call takes with its repetitions.
const CALL: Duration = Duration::from_secs(60);

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

/// A moment at which it was so. As an interceptor it lets no attempt of a call go that is signed too long afterwards.
#[derive(Debug)]
pub(super) struct Passed {
    clock: Clock,
    at: Moment,
}

#[dyn_dispatch_hint]
impl Intercept for Passed {
    fn name(&self) -> &'static str {
        "tenantseal"
    }

    fn modify_before_signing(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.clock.now().since(self.at) < CALL {
            return Ok(());
        }
        Err("this run was stopped in the middle of the call: run it again".into())
    }
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
    pub(super) async fn pass(&self) -> Result<Passed, Error> {
        let clock = Clock::new(self.tenants.time().clone());
        for _ in 0..CONTENTION {
            let at = clock.now();
            let entry = self.tenants.entry(self.tenant).await?;
            let holds = match self.holds {
                Holds::UnderWay(id) => entry.pending(id).is_some(),
                Holds::Stray(key) => !entry.owns(key),
            };
            if !holds {
                return Err(Error::Overtaken(self.tenant.clone()));
            }
            if clock.now().since(at) < FRESH {
                return Ok(Passed { clock, at });
            }
        }
        Err(Error::SlowRegistry)
    }
}
