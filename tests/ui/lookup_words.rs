//! Words of a lookup that do not go together, or are out of range.

use serde::Serialize;
use std::collections::BTreeSet;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Contact {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(lookup(email))]
    not_encrypted: String,
    #[seal(encrypt, lookup = "email")]
    a_value: String,
    #[seal(encrypt, lookup(emial))]
    misspelt: String,
    #[seal(encrypt, lookup(email, digits))]
    two_forms: String,
    #[seal(encrypt, lookup(email, with = "OWN"))]
    two_forms_again: String,
    #[seal(encrypt, lookup(email = "x"))]
    a_form_with_a_value: String,
    #[seal(encrypt, lookup(bits))]
    no_number: String,
    #[seal(encrypt, lookup(bits = "ten"))]
    no_number_either: String,
    #[seal(encrypt, lookup(bits = 2), lookup(name = "more", bits = 128))]
    bits: String,
    #[seal(encrypt, lookup(prefix = 17, bits = 8))]
    prefix: String,
    #[seal(encrypt, lookup(prefix = 3))]
    prefix_without_bits: String,
    #[seal(encrypt, lookup(each))]
    each_without_bits: BTreeSet<String>,
    #[seal(encrypt, lookup(each, prefix = 3, bits = 8))]
    each_prefix: BTreeSet<String>,
    #[seal(encrypt, lookup(each, bits = 8, index = "by-tag"))]
    each_with_an_index: BTreeSet<String>,
    #[seal(encrypt, lookup(unique, bits = 10), lookup(name = "start", unique, prefix = 3, bits = 8))]
    unique: String,
    #[seal(encrypt, lookup(index = "by-two", tenant_index = "by-three"))]
    two_indexes: String,
    #[seal(encrypt, lookup(index = "an index"))]
    index_name: String,
    #[seal(encrypt, lookup(key = 0), lookup(name = "many", key = 65536))]
    key: String,
    #[seal(encrypt, lookup(building, retired))]
    two_states: String,
    #[seal(encrypt, lookup(email, email, bits = 8, bits = 9))]
    twice: String,
    #[seal(encrypt, lookup(name = ""))]
    no_name: String,
    #[seal(encrypt, lookup(part(tenant_id)))]
    part: String,
}

fn main() {}
