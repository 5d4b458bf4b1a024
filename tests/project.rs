//! The project itself: its structure, its documents, and what its derive macro accepts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod derive;
mod packages;
mod readme;
mod threats;
