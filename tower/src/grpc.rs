//! Tenants of tonic's requests, and refusals as its statuses.

use tonic::{Code, Request, Status};

use crate::refused::Refused;
use crate::verified_tenant::{OtherTenant, VerifiedTenant};

impl VerifiedTenant {
    /// The tenant of a request that came through [`TenantLayer`](crate::TenantLayer).
    ///
    /// # Errors
    ///
    /// The status 13 (internal) where there is no layer: a mistake of the program.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let tenant = request.extensions().get::<Self>().cloned();
        tenant.ok_or_else(|| {
            tracing::error!("a service asks for a `VerifiedTenant`, but no `TenantLayer` lies around it");
            Status::internal("")
        })
    }
}

impl From<OtherTenant> for Status {
    fn from(_: OtherTenant) -> Self {
        Self::permission_denied("")
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        Self::new(Code::from(i32::from(refused.grpc_code())), "")
    }
}
