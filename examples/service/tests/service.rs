//! The service, called in this process on a local stack of each test's own: no server has to run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "service/attachments.rs"]
mod attachments;
#[path = "service/contacts.rs"]
mod contacts;
#[path = "service/failures.rs"]
mod failures;
#[path = "service/scene.rs"]
mod scene;
#[path = "service/tenants.rs"]
mod tenants;
