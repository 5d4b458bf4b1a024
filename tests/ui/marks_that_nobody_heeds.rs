use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
struct Address {
    city: String,
    #[seal(encrypt)]
    street: String,
}

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    home: Address,
}

#[derive(Serialize, Deserialize, Record)]
struct Bracketed {
    by_name: HashMap<String, Option<Address>>,
}

#[derive(Serialize, Deserialize, Record)]
struct Wrapped {
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Deserialize, Record)]
struct Tree {
    #[seal(encrypt)]
    secret: String,
    wrapped: (u8, [Box<Wrapped>; 1]),
    below: Vec<Tree>,
}

fn main() {}
