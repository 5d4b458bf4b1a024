use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
#[serde(untagged, rename_al = "camelCase")]
struct Contact {
    #[serde(renam = "b")]
    a: String,
}

#[derive(Serialize, Deserialize, Record)]
#[serde(rename_all = "CamelCase")]
struct UnknownRule {
    a: String,
}

fn main() {}
