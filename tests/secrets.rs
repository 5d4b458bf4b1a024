//! Keys and plaintext stay where they belong: not in `Debug`, and not in memory once they are evicted.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "secrets/debug.rs"]
mod debug;
#[path = "secrets/logged.rs"]
mod logged;
#[path = "secrets/lookups.rs"]
mod lookups;
#[path = "secrets/memory.rs"]
mod memory;
#[path = "secrets/needles.rs"]
mod needles;
#[path = "secrets/process.rs"]
mod process;
