//! Telemetry of leaves: plaintext in tables that are being adopted.

use metrics::{counter, gauge};

use super::number;
use crate::envelope::Purpose;

/// Records plaintext values of adopted attributes that were written (`seal`) or read (`open`) as they are.
pub fn record_plain_values(purpose: Purpose, values: usize) {
    if values == 0 {
        return;
    }
    match purpose {
        Purpose::Seal => counter!("tenantseal_plain_values_total", "purpose" => "seal"),
        _ => counter!("tenantseal_plain_values_total", "purpose" => "open"),
    }
    .increment(number(values));
}

/// Records how long a leave that was used goes on, in seconds.
pub fn record_leave(left: u32) {
    gauge!("tenantseal_leave_expires_seconds").set(f64::from(left));
}
