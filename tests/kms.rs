//! Keys: data keys and sessions of services, tenants' keys from onboarding to offboarding, and the policies of both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod keys;
mod policies;
mod simulation;
mod tenants;
