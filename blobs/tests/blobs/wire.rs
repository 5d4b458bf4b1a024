//! An HTTP client that records what the SDK gives it, and changes or loses answers as a test says.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::scene::Scene;

/// A request to S3 as it was given to the HTTP client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) range: Option<String>,
    pub(crate) if_match: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What the client does with a request.
pub(crate) enum Reaction {
    /// Sends it.
    Forward,
    /// Answers in the server's place.
    Answer(u16, String),
    /// Sends it and changes the answer.
    Alter(Box<dyn FnOnce(HttpResponse) -> HttpResponse + Send>),
    /// Sends nothing and never answers.
    Hang,
}

type Script = dyn Fn(&Sent, usize) -> Reaction + Send + Sync;

/// The client. Clones share their records. Only what goes to S3 is recorded and changed.
#[derive(Clone)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    s3: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    script: Arc<Script>,
}

impl Wire {
    /// Sends everything.
    pub(crate) fn open(scene: &Scene) -> Self {
        Self::scripted(scene, |_, _| Reaction::Forward)
    }

    /// Does what `script` says of each request to S3; it is told how many came before.
    pub(crate) fn scripted(scene: &Scene, script: impl Fn(&Sent, usize) -> Reaction + Send + Sync + 'static) -> Self {
        let inner = tenantseal_kms::http::http_client(&scene.app).unwrap();
        Self { inner, s3: scene.stack.s3_url().to_owned(), sent: Arc::default(), script: Arc::new(script) }
    }

    /// What was sent, in order.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { wire: self.clone(), inner })
    }
}

struct Connector {
    wire: Wire,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if !request.uri().starts_with(&self.wire.s3) {
            return self.inner.call(request);
        }
        let header = |name: &str| request.headers().get(name).map(str::to_owned);
        let sent = Sent {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            range: header("range"),
            if_match: header("if-match"),
            body: request.body().bytes().map(<[u8]>::to_vec).unwrap_or_default(),
        };
        let before = {
            let mut all = self.wire.sent.lock().unwrap();
            all.push(sent.clone());
            all.len() - 1
        };
        let inner = self.inner.clone();
        match (self.wire.script)(&sent, before) {
            Reaction::Forward => inner.call(request),
            Reaction::Answer(status, body) => HttpConnectorFuture::new(async move {
                Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
            }),
            Reaction::Alter(change) => HttpConnectorFuture::new(async move { Ok(change(inner.call(request).await?)) }),
            Reaction::Hang => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
