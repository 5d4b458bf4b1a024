//! The tenant of a request, verified.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use tenantseal::Tenant;

use crate::claims::{Claims, at_path};

/// The tenant whom a verified token names, and what else the token says.
///
/// It is the tenant's handle ([`Deref`]). Nobody can make one: it comes from [`TenantLayer`](crate::TenantLayer), from
/// [`TenantFromJwt::verify`](crate::TenantFromJwt::verify), or from an authorizer of API Gateway.
///
/// ```
/// use tenantseal_tower::VerifiedTenant;
///
/// async fn export(tenant: VerifiedTenant) -> Vec<u8> {
///     let dynamodb = tenant.dynamodb(); // the tenant's own client
///     let roles = tenant.claim(&["realm_access", "roles"]);
/// #   drop((dynamodb, roles));
/// #   Vec::new()
/// }
/// ```
#[derive(Clone)]
pub struct VerifiedTenant {
    tenant: Tenant,
    claims: Arc<Claims>,
    expires: Option<SystemTime>,
}

impl VerifiedTenant {
    pub(crate) fn new(tenant: Tenant, claims: Claims, expires: Option<SystemTime>) -> Self {
        Self { tenant, claims: Arc::new(claims), expires }
    }

    /// The tenant's handle, for what outlives the request.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Who is calling: the claim `sub`. Unique at its issuer alone.
    pub fn subject(&self) -> Option<&str> {
        self.claim(&["sub"])?.as_str()
    }

    /// Who issued the token: the claim `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.claim(&["iss"])?.as_str()
    }

    /// The claim at a path of names, one object deeper with each: `&["realm_access", "roles"]`.
    pub fn claim(&self, path: &[&str]) -> Option<&Value> {
        at_path(&self.claims, path)
    }

    /// When the token expires: the claim `exp`. The layer accepts it for 60 seconds longer, since clocks differ.
    ///
    /// None for an authorizer of API Gateway that passes no `exp`, or one that is no number of seconds.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Compares a tenant that the request names elsewhere, as in its path, with the verified one.
    ///
    /// ```
    /// use tenantseal_tower::{OtherTenant, VerifiedTenant};
    ///
    /// async fn contacts(tenant: VerifiedTenant, path_tenant: String) -> Result<(), OtherTenant> {
    ///     tenant.expect(&path_tenant)?; // 403 where it is another
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`OtherTenant`], which answers 403, or 7 in gRPC.
    pub fn expect(&self, tenant: &(impl AsRef<str> + ?Sized)) -> Result<(), OtherTenant> {
        if self.tenant.id().as_str() == tenant.as_ref() { Ok(()) } else { Err(OtherTenant) }
    }
}

impl Deref for VerifiedTenant {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        &self.tenant
    }
}

impl fmt::Debug for VerifiedTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedTenant(..)")
    }
}

/// The request names another tenant than its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request names another tenant than its token")]
pub struct OtherTenant;
