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
#[allow(unreachable_pub, dead_code, reason = "shared by test binaries that each use a part of it")]
#[path = "../../../tests/common/wire.rs"]
mod wire;
