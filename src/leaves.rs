//! The leaves of adopted tables: what a tenant's items may have as plaintext, as the ledger said at most a minute ago.
//!
//! A leave is looked for only when plaintext of an adopted attribute is met or sent. What the ledger answered, also that
//! there is no leave, holds for [`LEASE`] from the beginning of the request, on both clocks. The leave's key must be
//! usable each time, so a suspended tenant has none.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenantseal_core::envelope::{KeyRing, NeededKey};
use tenantseal_core::format::{Leave, LeaveStage, LeaveTerms, StoredKey, leave_entry};
use tenantseal_core::keys::cache::single_flight::{DetachedLimit, SingleFlight};
use tenantseal_core::keys::{
    Clock, CountedTable, KeyTable, KeyTableError, Moment, OpeningKeyError, OpeningMode, TenantHandle,
};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SharedTimeSource;
use tenantseal_core::trail::Audit;

use crate::error::{Error, LeaveError, LeaveErrorKind};
use crate::schema::TableSchema;

/// How long an answer of the ledger holds.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// The age at which the ledger is asked again, so that a request has time to be signed.
const RENEWED: Duration = Duration::from_secs(50);
/// How many requests to the ledger may go on although nobody waits for them.
const MAX_DETACHED: usize = 64;
/// How often to ask again when an answer was old when it came.
const ROUNDS: usize = 3;
/// What the audit calls it.
const OPERATION: &str = "leave";

/// Names of attributes that may be plaintext.
pub(crate) type PlainNames = BTreeSet<String>;

/// The leaves of all tenants, as this process knows them.
pub(crate) struct Leaves {
    ledger: CountedTable,
    clock: Clock,
    /// What was seen, by tenant and logical table: a small entry for each that had plaintext.
    seen: Mutex<HashMap<Place, Seen>>,
    reads: SingleFlight<Place, Result<Answer, KeyTableError>>,
}

/// A tenant and a logical table.
type Place = (TenantId, Arc<str>);

#[derive(Default)]
struct Seen {
    latest: Option<Answer>,
    /// What the latest answer says, once it is verified.
    verified: Option<Arc<LeaveTerms>>,
    /// The highest serial of a verified leave.
    highest: u32,
}

/// What the ledger answered.
#[derive(Clone)]
struct Answer {
    stored: Option<Arc<[u8]>>,
    /// When the request began, and what was the highest serial then.
    asked: Moment,
    highest: u32,
}

/// What a tenant's leave grants in a table now.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// Whether these attributes are written as plaintext, too.
    pub(crate) writes_plain: bool,
    /// The attributes that may be plaintext, as far as the code allows it.
    pub(crate) names: Arc<PlainNames>,
    lease: Lease,
}

/// How long a grant holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    asked: Moment,
    /// When the leave expires, in seconds since 1970.
    expires: u32,
}

/// The tenant and the table of a question, and what answers it.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) keys: &'a TenantHandle,
    pub(crate) audit: &'a Audit,
    pub(crate) table: &'a TableSchema,
}

impl Leaves {
    pub(crate) fn new(ledger: Arc<dyn KeyTable>, time: SharedTimeSource) -> Self {
        Self {
            ledger: CountedTable::new(ledger),
            clock: Clock::new(time),
            seen: Mutex::default(),
            reads: SingleFlight::new(DetachedLimit::new(MAX_DETACHED)),
        }
    }

    /// Whether what was granted may still be signed.
    pub(crate) fn holds(&self, lease: Lease) -> bool {
        let now = self.clock.now();
        now.since(lease.asked) < LEASE && now.unix_seconds() < lease.expires
    }

    /// Whether it holds long enough for an attempt to be made and signed.
    pub(crate) fn has_time(&self, lease: Lease) -> bool {
        self.holds(lease) && self.clock.now().since(lease.asked) < RENEWED
    }

    /// What the tenant's leave grants, if this process knows it: `None` when the ledger or KMS must be asked, and
    /// `Some(None)` when there is none in force.
    pub(crate) fn known(&self, asking: Asking<'_>) -> Option<Option<Grant>> {
        let now = self.clock.now();
        let (terms, answer) = {
            let seen = self.lock();
            let seen = seen.get(&place(asking))?;
            let answer = seen.latest.as_ref().filter(|answer| now.since(answer.asked) < RENEWED)?;
            match (&answer.stored, &seen.verified) {
                (None, _) => return Some(None),
                (Some(_), Some(terms)) => (Arc::clone(terms), answer.clone()),
                (Some(_), None) => return None,
            }
        };
        let leave = Leave::decode(answer.stored.as_deref()?).ok()?;
        asking.keys.warm_opening_keys(vec![needed(&leave)]).ok()?;
        Some(self.grant(asking, &terms, answer.asked))
    }

    /// What the tenant's leave grants; `None` when there is none in force.
    pub(crate) async fn ask(self: &Arc<Self>, asking: Asking<'_>) -> Result<Option<Grant>, Error> {
        for _ in 0..ROUNDS {
            let answer = self.answer(asking).await?;
            let Some(stored) = &answer.stored else { return Ok(None) };
            let terms = self.verify(asking, &answer, stored).await?;
            // Keys may have been slow.
            if self.clock.now().since(answer.asked) < LEASE {
                return Ok(self.grant(asking, &terms, answer.asked));
            }
        }
        Err(LeaveError::new(asking.table.name(), LeaveErrorKind::Unavailable).into())
    }

    /// What the ledger holds, as of less than a lease ago.
    async fn answer(self: &Arc<Self>, asking: Asking<'_>) -> Result<Answer, Error> {
        let place = place(asking);
        let latest = self.lock().get(&place).and_then(|seen| seen.latest.clone());
        if let Some(answer) = latest.filter(|answer| self.clock.now().since(answer.asked) < RENEWED) {
            return Ok(answer);
        }
        let read = self.reads.run(place.clone(), |_| {
            let this = Arc::clone(self);
            async move { this.read(place).await }
        });
        read.await.map_err(|error| LeaveError::from_ledger(asking.table.name(), error).into())
    }

    async fn read(&self, place: Place) -> Result<Answer, KeyTableError> {
        let highest = self.lock().get(&place).map_or(0, |seen| seen.highest);
        let asked = self.clock.now();
        let (tenant, table) = &place;
        let stored = self.ledger.get(tenant, &leave_entry(table)).await?;
        let answer = Answer { stored: stored.map(Into::into), asked, highest };
        let mut seen = self.lock();
        let seen = seen.entry(place).or_default();
        if seen.latest.as_ref().is_none_or(|latest| asked.is_after(latest.asked)) {
            seen.latest = Some(answer.clone());
            seen.verified = None;
        }
        Ok(answer)
    }

    /// What a stored leave says, if it is the tenant's for this table and not older than one that was seen before it was
    /// read.
    async fn verify(&self, asking: Asking<'_>, answer: &Answer, stored: &[u8]) -> Result<Arc<LeaveTerms>, Error> {
        let Asking { tenant, audit, table, .. } = asking;
        let forged = || Error::from(LeaveError::new(table.name(), LeaveErrorKind::Forged));
        let leave = Leave::decode(stored).map_err(|_| forged())?;
        let ring = leave_key(asking, &leave).await?;
        let place = place(asking);
        let verified = self.lock().get(&place).and_then(|seen| {
            let is_same = seen.latest.as_ref().is_some_and(|latest| latest.stored.as_deref() == Some(stored));
            seen.verified.clone().filter(|_| is_same)
        });
        if let Some(terms) = verified {
            return Ok(terms);
        }
        audit.record_opens_of_item(tenant, OPERATION, &ring, table.name())?;
        let terms = verified_terms(asking, &ring, leave).ok_or_else(forged)?;
        if terms.serial < answer.highest {
            return Err(LeaveError::new(table.name(), LeaveErrorKind::RolledBack).into());
        }
        let terms = Arc::new(terms);
        let mut seen = self.lock();
        let seen = seen.entry(place).or_default();
        seen.highest = seen.highest.max(terms.serial);
        if seen.latest.as_ref().is_some_and(|latest| latest.stored.as_deref() == Some(stored)) {
            seen.verified = Some(Arc::clone(&terms));
        }
        Ok(terms)
    }

    fn grant(&self, asking: Asking<'_>, terms: &LeaveTerms, asked: Moment) -> Option<Grant> {
        let now = self.clock.now().unix_seconds();
        if !terms.is_in_force(now) {
            return None;
        }
        tenantseal_core::telemetry::record_leave(terms.expires.saturating_sub(now));
        let names = terms.names.iter().filter(|name| asking.table.adopts(name)).cloned().collect();
        let lease = Lease { asked, expires: terms.expires };
        Some(Grant { writes_plain: terms.stage == LeaveStage::Plain, names: Arc::new(names), lease })
    }

    /// A panic leaves nothing half-changed here.
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    pub(crate) fn lease(&self) -> Lease {
        self.lease
    }
}

impl Lease {
    /// The one that ends first.
    pub(crate) fn earlier(self, other: Self) -> Self {
        let asked = if self.asked.is_after(other.asked) { other.asked } else { self.asked };
        Self { asked, expires: self.expires.min(other.expires) }
    }
}

/// What a leave says, if this ring has its data key and it was made for the tenant and table.
pub(crate) fn verified_terms(asking: Asking<'_>, ring: &KeyRing, leave: Leave<'_>) -> Option<LeaveTerms> {
    let key = ring.get(StoredKey::Record(leave.stored_key_record()))?;
    key.verify_leave(asking.tenant, asking.table.name(), leave).ok()
}

/// The data key that verifies a leave. That a leave names no key of the tenant is an integrity error.
pub(crate) async fn leave_key(asking: Asking<'_>, leave: &Leave<'_>) -> Result<KeyRing, Error> {
    let (ring, lacking) = asking.keys.opening_keys(vec![needed(leave)], OpeningMode::AllOrNothing).await;
    match lacking.into_iter().next() {
        None => Ok(ring),
        Some((_, OpeningKeyError::Open { .. })) => {
            Err(LeaveError::new(asking.table.name(), LeaveErrorKind::Forged).into())
        }
        Some((_, error)) => Err(error.into()),
    }
}

/// The data key that a leave names.
fn needed(leave: &Leave<'_>) -> NeededKey {
    NeededKey { attribute: OPERATION.to_owned(), stored: StoredKey::Record(leave.stored_key_record().into()) }
}

fn place(asking: Asking<'_>) -> Place {
    (asking.tenant.clone(), asking.table.name().into())
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves(..)")
    }
}
