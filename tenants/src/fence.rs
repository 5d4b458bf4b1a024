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
use tenantseal_core::time::SharedTimeSource;

use super::begun::{Begun, MAX_ATTEMPTS};
use super::entry::OperationId;
use super::error::Error;
use super::registry::Registry;

/// How long ago the registry may have been asked when its answer is acted upon: a process that was stopped meanwhile asks again.
const FRESH: Duration = Duration::from_secs(2);

/// How long ago the registry may have been asked when an attempt of the call is signed: longer than a call takes with its repetitions.
const CALL: Duration = Duration::from_secs(60);

/// What must still be so when KMS is called.
#[derive(Debug)]
pub(super) struct Fence<'a> {
    registry: &'a dyn Registry,
    time: &'a SharedTimeSource,
    tenant: &'a TenantId,
    condition: Condition<'a>,
}

#[derive(Debug)]
enum Condition<'a> {
    /// The operation has not been finished by another run.
    UnderWay(&'a OperationId),
    /// The key is not the tenant's.
    Surplus(&'a KeyArn),
}

/// A moment at which it was so. As an interceptor it lets no attempt of a call go that is signed too long afterwards.
#[derive(Debug)]
pub(super) struct FenceToken {
    clock: Clock,
    at: Moment,
}

#[dyn_dispatch_hint]
impl Intercept for FenceToken {
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
    pub(super) fn for_operation(registry: &'a dyn Registry, time: &'a SharedTimeSource, begun: &'a Begun) -> Self {
        Self { registry, time, tenant: &begun.entry.tenant, condition: Condition::UnderWay(&begun.id) }
    }

    /// For the deletion of a key that no run has written down.
    pub(super) fn for_surplus(
        registry: &'a dyn Registry,
        time: &'a SharedTimeSource,
        tenant: &'a TenantId,
        key: &'a KeyArn,
    ) -> Self {
        Self { registry, time, tenant, condition: Condition::Surplus(key) }
    }

    /// Lets the next call through.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] when it would undo what others have done since; [`Error::SlowRegistry`] when no answer came in time.
    pub(super) async fn pass(&self) -> Result<FenceToken, Error> {
        let clock = Clock::new(self.time.clone());
        for _ in 0..MAX_ATTEMPTS {
            let at = clock.now();
            let entry = self.registry.entry_of(self.tenant).await?;
            let entry = entry.ok_or_else(|| Error::UnknownTenant(self.tenant.clone()))?;
            let holds = match self.condition {
                Condition::UnderWay(id) => entry.pending(id).is_some(),
                Condition::Surplus(key) => !entry.owns(key),
            };
            if !holds {
                return Err(Error::Overtaken(self.tenant.clone()));
            }
            if clock.now().since(at) < FRESH {
                return Ok(FenceToken { clock, at });
            }
        }
        Err(Error::SlowRegistry)
    }
}
