use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
#[serde(transparent)]
struct Transparent {
    inner: String,
}

#[derive(Clone, Serialize, Deserialize, Record)]
#[serde(into = "String", from = "String")]
struct Into {
    inner: String,
}

#[derive(Clone, Serialize, Deserialize, Record)]
#[serde(into = "String", try_from = "String")]
struct TryFrom {
    inner: String,
}

impl From<Into> for String {
    fn from(from: Into) -> Self {
        from.inner
    }
}

impl From<String> for Into {
    fn from(inner: String) -> Self {
        Self { inner }
    }
}

impl From<TryFrom> for String {
    fn from(from: TryFrom) -> Self {
        from.inner
    }
}

impl core::convert::TryFrom<String> for TryFrom {
    type Error = String;

    fn try_from(inner: String) -> Result<Self, String> {
        Ok(Self { inner })
    }
}

mod theirs {
    pub struct Remote {
        pub inner: String,
    }
}

#[derive(Serialize, Deserialize, Record)]
#[serde(remote = "theirs::Remote")]
struct Remote {
    #[serde(getter = "inner_of")]
    inner: String,
}

fn inner_of(remote: &theirs::Remote) -> &String {
    &remote.inner
}

impl From<Remote> for theirs::Remote {
    fn from(from: Remote) -> Self {
        Self { inner: from.inner }
    }
}

fn main() {}
