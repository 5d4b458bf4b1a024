//! An application on tenantseal: contacts in DynamoDB, their attachments in S3, and tenants from verified tokens.
//!
//! docs/SERVICE.md, "A service in an hour", walks through it.

mod app;
mod attachments;
mod cleaning;
mod contact;
mod contacts;
mod error;
mod extract;
#[cfg(feature = "local")]
pub mod local;
mod settings;
mod upload;

pub use app::{clean, serve, service, shutdown_signal};
pub use attachments::MAX_ATTACHMENT;
pub use cleaning::delete_unnamed;
pub use settings::Settings;
