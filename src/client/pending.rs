//! One operation in flight: what was checked of its input, what may be sent, and what came back.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use aws_sdk_dynamodb::config::ConfigBag;
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SerializeRequest};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use tenantseal_core::envelope::{KeyRecordPlacement, VerifiedDataKey};
use tenantseal_core::keys::LookupKeys;
use tenantseal_core::telemetry;
use tenantseal_core::tenant::TenantId;
use tracing::Span;

use super::Binding;
use super::adopting::Adopting;
use super::known::Known;
use super::notes::Notes;
use super::opening::Opens;
use super::operation::{Answer, Keys, NOT_CHECKED, Operation};
use super::stable;
use crate::error::{Error, Piece, Standing, Unopened, Written};
use crate::leaves::Grant;

/// The state of one operation. It travels in the config bag, and with the request to the connector.
#[derive(Clone)]
pub(super) struct Pending(Arc<Begun>);

struct Begun {
    binding: Arc<Binding>,
    known: &'static Known,
    /// Whether the caller set the transaction's idempotency token, and so may repeat the request.
    own_token: bool,
    /// The repository's notes.
    notes: Option<Notes>,
    began: Instant,
    span: Span,
    state: Mutex<State>,
}

/// The progress of an operation.
#[derive(Default)]
pub(super) struct State {
    /// Whether an input has been handed in. Only the first is checked and taken.
    taken: bool,
    /// The request that may be sent: made once, resent by every attempt.
    pub(super) sent: Option<Sent>,
    /// Its items; `None` when it touches none.
    pub(super) items: Option<ItemState>,
}

/// What goes over the wire. The connector refuses a request that a later hook has changed.
pub(super) struct Sent {
    method: String,
    /// The values of [`FRAMING`].
    framing: [Option<String>; FRAMING.len()],
    body: SdkBody,
}

/// The headers that name the operation of a body and say how to read it. Each may appear at most once.
const FRAMING: [&str; 4] = ["x-amz-target", "content-type", "content-length", "content-encoding"];

pub(super) struct ItemState {
    /// The logical tables whose items are sealed, and how many, for the audit.
    pub(super) sealed: Vec<(String, usize)>,
    pub(super) operation: Box<dyn Operation>,
    /// What leaves say of what it writes.
    pub(super) adopting: Adopting,
    /// The checked input, while it waits for the data key.
    pub(super) input: Option<Input>,
    pub(super) key: Option<Arc<VerifiedDataKey>>,
    /// The numbers of the lookup keys that the operation needs, each once.
    pub(super) lookups: Vec<u16>,
    pub(super) lookup_keys: Option<LookupKeys>,
    /// Whether our auth scheme resolver has run.
    pub(super) resolved: bool,
    /// The deadline of this attempt for waiting for data keys.
    pub(super) deadline: Option<Instant>,
    /// The number of attempts that were sent and not answered.
    pub(super) unanswered: usize,
    /// The repository's notes, or those that record whether an answer was lost.
    pub(super) notes: Option<Notes>,
    /// What the latest attempt brought, with the keys that open it.
    pub(super) arrived: Option<Arrived>,
}

pub(super) struct Arrived {
    /// The substitute deserializer takes it.
    pub(super) answer: Option<Answer>,
    /// Why the whole answer cannot be returned, whatever its items are.
    pub(super) whole: Option<Error>,
    /// Taken when the items are opened.
    pub(super) opens: Opens,
}

impl Pending {
    pub(super) fn new(
        binding: &Arc<Binding>,
        known: &'static Known,
        own_token: bool,
        notes: Option<Notes>,
        span: Span,
    ) -> Self {
        let (binding, began) = (Arc::clone(binding), Instant::now());
        Self(Arc::new(Begun { binding, known, own_token, notes, began, span, state: Mutex::default() }))
    }

    /// The operation's span.
    pub(super) fn span(&self) -> &Span {
        &self.0.span
    }

    /// Which operation it is.
    pub(super) fn known(&self) -> &'static Known {
        self.0.known
    }

    /// When the operation began.
    pub(super) fn began(&self) -> Instant {
        self.0.began
    }

    /// Never held across an await: the hooks are synchronous, and the connector takes it around its waits.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails unless the client that began the operation is the one that goes on with it.
    pub(super) fn check_bound_to(&self, binding: &Arc<Binding>) -> Result<(), Error> {
        if Arc::ptr_eq(&self.0.binding, binding) { Ok(()) } else { Err(Error::BoundTwice) }
    }

    /// Seals when no data key has to be awaited, and serializes the checked input.
    fn serialize(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let Begun { binding, known, own_token, notes, span, .. } = &*self.0;
        let _entered = span.enter();
        // A second call could bring another input, but the answer must be opened for the input that was sent.
        if std::mem::replace(&mut self.state().taken, true) {
            return Err(NOT_CHECKED.into());
        }
        let Some(mut operation) = known.check(&input, binding)? else {
            return self.state().send(known, input, config);
        };
        telemetry::record_tables(span, || operation.tables().into_iter().map(|(table, _)| table.name()).collect());
        if !own_token {
            operation.forget_token();
        }
        operation.claim(notes.as_ref().and_then(Notes::claiming), binding)?;
        // No lock is held while a user's code runs, which the audit is.
        let notes = notes.clone().or_else(|| operation.gives_old().map(|_| Notes::default()));
        let items = ItemState::new(known.name, operation, notes, binding)?;
        let state = &mut *self.state();
        let items = state.items.insert(items);
        if !items.adopting.is_settled() || items.awaited().is_some() {
            items.input = Some(input);
            // Serializes an empty input for what surrounds the body. The body follows when the data key has arrived, so
            // none of this is sent.
            return known.serialize(known.empty()?, config);
        }
        let sealed = items.seal(input, &binding.tenant)?;
        state.send(known, sealed, config)
    }
}

impl State {
    /// Serializes the input that is sent, and remembers the request.
    pub(super) fn send(
        &mut self,
        known: &Known,
        input: Input,
        config: &mut ConfigBag,
    ) -> Result<HttpRequest, BoxError> {
        let mut request = known.serialize(input, config)?;
        if self.items.as_ref().is_some_and(|items| items.operation.token().is_some()) {
            stable::arrange(&mut request);
        }
        let body = request.body().try_clone().ok_or("the SDK serializes DynamoDB's requests in memory")?;
        let framing = FRAMING.map(|name| request.headers().get(name).map(str::to_owned));
        self.sent = Some(Sent { method: request.method().to_owned(), framing, body });
        Ok(request)
    }
}

impl Sent {
    /// Whether this request is the one made from the input.
    pub(super) fn is(&self, request: &HttpRequest) -> bool {
        let body = request.body().bytes();
        let framed = |(name, value): (&str, &Option<String>)| {
            request.headers().get_all_bytes(name).eq(value.as_deref().map(str::as_bytes))
        };
        body.is_some()
            && body == self.body.bytes()
            && request.method() == self.method
            && FRAMING.into_iter().zip(&self.framing).all(framed)
    }

    /// Turns a request into this one. It may have been serialized before the data key arrived.
    pub(super) fn put_into(&self, request: &mut HttpRequest) -> Result<(), BoxError> {
        // Usually the request was serialized as it is sent.
        if self.is(request) {
            return Ok(());
        }
        for (name, value) in FRAMING.into_iter().zip(&self.framing) {
            match value {
                Some(value) => request.headers_mut().try_insert(name, value.clone()).map(drop)?,
                None => drop(request.headers_mut().remove(name)),
            }
        }
        request.set_method(&self.method)?;
        *request.body_mut() = self.body.try_clone().ok_or("a body in memory can be cloned")?;
        Ok(())
    }
}

impl ItemState {
    fn new(
        name: &'static str,
        mut operation: Box<dyn Operation>,
        notes: Option<Notes>,
        binding: &Binding,
    ) -> Result<Self, Error> {
        let adopting = Adopting::new(&mut *operation, binding);
        let sealed = to_audit(&*operation, binding);
        let key = match (operation.token(), operation.seals()) {
            (None, Some(place)) if adopting.is_settled() => binding.keys.warm_sealing_key(place),
            _ => None,
        };
        if let Some(key) = &key {
            binding.audit.record_seals(&binding.tenant, name, key, &sealed)?;
        }
        let mut lookups = operation.lookups();
        lookups.sort_unstable();
        lookups.dedup();
        let lookup_keys = match lookups.is_empty() {
            true => None,
            false => binding.keys.warm_lookup_keys(&lookups),
        };
        if let Some(keys) = &lookup_keys {
            let tables = tables_with_lookups(&*operation);
            binding.audit.record_lookups(&binding.tenant, name, keys.data_keys(), &tables)?;
        }
        Ok(Self {
            sealed,
            operation,
            adopting,
            input: None,
            key,
            lookups,
            lookup_keys,
            resolved: false,
            deadline: None,
            unanswered: 0,
            notes,
            arrived: None,
        })
    }

    /// Takes what leaves grant.
    pub(super) fn take_leaves(&mut self, granted: Vec<Option<Grant>>, binding: &Binding) -> Result<(), Error> {
        let taken = self.adopting.take(&mut *self.operation, granted);
        self.sealed = to_audit(&*self.operation, binding);
        taken.map_err(|error| self.not_sent(error))
    }

    /// An error for which this attempt is not sent. Nobody knows what earlier ones did that were not answered.
    pub(super) fn not_sent(&self, error: Error) -> Error {
        match self.operation.writes() && self.unanswered > 0 {
            true => Error::Unopened(Unopened::whole(error, Standing::written(Written::Unknown))),
            false => error,
        }
    }

    /// Turns the checked input into the one that is sent.
    pub(super) fn seal(&mut self, input: Input, tenant: &TenantId) -> Result<Input, Error> {
        let keys = Keys { tenant, sealing: self.key.as_deref(), lookups: self.lookup_keys.as_ref() };
        let sent = self.operation.seal(input, &keys)?;
        if let Some(notes) = self.notes.as_ref().filter(|_| self.operation.writes()) {
            notes.record_sealed(self.operation.marks(&sent));
        }
        Ok(sent)
    }

    /// The error when another HTTP client has brought the answer. Nobody knows then what it did with a write.
    pub(super) fn sent_elsewhere(&self) -> Error {
        let error = Error::Replaced(Piece::HttpClient);
        if !self.operation.writes() {
            return error;
        }
        Error::Unopened(Unopened::whole(error, Standing::written(Written::Unknown)))
    }

    /// The keys that the request still needs.
    pub(super) fn awaited(&self) -> Option<Awaited> {
        let place = self.operation.seals().filter(|_| self.key.is_none());
        let lookups = if self.lookup_keys.is_none() { self.lookups.clone() } else { Vec::new() };
        let tables = if lookups.is_empty() { Vec::new() } else { tables_with_lookups(&*self.operation) };
        (place.is_some() || !lookups.is_empty()).then_some(Awaited { place, lookups, tables })
    }
}

/// The logical tables whose items the operation seals, and how many, for the audit.
fn to_audit(operation: &dyn Operation, binding: &Binding) -> Vec<(String, usize)> {
    let mut sealed: Vec<(String, usize)> = Vec::new();
    if binding.audit.is_on() && operation.seals().is_some() {
        for (table, items) in operation.tables().into_iter().filter(|(_, items)| *items > 0) {
            match sealed.iter_mut().find(|(name, _)| name == table.name()) {
                Some((_, sum)) => *sum += items,
                None => sealed.push((table.name().to_owned(), items)),
            }
        }
    }
    sealed
}

/// The logical tables with lookups that an operation names, and how many items it seals in each, for the audit.
fn tables_with_lookups(operation: &dyn Operation) -> Vec<(String, usize)> {
    let mut tables: Vec<(String, usize)> = Vec::new();
    for (table, items) in operation.tables().into_iter().filter(|(table, _)| !table.lookups().is_empty()) {
        match tables.iter_mut().find(|(name, _)| name == table.name()) {
            Some((_, sum)) => *sum += items,
            None => tables.push((table.name().to_owned(), items)),
        }
    }
    tables
}

/// Keys that a request waits for.
pub(super) struct Awaited {
    /// Where the key record is of the data key that seals.
    pub(super) place: Option<KeyRecordPlacement>,
    /// The numbers of the lookup keys.
    pub(super) lookups: Vec<u16>,
    /// The tables with lookups, for the audit.
    pub(super) tables: Vec<(String, usize)>,
}

impl Storable for Pending {
    type Storer = StoreReplace<Self>;
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(..)")
    }
}

/// Replaces the SDK's serializer, after every hook that may modify the input. Whoever calls it with whatever input:
/// that very input is checked, sealed and serialized, or refused.
impl SerializeRequest for Pending {
    fn serialize_input(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        self.serialize(input, config)
    }
}

/// Replaces the SDK's deserializer, which the connector has already run.
impl DeserializeResponse for Pending {
    /// Answers like a deserializer of streams, because nothing is left to read.
    fn deserialize_streaming_with_config(&self, response: &mut HttpResponse, config: &ConfigBag) -> Option<Answer> {
        Some(self.deserialize_nonstreaming_with_config(response, config))
    }

    fn deserialize_nonstreaming_with_config(&self, _: &HttpResponse, _: &ConfigBag) -> Answer {
        let mut state = self.state();
        let Some(items) = &mut state.items else {
            return Err(OrchestratorError::other(Error::Replaced(Piece::HttpClient)));
        };
        let answer = items.arrived.as_mut().and_then(|arrived| arrived.answer.take());
        answer.unwrap_or_else(|| Err(OrchestratorError::other(items.sent_elsewhere())))
    }
}
