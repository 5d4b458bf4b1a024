//! The builder of a sweep: what it does, to what, how fast and where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use tenantseal_core::crypto::{OsRandom, RandomSource};
use tenantseal_core::keys::{InMemoryKeyTable, KeyTable, Rewrapper};
use tenantseal_core::tenant::TenantId;

use super::active;
use super::error::SweepError;
use super::facts::{Facts, check_recovery};
use super::ledger::{Ledger, Place};
use super::passed::leaves;
use super::plan::{MAX_SEGMENTS, MAX_TENANTS, SweepAction, SweepPlan};
use super::swept::SweepReport;
use super::worker::{Worker, WorkerProgress};
use crate::tenant_seal::TenantSeal;

/// The least segments for each worker, so that work spreads.
const SEGMENTS_EACH: usize = 4;
/// How much of the table a segment has, in bytes.
const SEGMENT: u64 = 256 << 20;

/// A pass over all items of a table. Start it with [`TenantSeal::sweep`].
///
/// [`run`](Self::run) sweeps in this process. [`plan`](Self::plan) writes a plan into a ledger, for
/// [workers](TenantSeal::worker) on any number of machines.
///
/// Unless told otherwise, a sweep takes a quarter of the table's provisioned throughput, or of its warm throughput
/// when it is paid per request. DynamoDB's answers say what requests have taken, and a throttled worker halves its rate.
///
/// The credentials passed to [`build`](crate::TenantSealBuilder::build) need `dynamodb:DescribeTable`, `Scan` and
/// `Query` on the table, for actions that write `UpdateItem` too, and `GetItem` and `PutItem` on the ledger.
#[must_use = "a sweep does nothing until `run` or `plan`"]
pub struct Sweep<'a> {
    seal: &'a TenantSeal,
    table: String,
    action: Option<SweepAction>,
    ledger: Option<&'a dyn KeyTable>,
    segments: Option<usize>,
    workers: u32,
    page_items: Option<i32>,
    read_units: Option<u32>,
    write_units: Option<u32>,
    tenants: Option<BTreeSet<TenantId>>,
    dry_run: bool,
    recovery: bool,
    writers_in: Option<String>,
    progress: Option<Box<dyn FnMut(WorkerProgress) + Send + 'a>>,
    rewrapper: Option<Arc<Rewrapper>>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(seal: &'a TenantSeal, table: &str) -> Self {
        Self {
            seal,
            table: table.to_owned(),
            action: None,
            ledger: None,
            segments: None,
            workers: 1,
            page_items: None,
            read_units: None,
            write_units: None,
            tenants: None,
            dry_run: false,
            recovery: true,
            writers_in: None,
            progress: None,
            rewrapper: None,
        }
    }

    /// Counts what is stored, by its bytes alone: see [`SweepAction::Count`].
    pub fn count(self) -> Self {
        self.action(SweepAction::Count)
    }

    /// Opens everything: see [`SweepAction::Verify`].
    pub fn verify(self) -> Self {
        self.action(SweepAction::Verify)
    }

    /// Makes tokens right: see [`SweepAction::Reindex`].
    pub fn reindex(self) -> Self {
        self.action(SweepAction::Reindex)
    }

    /// Seals everything again: see [`SweepAction::Reseal`]. It needs a ledger.
    pub fn reseal(self) -> Self {
        self.action(SweepAction::Reseal)
    }

    /// Seals the plaintext of adopted attributes of [`tenants`](Self::tenants), which must be named: see
    /// [`SweepAction::Migrate`]. It needs a ledger.
    ///
    /// It first waits until nobody can write plaintext any more: 15 minutes after
    /// [`Adoption::seal`](crate::adoption::Adoption::seal).
    pub fn migrate(self) -> Self {
        self.action(SweepAction::Migrate { accepts: false, serials: BTreeMap::new() })
    }

    /// The same again, for plaintext that an earlier pass has not seen. **Look at what it lists first: whoever could
    /// write the table may have written it.**
    pub fn migrate_again(self) -> Self {
        self.action(SweepAction::Migrate { accepts: true, serials: BTreeMap::new() })
    }

    /// Wraps data keys of former KMS keys under the current ones: see [`SweepAction::Rewrap`].
    ///
    /// No ciphertext changes, and no plaintext data key is needed for it: KMS ReEncrypt makes one new key record for each
    /// data key, and each item that has the former record gets the new one. In compact tables the key table alone is
    /// written. Each record must open before anything is wrapped, so what is forged is listed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tenantseal::keys::{DynamoDbKeyTable, KmsRewrapService, Rewrapper, Tenancy};
    ///
    /// # async fn example(seal: tenantseal::TenantSeal, tenancy: Tenancy, config: &aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
    /// let ledger = Arc::new(DynamoDbKeyTable::new(config, "tenantseal-ledger"));
    /// let service = KmsRewrapService::assume_role(config, tenancy)?; // of a tenancy with `rewrapped_by`
    /// let rewrapper = Arc::new(Rewrapper::new(Arc::new(service), ledger.clone()));
    /// let report = seal.sweep("crm").rewrap(&rewrapper).on(&*ledger).run().await?;
    /// # Ok(()) }
    /// ```
    pub fn rewrap(mut self, rewrapper: &Arc<Rewrapper>) -> Self {
        self.rewrapper = Some(Arc::clone(rewrapper));
        self.action(SweepAction::Rewrap)
    }

    /// Does this to each item.
    pub fn action(mut self, action: SweepAction) -> Self {
        self.action = Some(action);
        self
    }

    /// Keeps the plan and the checkpoints in this ledger: a table of [`DynamoDbKeyTable`](crate::keys::DynamoDbKeyTable),
    /// best one of its own. Without a ledger they are lost with the process.
    pub fn on(mut self, ledger: &'a dyn KeyTable) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Into how many segments the table is divided: 1 to 65,536. Unless set, one per 256 MB, and at least 4 per worker.
    pub fn segments(mut self, segments: usize) -> Self {
        self.segments = Some(segments);
        self
    }

    /// How many workers share the budget: 1 unless set, at most 10,000.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// The most items of a page. A page has 1 MB unless this is less. A worker that is killed loses one page of each
    /// segment in hand.
    pub fn page_items(mut self, items: i32) -> Self {
        self.page_items = Some(items);
        self
    }

    /// The read capacity units a second of all workers together.
    pub fn read_units(mut self, a_second: u32) -> Self {
        self.read_units = Some(a_second);
        self
    }

    /// The write capacity units a second of all workers together, those of indexes included.
    pub fn write_units(mut self, a_second: u32) -> Self {
        self.write_units = Some(a_second);
        self
    }

    /// Sweeps the items of these tenants alone, at most 2,000. Where the partition key is exactly the tenant, nothing else
    /// is read.
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants.get_or_insert_default().extend(tenants);
        self
    }

    /// Writes nothing to the table, and reports what would be written.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Sweeps a table without point-in-time recovery: **nothing can undo it.** For emulators, which do not support
    /// recovery.
    pub fn danger_without_recovery(mut self) -> Self {
        self.recovery = false;
        self
    }

    /// All writers of a table with replicas write in this Region, where the sweep runs too. Elsewhere the last writer of
    /// an item wins, whatever a condition says here.
    pub fn writers_in(mut self, region: impl Into<String>) -> Self {
        self.writers_in = Some(region.into());
        self
    }

    /// Calls `report` after each page of [`run`](Self::run).
    pub fn progress(mut self, report: impl FnMut(WorkerProgress) + Send + 'a) -> Self {
        self.progress = Some(Box::new(report));
        self
    }

    /// Writes the plan into the ledger, and returns its id for [`TenantSeal::worker`].
    ///
    /// # Errors
    ///
    /// [`SweepError`]: an option is wrong, there is no ledger, or another sweep writes the table.
    pub async fn plan(self) -> Result<String, SweepError> {
        let ledger = self.ledger.ok_or(SweepError::NoLedger("plan"))?;
        Ok(self.planned(Ledger(ledger)).await?.id)
    }

    /// Plans the sweep, works until nothing is left to do, and returns what became of it.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan) and [`Worker::run`]. With a ledger, `TenantSeal::worker` goes on where it stopped.
    pub async fn run(mut self) -> Result<SweepReport, SweepError> {
        let own = InMemoryKeyTable::new();
        let (seal, ledger) = (self.seal, self.ledger);
        let ledger: &dyn KeyTable = ledger.unwrap_or(&own);
        let (progress, rewrapper) = (self.progress.take(), self.rewrapper.take());
        let plan = self.planned(Ledger(ledger)).await?;
        let mut worker = Worker::new(seal, ledger, &plan.id).index(0);
        if let Some(progress) = progress {
            worker = worker.progress(progress);
        }
        if let Some(rewrapper) = rewrapper {
            worker = worker.rewrap(&rewrapper);
        }
        worker.run().await?;
        SweepReport::read(Ledger(ledger), &plan.id).await
    }

    async fn planned(self, ledger: Ledger<'_>) -> Result<SweepPlan, SweepError> {
        let plan = self.drafted().await?;
        if plan.writes()
            && let Some(sweep) = ledger.active(&plan.physical).await?.value.and_then(|entry| entry.sweep)
        {
            return Err(SweepError::Busy { sweep });
        }
        let place = Place::plan(&plan.id);
        let mut stored = ledger.read(&place).await?;
        if stored.value.is_some() || !ledger.swap(&place, &mut stored, plan.clone()).await? {
            return Err(SweepError::Random);
        }
        if plan.writes() {
            active::take(ledger, &plan).await?;
        }
        Ok(plan)
    }

    async fn drafted(self) -> Result<SweepPlan, SweepError> {
        let action = self.action.clone().ok_or(SweepError::NoAction)?;
        let found = self.seal.logical_table(&self.table);
        let (physical, schema) = found.ok_or_else(|| SweepError::UnknownTable(self.table.clone()))?;
        if action == SweepAction::Reindex && schema.lookups().is_empty() {
            return Err(SweepError::NoLookups(self.table.clone()));
        }
        if action.seals() && self.ledger.is_none() {
            return Err(SweepError::NoLedger(action.name()));
        }
        self.check()?;
        let action = match (action, &self.tenants) {
            (SweepAction::Migrate { accepts, .. }, Some(tenants)) => {
                let serials = leaves(self.seal, &self.table, tenants, !self.dry_run).await?;
                SweepAction::Migrate { accepts, serials }
            }
            (SweepAction::Migrate { .. }, None) => {
                return Err(SweepError::Option { option: "tenants", must: "named" });
            }
            (action, _) => action,
        };
        let created = u64::from(self.seal.unix_now());
        let id = new_id(&action, schema.name(), created)?;
        let mut plan = SweepPlan::of(action, id, schema, physical, created)?;
        let facts = Facts::of(self.seal.plain(), physical).await?;
        if plan.action.seals() && !self.dry_run {
            facts.check_replicas(physical, self.writers_in.as_deref())?;
            if self.recovery {
                check_recovery(self.seal.plain(), physical).await?;
            }
        }
        plan.by_tenant = self.tenants.is_some() && !schema.tenant().is_prefix();
        plan.segments = match &self.tenants {
            Some(tenants) if plan.by_tenant => tenants.len(),
            _ => self.segments.unwrap_or_else(|| segments(facts.bytes, self.workers)),
        };
        plan.tenants = self.tenants;
        plan.workers = self.workers;
        plan.read_units = self.read_units.or(facts.read_units);
        plan.write_units = self.write_units.or(facts.write_units);
        plan.page_items = self.page_items;
        plan.dry_run = self.dry_run;
        Ok(plan)
    }

    fn check(&self) -> Result<(), SweepError> {
        let option = |option, must| Err(SweepError::Option { option, must });
        match self {
            Self { segments: Some(segments), .. } if !(1..=MAX_SEGMENTS).contains(segments) => {
                option("segments", "1 to 65,536")
            }
            Self { workers, .. } if !(1..=10_000).contains(workers) => option("workers", "1 to 10,000"),
            Self { page_items: Some(..=0), .. } => option("page_items", "at least 1"),
            Self { read_units: Some(0), .. } => option("read_units", "at least 1"),
            Self { write_units: Some(0), .. } => option("write_units", "at least 1"),
            Self { tenants: Some(tenants), .. } if !(1..=MAX_TENANTS).contains(&tenants.len()) => {
                option("tenants", "1 to 2,000 tenants")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sweep({})", self.table)
    }
}

fn segments(bytes: u64, workers: u32) -> usize {
    let by_size = usize::try_from(bytes / SEGMENT).unwrap_or(usize::MAX);
    by_size.max(workers as usize * SEGMENTS_EACH).min(MAX_SEGMENTS)
}

/// A new id: the day, the action, the table as far as its name is plain, and random digits.
fn new_id(action: &SweepAction, table: &str, created: u64) -> Result<String, SweepError> {
    let mut random = [0; 4];
    OsRandom.fill(&mut random).map_err(|_| SweepError::Random)?;
    let secs = i64::try_from(created).unwrap_or_default();
    let day = DateTime::from_secs(secs).fmt(DateTimeFormat::DateTime).unwrap_or_default();
    let day: String = day.chars().take(10).filter(char::is_ascii_digit).collect();
    let table: String =
        table.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(40).collect();
    Ok(format!("{day}-{action}-{table}-{:08x}", u32::from_be_bytes(random)))
}
