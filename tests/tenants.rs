//! Tenants' keys from onboarding to offboarding, over sockets, with the real SDK clients.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "tenants/adopted.rs"]
mod adopted;
#[path = "tenants/asked.rs"]
mod asked;
mod common;
#[path = "tenants/ends.rs"]
mod ends;
#[path = "tenants/hostile_history.rs"]
mod hostile_history;
#[path = "tenants/hostile_registry.rs"]
mod hostile_registry;
#[path = "tenants/interrupted.rs"]
mod interrupted;
#[path = "tenants/kills.rs"]
mod kills;
#[path = "tenants/kills_everywhere.rs"]
mod kills_everywhere;
#[path = "tenants/lifecycle.rs"]
mod lifecycle;
#[path = "tenants/office.rs"]
mod office;
#[path = "tenants/registry.rs"]
mod registry;
#[path = "tenants/replicas.rs"]
mod replicas;
#[path = "tenants/stalls.rs"]
mod stalls;
#[path = "tenants/steps.rs"]
mod steps;
#[path = "tenants/superseded.rs"]
mod superseded;
#[path = "tenants/tiers.rs"]
mod tiers;
#[path = "tenants/together.rs"]
mod together;
#[path = "tenants/word_of_kms.rs"]
mod word_of_kms;
