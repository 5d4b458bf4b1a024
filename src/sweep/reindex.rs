//! The sweep that makes the tokens of lookups right: its options, and its run.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tenantseal_core::tenant::TenantId;

use super::actions::ReindexAction;
use super::budget::Budget;
use super::error::SweepError;
use super::page::{Page, Pass, Segment, Unit};
use super::position::Position;
use super::report::{ReindexReport, SweptLookup};
use super::stop::Stop;
use crate::schema::TableSchema;
use crate::tenant_seal::TenantSeal;

/// The most segments of a sweep.
const MAX_SEGMENTS: u32 = 4_096;

/// Who is told how far a sweep has come.
type Progress<'a> = Box<dyn FnMut(&ReindexReport) + Send + 'a>;

/// A sweep that makes the tokens of a table's lookups right. Start it with [`TenantSeal::reindex`].
///
/// It reads the table with a plain client, consistently, in parallel segments. Each item goes to the tenant whose it
/// is, which opens what the lookups need and makes the tokens anew. Where the stored ones differ, one UpdateItem sets
/// those alone, on the condition that the encrypted attributes are still what was read. So applications may go on
/// writing: a write in between wins, and the sweep reads that item again. Nothing is sealed again. A lookup that is
/// `building` or ready gets its tokens, one that is `retired` loses them.
///
/// Values of unique lookups get their claims after their tokens, each in a transaction that checks the token. Where
/// another item has the value, both stay as they are and are [listed](ReindexReport::duplicates): decide which one
/// keeps the value, change the other, and sweep again.
///
/// Items that cannot be swept are listed and left as they are: see [`SkipReason`](super::SkipReason). The sweep goes
/// on with the others. **Sweep again until a pass changes nothing**
/// ([`changed_nothing`](ReindexReport::changed_nothing)); then a `building` lookup may be asked.
///
/// A dropped future stops the sweep, and has lost at most one page of each segment. What it has written is right.
///
/// The credentials passed to [`build`](crate::TenantSealBuilder::build) need `dynamodb:Scan` and `dynamodb:UpdateItem`
/// on the table; for unique lookups `dynamodb:GetItem` and `ConditionCheckItem` too, and `GetItem`, `PutItem` and
/// `DeleteItem` on the claims table.
///
/// ```
/// # async fn example(seal: tenantseal::TenantSeal) -> Result<(), Box<dyn std::error::Error>> {
/// let report = loop {
///     let mut sweep = seal.reindex("crm").segments(16).read_units(2_000).write_units(500);
///     sweep = sweep.progress(|at| println!("{at}"));
///     match sweep.run().await {
///         Ok(report) if report.changed_nothing() => break report,
///         Ok(report) if report.skipped().any(|(reason, _)| !reason.is_retryable()) => break report,
///         Ok(report) if report.duplicates().items() > 0 => break report,
///         Ok(_) => {}
///         Err(error) => return Err(error.into()),
///     }
/// };
/// # Ok(()) }
/// ```
#[must_use = "a sweep does nothing until `run`"]
pub struct Reindex<'a> {
    seal: &'a TenantSeal,
    table: String,
    segments: u32,
    page_items: Option<i32>,
    read_units: Option<u32>,
    write_units: Option<u32>,
    tenants: Option<BTreeSet<TenantId>>,
    dry_run: bool,
    resume: Option<ReindexReport>,
    progress: Option<Progress<'a>>,
}

impl<'a> Reindex<'a> {
    pub(super) fn new(seal: &'a TenantSeal, table: &str) -> Self {
        Self {
            seal,
            table: table.to_owned(),
            segments: 4,
            page_items: None,
            read_units: None,
            write_units: None,
            tenants: None,
            dry_run: false,
            resume: None,
            progress: None,
        }
    }

    /// How many segments of the table are read at the same time: 1 to 4,096, 4 unless set. One per 256 MB is a good
    /// number for large tables.
    pub fn segments(mut self, segments: u32) -> Self {
        self.segments = segments;
        self
    }

    /// The most items of a page. A page has 1 MB unless this is less. Nothing is lost of a page but the page in hand,
    /// so small pages make a sweep that can be resumed from many places.
    pub fn page_items(mut self, items: i32) -> Self {
        self.page_items = Some(items);
        self
    }

    /// The read capacity units that the sweep takes a second, on average. As many as it can unless set.
    ///
    /// DynamoDB's answers say what requests have taken, so a page may overdraw a second, which the next ones pay.
    pub fn read_units(mut self, a_second: u32) -> Self {
        self.read_units = Some(a_second);
        self
    }

    /// The write capacity units that the sweep takes a second, those of indexes included. As many as it can unless set.
    pub fn write_units(mut self, a_second: u32) -> Self {
        self.write_units = Some(a_second);
        self
    }

    /// Sweeps the items of these tenants alone. The whole table is read nevertheless.
    pub fn tenants(mut self, tenants: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants.get_or_insert_default().extend(tenants);
        self
    }

    /// Writes nothing to the table, and reports what would be written. Of duplicates it finds those of values that
    /// have a claim.
    ///
    /// It makes tokens to compare them, so a tenant without a lookup key gets one.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Goes on where an earlier sweep stopped: with its report of [`progress`](Self::progress) or of
    /// [`SweepError`]. The number of segments is then the report's.
    pub fn resume(mut self, report: ReindexReport) -> Self {
        self.resume = Some(report);
        self
    }

    /// Calls `report` after each page, when its writes were acknowledged. Keep what it is given, serialized, and a
    /// sweep that was killed goes on from there.
    pub fn progress(mut self, report: impl FnMut(&ReindexReport) + Send + 'a) -> Self {
        self.progress = Some(Box::new(report));
        self
    }

    /// Runs one pass over the table.
    ///
    /// # Errors
    ///
    /// [`SweepError`]: an option is wrong, or DynamoDB refuses or throttles for too long. Then it has the report to
    /// resume from.
    pub async fn run(mut self) -> Result<ReindexReport, SweepError> {
        let found = self.seal.logical_table(&self.table);
        let (physical, schema) = found.ok_or_else(|| SweepError::UnknownTable(self.table.clone()))?;
        let mut report = self.begin(schema)?;
        let sweep = Pass {
            client: self.seal.plain().clone(),
            seal: self.seal,
            action: Box::new(ReindexAction(schema)),
            schema,
            physical,
            tenants: self.tenants,
            dry_run: self.dry_run,
            page_items: self.page_items,
            reads: Budget::new(self.read_units.map(f64::from)),
            writes: Budget::new(self.write_units.map(f64::from)),
            waited_for: Default::default(),
        };
        let segments = report.segments.len();
        let segment = |(number, from): (usize, &Position)| Segment {
            number,
            unit: Unit::Segment(number, segments),
            from: from.clone(),
        };
        let open = report.segments.iter().enumerate().filter(|(_, from)| **from != Position::Done).map(segment);
        let mut pages: FuturesUnordered<_> = open.map(|segment| sweep.page(segment)).collect();
        while let Some(page) = pages.next().await {
            match page {
                Ok(Page { segment, tally }) => {
                    report.tally.add(tally);
                    report.segments[segment.number] = segment.from.clone();
                    if let Some(progress) = &mut self.progress {
                        progress(&report);
                    }
                    if segment.from != Position::Done {
                        pages.push(sweep.page(segment));
                    }
                }
                Err(Stop { cause, is_retryable, claims }) => {
                    let report = Box::new(report);
                    return Err(match claims {
                        None => SweepError::Stopped { cause, is_retryable, report },
                        Some(table) => {
                            let table = table.into();
                            SweepError::StoppedAtClaims { table, cause: Box::new(cause), is_retryable, report }
                        }
                    });
                }
            }
        }
        Ok(report)
    }

    /// Checks the options. Returns the report that the pass fills.
    fn begin(&mut self, schema: &TableSchema) -> Result<ReindexReport, SweepError> {
        let option = |option, must| Err(SweepError::Option { option, must });
        if !(1..=MAX_SEGMENTS).contains(&self.segments) {
            return option("segments", "1 to 4,096");
        }
        if self.page_items.is_some_and(|items| items < 1) {
            return option("page_items", "at least 1");
        }
        if [self.read_units, self.write_units].contains(&Some(0)) {
            return option("read_units` and `write_units", "at least 1");
        }
        if schema.lookups().is_empty() {
            return Err(SweepError::NoLookups(self.table.clone()));
        }
        let Some(report) = self.resume.take() else {
            let segments = usize::try_from(self.segments).unwrap_or(usize::MAX);
            return Ok(ReindexReport::new(schema, segments, self.dry_run, self.tenants.clone()));
        };
        let other = |what| Err(SweepError::OtherSweep(what));
        match &report {
            _ if report.table != schema.name() => other("another table"),
            // What was swept before another deployment may lack what this one would write.
            _ if report.lookups != SweptLookup::of(schema) => other("other lookups, or another state of one"),
            _ if report.dry_run != self.dry_run => other("`dry_run` where this one has it not, or the reverse"),
            _ if report.tenants != self.tenants => other("other tenants"),
            _ if !(1..=MAX_SEGMENTS as usize).contains(&report.segments.len()) => other("no segments"),
            _ => Ok(report),
        }
    }
}

impl fmt::Debug for Reindex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reindex({})", self.table)
    }
}
