//! The setup under test.

use std::collections::HashMap;

use tenantseal::TenantId;
use tenantseal::keys::Tenancy;
use tenantseal_tenants::Tenants;

use super::check::Change;
use crate::args::Scope;
use crate::sessions::Sessions;

/// What the checks look at.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) tenancy: Tenancy,
    pub(super) scope: Scope,
    pub(super) region: String,
    pub(super) operator: aws_config::SdkConfig,
    pub(super) registry: Tenants,
    /// The principal that assumes the role, for the trust policy.
    pub(super) service_arn: String,
    pub(super) sessions: Sessions,
    /// Results of the keys' checks, for later checks.
    pub(super) findings: HashMap<TenantId, KeyFindings>,
}

/// A tenant's key as its administrator sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyFindings {
    pub(super) key_id: String,
    /// The changes that restore its generated policy.
    pub(super) key_policy: Vec<Change>,
}

impl Setup {
    pub(super) fn findings(&self, tenant: &TenantId) -> KeyFindings {
        self.findings.get(tenant).cloned().unwrap_or_default()
    }
}
