//! All cases.

use super::case::Case;

/// Runs only cases with this in their names, and prints what they bring.
const CHOICE: &str = "TENANTSEAL_CONFORMANCE_CASE";

pub fn cases() -> Vec<Case> {
    [
        super::values::cases(),
        super::puts::cases(),
        super::deletes::cases(),
        super::conditions::cases(),
        super::projections::cases(),
        super::updates::cases(),
        super::updates_encrypted::cases(),
        super::updates_returned::cases(),
        super::upserts::cases(),
        super::queries::cases(),
        super::filters::cases(),
        super::indexes::cases(),
        super::scans::cases(),
        super::batches::cases(),
        super::batches_unprocessed::cases(),
        super::transactions::cases(),
        super::transactions_failing::cases(),
        super::single_table::cases(),
        super::invalid::cases(),
        super::control::cases(),
    ]
    .concat()
}

/// The cases that were chosen; all, usually.
pub fn chosen() -> Vec<Case> {
    let choice = std::env::var(CHOICE).unwrap_or_default();
    let chosen: Vec<_> = cases().into_iter().filter(|case| case.name.contains(&choice)).collect();
    assert!(!chosen.is_empty(), "{CHOICE}: no case has `{choice}` in its name");
    chosen
}

pub fn is_choice() -> bool {
    std::env::var(CHOICE).is_ok()
}
