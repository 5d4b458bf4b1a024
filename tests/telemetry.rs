//! What operators see: every use of a data key in the audit, metrics, spans and events.

#![allow(clippy::unwrap_used)]

mod common;

#[path = "telemetry/audit.rs"]
mod audit;
#[path = "telemetry/logs.rs"]
mod logs;
#[path = "telemetry/metrics.rs"]
mod metrics;
