use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key)]
    id: String,
}

fn main() {}
