//! Attacks on what is stored and on wrapped keys, each tried exhaustively: what is detected, and what by design is not.
//!
//! docs/THREATS.md says who can do which of these.

mod bits;
mod by_design;
mod replays;
mod swaps;
mod victim;
