//! The synchronous hooks, and the auth scheme resolver that awaits data keys and lookup keys.

use std::sync::Arc;
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
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::ser_de::{SharedRequestSerializer, SharedResponseDeserializer};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::future;
use tenantseal_core::keys::KeyServiceError;
use tenantseal_core::telemetry;
use tracing::Instrument;

use super::Binding;
use super::completion;
use super::dispatch;
use super::notes::Notes;
use super::pending::{Awaited, ItemState, Pending};
use crate::error::{Error, LeaveError, LeaveErrorKind, Piece};
use crate::schema::TableSchema;

/// The marker that a sealing client has begun the operation.
#[derive(Debug)]
struct Begun {
    /// Whether the caller set the transaction's idempotency token, and so may repeat the request.
    own_token: bool,
}

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

/// The hooks of one tenant's client.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    binding: Arc<Binding>,
    /// The SDK's own resolver, which this one replaces.
    auth: Arc<DefaultAuthSchemeResolver>,
}

impl Seal {
    pub(super) fn new(binding: &Arc<Binding>) -> Self {
        Self { binding: Arc::clone(binding), auth: Arc::default() }
    }

    /// Asks for the leaves of these tables, before the deadline of this attempt, and lets the operation write by them.
    async fn take_leaves(
        &self,
        pending: &Pending,
        tables: Vec<Arc<TableSchema>>,
        deadline: Option<Instant>,
        components: &RuntimeComponents,
    ) -> Result<(), Error> {
        let asked = future::try_join_all(tables.iter().map(|table| self.binding.leave(table)));
        let asked = asked.instrument(pending.span().clone());
        let granted = match (deadline, components.sleep_impl()) {
            (Some(deadline), Some(sleep)) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let table = tables.first().map_or("", |table| table.name());
                let slow = || Err(LeaveError::new(table, LeaveErrorKind::Unavailable).into());
                Timeout::new(asked, sleep.sleep(left)).await.unwrap_or_else(|_| slow())
            }
            _ => asked.await,
        };
        let mut state = pending.state();
        let Some(items) = &mut state.items else { return Ok(()) };
        match granted {
            Ok(granted) => items.take_leaves(granted, &self.binding),
            Err(error) => Err(items.not_sent(error)),
        }
    }
}

impl Intercept for Seal {
    fn name(&self) -> &'static str {
        "tenantseal"
    }

    /// Runs before the SDK's own hook, which makes up a token when there is none.
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

    /// Installs the serializer that checks exactly the input it is handed.
    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = config.load::<Metadata>().map_or("", Metadata::name);
        let known = dispatch::find_known(name, context.input(), &self.binding)?;
        let own_token = config.load::<Begun>().is_some_and(|begun| begun.own_token);
        let span = telemetry::operation_span(&self.binding.tenant, known.name);
        let notes = config.load::<Notes>().cloned();
        let pending = Pending::new(&self.binding, known, own_token, notes, span);
        config.interceptor_state().store_put(SharedRequestSerializer::new(pending.clone()));
        config.interceptor_state().store_put(pending);
        Ok(())
    }

    /// DynamoDB may have written while the keys of its answer are still being fetched. If the attempt timed out then,
    /// the SDK would repeat the write, so the wait ends a little earlier. Also, only this client can say what was slow.
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
            let operation = until(pending.began(), timeouts.operation_timeout());
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
        let pending = config.load::<Pending>().ok_or(Error::Replaced(Piece::Interceptor))?.clone();
        pending.check_bound_to(&self.binding)?;
        let request = context.request_mut();
        request.add_extension(pending.clone());
        let state = &mut *pending.state();
        if let Some(items) = &mut state.items {
            let awaits = items.operation.seals().is_some() || !items.lookups.is_empty() || !items.adopting.is_settled();
            if awaits && !items.resolved {
                return Err(Error::Replaced(Piece::AuthSchemeResolver).into());
            }
            // Drops what an earlier attempt brought.
            items.arrived = None;
            config.interceptor_state().store_put(SharedResponseDeserializer::new(pending.clone()));
            if let Some(input) = items.input.take() {
                let sealed = items.seal(input, &self.binding.tenant)?;
                state.send(pending.known(), sealed, config)?;
            }
        }
        let sent = state.sent.as_ref().ok_or(Error::Replaced(Piece::Serializer))?;
        sent.put_into(request)
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
            None if answer.is_ok() => Err(Error::Replaced(Piece::Interceptor).into()),
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
            let leaves = items.adopting.to_ask(&self.binding);
            if leaves.is_empty() {
                items.awaited()?;
            }
            let token = items.operation.token().map(str::to_owned);
            Some((pending, leaves, token, items.deadline))
        });
        // A future that may fetch keys is large, so it is created only when it does.
        let Some((pending, leaves, token, deadline)) = waiting else {
            return self.auth.resolve_auth_scheme(params, config, components);
        };
        AuthSchemeOptionsFuture::new(async move {
            if !leaves.is_empty() {
                Box::pin(self.take_leaves(pending, leaves, deadline, components)).await?;
            }
            let awaited = pending.state().items.as_ref().and_then(ItemState::awaited);
            let Some(Awaited { place, lookups, tables }) = awaited else {
                return self.auth.resolve_auth_scheme(params, config, components).await;
            };
            let Binding { tenant, keys, audit, .. } = &*self.binding;
            let operation = if place.is_some() { "GenerateDataKey" } else { "Decrypt" };
            let sealing = async {
                match place {
                    Some(place) => keys.sealing_key(token.as_deref(), place).await.map(Some),
                    None => Ok(None),
                }
            };
            let looking_up = async {
                match lookups.is_empty() {
                    true => Ok(None),
                    false => keys.lookup_keys(&lookups).await.map(Some),
                }
            };
            let both = future::try_join(sealing, looking_up).instrument(pending.span().clone());
            let both = Box::pin(async { both.await.map_err(Error::from) });
            let (key, lookup_keys) = match (deadline, components.sleep_impl()) {
                (Some(deadline), Some(sleep)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let slow = || Err(KeyServiceError::timed_out(tenant, operation).into());
                    Timeout::new(both, sleep.sleep(left)).await.unwrap_or_else(|_| slow())
                }
                _ => both.await,
            }?;
            let sealed = pending.state().items.as_mut().map(|items| std::mem::take(&mut items.sealed));
            if let (Some(sealed), Some(key)) = (sealed, &key) {
                audit.record_seals(tenant, pending.known().name, key, &sealed).map_err(Error::from)?;
            }
            if let Some(keys) = &lookup_keys {
                let recorded = audit.record_lookups(tenant, pending.known().name, keys.data_keys(), &tables);
                recorded.map_err(Error::from)?;
            }
            if let Some(items) = &mut pending.state().items {
                // What was cached is kept.
                items.key = items.key.take().or(key);
                items.lookup_keys = items.lookup_keys.take().or(lookup_keys);
            }
            self.auth.resolve_auth_scheme(params, config, components).await
        })
    }
}
