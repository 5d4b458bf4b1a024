//! What operators see: every use of a data key in the audit, metrics, spans and events.

mod audit;
mod logs;
pub(crate) mod metrics;
