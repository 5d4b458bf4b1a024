//! Adoption of existing tables, for operators: issues the leaves under which a tenant's items may be plaintext, stage by
//! stage, and ends them.
//!
//! A leave is in the ledger, signed with the tenant's data key. Every change of one is a compare-and-swap, so two
//! operators cannot undo each other's steps unseen.

mod error;
mod pass;
mod status;

use std::time::{Duration, SystemTime};

use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::{LeaveStage, LeaveTerms, leave_entry};
use tenantseal_core::keys::{CountedTable, Swap};
use tenantseal_core::tenant::TenantId;

pub use error::{AdoptionError, NotPassed};
pub(crate) use pass::Pass;
pub use status::{AdoptionStage, AdoptionStatus};

use crate::schema::TableSchema;
use crate::tenant_seal::TenantSeal;

/// How long after a flip no process writes plaintext any more: a leave is used for 60 seconds, AWS takes signatures for
/// 5 minutes, and clocks may be 5 minutes wrong.
pub const FENCE: Duration = Duration::from_secs(15 * 60);
/// How long a leave lasts unless said otherwise.
const LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What the audit calls it.
const OPERATION: &str = "adoption";

/// The adoption of one table. See [`TenantSeal::adoption`].
#[derive(Debug, Clone)]
#[must_use = "nothing is changed before one of its steps"]
pub struct Adoption<'a> {
    seal: &'a TenantSeal,
    table: &'a TableSchema,
    ledger: CountedTable,
    lasts: Duration,
}

impl TenantSeal {
    /// The adoption of a table whose items are plaintext so far, for operators. `table` is the logical name.
    ///
    /// Each step is for one tenant. Its items' adopted attributes are written as plaintext from [`open`](Adoption::open)
    /// on, sealed from [`seal`](Adoption::seal) on, and read either way until [`close`](Adoption::close).
    ///
    /// ```
    /// # async fn example(seal: tenantseal::TenantSeal, acme: tenantseal::TenantId) -> Result<(), tenantseal::adoption::AdoptionError> {
    /// let crm = seal.adoption("crm")?;
    /// crm.open(&acme).await?;
    /// // Deploy the same `ledger` and `adopt` everywhere, then:
    /// let status = crm.seal(&acme).await?;
    /// println!("sweep after {:?}", status.fence());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`AdoptionError::NoLedger`] and [`AdoptionError::NotAdopted`] when the builder got no `ledger`, or no `adopt` for
    /// this table.
    pub fn adoption(&self, table: &str) -> Result<Adoption<'_>, AdoptionError> {
        let ledger = self.ledger().ok_or(AdoptionError::NoLedger)?;
        let adopted = self.logical_table(table).filter(|(_, schema)| !schema.adopted().is_empty());
        let (_, table) = adopted.ok_or_else(|| AdoptionError::NotAdopted(table.to_owned()))?;
        Ok(Adoption { seal: self, table, ledger, lasts: LASTS })
    }
}

/// What lies in the ledger.
struct Stored {
    bytes: Option<Vec<u8>>,
    /// `None` without a leave, and when it does not verify and that is accepted.
    terms: Option<LeaveTerms>,
}

impl Adoption<'_> {
    /// How long the leaves last that are issued from now on: at most 90 days. Default: 30 days.
    ///
    /// A leave that has expired counts as closed: plaintext is then refused.
    pub fn lasting(self, lasts: Duration) -> Self {
        Self { lasts, ..self }
    }

    /// Lets the tenant's items be plaintext: read either way, written as plaintext. A leave that is there is renewed.
    ///
    /// # Errors
    ///
    /// [`AdoptionError::Stage`] when the tenant's items are being sealed, or are sealed:
    /// [`open_again`](Self::open_again) undoes the latter.
    pub async fn open(&self, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        let stored = self.read(tenant, false).await?;
        match stored.stage() {
            AdoptionStage::None | AdoptionStage::Plain => self.issue(tenant, stored, LeaveStage::Plain).await,
            stage => Err(self.wrong_stage(tenant, "open", stage)),
        }
    }

    /// The same of a tenant whose leave is closed, or forged. **From then on plaintext is accepted again, whoever wrote
    /// it.**
    ///
    /// # Errors
    ///
    /// [`AdoptionError::Stage`] when the tenant's items are being sealed.
    pub async fn open_again(&self, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        let stored = self.read(tenant, true).await?;
        match stored.stage() {
            AdoptionStage::Sealing => Err(self.wrong_stage(tenant, "open", AdoptionStage::Sealing)),
            _ => self.issue(tenant, stored, LeaveStage::Plain).await,
        }
    }

    /// Has the tenant's items written sealed from now on; they are read either way. **No process that was built without
    /// `adopt` may write or read the table any more**: it would read ciphertext as bytes.
    ///
    /// # Errors
    ///
    /// [`AdoptionError::Stage`] unless the adoption is open.
    pub async fn seal(&self, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        let stored = self.read(tenant, false).await?;
        match stored.stage() {
            AdoptionStage::Sealing if self.is_in_force(&stored) => self.status_of(tenant, stored.terms).await,
            AdoptionStage::Plain | AdoptionStage::Sealing => self.issue(tenant, stored, LeaveStage::Sealing).await,
            stage => Err(self.wrong_stage(tenant, "seal", stage)),
        }
    }

    /// Has the tenant's items written as plaintext again. What is sealed already stays so, and is read.
    ///
    /// # Errors
    ///
    /// [`AdoptionError::Stage`] unless the tenant's items are being sealed.
    pub async fn back(&self, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        let stored = self.read(tenant, false).await?;
        match stored.stage() {
            AdoptionStage::Plain if self.is_in_force(&stored) => self.status_of(tenant, stored.terms).await,
            AdoptionStage::Plain | AdoptionStage::Sealing => self.issue(tenant, stored, LeaveStage::Plain).await,
            stage => Err(self.wrong_stage(tenant, "back", stage)),
        }
    }

    /// Ends the leave: within 60 seconds, every process refuses the tenant's plaintext.
    ///
    /// # Errors
    ///
    /// [`AdoptionError::NotPassed`] unless a sealing pass over the tenant's items began after the
    /// [fence](AdoptionStatus::fence) of this stage, and ended with nothing failed. [`AdoptionError::Stage`] unless the
    /// tenant's items are being sealed.
    pub async fn close(&self, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        let stored = self.read(tenant, false).await?;
        match (stored.stage(), &stored.terms) {
            (AdoptionStage::Closed, _) => self.status_of(tenant, stored.terms).await,
            (AdoptionStage::Sealing, Some(terms)) => {
                let pass = Pass::read(&self.ledger, tenant, self.table.name()).await?;
                Pass::check(pass.as_ref(), terms).map_err(|why| self.not_passed(tenant, why))?;
                self.issue(tenant, stored, LeaveStage::Closed).await
            }
            (stage, _) => Err(self.wrong_stage(tenant, "close", stage)),
        }
    }

    /// How far the tenant's adoption is.
    ///
    /// # Errors
    ///
    /// When the ledger or the tenant's key is not available, and when the leave is forged.
    pub async fn status(&self, tenant: &TenantId) -> Result<AdoptionStatus, AdoptionError> {
        let stored = self.read(tenant, false).await?;
        self.status_of(tenant, stored.terms).await
    }

    /// Records that a sealing pass over all of the tenant's items has ended, for [`close`](Self::close). `status` is
    /// the one that the pass began under, and `failed` how many items it has left plain.
    ///
    /// # Errors
    ///
    /// When the ledger is not available, or another pass was recorded meanwhile.
    pub async fn record_pass(
        &self,
        tenant: &TenantId,
        status: &AdoptionStatus,
        began: SystemTime,
        failed: u64,
    ) -> Result<(), AdoptionError> {
        let pass = Pass::new(status.serial(), began, SystemTime::now(), failed);
        match pass.write(&self.ledger, tenant, self.table.name()).await? {
            true => Ok(()),
            false => Err(self.changed(tenant)),
        }
    }

    async fn status_of(&self, tenant: &TenantId, terms: Option<LeaveTerms>) -> Result<AdoptionStatus, AdoptionError> {
        let Some(terms) = terms else { return Ok(AdoptionStatus::none(self.table.name(), tenant)) };
        let pass = match terms.stage {
            LeaveStage::Sealing => Pass::read(&self.ledger, tenant, self.table.name()).await?,
            _ => None,
        };
        let may_close = Pass::check(pass.as_ref(), &terms);
        Ok(AdoptionStatus::new(self.table.name(), tenant, terms, self.seal.unix_now(), may_close))
    }

    /// Reads and verifies the tenant's leave. One that does not verify is an error, unless it is to be replaced.
    async fn read(&self, tenant: &TenantId, replaces: bool) -> Result<Stored, AdoptionError> {
        let bytes = self.ledger.get(tenant, &leave_entry(self.table.name())).await?;
        let Some(stored) = &bytes else { return Ok(Stored { bytes, terms: None }) };
        match self.seal.tenant(tenant).verify_leave(self.table, stored).await {
            Ok(terms) => Ok(Stored { bytes, terms: Some(terms) }),
            Err(error) if replaces && error.is_integrity() => Ok(Stored { bytes, terms: None }),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores a new leave in place of what was read.
    async fn issue(
        &self,
        tenant: &TenantId,
        Stored { bytes, terms }: Stored,
        stage: LeaveStage,
    ) -> Result<AdoptionStatus, AdoptionError> {
        let lasts = u32::try_from(self.lasts.as_secs()).unwrap_or(u32::MAX);
        if self.lasts.is_zero() || self.lasts > LeaveTerms::MOST {
            return Err(AdoptionError::Lasting);
        }
        let issued = self.seal.unix_now();
        // Also after an entry was lost, a later leave has a higher serial.
        let serial = terms.as_ref().map_or(issued, |terms| issued.max(terms.serial.saturating_add(1)));
        let names = match (terms, stage) {
            (_, LeaveStage::Closed) => Vec::new(),
            (Some(terms), _) if stage != LeaveStage::Plain || terms.stage == LeaveStage::Sealing => terms.names,
            _ => self.table.adopted().iter().cloned().collect(),
        };
        let expires = issued.saturating_add(lasts);
        let terms = LeaveTerms { stage, serial, issued, expires, names };
        let place = KeyRecordPlacement::Item;
        let key = self.seal.tenant(tenant).sealing_key(OPERATION, self.table, place).await?;
        let leave = key.issue_leave(tenant, self.table.name(), &terms);
        let entry = leave_entry(self.table.name());
        match self.ledger.compare_and_swap(tenant, &entry, bytes.as_deref(), &leave).await? {
            Swap::Stored => {}
            // A retried write whose first answer was lost.
            Swap::Found(Some(found)) if found == leave => {}
            _ => return Err(self.changed(tenant)),
        }
        self.status_of(tenant, Some(terms)).await
    }

    fn is_in_force(&self, stored: &Stored) -> bool {
        stored.terms.as_ref().is_some_and(|terms| terms.is_in_force(self.seal.unix_now()))
    }

    fn wrong_stage(&self, tenant: &TenantId, step: &'static str, stage: AdoptionStage) -> AdoptionError {
        AdoptionError::Stage { table: self.table.name().to_owned(), tenant: tenant.clone(), step, stage }
    }

    fn not_passed(&self, tenant: &TenantId, why: NotPassed) -> AdoptionError {
        AdoptionError::NotPassed { table: self.table.name().to_owned(), tenant: tenant.clone(), why }
    }

    fn changed(&self, tenant: &TenantId) -> AdoptionError {
        AdoptionError::Changed { table: self.table.name().to_owned(), tenant: tenant.clone() }
    }
}

impl Stored {
    fn stage(&self) -> AdoptionStage {
        self.terms.as_ref().map_or(AdoptionStage::None, |terms| terms.stage.into())
    }
}
