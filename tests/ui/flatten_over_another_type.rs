use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
struct Contact {
    name: String,
    #[serde(flatten)]
    rest: HashMap<char, char>,
}

#[derive(Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Serialize, Deserialize, Record)]
struct Optional {
    #[serde(flatten)]
    address: Option<Address>,
}

fn main() {}
