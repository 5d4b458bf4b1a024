//! Tenants' objects in S3, through the whole way: genuine clients over real sockets against the local stack.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "blobs/scene.rs"]
mod scene;
#[path = "blobs/wire.rs"]
mod wire;

#[path = "blobs/announced.rs"]
mod announced;
#[path = "blobs/data_keys.rs"]
mod data_keys;
#[path = "blobs/hostile.rs"]
mod hostile;
#[path = "blobs/leaks.rs"]
mod leaks;
#[path = "blobs/lists.rs"]
mod lists;
#[path = "blobs/lost.rs"]
mod lost;
#[path = "blobs/memory.rs"]
mod memory;
#[path = "blobs/multipart.rs"]
mod multipart;
#[path = "blobs/operations.rs"]
mod operations;
#[path = "blobs/peers.rs"]
mod peers;
#[path = "blobs/stamps.rs"]
mod stamps;
