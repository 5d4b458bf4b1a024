use tenantseal::Record;

#[derive(Record)]
#[seal(tabel = "crm", encrypt, name = "x")]
struct Contact {
    #[seal(partitionkey, tenant)]
    pk: String,
    #[seal(encrpyt)]
    email: String,
    #[seal(hidden(deeply), table = "crm")]
    phone: String,
}

fn main() {}
