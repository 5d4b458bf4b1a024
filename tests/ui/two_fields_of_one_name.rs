use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[serde(tag = "kind", rename_all = "camelCase")]
struct Contact {
    first_name: String,
    #[serde(rename = "firstName")]
    #[seal(encrypt)]
    name: String,
    #[serde(alias = "firstName")]
    alias: String,
    kind: String,
}

fn main() {}
