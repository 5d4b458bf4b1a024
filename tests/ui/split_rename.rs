use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
#[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"))]
struct Contact {
    #[serde(rename(serialize = "a", deserialize = "b"))]
    both: String,
    #[serde(rename(serialize = "c"))]
    written: String,
    #[serde(rename(deserialize = "d"))]
    read: String,
    #[serde(rename(serialize = "e", deserialize = "e", deserialize = "f"))]
    more: String,
}

fn main() {}
