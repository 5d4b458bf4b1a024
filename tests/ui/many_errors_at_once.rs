use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[seal(table = "", colour = "red")]
#[serde(rename_all(serialize = "camelCase"))]
struct Contact {
    #[seal(partition_key)]
    tenant_id: String,
    #[seal(partition_key, tenant = "{tenant}s", encrypt)]
    account_id: String,
    #[seal(sort_key, tenant)]
    #[serde(skip_serializing_if = "String::is_empty")]
    contact_id: String,
    #[seal(encrpyt, plain, plain)]
    company: String,
    #[seal(encrypt)]
    #[serde(alias = "mail", skip_serializing)]
    email: String,
    #[serde(rename = "email")]
    mail: String,
    #[serde(rename(serialize = "a", deserialize = "b"))]
    _sealed: String,
    #[serde(flatten)]
    #[seal(encrypt)]
    address: Address,
}

#[derive(Serialize, Record)]
struct Address {
    city: String,
}

fn is_a_record<R: Record>() {}

fn uses() {
    // The fallback keeps this from being an error as well.
    is_a_record::<Contact>();
}

fn main() {}
