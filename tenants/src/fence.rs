//! Stops a run that was paused from undoing later changes.
//!
//! KMS has no conditional calls. So the registry is read immediately before each call that changes something, and an
//! attempt that is signed much later fails. docs/DESIGN.md says what this leaves open.

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

/// The maximum age of the registry's answer when a call is made. A process that was paused meanwhile reads it again.
const FRESH: Duration = Duration::from_secs(2);

/// The maximum age of the registry's answer when an attempt is signed: longer than a call takes with its retries.
const CALL: Duration = Duration::from_secs(60);

/// What must still hold when KMS is called.
#[derive(Debug)]
pub(super) struct Fence<'a> {
    registry: &'a dyn Registry,
    time: &'a SharedTimeSource,
    tenant: &'a TenantId,
    condition: Condition<'a>,
}

#[derive(Debug)]
enum Condition<'a> {
    /// No other run has finished the operation.
    UnderWay(&'a OperationId),
    /// The KEK is not the tenant's.
    Surplus(&'a KeyArn),
}

/// Proof that the condition held at a point in time. As an interceptor it fails attempts that are signed too late.
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

    /// For the deletion of a KEK that no run has written down.
    pub(super) fn for_surplus(
        registry: &'a dyn Registry,
        time: &'a SharedTimeSource,
        tenant: &'a TenantId,
        key: &'a KeyArn,
    ) -> Self {
        Self { registry, time, tenant, condition: Condition::Surplus(key) }
    }

    /// Checks the condition for the next call.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] when it would undo what others have done since; [`Error::SlowRegistry`] when no answer came
    /// in time.
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
