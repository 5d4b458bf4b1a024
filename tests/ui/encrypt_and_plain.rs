use tenantseal::Record;

#[derive(Record)]
struct Contact {
    #[seal(encrypt, plain)]
    email: String,
    #[seal(partition_key, tenant, plain)]
    pk: String,
}

fn main() {}
