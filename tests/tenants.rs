//! Tenants' keys from onboarding to offboarding, over sockets, with the real SDK clients.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
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
#[path = "tenants/stalls.rs"]
mod stalls;
#[path = "tenants/steps.rs"]
mod steps;
#[path = "tenants/tiers.rs"]
mod tiers;
#[path = "tenants/together.rs"]
mod together;
