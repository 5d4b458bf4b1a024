#![doc = include_str!("../README.md")]

mod blobs;
mod body;
mod bucket;
mod changes;
mod copy;
mod delete;
mod doubt;
mod error;
mod get;
mod head;
mod key;
mod list;
mod open;
mod pace;
mod put;
mod reader;

// Their types are in signatures of this crate; use the versions that it is built with.
pub use aws_sdk_s3;
pub use bytes;

pub use blobs::Blobs;
pub use body::BlobBody;
pub use bucket::{Bucket, InvalidBucket};
pub use copy::{Copy, Rename, Reseal};
pub use delete::Delete;
pub use error::{Error, Refusal, ServiceError};
pub use get::{Get, GetBytes, StoredBlob};
pub use head::Head;
pub use key::InvalidKey;
pub use list::{List, Listed, Page};
pub use open::{Open, OpenBlob};
pub use put::{Put, PutBlob};
#[doc(inline)]
pub use tenantseal_core::blob::{BlobFault, InvalidStamp, Stamp};
#[doc(inline)]
pub use tenantseal_core::error::Written;
