//! Tenants' keys from onboarding to offboarding, over sockets, with the real SDK clients.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "tenants/kills.rs"]
mod kills;
#[path = "tenants/lifecycle.rs"]
mod lifecycle;
#[path = "tenants/office.rs"]
mod office;
#[path = "tenants/registry.rs"]
mod registry;
#[path = "tenants/tiers.rs"]
mod tiers;
#[path = "tenants/together.rs"]
mod together;
