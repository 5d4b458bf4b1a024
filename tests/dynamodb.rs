//! What users of the library meet: the client, the records, and tables whose bytes somebody else wrote.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adoption;
mod attacks;
mod boundary;
mod changes;
mod client;
mod common;
mod conformance;
mod drop_in_libraries;
mod interop;
mod lookups;
mod main_job;
mod records;
mod sdk_fields;
mod sweeps;
mod tables;
mod telemetry;
