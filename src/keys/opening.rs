//! The keys that open stored items.
//!
//! What is stored in a table is hostile: a record that nobody has verified can cost its own reader a few calls, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::asking::Asking;
use super::data_keys::{Inner, OpeningKeyError};
use super::flight::{Brought, Flight, Flights, Unwrapping};
use super::held::{Lookup, Renewal};
use super::standing::Route;
use super::tenant::{Begun, TenantKeys};
use super::{KeyServiceError, KeyServiceErrorKind as Kind, UnwrappedDataKey};
use crate::context::EncryptionContext;
use crate::format::{KeyRecord, OwnedStoredKey, StoredKey};
use crate::item::{KeyRing, NeededKey, OpenError, OpenFault, Serves, UnwrappedKey};

/// How many distinct data keys one answer may ask KMS for at once. After the first failure no more are asked for, so a table full of
/// forged records costs a bounded number of calls.
const CONCURRENT_UNWRAPS: usize = 16;

pub(super) const DECRYPT: &str = "Decrypt";

/// A record that was read and may be asked for.
struct Wanted {
    attribute: String,
    named: OwnedStoredKey,
    context: usize,
    record: KeyRecord,
    stored: Arc<[u8]>,
}

impl Inner {
    /// The key in the cache that is named so: by the very bytes of its record, which were verified when it came there, or by its id,
    /// which commits to it.
    pub(super) fn verified(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        named: StoredKey<&[u8]>,
    ) -> Option<Arc<UnwrappedKey>> {
        let key_id = match named {
            StoredKey::Record(stored) => KeyRecord::claimed_key_id(stored)?,
            // Without a key table references open nothing, whatever is in memory.
            StoredKey::Reference(key_id) => self.shared.is_some().then_some(key_id)?,
        };
        let names = |key: &UnwrappedKey| match named {
            StoredKey::Record(stored) => key.stored_record() == stored,
            StoredKey::Reference(_) => true,
        };
        let now = self.clock.now();
        let state = keys.read();
        let found = (0..self.contexts.len()).find_map(|context| {
            match state.held.opening(context, key_id, &self.terms, state.standing.outage(), now)? {
                Lookup::Usable(key, neglected) if names(&key) => Some((key, neglected)),
                _ => None,
            }
        });
        drop(state);
        let (key, neglected) = found?;
        if neglected {
            self.keep_again(keys);
        }
        Some(key)
    }

    pub(super) async fn opening(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        needed: Vec<NeededKey>,
    ) -> Result<KeyRing, OpeningKeyError> {
        let (mut found, mut missing) = (Vec::with_capacity(needed.len()), Vec::new());
        for needed in needed {
            match self.verified(keys, needed.stored.as_ref()) {
                Some(key) => found.push((needed.stored, key)),
                None => missing.push(needed),
            }
        }
        // All contexts are compared before the first call to KMS.
        let wanted = stream::iter(missing).map(|needed| self.wanted(keys, needed));
        let wanted = wanted.buffer_unordered(CONCURRENT_UNWRAPS).try_collect::<Vec<_>>().await?;
        let failed = &AtomicBool::new(false);
        // What is under way is waited for: KMS answers it all the same, and the next try finds those keys.
        let asked: Vec<_> = stream::iter(wanted)
            .take_while(|_| ready(!failed.load(Ordering::Relaxed)))
            .map(|Wanted { attribute, named, context, record, stored }| async move {
                let unwrapped = self.unwrap(keys, context, record, &stored).await;
                failed.fetch_or(unwrapped.is_err(), Ordering::Relaxed);
                match unwrapped {
                    Ok(key) => Ok((named, key)),
                    Err(Unwrapping::Refused(fault)) => Err(OpenError::attribute(&attribute, fault).into()),
                    Err(Unwrapping::Failed(error)) => Err(OpeningKeyError::Key(error)),
                    Err(Unwrapping::Unshared(error)) => Err(OpeningKeyError::Table(error)),
                }
            })
            .buffer_unordered(CONCURRENT_UNWRAPS)
            .collect()
            .await;
        found.extend(asked.into_iter().collect::<Result<Vec<_>, _>>()?);
        Ok(KeyRing::new(found))
    }

    /// Reads the record of a key, from the key table where it lies there, and finds out which configured context it was made for,
    /// in whatever period.
    async fn wanted(&self, keys: &TenantKeys, needed: NeededKey) -> Result<Wanted, OpeningKeyError> {
        let NeededKey { attribute, stored: named } = needed;
        let faulty = |fault: OpenFault| OpenError::attribute(&attribute, fault);
        let stored: Arc<[u8]> = match &named {
            StoredKey::Record(stored) => Arc::from(&**stored),
            StoredKey::Reference(key_id) => {
                let shared = self.shared.as_ref().ok_or_else(|| faulty(OpenFault::NoKeyTable))?;
                let record = shared.record(&keys.tenant, *key_id).await?;
                record.ok_or_else(|| faulty(OpenFault::UnknownKey))?
            }
        };
        let record = KeyRecord::decode(&stored).map_err(|fault| faulty(fault.into()))?;
        if matches!(named, StoredKey::Reference(key_id) if key_id != record.key_id) {
            return Err(faulty(OpenFault::ForgedRecord).into());
        }
        let bytes = |context| KeyRecord::context_bytes(&self.context_of(keys, context, &record));
        match (0..self.contexts.len()).find(|context| *record.context() == *bytes(*context)) {
            Some(context) => Ok(Wanted { attribute, named, context, record, stored }),
            None => Err(faulty(OpenFault::ForeignContext).into()),
        }
    }

    /// A configured context, in the period that a record names: before any other use the two are compared.
    fn context_of(&self, keys: &TenantKeys, context: usize, record: &KeyRecord) -> EncryptionContext {
        let context = EncryptionContext::new(&keys.tenant, &self.contexts[context]);
        match record.period() {
            Some(period) => context.in_period(period),
            None => context,
        }
    }

    /// The key of a record, from the cache or from KMS.
    async fn unwrap(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        record: KeyRecord,
        stored: &[u8],
    ) -> Brought {
        match self.known(keys, context, &record, stored)? {
            Known::Usable(key) => return Ok(key),
            Known::Over(lease) => {
                let renewed = self.renew_lease(keys, lease, false).await;
                match (self.known(keys, context, &record, stored)?, renewed) {
                    // Also when KMS cannot be asked: in an outage keys serve on for a while.
                    (Known::Usable(key), _) => return Ok(key),
                    (_, Err(failure)) => return Err(failure),
                    (_, Ok(_)) => {}
                }
            }
            Known::No => {}
        }
        let id = (context, Sha256::digest(stored).into());
        if let Some(refusal) = keys.refused(&id, self.clock.now()) {
            return Err(refusal);
        }
        let flight = Flights::join(keys, Flight::Record(id.0, id.1), || {
            let (inner, keys, stored) = (Arc::clone(self), Arc::clone(keys), Box::<[u8]>::from(stored));
            async move { inner.fly_record(&keys, id, &record, &stored).await }.boxed()
        });
        flight.await
    }

    /// What the cache says of a record.
    fn known(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        record: &KeyRecord,
        stored: &[u8],
    ) -> Result<Known, Unwrapping> {
        let state = keys.read();
        let outage = state.standing.outage();
        let found = state.held.opening(context, record.key_id, &self.terms, outage, self.clock.now());
        drop(state);
        let (key, known) = match found {
            Some(Lookup::Usable(key, _)) => (Arc::clone(&key), Known::Usable(key)),
            Some(Lookup::Over { key, lease }) => (key, Known::Over(lease)),
            None => return Ok(Known::No),
        };
        match key.serves(record, stored) {
            Serves::Yes => Ok(known),
            Serves::Forged => Err(Unwrapping::Refused(OpenFault::ForgedRecord)),
            Serves::AskAgain => Ok(Known::No),
        }
    }

    /// Asks for a record that nobody has verified.
    async fn fly_record(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        id: (usize, [u8; 32]),
        record: &KeyRecord,
        stored: &[u8],
    ) -> Brought {
        if let Known::Usable(key) = self.known(keys, id.0, record, stored)? {
            return Ok(key);
        }
        for round in 0..Self::ROUNDS {
            let started = self.clock.now();
            let asked = {
                let _place = keys.place().await;
                let Some(trial) = Trial::begin(keys, started) else {
                    return Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::TooManyRefused)));
                };
                let asked = self.decrypt(keys, id.0, record, false).await;
                trial.end(&asked);
                asked
            };
            let failure = match asked {
                Ok(answer) => match self.take_in(keys, id.0, answer) {
                    Some(key) => return Ok(key),
                    // The tenant was evicted meanwhile.
                    None => continue,
                },
                Err(Unwrapping::Failed(error)) if error.is_refusal() => {
                    let error = self.suspected(keys, error, started).await;
                    // KMS refuses the key for which it vouches: the tenant was suspended or resumed between the two answers.
                    if round == 0 && error.is_of_former_key() && keys.read().standing.answers_now_with(&record.kek) {
                        continue;
                    }
                    Unwrapping::Failed(error)
                }
                Err(failure) => failure,
            };
            if is_of_the_record(&failure) {
                keys.write().refused.insert(id, failure.clone(), self.clock.now());
            }
            return Err(failure);
        }
        Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::Unavailable)))
    }

    /// A refusal of a record that nobody has verified: the record may be the reason, so the tenant's own key is asked for, and that
    /// decides.
    fn suspected<'a>(
        self: &'a Arc<Self>,
        keys: &'a Arc<TenantKeys>,
        error: KeyServiceError,
        started: super::clock::Moment,
    ) -> BoxFuture<'a, KeyServiceError> {
        async move {
            let (epoch, own) = {
                let state = keys.read();
                (state.epoch, state.held.own_lease(state.standing.current()))
            };
            let vouched = match own {
                // KMS has vouched for the tenant since.
                Some((_, _, asked)) if asked.is_after(started) => true,
                Some((_, true, _)) => self.renew_sealing(keys, true).await.is_ok(),
                Some((lease, false, _)) => self.renew_lease(keys, lease, true).await.is_ok(),
                None => false,
            };
            let mut state = keys.write();
            match state.standing.refusal() {
                Some(refusal) if state.epoch != epoch => refusal,
                _ if vouched => error.of_former_key(),
                _ => state.standing.doubted(error, self.onboarding, started),
            }
        }
        .boxed()
    }

    /// Asks KMS for a lease again, `ahead` of its end or because it is over: one key of it stands for all.
    pub(super) async fn renew_lease(self: &Arc<Self>, keys: &Arc<TenantKeys>, lease: u64, ahead: bool) -> Brought {
        let flight = Flights::join(keys, Flight::Lease(lease), || {
            let (inner, keys) = (Arc::clone(self), Arc::clone(keys));
            async move { inner.fly_lease(&keys, lease, ahead).await }.boxed()
        });
        flight.await
    }

    async fn fly_lease(self: &Arc<Self>, keys: &Arc<TenantKeys>, lease: u64, ahead: bool) -> Brought {
        let of_lease = keys.read().held.of_lease(lease);
        let Some((context, key)) = of_lease else {
            return Err(Unwrapping::Failed(KeyServiceError::new(&keys.tenant, DECRYPT, Kind::Unavailable)));
        };
        let asked = {
            let _place = keys.place().await;
            let is_renewed = {
                let state = keys.read();
                state.held.is_allowed(lease, &self.terms, self.clock.now())
            };
            if !ahead && is_renewed {
                return Ok(key);
            }
            self.decrypt(keys, context, key.record(), true).await
        };
        let failure = match asked {
            Ok(answer) => {
                let begun = answer.begun;
                self.renew_from(keys, context, &answer, begun);
                return Ok(key);
            }
            Err(Unwrapping::Failed(error)) if error.is_refusal() => Unwrapping::Failed(self.judged(keys, error).await),
            Err(failure) => failure,
        };
        let is_over = match &failure {
            Unwrapping::Refused(_) => true,
            // The lease of a former key: the tenant's own has taken all keys with it.
            Unwrapping::Failed(error) => error.is_of_former_key() && error.kind() != Kind::Unavailable,
            Unwrapping::Unshared(_) => false,
        };
        if is_over {
            keys.write().held.retain_leases(|other| other.id != lease);
            self.taken_in(keys);
        }
        Err(failure)
    }

    /// Asks for a record's key by the alias under which it should be, then by the other.
    async fn decrypt(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        record: &KeyRecord,
        verified: bool,
    ) -> Result<Answer, Unwrapping> {
        let first = {
            let state = keys.read();
            if state.standing.current().is_some_and(|current| current.account() != record.kek.account()) {
                return Err(Unwrapping::Refused(OpenFault::OtherKek));
            }
            state.standing.route(&record.kek)
        };
        let error = match self.ask(keys, context, record, first, verified).await {
            Ok(answered) => return Answer::checked(record, answered, first),
            Err(error) => error,
        };
        let gives_way = match (first, error.kind()) {
            (Route::Configured, Kind::IncorrectKey | Kind::NotFound) | (Route::OfKey, Kind::MissingAlias) => true,
            (Route::Configured, Kind::Denied) => !verified && error.is_refusal(),
            _ => false,
        };
        if !gives_way {
            return Err(failed(first, error));
        }
        let second = first.other();
        match self.ask(keys, context, record, second, verified).await {
            Ok(answered) => {
                let answer = Answer::checked(record, answered, second)?;
                if second == Route::OfKey && error.kind() != Kind::Denied {
                    keys.write().standing.is_former(&record.kek);
                }
                Ok(answer)
            }
            Err(other) => {
                let (configured, of_key) = match second {
                    Route::OfKey => (error, other),
                    Route::Configured => (other, error),
                };
                Err(match configured.kind() {
                    Kind::IncorrectKey => failed(Route::OfKey, of_key),
                    _ => failed(Route::Configured, configured),
                })
            }
        }
    }

    pub(super) async fn ask(
        &self,
        keys: &TenantKeys,
        context: usize,
        record: &KeyRecord,
        route: Route,
        verified: bool,
    ) -> Result<(UnwrappedDataKey, Begun), KeyServiceError> {
        let context = self.context_of(keys, context, record);
        let KeyRecord { kek, wrapped, .. } = record;
        let asking = Asking { operation: DECRYPT, route, verified };
        let unwrap = || match route {
            Route::Configured => self.service.unwrap_data_key(&keys.tenant, &context, kek, wrapped),
            Route::OfKey => self.service.unwrap_former_data_key(&keys.tenant, &context, kek, wrapped),
        };
        self.call(keys, asking, unwrap).await
    }

    /// Takes in a key, unless the tenant was evicted since it was asked for.
    fn take_in(self: &Arc<Self>, keys: &Arc<TenantKeys>, context: usize, answer: Answer) -> Option<Arc<UnwrappedKey>> {
        let begun = answer.begun;
        let lease = self.renew_from(keys, context, &answer, begun)?;
        let key = Arc::new(answer.key);
        {
            let mut state = keys.write();
            if state.epoch != begun.epoch {
                return None;
            }
            state.held.insert(context, &key, lease, self.clock.now());
        }
        self.taken_in(keys);
        Some(key)
    }

    fn renew_from(
        self: &Arc<Self>,
        keys: &Arc<TenantKeys>,
        context: usize,
        answer: &Answer,
        begun: Begun,
    ) -> Option<u64> {
        let by_alias = answer.route == Route::Configured;
        let mut state = keys.write();
        if state.epoch != begun.epoch {
            return None;
        }
        let kek = &answer.key.record().kek;
        if by_alias {
            state.standing.answers_with(kek);
        }
        Some(state.held.renew(context, kek, Renewal { begun: begun.at, by_alias }, &self.terms))
    }
}

enum Known {
    Usable(Arc<UnwrappedKey>),
    /// The lease of a key that was verified once.
    Over(u64),
    No,
}

/// What KMS answered to a record, which is the answered key's own.
struct Answer {
    key: UnwrappedKey,
    begun: Begun,
    route: Route,
}

impl Answer {
    fn checked(
        record: &KeyRecord,
        (answer, begun): (UnwrappedDataKey, Begun),
        route: Route,
    ) -> Result<Self, Unwrapping> {
        let genuine = answer.kek.is_same_key(&record.kek);
        let key = genuine.then(|| UnwrappedKey::verify(record.clone(), &answer.data_key)).flatten();
        key.map(|key| Self { key, begun, route }).ok_or(Unwrapping::Refused(OpenFault::ForgedRecord))
    }
}

/// What an error by this alias says of a record.
fn failed(route: Route, error: KeyServiceError) -> Unwrapping {
    match (route, error.kind()) {
        (_, Kind::IncorrectKey) => Unwrapping::Refused(OpenFault::OtherKek),
        (_, Kind::InvalidCiphertext) => Unwrapping::Refused(OpenFault::WrappedKey),
        (Route::Configured, _) => Unwrapping::Failed(error),
        (Route::OfKey, _) => Unwrapping::Failed(error.of_former_key()),
    }
}

/// Whether a failure is remembered of the record.
fn is_of_the_record(failure: &Unwrapping) -> bool {
    match failure {
        Unwrapping::Refused(_) => true,
        Unwrapping::Failed(error) => {
            use Kind::{Denied, FormerKeyDisabled, MissingAlias, NotFound, Revoked};
            let kinds = matches!(error.kind(), MissingAlias | FormerKeyDisabled | Revoked | Denied | NotFound);
            kinds && !error.is_of_session()
        }
        Unwrapping::Unshared(_) => false,
    }
}

/// One try of a record that nobody has verified. It costs a token unless something else than the record is seen to decide: also when
/// nobody waits any more, for KMS may have been asked all the same.
struct Trial<'k>(&'k TenantKeys);

impl<'k> Trial<'k> {
    fn begin(keys: &'k TenantKeys, now: super::clock::Moment) -> Option<Self> {
        keys.write().refused.allow(now).then_some(Self(keys))
    }

    fn end(self, asked: &Result<Answer, Unwrapping>) {
        let failed = match asked {
            Ok(_) => false,
            // The tenant was refused before anyone looked at the record.
            Err(Unwrapping::Failed(error)) if error.is_of_tenant() => false,
            Err(failure) => is_of_the_record(failure),
        };
        if !failed {
            self.0.write().refused.give_back();
        }
    }
}
