use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    pk: String,
    #[seal(sort_key, tenant)]
    sk: String,
    #[seal(tenant = "{tenant}")]
    owner: String,
}

fn main() {}
