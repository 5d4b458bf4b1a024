use serde::Serialize;
use tenantseal::Record;

// Any attribute macro will do: what counts is its name and where it stands.
mod serde_with {
    pub use core::prelude::v1::derive as serde_as;
    pub use core::prelude::v1::derive as skip_serializing_none;
}
use core::prelude::v1::derive as rewrite;
use serde_with::{serde_as, skip_serializing_none};

#[derive(Serialize, Record)]
#[serde_as(Debug)]
struct Plainly {
    a: u8,
}

#[derive(Serialize, Record)]
#[serde_with::serde_as(Debug)]
struct ByPath {
    a: u8,
}

#[derive(Serialize, Record)]
#[skip_serializing_none(Debug)]
struct SkipNone {
    a: Option<u8>,
}

#[derive(Record)]
#[rewrite(Debug)]
#[derive(Serialize)]
struct BetweenTwoDerives {
    a: u8,
}

// Nothing of serde's stands below it, so this may as well be a helper of another derive.
#[derive(Serialize, Record)]
#[rewrite(Debug)]
struct Passes {
    a: u8,
}

fn main() {}
