//! Each tenant boundary, tried from the wrong side, and tables whose bytes someone else chose.

mod accounts;
mod bytes;
mod definitions;
mod explained;
mod forged;
mod lies;
mod many;
mod names;
mod search;
mod tenants;
