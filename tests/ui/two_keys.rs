use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(partition_key, tenant)]
    account_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[seal(sort_key)]
    created: String,
}

fn main() {}
