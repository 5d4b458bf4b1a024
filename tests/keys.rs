//! Data keys and credentials: what is asked of KMS and STS, how often, by whom, and what their errors mean.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "keys/cache.rs"]
mod cache;
#[path = "keys/compact.rs"]
mod compact;
#[path = "keys/conformance.rs"]
mod conformance;
#[path = "keys/errors.rs"]
mod errors;
#[path = "keys/fairness.rs"]
mod fairness;
#[path = "keys/fleet.rs"]
mod fleet;
#[path = "keys/key_stores.rs"]
mod key_stores;
#[path = "keys/matrix.rs"]
mod matrix;
#[path = "keys/partitions.rs"]
mod partitions;
#[path = "keys/quotas.rs"]
mod quotas;
#[path = "keys/references.rs"]
mod references;
#[path = "keys/regions.rs"]
mod regions;
#[path = "keys/repointed.rs"]
mod repointed;
#[path = "keys/revocation.rs"]
mod revocation;
#[path = "keys/runtimes.rs"]
mod runtimes;
#[path = "keys/sessions.rs"]
mod sessions;
#[path = "keys/slow.rs"]
mod slow;
#[path = "keys/table.rs"]
mod table;
#[path = "keys/throttles.rs"]
mod throttles;
