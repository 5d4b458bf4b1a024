//! The HTTP client's decorator: awaits the data keys of an answer before the SDK processes it.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::config::{ConfigBag, RuntimeComponents, SharedHttpClient};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_async::future::timeout::Timeout;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tenantseal_core::envelope::{KeyRing, NeededKey};
use tenantseal_core::format::OwnedStoredKey;
use tenantseal_core::keys::{KeyServiceError, OpeningMode};
use tracing::{Instrument, Span};

use super::Binding;
use super::adopting::Accepted;
use super::notes::Notes;
use super::opening::{self, Opens};
use super::operation::Answer;
use super::pending::{Arrived, ItemState, Pending};
use crate::error::{Error, Piece};
use crate::schema::TableSchema;

/// Decorates the HTTP client that sends the requests.
#[derive(Debug, Clone)]
pub(super) struct SealingHttpClient {
    inner: SharedHttpClient,
    binding: Arc<Binding>,
}

impl SealingHttpClient {
    pub(super) fn new(inner: SharedHttpClient, binding: Arc<Binding>) -> Self {
        Self { inner, binding }
    }
}

impl HttpClient for SealingHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        let sleep = components.sleep_impl();
        SharedHttpConnector::new(SealingConnector { inner, sleep, binding: Arc::clone(&self.binding) })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug, Clone)]
struct SealingConnector {
    inner: SharedHttpConnector,
    sleep: Option<SharedAsyncSleep>,
    binding: Arc<Binding>,
}

impl HttpConnector for SealingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            // A second line of defense: without it, a client whose interceptor was replaced would send plaintext.
            let pending = request.extension::<Pending>().cloned();
            let pending = pending.ok_or_else(|| ConnectorError::user(Error::Replaced(Piece::Interceptor).into()))?;
            pending.check_bound_to(&this.binding).map_err(|error| ConnectorError::user(error.into()))?;
            if !pending.state().sent.as_ref().is_some_and(|sent| sent.is(&request)) {
                return Err(ConnectorError::user(Error::Replaced(Piece::Request).into()));
            }
            // After the signature, whose time is no later than this.
            let signed = pending.state().items.as_ref().map_or(Ok(()), |items| {
                items.adopting.check_signed(&this.binding).map_err(|error| items.not_sent(error))
            });
            signed.map_err(|error| ConnectorError::user(error.into()))?;
            let sent = Attempt::begin(&pending);
            let response = this.inner.call(request).await?;
            this.arrive(&pending, sent, response).await
        })
    }
}

/// An attempt that was sent. Until it is answered, nobody knows what it did. An attempt dropped before its answer stays
/// unanswered forever.
struct Attempt<'a>(&'a Pending);

impl<'a> Attempt<'a> {
    fn begin(pending: &'a Pending) -> Self {
        if let Some(items) = &mut pending.state().items {
            items.unanswered += 1;
            if let Some(notes) = &items.notes {
                notes.record_sent();
            }
        }
        Self(pending)
    }

    /// Counts the attempt as answered when DynamoDB has said what it did.
    ///
    /// Two answers leave that open: a success that cannot be read, and an internal error. DynamoDB may have written in
    /// spite of the latter (API reference, `InternalServerError`).
    fn finish(self, response: &HttpResponse, answer: &Answer) {
        if answer.is_err() && !response.status().is_client_error() {
            return;
        }
        if let Some(items) = &mut self.0.state().items {
            items.unanswered -= 1;
            if let Some(notes) = &items.notes {
                notes.record_answered();
            }
        }
    }
}

impl SealingConnector {
    /// The data keys of an answer that arrive before the deadline, and those that could not be fetched.
    async fn opening_keys(
        &self,
        span: &Span,
        needed: Vec<NeededKey>,
        mode: OpeningMode,
        deadline: Option<Instant>,
    ) -> (KeyRing, Vec<(OwnedStoredKey, Error)>) {
        let needed = match span.in_scope(|| self.binding.keys.warm_opening_keys(needed)) {
            Ok(keys) => return (keys, Vec::new()),
            Err(needed) => needed,
        };
        let names: Vec<_> = needed.iter().map(|needed| needed.stored.clone()).collect();
        // On the heap: every request creates the surrounding future, but only requests with a cold key need this one.
        let keys = Box::pin(self.binding.opening_keys(needed, mode).instrument(span.clone()));
        let (Some(deadline), Some(sleep)) = (deadline, &self.sleep) else { return keys.await };
        let left = deadline.saturating_duration_since(Instant::now());
        Timeout::new(keys, sleep.sleep(left)).await.unwrap_or_else(|_| {
            let error = Error::from(KeyServiceError::timed_out(&self.binding.tenant, "Decrypt"));
            (KeyRing::default(), names.into_iter().map(|named| (named, error.clone())).collect())
        })
    }

    /// What the leaves of these tables say, as far as they are known before the deadline.
    async fn leaves(&self, span: &Span, tables: Vec<Arc<TableSchema>>, deadline: Option<Instant>) -> Accepted {
        if tables.is_empty() {
            return Accepted::default();
        }
        let asked = Box::pin(Accepted::ask(&self.binding, tables.clone()).instrument(span.clone()));
        let (Some(deadline), Some(sleep)) = (deadline, &self.sleep) else { return asked.await };
        let left = deadline.saturating_duration_since(Instant::now());
        Timeout::new(asked, sleep.sleep(left)).await.unwrap_or_else(|_| Accepted::slow(tables))
    }

    /// Parses the answer with the SDK's own deserializer and awaits the data keys that its items need.
    async fn arrive(
        &self,
        pending: &Pending,
        sent: Attempt<'_>,
        mut response: HttpResponse,
    ) -> Result<HttpResponse, ConnectorError> {
        if pending.state().items.is_none() {
            return Ok(response);
        }
        let body = ByteStream::new(response.take_body()).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
        *response.body_mut() = SdkBody::from(body);

        let deserializer = pending.known().deserializer().map_err(ConnectorError::user)?;
        let mut answer = deserializer.deserialize_nonstreaming_with_config(&response, &ConfigBag::base());
        let (mut opens, mut mode, mut whole, mut needed, mut deadline) =
            (Opens::default(), OpeningMode::AllOrNothing, None, Vec::new(), None);
        let mut plain = Vec::new();
        if let Some(ItemState { operation, notes, deadline: until, .. }) = &pending.state().items {
            if let Some(notes) = notes {
                answer = opening::note_answer(&**operation, notes, answer);
                mode = if notes.gives_each() { OpeningMode::BestEffort } else { OpeningMode::AllOrNothing };
            }
            deadline = *until;
            if !notes.as_ref().is_some_and(Notes::compares) && self.binding.leaves.is_some() {
                (answer, plain) = opening::plaintext_in(&**operation, &self.binding, answer);
            }
        }
        opens.accepted = self.leaves(pending.span(), plain, deadline).await;
        if let Some(ItemState { operation, notes, .. }) = &pending.state().items
            && !notes.as_ref().is_some_and(Notes::compares)
        {
            let found;
            (answer, found) = opening::needed_keys(&**operation, &self.binding.tenant, &opens.accepted, answer);
            match found {
                Ok((keys, failed)) if failed.is_empty() || mode == OpeningMode::BestEffort => {
                    (needed, opens.failed) = (keys, failed)
                }
                // Keys are not fetched for an answer that will not be returned.
                Ok((_, failed)) => opens.failed = failed,
                Err(error) => whole = Some(error),
            }
        }
        (opens.keys, opens.lacking) = self.opening_keys(pending.span(), needed, mode, deadline).await;
        // A failure is kept for the end: here the SDK would take it for a network failure. From here on the answer is
        // not lost. Before, the attempt may have been given up while it waited for keys.
        sent.finish(&response, &answer);
        if let Some(items) = &mut pending.state().items {
            items.arrived = Some(Arrived { answer: Some(answer), whole, opens });
        }
        Ok(response)
    }
}
