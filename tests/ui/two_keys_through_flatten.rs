use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
struct Keys {
    #[seal(partition_key, tenant)]
    pk: String,
    #[seal(sort_key)]
    sk: String,
}

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct TwoPartitionKeys {
    #[seal(partition_key, tenant)]
    id: String,
    #[serde(flatten)]
    keys: Keys,
}

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct TwoSortKeys {
    #[seal(sort_key)]
    id: String,
    #[serde(flatten)]
    keys: Keys,
}

#[derive(Serialize, Deserialize, Record)]
struct NoKeys {
    a: String,
}

#[derive(Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct NoPartitionKey {
    #[serde(flatten)]
    inner: NoKeys,
}

fn main() {}
