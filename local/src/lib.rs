#![doc = include_str!("../README.md")]

mod account;
mod authorise;
mod calls;
mod clock;
mod credentials;
mod error;
mod faults;
mod kms;
mod policy;
mod protocol;
mod random;
mod refusal;
#[cfg(feature = "s3")]
mod s3;
mod sdk;
mod server;
mod stack;
mod state;
mod sts;

pub use account::{AccessKey, Account, Role, RoleBuilder, UserBuilder};
pub use calls::{Call, CallRecord, Calls, Outcome, Service};
pub use clock::Clock;
pub use error::Error;
pub use faults::{FaultBuilder, Faults};
pub use policy::MalformedPolicy;
pub use stack::{Stack, StackBuilder};
