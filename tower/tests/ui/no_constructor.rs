use tenantseal::{Tenant, TenantId, TenantSeal};
use tenantseal_tower::VerifiedTenant;

fn handler(_: VerifiedTenant) {}

fn from_a_header(seal: TenantSeal, tenant: Tenant, id: TenantId) {
    handler(VerifiedTenant::new(tenant.clone(), Default::default(), None));
    handler(tenant.into());
    handler(id.clone().into());
    handler("acme".into());
    handler(seal.tenant(&id));
}

fn main() {}
