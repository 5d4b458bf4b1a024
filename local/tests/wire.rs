//! The stack through the unmodified AWS SDK, over sockets.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

#[path = "wire/authorisation.rs"]
mod authorisation;
#[path = "wire/ciphertexts.rs"]
mod ciphertexts;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/fixture.rs"]
mod fixture;
#[path = "wire/keys.rs"]
mod keys;
#[cfg(feature = "s3")]
#[path = "wire/s3.rs"]
mod s3;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/stack.rs"]
mod stack;
