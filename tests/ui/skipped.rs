use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    #[serde(skip_serializing_if = "String::is_empty")]
    pk: String,
    #[seal(sort_key)]
    #[serde(skip)]
    sk: String,
    #[seal(encrypt)]
    #[serde(skip)]
    never: String,
    #[seal(encrypt)]
    #[serde(skip_serializing)]
    only_read: String,
    #[seal(encrypt)]
    #[serde(skip_deserializing)]
    only_written: String,
}

fn main() {}
