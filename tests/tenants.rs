//! Tenants' keys from onboarding to offboarding, over sockets, with the real SDK clients.

mod adopted;
mod asked;
mod ends;
mod hostile_history;
mod hostile_registry;
mod interrupted;
mod kills;
mod kills_everywhere;
mod lifecycle;
pub(crate) mod office;
mod registry;
mod replicas;
mod stalls;
mod steps;
mod superseded;
mod tiers;
mod together;
mod word_of_kms;
