use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant, encrypt)]
    tenant_id: String,
    #[seal(sort_key, encrypt)]
    contact_id: String,
}

fn main() {}
