//! Lookups of several fields.

use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[seal(table = "crm", lookup(part(last_name), part(born)))]
#[seal(lookup(name = "one", part(last_name)))]
#[seal(lookup(name = "none"))]
#[seal(lookup(name = "plain", part(last_name), part(company)))]
#[seal(lookup(name = "key", part(last_name), part(tenant_id)))]
#[seal(lookup(name = "unknown", part(last_name), part(bron)))]
#[seal(lookup(name = "twice", part(born), part(born, digits)))]
#[seal(lookup(name = "form", text, part(last_name), part(born)))]
#[seal(lookup(name = "prefix", part(last_name), part(born), prefix = 3, bits = 8))]
#[seal(lookup(name = "each", part(last_name), part(born), each, bits = 8))]
#[seal(lookup(name = "bits", part(last_name), part(born), bits = 50))]
#[seal(lookup(name = "shape", part = "last_name", part(born)))]
#[seal(lookup(name = "forms", part(last_name, txet), part(born, text, digits)))]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    company: String,
    #[seal(encrypt, lookup(part(last_name), part(born)))]
    last_name: String,
    #[seal(encrypt)]
    born: String,
}

#[derive(Serialize, Record)]
struct Address {
    town: String,
    #[seal(encrypt)]
    street: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", lookup(name = "home", part(name), part(town)))]
struct AFlattenedPlainPart {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt)]
    name: String,
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct OnAFlattenedField {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[serde(flatten)]
    #[seal(lookup(name = "home"))]
    address: Address,
}

fn main() {}
