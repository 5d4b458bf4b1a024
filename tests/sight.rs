//! What operators see: every use of a data key in the audit, metrics, spans and events.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "sight/audit.rs"]
mod audit;
#[path = "sight/logs.rs"]
mod logs;
#[path = "sight/metrics.rs"]
mod metrics;
