//! One operation on its way: what was checked of its input, what may be sent of it, and what came back.

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
use tenantseal_core::telemetry;
use tracing::Span;

use super::Binding;
use super::known::Known;
use super::notes::Notes;
use super::opening::Opens;
use super::operation::{Answer, NOT_CHECKED, Operation};
use super::stable;
use crate::error::{Error, Piece, Standing, Unopened, Written};

/// What one operation still has to do: travels in the config bag, and with the request to the connector.
#[derive(Clone)]
pub(super) struct Pending(Arc<Begun>);

struct Begun {
    binding: Arc<Binding>,
    known: &'static Known,
    /// Whether the idempotency token of a transaction is the caller's own, who may repeat it.
    own_token: bool,
    /// What the repository wants to know.
    notes: Option<Notes>,
    began: Instant,
    span: Span,
    state: Mutex<State>,
}

/// Where an operation stands.
#[derive(Default)]
pub(super) struct State {
    /// Whether an input has been handed in. It is checked then, and no other is taken.
    taken: bool,
    /// What may be sent: made once, resent by every attempt.
    pub(super) sent: Option<Sent>,
    /// What it does with items; none when it touches none.
    pub(super) items: Option<ItemState>,
}

/// What goes over the wire. Every hook after ours that changes it is refused by the connector.
pub(super) struct Sent {
    method: String,
    /// The values of [`FRAMING`].
    framing: [Option<String>; FRAMING.len()],
    body: SdkBody,
}

/// The headers that say for which operation a body is, and how it is read. Each may be there once.
const FRAMING: [&str; 4] = ["x-amz-target", "content-type", "content-length", "content-encoding"];

pub(super) struct ItemState {
    /// The logical tables whose items are sealed and how many, for the audit.
    pub(super) sealed: Vec<(String, usize)>,
    pub(super) operation: Box<dyn Operation>,
    /// What was checked, as long as it waits for the key.
    pub(super) input: Option<Input>,
    pub(super) key: Option<Arc<VerifiedDataKey>>,
    /// Whether our auth scheme resolver has run.
    pub(super) resolved: bool,
    /// Until when this attempt may wait for keys.
    pub(super) deadline: Option<Instant>,
    /// How many attempts were sent and not answered.
    pub(super) unanswered: usize,
    /// What the repository wants to know, or what there is to say of an answer that was lost.
    pub(super) notes: Option<Notes>,
    /// What the latest attempt brought, and the keys that open it.
    pub(super) arrived: Option<Arrived>,
}

pub(super) struct Arrived {
    /// Taken by the substitute deserializer.
    pub(super) answer: Option<Answer>,
    /// Why it cannot be given, whatever its items are.
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

    /// The operation's.
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

    /// Refuses to go on in another client than the one that has begun the operation.
    pub(super) fn check_bound_to(&self, binding: &Arc<Binding>) -> Result<(), Error> {
        if Arc::ptr_eq(&self.0.binding, binding) { Ok(()) } else { Err(Error::BoundTwice) }
    }

    /// Seals, when no key has to be waited for, and serializes what was checked.
    fn serialize(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let Begun { binding, known, own_token, notes, span, .. } = &*self.0;
        let _entered = span.enter();
        // Who calls again has what another input would be made of: what was sent must be what is opened.
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
        // No lock is held over a user's code, which the audit is.
        let notes = notes.clone().or_else(|| operation.gives_old().map(|_| Notes::default()));
        let items = ItemState::new(known.name, operation, notes, binding)?;
        let state = &mut *self.state();
        let items = state.items.insert(items);
        if items.awaited().is_some() {
            items.input = Some(input);
            // For what surrounds the body, which is made when the key has come: nothing of this is sent.
            return known.serialize(known.empty()?, config);
        }
        let sealed = items.seal(input)?;
        state.send(known, sealed, config)
    }
}

impl State {
    /// Serializes what is to be sent, and remembers it.
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
    /// Whether this request is what was made of the input.
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

    /// Makes this of a request, which has perhaps been serialized before its key was there.
    pub(super) fn put_into(&self, request: &mut HttpRequest) -> Result<(), BoxError> {
        // Most often it was serialized as it is sent.
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
        operation: Box<dyn Operation>,
        notes: Option<Notes>,
        binding: &Binding,
    ) -> Result<Self, Error> {
        let mut sealed: Vec<(String, usize)> = Vec::new();
        if binding.audit.is_on() && operation.seals().is_some() {
            for (table, items) in operation.tables().into_iter().filter(|(_, items)| *items > 0) {
                match sealed.iter_mut().find(|(name, _)| name == table.name()) {
                    Some((_, sum)) => *sum += items,
                    None => sealed.push((table.name().to_owned(), items)),
                }
            }
        }
        let key = match (operation.token(), operation.seals()) {
            (None, Some(place)) => binding.keys.warm_sealing_key(place),
            _ => None,
        };
        if let Some(key) = &key {
            binding.audit.record_seals(&binding.tenant, name, key, &sealed)?;
        }
        Ok(Self {
            sealed,
            operation,
            input: None,
            key,
            resolved: false,
            deadline: None,
            unanswered: 0,
            notes,
            arrived: None,
        })
    }

    /// Makes of what was checked what is sent.
    pub(super) fn seal(&mut self, input: Input) -> Result<Input, Error> {
        let sent = self.operation.sealed(input, self.key.as_deref())?;
        if let Some(notes) = self.notes.as_ref().filter(|_| self.operation.writes()) {
            notes.sealed(self.operation.marks(&sent));
        }
        Ok(sent)
    }

    /// That another HTTP client than ours has brought an answer, so that nobody knows what it did with a write.
    pub(super) fn sent_elsewhere(&self) -> Error {
        let error = Error::Replaced(Piece::HttpClient);
        if !self.operation.writes() {
            return error;
        }
        Error::Unopened(Unopened::whole(error, Standing::written(Written::Unknown)))
    }

    /// Where the record lies of the key that sealing still needs.
    pub(super) fn awaited(&self) -> Option<KeyRecordPlacement> {
        self.operation.seals().filter(|_| self.key.is_none())
    }
}

impl Storable for Pending {
    type Storer = StoreReplace<Self>;
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(..)")
    }
}

/// Stands in for the SDK's serializer, after every hook that may modify the input. Whoever calls it, and with whatever input: that
/// very input is checked, sealed and serialized, or refused.
impl SerializeRequest for Pending {
    fn serialize_input(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        self.serialize(input, config)
    }
}

/// Stands in for the SDK's deserializer, which the connector has already run.
impl DeserializeResponse for Pending {
    /// As if it were one for a stream: nothing has to be read any more.
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
