//! The client is a genuine one: existing code does not notice it, and when a piece of it is missing nothing goes out.

mod costs;
mod drop_in;
mod exchanged;
mod replaced;
mod retries;
mod runtimes;
mod sealed_twice;
mod tampered;
mod tokens;
mod written;
