use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, sort_key, tenant)]
    id: String,
}

fn main() {}
