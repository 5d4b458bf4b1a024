use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
struct Inner {
    secret: String,
}

mod prefixed {
    pub fn serialize<T: serde::Serialize, S: serde::Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }
}

#[derive(Serialize, Record)]
struct Outer {
    #[serde(flatten)]
    #[seal(encrypt)]
    encrypted: Inner,
    #[serde(flatten)]
    #[seal(plain)]
    plain: Inner,
    #[serde(flatten)]
    #[seal(partition_key, tenant)]
    key: Inner,
    #[serde(flatten, with = "prefixed")]
    prefixed: Inner,
    #[serde(flatten, skip_serializing)]
    only_read: Inner,
}

fn main() {}
