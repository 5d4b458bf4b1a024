//! A lookup of a type with few values would show them.

use serde::Serialize;
use std::collections::BTreeSet;
use tenantseal::Record;
use tenantseal::schema::FewValued;

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum Gender {
    Female,
    Male,
}

impl FewValued for Gender {}

type Flag = Option<Box<bool>>;

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Active {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup)]
    active: bool,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Age {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(bits = 3, index = "by-age"))]
    age: Option<u8>,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Initial {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(text))]
    initial: char,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Said {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup)]
    gender: Gender,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Aliased {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup)]
    flag: Flag,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Members {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(each, bits = 3))]
    genders: BTreeSet<Gender>,
}

fn main() {}
