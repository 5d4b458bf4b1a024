use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
struct Contact {
    #[r#seal(encrypt)]
    email: String,
    #[r#serde(rename = "b")]
    a: String,
}

fn main() {}
