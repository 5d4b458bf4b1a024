//! An HTTP client that records what the SDK gives it, and can answer, alter or break off as a test says.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// A request as it was given to the HTTP client.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The operation, such as `PutItem`, `Decrypt` or `AssumeRole`.
    pub operation: String,
    pub body: Vec<u8>,
}

/// What the client does with a request.
pub enum Reaction {
    /// Sends it.
    Forward,
    /// Answers in the server's place: status and body.
    Answer(u16, String),
    /// Sends it and changes the answer's body.
    Alter(Box<dyn FnOnce(String) -> String + Send>),
    /// Sends it and gives another answer: status and body.
    Replace(u16, String),
    /// Sends it, and breaks off when the answer comes.
    Lose,
    /// Fails as a broken connection does, with nothing sent.
    Break,
    /// Sends nothing and never answers.
    Hang,
    /// Sends it when this has come.
    After(Pin<Box<dyn Future<Output = ()> + Send>>),
}

type Script = dyn Fn(&Sent, usize) -> Reaction + Send + Sync;

/// The client. Clones share their records.
#[derive(Clone)]
pub struct Wire {
    inner: SharedHttpClient,
    sent: Arc<Mutex<Vec<Sent>>>,
    script: Arc<Script>,
}

impl Wire {
    /// Sends everything.
    pub fn open() -> Self {
        Self::scripted(|_, _| Reaction::Forward)
    }

    /// Does what `script` says of each request; it is told how many of the same operation came before.
    pub fn scripted(script: impl Fn(&Sent, usize) -> Reaction + Send + Sync + 'static) -> Self {
        let inner = default_http_client_plugin_v2(BehaviorVersion::latest()).unwrap();
        let inner = inner.runtime_components(&RuntimeComponentsBuilder::new("test")).http_client().unwrap();
        Self { inner, sent: Arc::default(), script: Arc::new(script) }
    }

    /// What was sent, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// The bodies of one operation's requests, in order.
    pub fn bodies(&self, operation: &str) -> Vec<Vec<u8>> {
        self.sent().into_iter().filter(|sent| sent.operation == operation).map(|sent| sent.body).collect()
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, wire: self.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    wire: Wire,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap().to_vec();
        let target = request.headers().get("x-amz-target").and_then(|target| target.split('.').nth(1));
        let form = String::from_utf8_lossy(&body).into_owned();
        let action = form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or("unknown");
        let sent = Sent { operation: target.unwrap_or(action).to_owned(), body };
        let mut all = self.wire.sent.lock().unwrap();
        let before = all.iter().filter(|other| other.operation == sent.operation).count();
        let reaction = (self.wire.script)(&sent, before);
        all.push(sent);
        drop(all);
        match reaction {
            Reaction::Forward => self.inner.call(request),
            Reaction::Answer(status, body) => {
                let status = status.try_into().unwrap();
                HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
            }
            Reaction::Alter(alter) => {
                let answer = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    let mut answer = answer.await?;
                    let body = ByteStream::new(answer.take_body()).collect().await.unwrap().to_vec();
                    *answer.body_mut() = SdkBody::from(alter(String::from_utf8(body).unwrap()));
                    Ok(answer)
                })
            }
            Reaction::Replace(status, body) => {
                let answer = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    answer.await?;
                    Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
                })
            }
            Reaction::Lose => {
                let answer = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    answer.await?;
                    Err(ConnectorError::io("broken off".into()))
                })
            }
            Reaction::After(event) => {
                let inner = self.inner.clone();
                HttpConnectorFuture::new(async move {
                    event.await;
                    inner.call(request).await
                })
            }
            Reaction::Hang => HttpConnectorFuture::new(std::future::pending()),
            Reaction::Break => HttpConnectorFuture::ready(Err(ConnectorError::io("broken off".into()))),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire(..)")
    }
}
