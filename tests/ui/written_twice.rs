use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm", table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    pk: String,
    #[seal(encrypt, encrypt)]
    email: String,
    #[seal(encrypt)]
    #[seal(encrypt)]
    phone: String,
}

fn main() {}
