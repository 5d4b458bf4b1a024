use tenantseal::Tenant;
use tenantseal_tower::VerifiedTenant;

fn from_a_handle(tenant: Tenant) -> VerifiedTenant {
    VerifiedTenant { tenant, claims: Default::default(), expires: None }
}

fn main() {}
