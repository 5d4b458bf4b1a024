//! A key table whose calls are measured, and whose panics become errors.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::keys::table::{KeyTable, KeyTableError, KeyTableErrorKind, Swap};
use crate::telemetry::TableCall;
use crate::tenant::TenantId;

/// All calls of a key table go through here.
#[derive(Clone)]
pub struct CountedTable(Arc<dyn KeyTable>);

impl CountedTable {
    pub fn new(table: Arc<dyn KeyTable>) -> Self {
        Self(table)
    }

    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }

    pub async fn get(&self, tenant: &TenantId, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.call("get", self.0.get(tenant.as_str(), entry), |_| "ok").await
    }

    pub async fn compare_and_swap(
        &self,
        tenant: &TenantId,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        let swap = self.0.compare_and_swap(tenant.as_str(), entry, expected, record);
        let outcome = |swap: &Swap| match swap {
            Swap::Stored => "ok",
            Swap::Found(_) => "found_other",
        };
        self.call("compare_and_swap", swap, outcome).await
    }

    pub(crate) async fn check(&self) -> Result<(), KeyTableError> {
        self.call("check", self.0.check(), |()| "ok").await
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, KeyTableError>>,
        outcome: impl Fn(&T) -> &'static str,
    ) -> Result<T, KeyTableError> {
        let seen = TableCall::begin(operation);
        let result = AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
            Err(KeyTableError::new(self.name(), KeyTableErrorKind::Unexpected).with_source(Panicked))
        });
        seen.end(result.as_ref().map(outcome));
        result
    }
}

impl fmt::Debug for CountedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The key table panicked.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the key table panicked")]
struct Panicked;
