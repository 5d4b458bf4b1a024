//! The synchronous hooks, and the auth scheme resolver that awaits the data key.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::auth::{DefaultAuthSchemeResolver, Params, ResolveAuthScheme};
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_smithy_async::future::timeout::Timeout;
use aws_smithy_async::rt::sleep::AsyncSleep;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionsFuture;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{FrozenLayer, Storable, StoreReplace};
use aws_smithy_types::timeout::TimeoutConfig;
use tracing::{Instrument, Span};

use super::Binding;
use super::completion;
use super::dispatch::{self, Checked};
use super::notes::Notes;
use super::opening::Opens;
use super::operation::{Answer, Operation};
use super::stable;
use crate::error::Error;
use crate::item::UnwrappedKey;
use crate::keys::KeyServiceError;
use crate::schema::RecordPlace;
use crate::sight;

/// What one operation still has to do: travels in the config bag, and with the request to the connector.
#[derive(Clone)]
pub(super) struct Pending {
    state: Arc<Mutex<State>>,
    span: Span,
}

/// Where an operation stands.
pub(super) struct State {
    /// The SDK's own, in whose place [`Pending`] stands.
    serializer: SharedRequestSerializer,
    /// What may be sent: made once, resent by every attempt.
    sent: Option<Sent>,
    /// What it does with items; none when it touches none.
    pub(super) items: Option<ItemState>,
}

/// What goes over the wire. Every hook after ours that changes it is refused by the connector.
struct Sent {
    /// `x-amz-target`, which says which operation the body is for.
    target: Option<String>,
    body: SdkBody,
}

pub(super) struct ItemState {
    pub(super) name: &'static str,
    /// The logical tables whose items are sealed and how many, for the audit.
    sealed: Vec<(String, usize)>,
    pub(super) operation: Box<dyn Operation>,
    copied: fn(&Input) -> Option<Input>,
    /// The caller's, as long as it waits for the key.
    input: Option<Input>,
    /// What the SDK knows of it.
    pub(super) sdk: &'static FrozenLayer,
    key: Option<Arc<UnwrappedKey>>,
    /// Whether our auth scheme resolver has run.
    resolved: bool,
    began: Instant,
    /// Until when this attempt may wait for keys.
    pub(super) deadline: Option<Instant>,
    /// How many attempts were sent and not answered.
    pub(super) unanswered: usize,
    /// What the repository wants to know.
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
    fn new(items: Option<ItemState>, serializer: SharedRequestSerializer, span: Span) -> Self {
        Self { state: Arc::new(Mutex::new(State { serializer, sent: None, items })), span }
    }

    /// The operation's.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Never held across an await: the hooks are synchronous, and the connector takes it around its waits.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this request is what was made of the input.
    pub(super) fn allows(&self, request: &HttpRequest) -> bool {
        self.sent.as_ref().is_some_and(|sent| {
            let body = request.body().bytes();
            body.is_some() && body == sent.body.bytes() && sent.target.as_deref() == target(request)
        })
    }

    /// Serializes what is to be sent, and remembers it.
    fn send(&mut self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let mut request = self.serializer.serialize_input(input, config)?;
        if self.items.as_ref().is_some_and(|items| items.operation.token().is_some()) {
            stable::arrange(&mut request);
        }
        let body = request.body().try_clone().ok_or("the SDK serializes DynamoDB's requests in memory")?;
        self.sent = Some(Sent { target: target(&request).map(str::to_owned), body });
        Ok(request)
    }
}

impl ItemState {
    fn new(
        Checked { name, operation, copied, sdk }: Checked,
        binding: &Binding,
        notes: Option<Notes>,
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
            binding.audit.seals(&binding.tenant, name, key, &sealed)?;
        }
        Ok(Self {
            name,
            sealed,
            operation,
            copied,
            input: None,
            sdk,
            key,
            resolved: false,
            began: Instant::now(),
            deadline: None,
            unanswered: 0,
            notes,
            arrived: None,
        })
    }

    /// Makes of the caller's input what is sent.
    fn seal(&mut self, input: Input) -> Result<Input, Error> {
        let sent = self.operation.sealed(input, self.key.as_deref())?;
        if let Some(notes) = self.notes.as_ref().filter(|_| self.operation.writes()) {
            notes.sealed(self.operation.marks(&sent));
        }
        Ok(sent)
    }

    /// Where the record lies of the key that sealing still needs.
    fn awaited(&self) -> Option<RecordPlace> {
        self.operation.seals().filter(|_| self.key.is_none())
    }
}

fn target(request: &HttpRequest) -> Option<&str> {
    request.headers().get("x-amz-target")
}

impl Storable for Pending {
    type Storer = StoreReplace<Self>;
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(..)")
    }
}

/// A sealing client has begun the operation.
#[derive(Debug)]
struct Begun {
    /// Whether the idempotency token of a transaction is the caller's own, who may repeat it.
    own_token: bool,
}

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

/// The hooks of one tenant's client.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    binding: Arc<Binding>,
    /// The SDK's own, in whose place this one stands.
    auth: Arc<DefaultAuthSchemeResolver>,
}

impl Seal {
    pub(super) fn new(binding: &Arc<Binding>) -> Self {
        Self { binding: Arc::clone(binding), auth: Arc::default() }
    }
}

impl Intercept for Seal {
    fn name(&self) -> &'static str {
        "tenantseal"
    }

    /// Precedes the SDK's own hook that makes up a token when there is none.
    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Begun>().is_some() {
            return Err(Error::BoundTwice.into());
        }
        let input = context.input().downcast_ref::<TransactWriteItemsInput>();
        let own_token = input.is_some_and(|input| input.client_request_token.is_some());
        config.interceptor_state().store_put(Begun { own_token });
        Ok(())
    }

    /// Follows every hook that may modify the input, also those that a caller adds to one operation.
    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = config.load::<Metadata>().map_or("", Metadata::name);
        let span = sight::operation(&self.binding.tenant, name);
        let _entered = span.enter();
        let mut checked = dispatch::check(name, context.input(), &self.binding)?;
        if let Some(checked) = &checked {
            sight::tables(&span, || checked.operation.tables().into_iter().map(|(table, _)| table.name()).collect());
        }
        if let Some(checked) = &mut checked
            && !config.load::<Begun>().is_some_and(|begun| begun.own_token)
        {
            checked.operation.forget_token();
        }
        let serializer = match &checked {
            Some(checked) => checked.sdk.load::<SharedRequestSerializer>(),
            None => config.load::<SharedRequestSerializer>(),
        };
        let serializer = serializer.ok_or("the SDK has no serializer")?.clone();
        let notes = config.load::<Notes>().cloned();
        let notes = |operation: &dyn Operation| notes.or_else(|| operation.gives_old().map(|_| Notes::default()));
        let items = checked.map(|checked| {
            let notes = notes(&*checked.operation);
            ItemState::new(checked, &self.binding, notes)
        });
        let items = items.transpose()?;
        let pending = Pending::new(items, serializer, span.clone());
        config.interceptor_state().store_put(SharedRequestSerializer::new(pending.clone()));
        config.interceptor_state().store_put(pending);
        Ok(())
    }

    /// DynamoDB may have written when the keys of its answer are still on their way. Were the attempt to time out then, the SDK would
    /// repeat the write; so the wait ends a little before. And nobody but us can say what was slow.
    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(timeouts) = config.load::<TimeoutConfig>() else { return Ok(()) };
        if let Some(pending) = config.load::<Pending>()
            && let Some(items) = &mut pending.state().items
        {
            let until = |since: Instant, limit: Option<Duration>| since.checked_add(limit? / 10 * 9);
            let attempt = until(Instant::now(), timeouts.operation_attempt_timeout());
            let operation = until(items.began, timeouts.operation_timeout());
            items.deadline = attempt.into_iter().chain(operation).min();
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let pending = config.load::<Pending>().ok_or(Error::Replaced("interceptor"))?.clone();
        let request = context.request_mut();
        request.add_extension(pending.clone());
        let state = &mut *pending.state();
        let Some(items) = &mut state.items else { return Ok(()) };
        if items.operation.seals().is_some() && !items.resolved {
            return Err(Error::Replaced("auth scheme resolver").into());
        }
        // What a former attempt brought.
        items.arrived = None;
        config.interceptor_state().store_put(SharedResponseDeserializer::new(pending.clone()));
        if state.sent.is_none() {
            let input = items.input.take().ok_or(Error::Replaced("serializer"))?;
            let sealed = items.seal(input)?;
            state.send(sealed, config)?;
        }
        // Most often it was serialized as it is sent.
        if state.allows(request) {
            return Ok(());
        }
        let body = state.sent.as_ref().and_then(|sent| sent.body.try_clone());
        let body = body.ok_or(Error::Replaced("serializer"))?;
        let length = body.bytes().map_or(0, <[u8]>::len);
        request.headers_mut().insert("content-length", length.to_string());
        *request.body_mut() = body;
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(answer) = context.output_or_error_mut() else { return Ok(()) };
        match config.load::<Pending>() {
            Some(pending) => Ok(completion::complete(pending, &self.binding, answer)?),
            None if answer.is_ok() => Err(Error::Replaced("interceptor").into()),
            None => Ok(()),
        }
    }
}

impl ResolveAuthScheme for Seal {
    fn resolve_auth_scheme<'a>(
        &'a self,
        params: &'a Params,
        config: &'a ConfigBag,
        components: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        let waiting = config.load::<Pending>().and_then(|pending| {
            let mut state = pending.state();
            let items = state.items.as_mut()?;
            items.resolved = true;
            let place = items.awaited()?;
            let token = items.operation.token().map(str::to_owned);
            Some((pending, place, token, items.deadline))
        });
        // A future that may have to ask for keys is large: it is made only when it does.
        let Some((pending, place, token, deadline)) = waiting else {
            return self.auth.resolve_auth_scheme(params, config, components);
        };
        AuthSchemeOptionsFuture::new(async move {
            let Binding { tenant, keys, audit, .. } = &*self.binding;
            let key = keys.sealing_key(token.as_deref(), place).instrument(pending.span().clone());
            let key = Box::pin(async { key.await.map_err(Error::from) });
            let key = match (deadline, components.sleep_impl()) {
                (Some(deadline), Some(sleep)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let slow = || Err(KeyServiceError::slow(tenant, "GenerateDataKey").into());
                    Timeout::new(key, sleep.sleep(left)).await.unwrap_or_else(|_| slow())
                }
                _ => key.await,
            }?;
            let sealed = pending.state().items.as_mut().map(|items| (items.name, std::mem::take(&mut items.sealed)));
            if let Some((name, sealed)) = sealed {
                audit.seals(tenant, name, &key, &sealed)?;
            }
            if let Some(items) = &mut pending.state().items {
                items.key = Some(key);
            }
            self.auth.resolve_auth_scheme(params, config, components).await
        })
    }
}

/// Stands in for the SDK's serializer. When no key has to be waited for, the sealed input is serialized in the place of the caller's,
/// after every hook that may modify that.
impl SerializeRequest for Pending {
    fn serialize_input(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let state = &mut *self.state();
        let input = match &mut state.items {
            None => input,
            Some(items) if items.awaited().is_none() => items.seal(input)?,
            // Only for what surrounds the body, which is sealed once the key has come: nothing of this may be sent.
            Some(items) => {
                items.input = (items.copied)(&input);
                return state.serializer.serialize_input(input, config);
            }
        };
        state.send(input, config)
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
        let answer = state.items.as_mut().and_then(|items| items.arrived.as_mut()?.answer.take());
        answer.unwrap_or_else(|| Err(OrchestratorError::other(Error::Replaced("HTTP client"))))
    }
}
