use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
struct Address {
    #[seal(encrypt)]
    street: String,
    city: String,
}

#[derive(Serialize, Deserialize, Record)]
struct Contact {
    city: String,
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Deserialize, Record)]
struct Twice {
    #[serde(flatten)]
    home: Address,
    #[serde(flatten)]
    work: Address,
}

fn main() {}
