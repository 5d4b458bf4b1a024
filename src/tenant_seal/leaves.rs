//! What the adoption of tables needs of a configuration.

use std::sync::Arc;

use tenantseal_core::format::{Leave, LeaveTerms};
use tenantseal_core::keys::{Clock, CountedTable, KeyTable};
use tenantseal_core::time::SharedTimeSource;

use super::{Tenant, TenantSeal};
use crate::client::{Accepted, Binding};
use crate::error::{Error, LeaveError, LeaveErrorKind};
use crate::item::{Item, has_plaintext};
use crate::leaves::{Asking, Leaves, leave_key, verified_terms};
use crate::schema::TableSchema;

/// The ledger of a configuration, and what this process knows of its leaves.
pub(super) struct Ledger {
    table: Option<Arc<dyn KeyTable>>,
    /// Where tables are adopted.
    leaves: Option<Arc<Leaves>>,
    clock: Clock,
}

impl Ledger {
    pub(super) fn new(table: Option<Arc<dyn KeyTable>>, is_adopting: bool, time: SharedTimeSource) -> Self {
        let leaves = table.clone().filter(|_| is_adopting);
        let leaves = leaves.map(|ledger| Arc::new(Leaves::new(ledger, Arc::clone(&time))));
        Self { table, leaves, clock: Clock::new(time) }
    }

    pub(super) fn leaves(&self) -> Option<Arc<Leaves>> {
        self.leaves.clone()
    }
}

impl TenantSeal {
    /// The ledger.
    pub(crate) fn ledger(&self) -> Option<CountedTable> {
        self.0.ledger.table.as_ref().map(|ledger| CountedTable::new(Arc::clone(ledger)))
    }

    /// Seconds since 1970, by the clock of the configuration.
    pub(crate) fn unix_now(&self) -> u32 {
        self.0.ledger.clock.now().unix_seconds()
    }
}

impl Tenant {
    /// What a stored leave of this tenant for a table says. One that does not verify is an integrity error.
    pub(crate) async fn verify_leave(&self, table: &TableSchema, stored: &[u8]) -> Result<LeaveTerms, Error> {
        let forged = || Error::from(LeaveError::new(table.name(), LeaveErrorKind::Forged));
        let Binding { tenant, keys, audit, .. } = &*self.binding;
        let leave = Leave::decode(stored).map_err(|_| forged())?;
        let asking = Asking { tenant, keys, audit, table };
        let ring = leave_key(asking, &leave).await?;
        audit.record_opens_of_item(tenant, "adoption", &ring, table.name())?;
        verified_terms(asking, &ring, leave).ok_or_else(forged)
    }

    /// What the tenant's leave says of these items, if one of them has plaintext.
    pub(super) async fn accepted(&self, table: &TableSchema, items: &[Item]) -> Accepted {
        let is_adopted = self.binding.leaves.is_some() && !table.adopted().is_empty();
        if !is_adopted || !items.iter().any(|item| has_plaintext(table, item)) {
            return Accepted::default();
        }
        let table = self.binding.logical_table(table.name()).map(|(_, table)| Arc::clone(table));
        Accepted::ask(&self.binding, table.into_iter().collect()).await
    }
}
