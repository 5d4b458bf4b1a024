//! Each tenant boundary, tried from the wrong side, and tables whose bytes someone else chose.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "boundary/accounts.rs"]
mod accounts;
#[path = "boundary/bytes.rs"]
mod bytes;
#[path = "boundary/definitions.rs"]
mod definitions;
#[path = "boundary/explained.rs"]
mod explained;
#[path = "boundary/forged.rs"]
mod forged;
#[path = "boundary/lies.rs"]
mod lies;
#[path = "boundary/many.rs"]
mod many;
#[path = "boundary/names.rs"]
mod names;
#[path = "boundary/search.rs"]
mod search;
#[path = "boundary/tenants.rs"]
mod tenants;
