//! What a sweep does, to what, and how fast: the plan that its workers share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenantseal_core::keys::Rewrapper;
use tenantseal_core::tenant::TenantId;

use super::action::Action;
use super::actions::{Count, Migrate, ReindexAction, Reseal, Rewrap, Verify};
use super::error::{PlanFault, SweepError};
use super::page::Unit;
use super::report::SweptLookup;
use crate::schema::{Lock, TableSchema};
use crate::tenant_seal::TenantSeal;

/// The most segments, and the most tenants that are units of their own.
pub(super) const MAX_SEGMENTS: usize = 65_536;
pub(super) const MAX_TENANTS: usize = 2_000;
const MAX_WORKERS: u32 = 10_000;
const VERSION: u32 = 1;

/// What a sweep does with items. In a report's JSON in snake case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SweepAction {
    /// Counts by attribute what is stored, by its bytes alone: absent, plain, or sealed in which form. It needs no key.
    Count,
    /// Opens every encrypted attribute of every item, and lists the items that do not open.
    Verify,
    /// Makes the tokens of lookups right, as [`TenantSeal::reindex`] does.
    Reindex,
    /// Seals everything encrypted again, under the tenant's current data key: the cure for a data key that has leaked.
    ///
    /// What services write meanwhile is sealed with the keys that they have in hand: restart them first.
    Reseal,
    /// Seals the plaintext of adopted attributes, of tenants whose items are being sealed
    /// ([`Adoption::seal`](crate::adoption::Adoption::seal)).
    ///
    /// **What it seals is authentic from then on, whoever has written it.** So there is one such pass for each tenant:
    /// a second one lists what it finds plain.
    Migrate {
        /// Whether a second pass seals, too.
        accepts: bool,
        /// The number of each tenant's leave when the sweep began.
        serials: BTreeMap<TenantId, u32>,
    },
    /// Wraps data keys of tenants' former KMS keys under the current ones, and replaces their key records: see
    /// [`Rewrapper`].
    Rewrap,
}

/// The plan of a sweep, in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPlan {
    pub(super) version: u32,
    pub(super) id: String,
    pub(super) action: SweepAction,
    pub(super) table: String,
    pub(super) physical: String,
    /// The lock of the table alone: a worker with another one refuses the plan.
    pub(super) lock: String,
    pub(super) lookups: Vec<SweptLookup>,
    pub(super) tenants: Option<BTreeSet<TenantId>>,
    /// Whether each tenant is a unit, which is queried; otherwise units are segments of a scan.
    pub(super) by_tenant: bool,
    pub(super) segments: usize,
    pub(super) workers: u32,
    pub(super) read_units: Option<u32>,
    pub(super) write_units: Option<u32>,
    pub(super) page_items: Option<i32>,
    pub(super) dry_run: bool,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) is_stopped: bool,
}

impl SweepAction {
    /// Its name in commands, plans and the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Verify => "verify",
            Self::Reindex => "reindex",
            Self::Reseal => "reseal",
            Self::Migrate { .. } => "migrate",
            Self::Rewrap => "rewrap",
        }
    }

    /// Whether it changes items.
    pub fn writes(&self) -> bool {
        match self {
            Self::Count | Self::Verify => false,
            Self::Reindex | Self::Reseal | Self::Rewrap | Self::Migrate { .. } => true,
        }
    }
}

impl SweepAction {
    /// Whether it changes what is sealed. Then it needs a ledger, and a table that can be restored.
    pub(super) fn seals(&self) -> bool {
        match self {
            Self::Count | Self::Verify | Self::Reindex | Self::Rewrap => false,
            Self::Reseal | Self::Migrate { .. } => true,
        }
    }
}

impl fmt::Display for SweepAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SweepPlan {
    /// The plan of a new sweep of a table, as far as the schema decides it.
    pub(super) fn of(
        action: SweepAction,
        id: String,
        schema: &TableSchema,
        physical: &str,
        created: u64,
    ) -> Result<Self, SweepError> {
        let lock = Lock::of([schema]).map_err(|_| SweepError::UnknownTable(schema.name().to_owned()))?;
        Ok(Self {
            version: VERSION,
            id,
            action,
            table: schema.name().to_owned(),
            physical: physical.to_owned(),
            lock: lock.to_string(),
            lookups: SweptLookup::of(schema),
            tenants: None,
            by_tenant: false,
            segments: 1,
            workers: 1,
            read_units: None,
            write_units: None,
            page_items: None,
            dry_run: false,
            created,
            is_stopped: false,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it does.
    pub fn action(&self) -> &SweepAction {
        &self.action
    }

    /// The table's logical name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The table's name in DynamoDB.
    pub fn physical(&self) -> &str {
        &self.physical
    }

    /// How many workers it was planned for. Each takes its share of the budget.
    pub fn workers(&self) -> u32 {
        self.workers
    }

    /// The units a second that all workers take together: to read, and to write. As many as they can where it is none.
    pub fn units(&self) -> (Option<u32>, Option<u32>) {
        (self.read_units, self.write_units)
    }

    /// Whether it writes nothing to the table.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether it was stopped: its workers end, and others do not begin.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Whether it changes items of the table.
    pub(super) fn writes(&self) -> bool {
        self.action.writes() && !self.dry_run
    }

    /// Whether it is a plan that a sweep of this id can have, whoever has written it.
    pub(super) fn is_sound(&self, id: &str) -> bool {
        let tenants = self.tenants.as_ref().map_or(0, BTreeSet::len);
        let units = if self.by_tenant { tenants } else { self.segments };
        self.version == VERSION
            && self.id == id
            && (1..=MAX_SEGMENTS).contains(&self.segments)
            && self.segments == units
            && tenants <= MAX_TENANTS
            && (1..=MAX_WORKERS).contains(&self.workers)
            && ![self.read_units, self.write_units].contains(&Some(0))
            && self.page_items.is_none_or(|items| items >= 1)
    }

    /// The schema of the table here, which must be the one that it was planned with.
    pub(super) fn schema<'s>(&self, seal: &'s TenantSeal) -> Result<&'s TableSchema, SweepError> {
        let mismatch = |fault| SweepError::PlanMismatch { sweep: self.id.clone(), fault };
        let found = seal.logical_table(&self.table).ok_or_else(|| mismatch(PlanFault::UnknownTable))?;
        let (physical, schema) = found;
        let schema: &TableSchema = schema;
        if physical != self.physical {
            return Err(mismatch(PlanFault::OtherTable));
        }
        let here = Lock::of([schema]).map_err(|_| mismatch(PlanFault::OtherSchema))?;
        if here.to_string() != self.lock || SweptLookup::of(schema) != self.lookups {
            return Err(mismatch(PlanFault::OtherSchema));
        }
        Ok(schema)
    }

    /// The unit with this number.
    pub(super) fn unit(&self, number: usize) -> Unit {
        let tenant = self.tenants.iter().flatten().nth(number).filter(|_| self.by_tenant);
        tenant.map_or(Unit::Segment(number, self.segments), |tenant| Unit::Tenant(tenant.clone()))
    }

    /// What it does with items.
    pub(super) fn start<'s>(
        &'s self,
        seal: &'s TenantSeal,
        schema: &'s TableSchema,
        rewrapper: Option<&Arc<Rewrapper>>,
    ) -> Result<Box<dyn Action + 's>, SweepError> {
        Ok(match &self.action {
            SweepAction::Count => Box::new(Count(schema)),
            SweepAction::Verify => Box::new(Verify(schema)),
            SweepAction::Reindex => Box::new(ReindexAction(schema)),
            SweepAction::Reseal => Box::new(Reseal { schema, since: self.created }),
            SweepAction::Migrate { accepts, serials } => {
                Box::new(Migrate { schema, adoption: seal.adoption(&self.table)?, serials, accepts: *accepts })
            }
            SweepAction::Rewrap => {
                let rewrapper = Arc::clone(rewrapper.ok_or(SweepError::NoRewrapper)?);
                Box::new(Rewrap { schema, rewrapper, dry_run: self.dry_run })
            }
        })
    }
}
