//! What became of a planned sweep, so far.

use std::fmt;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::error::SweepError;
use super::ledger::Ledger;
use super::plan::SweepPlan;
use super::position::Position;
use super::reason::SkipReason;
use super::report::{Duplicate, Listed, Tally};

/// How many segments are read at the same time.
const READS: usize = 16;
/// How many of the segments that are not done are named.
const NAMED: usize = 100;

/// What a sweep has done so far. It serializes, with primary keys in DynamoDB JSON: keep it where your data may lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepReport {
    plan: SweepPlan,
    tally: Tally,
    done: usize,
    /// The first 100 segments that are not done.
    open: Vec<usize>,
}

impl SweepReport {
    pub(super) async fn read(ledger: Ledger<'_>, id: &str) -> Result<Self, SweepError> {
        let plan = ledger.plan(id).await?.ok_or_else(|| SweepError::Unknown(id.to_owned()))?;
        let read = |number| async move { Ok::<_, SweepError>((number, ledger.segment(id, number).await?.value)) };
        let mut entries = stream::iter(0..plan.segments).map(read).buffered(READS);
        let mut report = Self { plan: plan.clone(), tally: Tally::default(), done: 0, open: Vec::new() };
        while let Some((number, entry)) = entries.try_next().await? {
            let entry = entry.unwrap_or_default();
            match entry.position {
                Position::Done => report.done += 1,
                _ if report.open.len() < NAMED => report.open.push(number),
                _ => {}
            }
            report.tally.add(entry.tally);
        }
        Ok(report)
    }

    /// The plan.
    pub fn plan(&self) -> &SweepPlan {
        &self.plan
    }

    /// How many segments are done, and how many there are. They are tenants where the sweep reads those alone.
    pub fn segments(&self) -> (usize, usize) {
        (self.done, self.plan.segments)
    }

    /// The first 100 segments that are not done.
    pub fn open_segments(&self) -> &[usize] {
        &self.open
    }

    /// Whether everything was read.
    pub fn is_complete(&self) -> bool {
        self.done == self.plan.segments
    }

    /// Whether everything was read, and no item is listed.
    pub fn is_clean(&self) -> bool {
        self.is_complete() && self.tally.listed() == 0
    }

    /// Whether it is clean, and had nothing to change.
    pub fn changed_nothing(&self) -> bool {
        self.is_clean() && self.tally.rewritten == 0 && self.tally.claimed == 0
    }

    /// How many items were read.
    pub fn items(&self) -> u64 {
        self.tally.items
    }

    /// How many items were right as they were.
    pub fn right(&self) -> u64 {
        self.tally.right
    }

    /// How many items were changed; in a dry run, would be.
    pub fn rewritten(&self) -> u64 {
        self.tally.rewritten
    }

    /// How many items were deleted by others while the sweep had them in hand.
    pub fn deleted(&self) -> u64 {
        self.tally.deleted
    }

    /// How many items are of tenants that the sweep was told to leave alone.
    pub fn other_tenants(&self) -> u64 {
        self.tally.other_tenants
    }

    /// How many items show no tenant in their partition key, and have nothing that is encrypted.
    pub fn of_no_tenant(&self) -> u64 {
        self.tally.of_no_tenant
    }

    pub(super) fn listed(&self) -> u64 {
        self.tally.listed()
    }

    /// The items that were left as they are, by reason. Of one segment, the keys of 100 at most.
    pub fn skipped(&self) -> impl Iterator<Item = (SkipReason, &Listed)> {
        self.tally.skipped()
    }

    /// Items with a value of a unique lookup that another item of the tenant has too: see
    /// [`ReindexReport::duplicates`](super::ReindexReport::duplicates).
    pub fn duplicates(&self) -> &Listed<Duplicate> {
        self.tally.duplicates()
    }

    /// What was counted: of which attribute, what is stored, and in how many items.
    pub fn counts(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.tally.counts.iter()
    }
}

/// Lines without keys.
impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, tally, done, .. } = self;
        let would = if plan.dry_run { "would be " } else { "" };
        write!(f, "{} of {}: {} items read, {} right", plan.action, plan.table, tally.items, tally.right)?;
        if plan.action.writes() {
            write!(f, ", {} {would}rewritten", tally.rewritten)?;
        }
        for (items, what) in [
            (tally.claimed, "values claimed"),
            (tally.deleted, "deleted meanwhile"),
            (tally.other_tenants, "of other tenants"),
            (tally.of_no_tenant, "of no tenant"),
        ] {
            if items > 0 {
                write!(f, ", {items} {what}")?;
            }
        }
        for (reason, listed) in self.skipped() {
            write!(f, "; {} skipped that {reason}", listed.items())?;
        }
        if self.duplicates().items() > 0 {
            write!(f, "; {} unique values that another item has too", self.duplicates().items())?;
        }
        match self.is_complete() {
            true => f.write_str(". All segments are done"),
            false => write!(f, ". Not finished: {done} of {} segments are done", plan.segments),
        }
    }
}
