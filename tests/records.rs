//! The typed repository, and record types that share a table and disagree on an attribute.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "records/batches.rs"]
mod batches;
#[path = "records/conditions.rs"]
mod conditions;
#[path = "records/discriminator.rs"]
mod discriminator;
#[path = "records/misuse.rs"]
mod misuse;
#[path = "records/scene.rs"]
mod scene;
#[path = "records/sizes.rs"]
mod sizes;
#[path = "records/sort_key.rs"]
mod sort_key;
#[path = "records/streams.rs"]
mod streams;
#[path = "records/transactions.rs"]
mod transactions;
#[path = "records/updates.rs"]
mod updates;
#[path = "records/versions.rs"]
mod versions;
