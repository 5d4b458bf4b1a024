//! Each name and each index belongs to one lookup.

use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(email), lookup(exact))]
    email: String,
    #[seal(encrypt, lookup(prefix = 3, bits = 8), lookup(name = "name_3"))]
    name: String,
    #[seal(encrypt, lookup(index = "by-phone"), lookup(digits, name = "digits", tenant_index = "by-phone"))]
    phone: String,
    #[seal(encrypt, lookup)]
    #[serde(rename = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    long: String,
}

#[derive(Serialize, Record)]
struct Address {
    #[seal(encrypt, lookup(name = "place", index = "by-place"))]
    street: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct SameNameThroughFlatten {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup)]
    place: String,
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct SameIndexThroughFlatten {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(index = "by-place"))]
    town: String,
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Record)]
struct Work {
    #[seal(encrypt, lookup(name = "place"))]
    office: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct TwoFlattened {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[serde(flatten)]
    address: Address,
    #[serde(flatten)]
    work: Work,
}

fn main() {}
