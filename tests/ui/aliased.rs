use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    #[serde(alias = "tenant")]
    pk: String,
    #[seal(sort_key)]
    #[serde(alias = "id")]
    sk: String,
    #[seal(encrypt)]
    #[serde(alias = "mail", alias = "e_mail")]
    email: String,
}

fn main() {}
