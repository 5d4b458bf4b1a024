use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
struct Address {
    city: String,
}

#[derive(Serialize, Deserialize, Record)]
struct Page<T> {
    city: String,
    #[serde(flatten)]
    record: T,
}

const USED: tenantseal::schema::RecordSchema = <Page<Address> as Record>::SCHEMA;

fn main() {}
