use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
#[serde(tag = "_seal")]
struct Contact {
    _seal_mac: String,
    #[serde(rename = "_sealed")]
    a: String,
    #[serde(alias = "_seal2")]
    b: String,
    #[serde(rename = "")]
    c: String,
}

fn main() {}
