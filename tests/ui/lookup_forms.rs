//! A form of one's own is a constant of type `Form`, with a name.

use serde::Serialize;
use tenantseal::Record;
use tenantseal::schema::Form;

const MONTH: &str = "month";

const NAMELESS: Form = Form::new("", |text| Some(text.to_owned()));

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct AnotherType {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(with = "MONTH"))]
    born: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Missing {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(with = "forms::MONTH"))]
    born: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Nameless {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt, lookup(with = "NAMELESS"))]
    born: String,
}

fn main() {}
