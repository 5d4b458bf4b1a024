//! The typed repository, and record types that share a table and disagree on an attribute.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "records/answers.rs"]
mod answers;
#[path = "records/batches.rs"]
mod batches;
#[path = "records/conditions.rs"]
mod conditions;
#[path = "records/customized.rs"]
mod customized;
#[path = "records/discriminator.rs"]
mod discriminator;
#[path = "records/flattened.rs"]
mod flattened;
#[path = "records/lost_answers.rs"]
mod lost_answers;
#[path = "records/marks.rs"]
mod marks;
#[path = "records/misuse.rs"]
mod misuse;
#[path = "records/scene.rs"]
mod scene;
#[path = "records/shapes.rs"]
mod shapes;
#[path = "records/sizes.rs"]
mod sizes;
#[path = "records/sort_key.rs"]
mod sort_key;
#[path = "records/streams.rs"]
mod streams;
#[path = "records/takes.rs"]
mod takes;
#[path = "records/transactions.rs"]
mod transactions;
#[path = "records/updates.rs"]
mod updates;
#[path = "records/values.rs"]
mod values;
#[path = "records/versions.rs"]
mod versions;
