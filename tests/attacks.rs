//! Attacks on what is stored and on wrapped keys, each tried exhaustively: what is detected, and what by design is not.
//!
//! docs/THREATS.md says who can do which of these.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "attacks/bits.rs"]
mod bits;
#[path = "attacks/by_design.rs"]
mod by_design;
#[path = "attacks/replays.rs"]
mod replays;
#[path = "attacks/swaps.rs"]
mod swaps;
#[path = "attacks/victim.rs"]
mod victim;
