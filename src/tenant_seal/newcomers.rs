//! Tenants that only stored items name: whoever writes a table can invent any number of them.
//!
//! A tenant is known once an encrypted attribute of one of its items has opened here. The others share one allowance, as
//! large as that of one tenant's key records that do not unwrap.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenantseal_core::keys::{KeyServiceError, KeyServiceErrorKind};
use tenantseal_core::tenant::TenantId;
use tokio::time::Instant;

use super::TenantSeal;
use crate::error::Error;
use crate::item::Item;
use crate::schema::{Secrecy, TableSchema, Variant};

/// The burst of tenants that may turn out to be none, and their rate per second.
const BURST: f64 = 100.0;
const PER_SECOND: f64 = 10.0;
/// The most tenants that are remembered as known. Others are newcomers each time.
const KNOWN: usize = 100_000;

#[derive(Default)]
pub(super) struct Newcomers(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashSet<TenantId>,
    /// How many of the allowance are used up, and since when.
    used: f64,
    since: Option<Instant>,
}

impl Newcomers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tenant whose stored items may be opened.
pub(crate) struct Admitted<'a> {
    /// `None` when the tenant is known.
    newcomer: Option<(&'a Newcomers, &'a TenantId)>,
}

impl TenantSeal {
    /// Whether stored items that name this tenant may be opened now.
    pub(crate) fn admit<'a>(&'a self, tenant: &'a TenantId) -> Result<Admitted<'a>, Error> {
        let newcomers = &self.0.newcomers;
        let mut state = newcomers.lock();
        if state.known.contains(tenant) {
            return Ok(Admitted { newcomer: None });
        }
        let now = Instant::now();
        let passed = state.since.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        (state.used, state.since) = ((state.used - passed * PER_SECOND).max(0.0), Some(now));
        if state.used + 1.0 > BURST {
            return Err(KeyServiceError::new(tenant, "Decrypt", KeyServiceErrorKind::TooManyRefused).into());
        }
        state.used += 1.0;
        Ok(Admitted { newcomer: Some((newcomers, tenant)) })
    }
}

impl Admitted<'_> {
    /// Learns from what became of the items whether the tenant is one.
    pub(crate) fn learn(self, schema: &TableSchema, opened: &[Result<Item, Error>]) {
        let Some((newcomers, tenant)) = self.newcomer else { return };
        let was_sealed = |item: &Item| {
            let variant = Variant::from_item(schema, item);
            item.keys().any(|name| variant.protection(name).is_some_and(|own| own.secrecy == Secrecy::Encrypted))
        };
        let proven = opened.iter().flatten().any(was_sealed);
        let answered = opened.iter().filter_map(|outcome| outcome.as_ref().err()).any(|error| !is_outage(error));
        let mut state = newcomers.lock();
        if proven || !answered {
            state.used = (state.used - 1.0).max(0.0);
        }
        if proven && state.known.len() < KNOWN {
            state.known.insert(tenant.clone());
        }
    }
}

/// Whether nobody said that the tenant is none. A refusal that a new tenant may meet does say so.
fn is_outage(error: &Error) -> bool {
    match error.cause() {
        Error::KeyService(error) => error.is_outage(),
        other => other.is_retryable(),
    }
}
