//! The synchronous hooks, and the auth scheme resolver that awaits the data key.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::config::auth::{DefaultAuthSchemeResolver, Params, ResolveAuthScheme};
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionsFuture;
use aws_smithy_runtime_api::client::orchestrator::{Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::{SharedRequestSerializer, SharedResponseDeserializer};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::timeout::TimeoutConfig;
use tracing::Instrument;

use super::Binding;
use super::dispatch;
use super::opening;
use super::pending::Pending;
use crate::error::Error;
use crate::sight;

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

    /// Puts the serializer in place that checks the input, and no other than the one that it is handed.
    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = config.load::<Metadata>().map_or("", Metadata::name);
        let known = dispatch::known(name, context.input(), &self.binding)?;
        let own_token = config.load::<Begun>().is_some_and(|begun| begun.own_token);
        let span = sight::operation(&self.binding.tenant, known.name);
        let pending = Pending::new(&self.binding, known, own_token, span);
        config.interceptor_state().store_put(SharedRequestSerializer::new(pending.clone()));
        config.interceptor_state().store_put(pending);
        Ok(())
    }

    /// DynamoDB may have written when the keys of its answer are still on their way. Were the attempt to time out then, the SDK would
    /// repeat the write; so the wait ends a little before.
    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let limit = config.load::<TimeoutConfig>().and_then(TimeoutConfig::operation_attempt_timeout);
        if let Some(pending) = config.load::<Pending>()
            && let Some(items) = &mut pending.state().items
        {
            items.deadline = limit.and_then(|limit| Instant::now().checked_add(limit / 10 * 9));
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
        pending.check_bound_to(&self.binding)?;
        let request = context.request_mut();
        request.add_extension(pending.clone());
        let state = &mut *pending.state();
        if let Some(items) = &mut state.items {
            if items.operation.seals().is_some() && !items.resolved {
                return Err(Error::Replaced("auth scheme resolver").into());
            }
            // What a former attempt brought.
            items.arrived = None;
            config.interceptor_state().store_put(SharedResponseDeserializer::new(pending.clone()));
            if let Some(input) = items.input.take() {
                let sealed = items.operation.sealed(input, items.key.as_deref())?;
                state.send(pending.known(), sealed, config)?;
            }
        }
        let sent = state.sent.as_ref().ok_or(Error::Replaced("serializer"))?;
        sent.put_into(request)
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
        let Some(items) = &mut state.items else { return Ok(()) };
        let Some(arrived) = items.arrived.take() else {
            return if answer.is_ok() { Err(Error::Replaced("HTTP client").into()) } else { Ok(()) };
        };
        // Taken out for good when anything fails: a half-opened answer is neither returned nor logged.
        let taken = std::mem::replace(answer, Err(OrchestratorError::other("the answer did not open")));
        let explained = taken.as_ref().err().and_then(|error| items.operation.explain(error.as_operation_error()?));
        if let Some(error) = explained {
            return Err(error.into());
        }
        let (keys, name) = (arrived.keys?, pending.known().name);
        let (taken, used) = match self.binding.audit.is_on() {
            true => opening::used(&*items.operation, &keys, taken),
            false => (taken, Ok(Vec::new())),
        };
        // No lock is held over a user's code.
        drop(state);
        self.binding.audit.opens(&self.binding.tenant, name, &keys, &used?)?;
        let mut state = pending.state();
        let Some(items) = &mut state.items else { return Ok(()) };
        let _entered = pending.span().enter();
        let (opened, result) = opening::open(&mut *items.operation, &self.binding, &keys, taken);
        result?;
        *answer = opened;
        Ok(())
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
            // An attempt that ends while it waits is followed by another, which has to tell the audit.
            Some((pending, place, token, pending.known().name, items.sealed.clone()))
        });
        // A future that may have to ask for keys is large: it is made only when it does.
        let Some((pending, place, token, name, sealed)) = waiting else {
            return self.auth.resolve_auth_scheme(params, config, components);
        };
        AuthSchemeOptionsFuture::new(async move {
            let Binding { tenant, keys, audit, .. } = &*self.binding;
            let key = keys.sealing_key(token.as_deref(), place).instrument(pending.span().clone());
            let key = Box::pin(key).await.map_err(Error::from)?;
            audit.seals(tenant, name, &key, &sealed)?;
            if let Some(items) = &mut pending.state().items {
                items.key = Some(key);
            }
            self.auth.resolve_auth_scheme(params, config, components).await
        })
    }
}
