use tenantseal::Record;

#[derive(Record)]
#[seal(table)]
struct Contact {
    #[seal(encrypt = true)]
    email: String,
    #[seal(encrypt("aes"))]
    phone: String,
    #[seal]
    fax: String,
    #[seal = "encrypt"]
    telex: String,
    #[seal(encrypt plain)]
    pager: String,
}

#[derive(Record)]
#[seal(table = "")]
struct Nameless {
    #[seal(partition_key, tenant)]
    pk: String,
}

fn main() {}
