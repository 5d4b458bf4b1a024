//! The partition key shows the tenant's id, so it is a string.

use serde::Serialize;
use tenantseal::Record;

type Number = Option<u64>;

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: u32,
    #[seal(encrypt)]
    email: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Invoice {
    #[seal(partition_key, tenant = "TENANT#{tenant}#")]
    number: Number,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Photo {
    #[seal(partition_key, tenant)]
    tenant_id: Vec<u8>,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Written {
    #[seal(partition_key, tenant)]
    #[serde(serialize_with = "text")]
    tenant_id: u32,
}

fn text<S: serde::Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn main() {}
