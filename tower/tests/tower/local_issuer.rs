//! An issuer on a socket of this machine, and the HTTP client that reaches it as `https://….test`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What the issuer answers when its key set is fetched.
#[derive(Clone)]
pub enum Answer {
    Set(Value),
    Bytes(Vec<u8>),
    Status(u16),
    Redirect(&'static str),
    /// Headers, and then nothing.
    Never,
    /// Bytes without end.
    Endless,
    /// This set, when it is told to.
    Held(Value),
}

#[derive(Clone)]
pub struct LocalIssuer(Arc<Shared>);

struct Shared {
    name: &'static str,
    address: SocketAddr,
    answer: Mutex<Answer>,
    discovery: Mutex<Value>,
    fetches: AtomicUsize,
    go_on: Notify,
}

impl LocalIssuer {
    /// `https://{name}.test`, with these keys.
    pub async fn start(name: &'static str, keys: &[Value]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{name}.test");
        let shared = Arc::new(Shared {
            name,
            address: listener.local_addr().unwrap(),
            answer: Mutex::new(Answer::Set(json!({ "keys": keys }))),
            discovery: Mutex::new(json!({ "issuer": url, "jwks_uri": format!("{url}/keys?of=all") })),
            fetches: AtomicUsize::default(),
            go_on: Notify::new(),
        });
        let app = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(key_set))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self(shared)
    }

    pub fn url(&self) -> String {
        format!("https://{}.test", self.0.name)
    }

    pub fn publish(&self, keys: &[Value]) {
        self.answer(Answer::Set(json!({ "keys": keys })));
    }

    pub fn answer(&self, answer: Answer) {
        *self.0.answer.lock().unwrap() = answer;
    }

    pub fn discovery(&self, document: Value) {
        *self.0.discovery.lock().unwrap() = document;
    }

    /// How often its key set was fetched.
    pub fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    /// Waits until its key set was fetched so often.
    pub async fn reaches(&self, fetches: usize) {
        let reached = async {
            while self.fetches() < fetches {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the set is fetched");
    }

    /// Lets one held answer go.
    pub fn goes_on(&self) {
        self.0.go_on.notify_one();
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    axum::Json(shared.discovery.lock().unwrap().clone()).into_response()
}

async fn key_set(State(shared): State<Arc<Shared>>) -> Response {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let answer = shared.answer.lock().unwrap().clone();
    match answer {
        Answer::Set(set) => axum::Json(set).into_response(),
        Answer::Bytes(bytes) => bytes.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect(to) => Redirect::temporary(to).into_response(),
        Answer::Never => Body::from_stream(tokio_stream::pending::<Result<Bytes, std::io::Error>>()).into_response(),
        Answer::Endless => {
            let spaces = std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 8_192])));
            Body::from_stream(tokio_stream::iter(spaces)).into_response()
        }
        Answer::Held(set) => {
            shared.go_on.notified().await;
            axum::Json(set).into_response()
        }
    }
}

/// The SDK's own client, for which the names of local issuers lead to their sockets. TLS ends before it, so to say.
#[derive(Debug, Clone)]
pub struct Names<T> {
    sockets: Arc<HashMap<String, SocketAddr>>,
    inner: T,
}

impl Names<SharedHttpClient> {
    pub fn of(issuers: &[&LocalIssuer]) -> Self {
        let sockets = issuers.iter().map(|LocalIssuer(shared)| (format!("{}.test", shared.name), shared.address));
        let plain = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        Self { sockets: Arc::new(sockets.collect()), inner: tenantseal_kms::http::http_client(&plain).unwrap() }
    }
}

impl HttpClient for Names<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Names { sockets: Arc::clone(&self.sockets), inner })
    }
}

impl HttpConnector for Names<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let uri: http::Uri = request.uri().parse().unwrap();
        let socket = uri.host().and_then(|host| self.sockets.get(host));
        let (Some("https"), Some(socket)) = (uri.scheme_str(), socket) else {
            let unknown = format!("no such host: {uri}");
            return HttpConnectorFuture::ready(Err(ConnectorError::io(unknown.into())));
        };
        request.set_uri(format!("http://{socket}{}", uri.path_and_query().unwrap())).unwrap();
        self.inner.call(request)
    }
}
