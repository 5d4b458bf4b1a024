//! Sweeps: passes over all items of a table that mend what is stored, while applications go on writing.
//!
//! [`TenantSeal::reindex`] makes the tokens of lookups right. A sweep reads with a plain client, in parallel segments,
//! and gives each item to the tenant whose it is. All its writes follow one rule, which
//! `sweep/rewrite.rs` holds.

mod action;
mod actions;
mod active;
mod budget;
mod claims;
mod error;
mod facts;
mod key;
mod lease;
mod ledger;
mod ledger_error;
mod page;
mod passed;
mod plan;
mod position;
mod reason;
mod reindex;
mod report;
mod rewrite;
mod stop;
mod sweeping;
mod swept;
mod tokens;
mod worker;

use tenantseal_core::keys::KeyTable;
use tenantseal_core::tenant::TenantId;

pub use error::{PlanFault, SweepError};
pub use ledger_error::LedgerError;
pub use plan::{SweepAction, SweepPlan};
pub use reason::SkipReason;
pub use reindex::Reindex;
pub use report::{Duplicate, Listed, ListedItem, ReindexReport};
pub use sweeping::Sweep;
pub use swept::SweepReport;
pub use worker::{Done, Worker, WorkerProgress};

use crate::error::{Error, Refusal};
use crate::item::{Item, PrimaryKeyError};
use crate::tenant_seal::TenantSeal;

impl TenantSeal {
    /// Starts a pass over all items of a table: here, or planned for many machines.
    ///
    /// `table` is the table's logical name. See [`Sweep`].
    ///
    /// ```
    /// # async fn example(seal: tenantseal::TenantSeal) -> Result<(), tenantseal::sweep::SweepError> {
    /// let report = seal.sweep("crm").verify().read_units(2_000).run().await?;
    /// assert!(report.is_clean(), "{report}");
    /// # Ok(()) }
    /// ```
    pub fn sweep<'a>(&'a self, table: &str) -> Sweep<'a> {
        Sweep::new(self, table)
    }

    /// Starts a worker of a planned sweep. See [`Worker`].
    ///
    /// ```
    /// # use tenantseal::keys::DynamoDbKeyTable;
    /// # async fn example(seal: tenantseal::TenantSeal, ledger: DynamoDbKeyTable) -> Result<(), tenantseal::sweep::SweepError> {
    /// let id = seal.sweep("crm").verify().workers(16).on(&ledger).plan().await?;
    /// // On each of 16 machines:
    /// let done = seal.worker(&ledger, &id).index(3).run().await?;
    /// # Ok(()) }
    /// ```
    pub fn worker<'a>(&'a self, ledger: &'a dyn KeyTable, sweep: &str) -> Worker<'a> {
        Worker::new(self, ledger, sweep)
    }

    /// Starts a sweep that makes the tokens of all lookups of a table right: for lookups that are `building`, before
    /// they are asked, and for lookups that are `retired`, before their declaration goes.
    ///
    /// `table` is the table's logical name. See [`Reindex`].
    ///
    /// ```
    /// # async fn example(seal: tenantseal::TenantSeal) -> Result<(), tenantseal::sweep::SweepError> {
    /// let report = seal.reindex("crm").segments(8).write_units(500).run().await?;
    /// println!("{report}");
    /// # Ok(()) }
    /// ```
    pub fn reindex<'a>(&'a self, table: &str) -> Reindex<'a> {
        Reindex::new(self, table)
    }

    /// The tenant whose item has this primary key, be it onboarded or not: the tenant template read backwards.
    ///
    /// `table` is the table's logical name; `key` needs the partition key, and may be the whole item.
    ///
    /// ```
    /// # fn example(seal: tenantseal::TenantSeal, image: tenantseal::Item) -> Result<(), tenantseal::Error> {
    /// let acme = seal.tenant(&seal.tenant_of("crm", &image)?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the table is not configured, and when the partition key is missing or shows no tenant.
    pub fn tenant_of(&self, table: &str, key: &Item) -> Result<TenantId, Error> {
        let (_, schema) = self.logical_table(table).ok_or_else(|| Refusal::UnknownTable(table.to_owned()))?;
        let attribute = schema.partition_key();
        let value = key.get(attribute).ok_or_else(|| PrimaryKeyError::Missing { attribute: attribute.to_owned() });
        let value = value.map_err(Refusal::from)?;
        let tenant = value.as_s().ok().and_then(|value| schema.tenant().tenant_of(value));
        let foreign = || Refusal::from(PrimaryKeyError::ForeignTenant { attribute: attribute.to_owned() });
        Ok(tenant.ok_or_else(foreign)?)
    }
}
