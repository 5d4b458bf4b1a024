//! The arithmetic of a month. No design pays for STS, which is free.

use serde::Serialize;
use serde_json::{Value, json};

/// A month of the estimate.
pub(super) const DAYS: u32 = 30;
const MONTH: f64 = 30.0 * 24.0 * 3_600.0;

/// The fraction of the revalidation interval after which a lease is renewed in the background (docs/OPERATIONS.md,
/// "Clocks").
const RENEWED_AT: f64 = 0.8;

/// What KMS charges, in $ (AWS KMS pricing: $1 a key and month, $0.03 for 10,000 requests).
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Prices {
    pub(super) key: f64,
    pub(super) ten_thousand_requests: f64,
}

/// A way to assign keys to tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Design {
    /// One key per tenant, data keys cached.
    KeyPerTenant,
    /// One key per tenant and service, data keys cached.
    KeyPerTenantAndService,
    /// One key per tenant, and a request to KMS for every item operation.
    WithoutCaching,
}

impl Design {
    pub(super) const ALL: [Self; 3] = [Self::KeyPerTenant, Self::KeyPerTenantAndService, Self::WithoutCaching];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KeyPerTenant => "tenantseal: a key per tenant",
            Self::KeyPerTenantAndService => "a key per tenant and service",
            Self::WithoutCaching => "a key per tenant, no caching",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::KeyPerTenant => "key_per_tenant",
            Self::KeyPerTenantAndService => "key_per_tenant_and_service",
            Self::WithoutCaching => "without_caching",
        }
    }
}

/// The workload of the estimate.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Traffic {
    pub(super) tenants: f64,
    pub(super) services: f64,
    /// Per service.
    pub(super) processes: f64,
    /// The share of tenants active in one process at a time.
    pub(super) active_share: f64,
    /// New per rotation, active tenant and process.
    pub(super) data_keys: f64,
    /// Across all processes.
    pub(super) operations_per_second: f64,
    pub(super) revalidation_seconds: f64,
    pub(super) rotation_seconds: f64,
    /// Per key; each adds the price of a key.
    pub(super) billed_rotations: f64,
    pub(super) regions: f64,
}

impl Traffic {
    /// A month of `design`.
    ///
    /// - keys = tenants × regions, × services with a key for each
    /// - key cost = keys × (1 + billed rotations) × price of a key
    /// - requests a second, cached = tenants × active share × services × processes × (1 / (0.8 × revalidation) + data keys / rotation): one
    ///   answer serves all of a tenant's data keys until four fifths of the revalidation, and each data key is made or unwrapped once;
    ///   never more than without caching
    /// - requests a second, not cached = operations a second
    pub(super) fn estimate(&self, design: Design, prices: Prices) -> Estimate {
        let per_service = if design == Design::KeyPerTenantAndService { self.services } else { 1.0 };
        let keys = self.tenants * self.regions * per_service;
        let holders = self.tenants * self.active_share * self.services * self.processes;
        let cached =
            holders * (1.0 / (RENEWED_AT * self.revalidation_seconds) + self.data_keys / self.rotation_seconds);
        let requests_per_second = match design {
            Design::WithoutCaching => self.operations_per_second,
            Design::KeyPerTenant | Design::KeyPerTenantAndService => cached.min(self.operations_per_second),
        };
        let requests = requests_per_second * MONTH;
        Estimate {
            keys,
            requests,
            requests_per_second,
            key_cost: keys * (1.0 + self.billed_rotations) * prices.key,
            request_cost: requests / 10_000.0 * prices.ten_thousand_requests,
        }
    }
}

/// A month, in $.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) keys: f64,
    pub(super) requests: f64,
    pub(super) requests_per_second: f64,
    pub(super) key_cost: f64,
    pub(super) request_cost: f64,
}

impl Estimate {
    pub(super) fn total(&self) -> f64 {
        self.key_cost + self.request_cost
    }

    pub(super) fn data(&self, design: Design) -> Value {
        let cents = |dollars: f64| (dollars * 100.0).round() / 100.0;
        json!({
            "design": design.id(), "keys": self.keys, "requests": self.requests.round(),
            "requests_per_second": cents(self.requests_per_second), "key_cost": cents(self.key_cost),
            "request_cost": cents(self.request_cost), "total": cents(self.total()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: Prices = Prices { key: 1.0, ten_thousand_requests: 0.03 };

    fn traffic() -> Traffic {
        Traffic {
            tenants: 1_000.0,
            services: 5.0,
            processes: 4.0,
            active_share: 0.1,
            data_keys: 3.0,
            operations_per_second: 100.0,
            revalidation_seconds: 900.0,
            rotation_seconds: 86_400.0,
            billed_rotations: 0.0,
            regions: 1.0,
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6 * b.abs().max(1.0)
    }

    #[test]
    fn a_month_is_what_a_person_computes_by_hand() {
        // 1,000 × 0.1 × 5 × 4 = 2,000 holders; each asks 3,600 times again, and for 3 new keys a day: 3,690 requests.
        let estimate = traffic().estimate(Design::KeyPerTenant, PRICES);
        assert!(close(estimate.requests, 2_000.0 * 3_690.0), "{estimate:?}");
        assert!(close(estimate.request_cost, 22.14), "{estimate:?}");
        assert!(close(estimate.total(), 1_022.14), "{estimate:?}");
    }

    #[test]
    fn a_key_per_service_multiplies_keys_and_nothing_else() {
        let [one, many, _] = Design::ALL.map(|design| traffic().estimate(design, PRICES));
        assert!(close(many.keys, one.keys * 5.0) && close(many.key_cost, 5_000.0));
        assert!(close(many.requests, one.requests));
    }

    #[test]
    fn without_caching_every_operation_is_a_request() {
        let estimate = traffic().estimate(Design::WithoutCaching, PRICES);
        assert!(close(estimate.requests, 100.0 * 2_592_000.0) && close(estimate.request_cost, 777.6), "{estimate:?}");
    }

    #[test]
    fn rotations_and_replicas_are_billed_as_keys() {
        let traffic = Traffic { billed_rotations: 2.0, regions: 2.0, ..traffic() };
        let estimate = traffic.estimate(Design::KeyPerTenant, PRICES);
        assert!(close(estimate.keys, 2_000.0) && close(estimate.key_cost, 6_000.0), "{estimate:?}");
    }

    #[test]
    fn a_cache_never_asks_more_often_than_there_is_to_do() {
        let idle = Traffic { operations_per_second: 0.5, ..traffic() };
        let estimate = idle.estimate(Design::KeyPerTenant, PRICES);
        assert!(close(estimate.requests_per_second, 0.5), "{estimate:?}");
    }
}
