//! Sweeps that are planned in a ledger and run by many workers: nothing is lost, and nothing is left out unnoticed.

mod actions;
mod hostile;
mod kills;
mod scene;
mod workers;
