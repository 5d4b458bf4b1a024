//! The keys of one issuer: cached, refreshed in the background, fetched at once for an unknown `kid`.
//!
//! A set serves for 5 to 10 minutes. Then a request has it fetched in the background, and does not wait. All times are
//! read from the configuration's clock, and nothing happens between requests: a frozen process wakes up with old keys
//! and asks for new ones before it believes them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tenantseal_core::keys::cache::backoff::up_to;
use tenantseal_core::keys::cache::single_flight::{DetachedLimit, SingleFlight, Waiter};
use tenantseal_core::time::SharedTimeSource;
use tokio::runtime::Handle;

use crate::fetch::{FetchError, Fetcher, KeySource};
use crate::key_set::KeySet;
use crate::refused::Refused;
use crate::telemetry;

/// A set is refreshed behind a request at an age between this and twice this, so that a fleet does not ask at once.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// At this age a request waits for the refresh: what runs behind requests has had its time, and has not succeeded. A
/// process that is frozen between requests gets no further than that.
const OVERDUE: Duration = Duration::from_secs(10 * 60 + 10);
/// The least time between two fetches, whoever asks for keys.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a set serves while its issuer cannot be reached.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The keys of one issuer. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct IssuerKeys {
    shared: Arc<Shared>,
    flight: Arc<SingleFlight<(), ()>>,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    source: KeySource,
    fetcher: Fetcher,
    time: SharedTimeSource,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The set, when it was asked for, and the age at which it is refreshed.
    fetched: Option<Fetched>,
    attempt: Option<Attempt>,
}

/// The last fetch.
#[derive(Debug)]
struct Attempt {
    begun: SystemTime,
    /// `None` while it is under way, or when nobody drove it to its end.
    outcome: Option<Result<(), FetchError>>,
    /// Whether the one before failed: then nobody but its own request waits for this one.
    is_repeated: bool,
}

#[derive(Debug, Clone)]
struct Fetched {
    keys: Arc<KeySet>,
    at: SystemTime,
    refresh: Duration,
}

/// What a look-up does about the set.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// The set is new enough.
    Serve,
    /// It serves, and is refreshed behind the request.
    ServeAndRefresh,
    /// It is fetched before anything is said.
    Fetch,
    /// It may not serve, and it is too early for another attempt.
    Refuse,
}

impl IssuerKeys {
    pub(crate) fn new(issuer: String, source: KeySource, fetcher: Fetcher, time: SharedTimeSource) -> Self {
        let shared = Shared { issuer, source, fetcher, time, state: RwLock::default() };
        Self { shared: Arc::new(shared), flight: Arc::new(SingleFlight::new(DetachedLimit::new(1))) }
    }

    /// The set that has this `kid`.
    ///
    /// # Errors
    ///
    /// [`Refused::UnknownKey`] when a set that was fetched without error lacks it, [`Refused::NoKeys`] when nobody
    /// knows.
    pub(crate) async fn with_key(&self, kid: &str) -> Result<Arc<KeySet>, Refused> {
        let (fetched, action) = self.shared.look_up();
        let known = fetched.filter(|fetched| fetched.keys.find(kid).is_some());
        match (action, known) {
            (Action::Serve, Some(fetched)) => return Ok(fetched.keys),
            (Action::ServeAndRefresh, Some(fetched)) => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(self.fetch());
                }
                return Ok(fetched.keys);
            }
            (Action::Refuse, _) => return Err(Refused::NoKeys),
            // An unknown `kid` too: its issuer may sign with a new key.
            (Action::Fetch, _) | (_, None) => {}
        }
        self.fetch().await;
        self.shared.answer(kid)
    }

    /// Fetches the set and waits for it.
    pub(crate) async fn refresh(&self) -> Result<(), FetchError> {
        self.fetch().await;
        let state = self.shared.read();
        let outcome = state.attempt.as_ref().and_then(|attempt| attempt.outcome.clone());
        outcome.unwrap_or(Err(FetchError::Unreachable))
    }

    /// Joins the fetch under way, or starts one, unless the last began a moment ago.
    fn fetch(&self) -> Waiter<()> {
        let shared = Arc::clone(&self.shared);
        self.flight.run((), |_| async move {
            if let Some(begun) = shared.begin() {
                let result = shared.fetcher.key_set(&shared.source).await;
                shared.end(begun, result);
            }
        })
    }
}

impl Shared {
    fn look_up(&self) -> (Option<Fetched>, Action) {
        let now = self.time.now();
        let state = self.read();
        (state.fetched.clone(), state.action(now))
    }

    /// What is known of a `kid` after a fetch.
    fn answer(&self, kid: &str) -> Result<Arc<KeySet>, Refused> {
        let now = self.time.now();
        let state = self.read();
        let serving = state.fetched.as_ref().filter(|fetched| age(fetched.at, now).is_some_and(|age| age < MAX_AGE));
        match serving {
            Some(fetched) if fetched.keys.find(kid).is_some() => Ok(Arc::clone(&fetched.keys)),
            Some(_) if state.has_succeeded() => Err(Refused::UnknownKey),
            _ => Err(Refused::NoKeys),
        }
    }

    /// Notes an attempt. None when the last began less than 10 seconds ago.
    fn begin(&self) -> Option<SystemTime> {
        let now = self.time.now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.is_pausing(now) {
            return None;
        }
        let is_repeated = state.attempt.as_ref().is_some_and(|last| last.outcome != Some(Ok(())));
        state.attempt = Some(Attempt { begun: now, outcome: None, is_repeated });
        Some(now)
    }

    fn end(&self, begun: SystemTime, result: Result<KeySet, FetchError>) {
        telemetry::record_fetch(&self.issuer, &result);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = result.map(|keys| {
            state.fetched = Some(Fetched { keys: Arc::new(keys), at: begun, refresh: REFRESH + up_to(REFRESH) });
        });
        if let Some(attempt) = &mut state.attempt {
            attempt.outcome = Some(outcome);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn action(&self, now: SystemTime) -> Action {
        let set_age = self.fetched.as_ref().and_then(|fetched| Some((age(fetched.at, now)?, fetched.refresh)));
        let is_pausing = self.is_pausing(now);
        match set_age {
            Some((age, refresh)) if age < refresh || (age < OVERDUE && is_pausing) => Action::Serve,
            Some((age, _)) if age < OVERDUE => Action::ServeAndRefresh,
            Some((age, _)) if age < MAX_AGE && is_pausing && self.is_failing() => Action::Serve,
            Some((age, _)) if age < MAX_AGE => Action::Fetch,
            _ if is_pausing && self.has_failed() => Action::Refuse,
            _ => Action::Fetch,
        }
    }

    fn is_pausing(&self, now: SystemTime) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| age(attempt.begun, now).is_some_and(|age| age < PAUSE))
    }

    fn has_succeeded(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.outcome == Some(Ok(())))
    }

    fn has_failed(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.outcome, Some(Err(_))))
    }

    /// Whether the last attempt that ended has failed, whatever becomes of one under way.
    fn is_failing(&self) -> bool {
        self.has_failed() || self.attempt.as_ref().is_some_and(|last| last.outcome.is_none() && last.is_repeated)
    }
}

/// How long ago it was. None where the clock was set back: then nobody knows.
fn age(at: SystemTime, now: SystemTime) -> Option<Duration> {
    match now.duration_since(at) {
        Ok(age) => Some(age),
        // Clocks are corrected by fractions of a second all the time.
        Err(error) if error.duration() < PAUSE => Some(Duration::ZERO),
        Err(_) => None,
    }
}
