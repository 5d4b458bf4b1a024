//! The synchronous hooks, and the auth scheme resolver that awaits the data key.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::config::auth::{DefaultAuthSchemeResolver, Params, ResolveAuthScheme};
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionsFuture;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::Binding;
use super::operation::{self, Answer, Operation};
use crate::error::Error;
use crate::item::{KeyRing, UnwrappedKey};

/// What one operation still has to do: travels in the config bag, and with the request to the connector.
#[derive(Clone)]
pub(super) struct Pending(Arc<Mutex<State>>);

/// Where an operation stands.
pub(super) enum State {
    /// It touches no items: it passes as it is.
    Passes,
    /// It touches items.
    Items(Box<ItemState>),
}

pub(super) struct ItemState {
    pub(super) operation: Box<dyn Operation>,
    key: Option<Arc<UnwrappedKey>>,
    /// The body that is sent, by every attempt; none while it is still to be made.
    pub(super) body: Option<Vec<u8>>,
    /// What the latest attempt brought, and the keys that open it.
    pub(super) arrived: Option<Arrived>,
}

pub(super) struct Arrived {
    /// Taken by the substitute deserializer.
    pub(super) answer: Option<Answer>,
    /// Taken when the items are opened.
    pub(super) keys: Result<KeyRing, Error>,
}

impl Pending {
    fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Never held across an await: the hooks are synchronous, and the connector takes it around its waits.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The idempotency token of a transaction is the caller's own, who may repeat it.
#[derive(Debug)]
struct OwnToken;

impl Storable for OwnToken {
    type Storer = StoreReplace<Self>;
}

/// The hooks of one tenant's client.
#[derive(Debug, Clone)]
pub(super) struct Seal(pub(super) Arc<Binding>);

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
        let input = context.input().downcast_ref::<TransactWriteItemsInput>();
        if input.is_some_and(|input| input.client_request_token.is_some()) {
            config.interceptor_state().store_put(OwnToken);
        }
        Ok(())
    }

    /// Follows every hook that may modify the input, also those that a caller adds to one operation.
    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = config.load::<Metadata>().map_or("", Metadata::name).to_owned();
        let state = match operation::of(&name, context.input(), &self.0)? {
            None => State::Passes,
            Some(mut operation) => {
                if config.load::<OwnToken>().is_none() {
                    operation.forget_token();
                }
                State::Items(Box::new(ItemState { operation, key: None, body: None, arrived: None }))
            }
        };
        config.interceptor_state().store_put(Pending::new(state));
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
        let mut state = pending.state();
        let State::Items(state) = &mut *state else { return Ok(()) };
        config.interceptor_state().store_put(SharedResponseDeserializer::new(pending.clone()));

        let body = match &state.body {
            Some(body) => body,
            None => {
                if state.operation.seals() && state.key.is_none() {
                    return Err(Error::Replaced("auth scheme resolver").into());
                }
                let body = match state.operation.sealed(state.key.as_deref())? {
                    None => request.body().bytes().map(<[u8]>::to_vec),
                    Some(input) => {
                        let serializer = config.load::<SharedRequestSerializer>().ok_or("the SDK has no serializer")?;
                        let sealed = serializer.clone().serialize_input(input, config)?;
                        sealed.body().bytes().map(<[u8]>::to_vec)
                    }
                };
                state.body.insert(body.ok_or("the SDK serializes DynamoDB's requests in memory")?)
            }
        };
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body.clone());
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(answer) = context.output_or_error_mut() else { return Ok(()) };
        let Some(pending) = config.load::<Pending>() else {
            return if answer.is_ok() { Err(Error::Replaced("interceptor").into()) } else { Ok(()) };
        };
        let mut state = pending.state();
        let State::Items(state) = &mut *state else { return Ok(()) };
        let Some(arrived) = state.arrived.take() else {
            return if answer.is_ok() { Err(Error::Replaced("HTTP client").into()) } else { Ok(()) };
        };
        let keys = arrived.keys?;
        let taken = std::mem::replace(answer, Err(OrchestratorError::other("the answer is being opened")));
        let (opened, result) = operation::open(&*state.operation, &self.0, &keys, taken);
        *answer = opened;
        Ok(result?)
    }
}

impl ResolveAuthScheme for Seal {
    fn resolve_auth_scheme<'a>(
        &'a self,
        params: &'a Params,
        config: &'a ConfigBag,
        components: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        AuthSchemeOptionsFuture::new(async move {
            if let Some(pending) = config.load::<Pending>() {
                let needed = match &*pending.state() {
                    State::Items(state) if state.operation.seals() && state.key.is_none() => {
                        Some(state.operation.token().map(str::to_owned))
                    }
                    _ => None,
                };
                if let Some(token) = needed {
                    let Binding { tenant, keys, .. } = &*self.0;
                    let key = keys.sealing_key(tenant, token.as_deref()).await.map_err(Error::from)?;
                    if let State::Items(state) = &mut *pending.state() {
                        state.key = Some(key);
                    }
                }
            }
            DefaultAuthSchemeResolver::default().resolve_auth_scheme(params, config, components).await
        })
    }
}

/// Stands in for the SDK's deserializer, which the connector has already run.
impl DeserializeResponse for Pending {
    fn deserialize_nonstreaming_with_config(&self, _: &HttpResponse, _: &ConfigBag) -> Answer {
        let answer = match &mut *self.state() {
            State::Items(state) => state.arrived.as_mut().and_then(|arrived| arrived.answer.take()),
            State::Passes => None,
        };
        answer.unwrap_or_else(|| Err(OrchestratorError::other(Error::Replaced("HTTP client"))))
    }
}
