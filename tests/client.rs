//! The client is a genuine one: existing code does not notice it, and when a piece of it is missing nothing goes out.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "client/costs.rs"]
mod costs;
#[path = "client/drop_in.rs"]
mod drop_in;
#[path = "client/exchanged.rs"]
mod exchanged;
#[path = "client/replaced.rs"]
mod replaced;
#[path = "client/retries.rs"]
mod retries;
#[path = "client/runtimes.rs"]
mod runtimes;
#[path = "client/sealed_twice.rs"]
mod sealed_twice;
#[path = "client/tampered.rs"]
mod tampered;
#[path = "client/tokens.rs"]
mod tokens;
#[path = "client/written.rs"]
mod written;
