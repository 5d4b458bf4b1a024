//! Each tenant boundary, tried from the wrong side, and tables whose bytes someone else chose.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "boundary/tenants.rs"]
mod tenants;
