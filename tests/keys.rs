//! Data keys and credentials: what is asked of KMS and STS, how often, by whom, and what their errors mean.

mod cache;
mod compact;
mod conformance;
mod errors;
mod failover;
mod fairness;
mod fleet;
mod key_stores;
mod lookups;
mod matrix;
mod partitions;
mod quotas;
mod references;
mod regions;
mod repointed;
mod revocation;
mod rewrap;
mod runtimes;
mod sessions;
mod slow;
mod table;
mod throttles;
