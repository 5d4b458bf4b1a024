//! Tables as DynamoDB has them: how the library's own come to be, and how the configured ones are held against their schemas.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "tables/advice.rs"]
mod advice;
#[path = "tables/check.rs"]
mod check;
mod common;
#[path = "tables/creation.rs"]
mod creation;
