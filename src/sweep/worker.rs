//! A worker of a planned sweep: takes segments until there is none left.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use tenantseal_core::crypto::{OsRandom, RandomSource};
use tenantseal_core::keys::{KeyTable, Rewrapper};
use tokio::time::{sleep, timeout};

use super::budget::Budget;
use super::error::SweepError;
use super::lease::{Foreign, Held, LEASE, Segments};
use super::ledger::Ledger;
use super::page::{Page, Pass, Segment};
use super::plan::SweepPlan;
use super::position::Position;
use super::report::Tally;
use super::stop::Stop;
use crate::tenant_seal::TenantSeal;

/// How many segments a worker has in hand unless told otherwise.
const PARALLEL: usize = 4;
/// A worker with nothing free looks again so often during a lease.
const LOOKS: u32 = 30;

/// How a worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// Nothing is left for it to do, and it has listed no item.
    Clean,
    /// Nothing is left for it to do, and it has listed items: see the sweep's report.
    Findings,
    /// It was told to stop, or the sweep was. What is left is in the ledger.
    Stopped,
}

/// How far a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerProgress {
    /// How many items it has read.
    pub items: u64,
    /// How many items it has changed; in a dry run, would have.
    pub rewritten: u64,
    /// How many items it has listed.
    pub listed: u64,
    /// How many segments it has brought to their end, and how many the sweep has.
    pub segments: (usize, usize),
}

type OnProgress<'a> = Box<dyn FnMut(WorkerProgress) + Send + 'a>;
type Until<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A worker of a sweep. Start it with [`TenantSeal::worker`].
///
/// It takes segments that nobody has in hand, sweeps them page by page, and keeps in the ledger how far it has come.
/// Any number of workers may run at once, on any number of machines; one that is killed has lost at most one page of
/// each segment that it had in hand, which another takes up a minute later.
///
/// It ends when all segments are done, or in the hands of workers that are alive.
#[must_use = "a worker does nothing until `run`"]
pub struct Worker<'a> {
    seal: &'a TenantSeal,
    ledger: Ledger<'a>,
    sweep: String,
    index: Option<u32>,
    parallel: usize,
    lease: Duration,
    until: Option<Until<'a>>,
    progress: Option<OnProgress<'a>>,
    rewrapper: Option<Arc<Rewrapper>>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(seal: &'a TenantSeal, ledger: &'a dyn KeyTable, sweep: &str) -> Self {
        let (ledger, sweep) = (Ledger(ledger), sweep.to_owned());
        Self {
            seal,
            ledger,
            sweep,
            index: None,
            parallel: PARALLEL,
            lease: LEASE,
            until: None,
            progress: None,
            rewrapper: None,
        }
    }

    /// Which of the sweep's workers it is, from 0: it begins there, so that work spreads at once. At random unless set.
    pub fn index(mut self, index: u32) -> Self {
        self.index = Some(index);
        self
    }

    /// How many segments it has in hand at a time: 4 unless set.
    pub fn parallel(mut self, segments: usize) -> Self {
        self.parallel = segments.max(1);
        self
    }

    /// When this future is ready, the worker ends the pages that it has in hand, stores how far it has come, and ends.
    pub fn until(mut self, stopped: impl Future<Output = ()> + Send + 'a) -> Self {
        self.until = Some(Box::pin(stopped));
        self
    }

    /// Calls `report` after each page.
    pub fn progress(mut self, report: impl FnMut(WorkerProgress) + Send + 'a) -> Self {
        self.progress = Some(Box::new(report));
        self
    }

    /// Wraps data keys anew by this, where the sweep does: see [`Sweep::rewrap`](super::Sweep::rewrap).
    pub fn rewrap(mut self, rewrapper: &Arc<Rewrapper>) -> Self {
        self.rewrapper = Some(Arc::clone(rewrapper));
        self
    }

    /// For tests: how long a segment is in the hands of a worker that says nothing.
    #[doc(hidden)]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Works until nothing is left to do.
    ///
    /// # Errors
    ///
    /// [`SweepError`]: the ledger has no such plan, or one of another build, or DynamoDB refuses or throttles for too
    /// long. What it has done until then is right, and in the ledger.
    pub async fn run(self) -> Result<Done, SweepError> {
        let Self { seal, ledger, sweep, index, parallel, lease, until, progress, rewrapper } = self;
        let plan = ledger.plan(&sweep).await?.ok_or_else(|| SweepError::Unknown(sweep.clone()))?;
        let schema = plan.schema(seal)?;
        let share = |units: Option<u32>| Budget::new(units.map(|units| f64::from(units) / f64::from(plan.workers)));
        let pass = Pass {
            seal,
            client: seal.plain().clone(),
            action: plan.start(seal, schema, rewrapper.as_ref())?,
            schema,
            physical: &plan.physical,
            tenants: plan.tenants.clone(),
            dry_run: plan.dry_run,
            page_items: plan.page_items,
            reads: share(plan.read_units),
            writes: share(plan.write_units),
            waited_for: Default::default(),
        };
        let (random, count) = (random()?, plan.segments);
        let begin = index.map_or_else(
            || usize::try_from(random % count as u64).unwrap_or_default(),
            |index| index as usize % plan.workers as usize * count / plan.workers as usize,
        );
        let owner = format!("{random:016x}");
        let segments = Segments { ledger, sweep: &sweep, count, owner, lease, seen: Mutex::default() };
        segments.begin_at(begin % count);
        let done = Mutex::new((Tally::default(), 0, progress));
        let running = Running { plan: &plan, pass, segments, done, stop: AtomicBool::new(false) };
        let lanes = join_all((0..parallel.min(count)).map(|_| running.lane()));
        let ended = match until {
            None => lanes.await,
            Some(until) => match select(pin!(lanes), until).await {
                Either::Left((ended, _)) => ended,
                Either::Right(((), lanes)) => {
                    running.stop.store(true, Ordering::Relaxed);
                    lanes.await
                }
            },
        };
        ended.into_iter().collect::<Result<(), _>>()?;
        running.end().await
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Worker({})", self.sweep)
    }
}

fn random() -> Result<u64, SweepError> {
    let mut bytes = [0; 8];
    OsRandom.fill(&mut bytes).map_err(|_| SweepError::Random)?;
    Ok(u64::from_be_bytes(bytes))
}

/// A worker at work.
struct Running<'a> {
    plan: &'a SweepPlan,
    pass: Pass<'a>,
    segments: Segments<'a>,
    /// What it has done, how many segments of it to their end, and who is told.
    done: Mutex<(Tally, usize, Option<OnProgress<'a>>)>,
    stop: AtomicBool,
}

impl Running<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes one segment after the other. When it fails, the other lanes end the pages that they have in hand.
    async fn lane(&self) -> Result<(), SweepError> {
        let result = self.take_segments().await;
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    async fn take_segments(&self) -> Result<(), SweepError> {
        let mut waiting: Option<Foreign> = None;
        while self.may_go_on().await? {
            match self.segments.take().await? {
                Ok(held) => {
                    waiting = None;
                    self.sweep(held).await?;
                }
                Err(foreign) if foreign.is_empty() => break,
                // Those that lapse are taken up; when all have been renewed since, others are alive and see to them.
                Err(foreign) => match &waiting {
                    Some(before) if before.is_disjoint(&foreign) => break,
                    _ => {
                        waiting.get_or_insert(foreign);
                        sleep(self.segments.lease / LOOKS).await;
                    }
                },
            }
        }
        Ok(())
    }

    /// Whether the sweep still runs, and may write the table.
    async fn may_go_on(&self) -> Result<bool, SweepError> {
        if self.is_stopped() {
            return Ok(false);
        }
        let Self { plan, segments, .. } = self;
        let now = segments.ledger.plan(&plan.id).await?.ok_or_else(|| SweepError::Unknown(plan.id.clone()))?;
        if now.is_stopped {
            self.stop.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        if plan.writes() {
            let active = segments.ledger.active(&plan.physical).await?.value.unwrap_or_default().sweep;
            match active {
                Some(sweep) if sweep != plan.id => return Err(SweepError::Busy { sweep }),
                // Another worker has found that all is done.
                None => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(true)
    }

    /// Sweeps a segment to its end, unless it is lost or the worker is stopped.
    async fn sweep(&self, mut held: Held) -> Result<(), SweepError> {
        loop {
            let segment = Segment { number: held.number, unit: self.plan.unit(held.number), from: held.position() };
            let page = match self.page(&mut held, segment).await {
                Ok(Some(page)) => page,
                Ok(None) => {
                    self.segments.let_go(&held);
                    return Ok(());
                }
                Err(error) => {
                    self.segments.give_back(held).await;
                    return Err(error);
                }
            };
            let is_done = page.segment.from == Position::Done;
            // Asked before each page: one of a large segment may be hours away from the last.
            let goes_on = if is_done { Ok(false) } else { self.may_go_on().await };
            let keep = matches!(goes_on, Ok(true));
            let tally = page.tally.clone();
            let is_kept = self.segments.checkpoint(&mut held, page.segment.from, page.tally, keep).await?;
            if is_kept {
                self.tell(tally, is_done);
            }
            if !(keep && is_kept) {
                self.segments.let_go(&held);
                return goes_on.map(drop);
            }
        }
    }

    /// Sweeps a page, and renews the lease meanwhile. `None` when the segment is someone else's by now.
    async fn page(&self, held: &mut Held, segment: Segment) -> Result<Option<Page>, SweepError> {
        let mut page = pin!(self.pass.page(segment));
        loop {
            match timeout(self.segments.renews_after(), &mut page).await {
                Ok(page) => return page.map(Some).map_err(|stop| self.ended(stop)),
                // A ledger that does not answer now is asked again, at the latest after the page.
                Err(_) => match self.segments.renew(held).await {
                    Ok(false) => return Ok(None),
                    Ok(true) => {}
                    Err(error) if error.is_retryable() => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    fn ended(&self, Stop { cause, is_retryable, claims }: Stop) -> SweepError {
        let claims = claims.map(String::from);
        SweepError::Worker { sweep: self.plan.id.clone(), claims, cause: Box::new(cause), is_retryable }
    }

    fn tell(&self, tally: Tally, is_done: bool) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, ended, progress) = &mut *done;
        all.add(tally);
        *ended += usize::from(is_done);
        if let Some(progress) = progress {
            let (items, rewritten, listed) = (all.items, all.rewritten, all.listed());
            progress(WorkerProgress { items, rewritten, listed, segments: (*ended, self.plan.segments) });
        }
    }

    /// Says how the worker has ended. The last one frees the table.
    async fn end(self) -> Result<Done, SweepError> {
        let Self { plan, pass, segments, done, stop } = self;
        if segments.are_done() {
            if plan.writes() {
                let recorded = super::passed::record(pass.seal, segments.ledger, plan).await;
                // What passes is tried again by another run; what does not must not keep the table.
                if !recorded.as_ref().is_err_and(SweepError::is_retryable) {
                    super::active::free(segments.ledger, plan).await?;
                }
                recorded?;
            }
        } else if stop.into_inner() {
            return Ok(Done::Stopped);
        }
        let (tally, ..) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(if tally.listed() == 0 { Done::Clean } else { Done::Findings })
    }
}
