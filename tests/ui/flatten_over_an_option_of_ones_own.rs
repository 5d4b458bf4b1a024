use serde::Serialize;
use tenantseal::Record;

mod own {
    #[derive(serde::Serialize)]
    pub struct Option<T> {
        pub another_name: T,
    }
}

#[derive(Serialize, Record)]
struct Inner {
    #[seal(encrypt)]
    secret: String,
}

#[derive(Serialize, Record)]
struct Outer {
    #[serde(flatten)]
    inner: own::Option<Inner>,
}

fn main() {}
