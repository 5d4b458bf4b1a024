//! A service with two tenants, and callers that have tokens.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tenantseal::TenantSeal;
use tenantseal::blobs::aws_sdk_s3::primitives::ByteStream;
use tenantseal_service::local::Local;
use tower::ServiceExt;
use uuid::Uuid;

use crate::wire::Wire;

/// What no error may show: it is in every contact, attachment, name and token-like text of these tests.
pub(crate) const CANARY: &str = "canary-7f3a";

pub(crate) struct World {
    pub(crate) local: Local,
    service: Router,
}

/// What the tests of this process have logged so far.
pub(crate) fn logged() -> String {
    String::from_utf8_lossy(&LOG.0.lock().unwrap()).into_owned()
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_env_filter("debug").with_ansi(false).with_writer(move || writer.clone()).init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// None when the body broke off.
    pub(crate) body: Option<Bytes>,
}

impl World {
    pub(crate) async fn start() -> Self {
        LazyLock::force(&LOG);
        let local = Local::start(&["acme", "globex"]).await.unwrap();
        let service = local.service().await.unwrap();
        Self { local, service }
    }

    /// The same stores behind another process of the service, whose caches are empty.
    pub(crate) async fn restarted(self) -> Self {
        Self { service: self.local.service().await.unwrap(), local: self.local }
    }

    pub(crate) fn caller(&self, tenant: &str) -> Caller {
        self.caller_with(Some(self.local.token(tenant).unwrap()))
    }

    /// A caller of another process of the service, which reaches AWS over this HTTP client.
    pub(crate) async fn caller_over(&self, tenant: &str, http: Wire) -> Caller {
        let aws = self.local.aws().to_builder().http_client(http).build();
        let service = self.local.service_over(&aws).await.unwrap();
        Caller { service, token: Some(self.local.token(tenant).unwrap()) }
    }

    pub(crate) fn caller_with(&self, token: Option<String>) -> Caller {
        Caller { service: self.service.clone(), token }
    }

    /// The keys of all objects.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let listed = self.local.s3().list_objects_v2().bucket(self.local.names().1).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// The stored bytes of an object.
    pub(crate) async fn stored(&self, key: &str) -> Bytes {
        let object = self.local.s3().get_object().bucket(self.local.names().1).key(key).send().await.unwrap();
        object.body.collect().await.unwrap().into_bytes()
    }

    /// Replaces an object, as somebody with access to the bucket could.
    pub(crate) async fn plant(&self, key: &str, bytes: impl Into<Bytes>) {
        let body = ByteStream::from(bytes.into());
        self.local.s3().put_object().bucket(self.local.names().1).key(key).body(body).send().await.unwrap();
    }

    /// Another program that seals for the same tenants.
    pub(crate) fn other_program(&self) -> TenantSeal {
        self.local.seal().unwrap()
    }
}

/// Somebody who calls the service.
#[derive(Clone)]
pub(crate) struct Caller {
    service: Router,
    token: Option<String>,
}

impl Caller {
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.service.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok().map(|body| body.to_bytes());
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        answer.shows_nothing_in_errors();
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], "").await
    }

    /// Sends a contact with a precondition.
    pub(crate) async fn put(&self, path: &str, precondition: (&str, &str), contact: &Value) -> Answer {
        let headers = [(header::CONTENT_TYPE.as_str(), "application/json"), precondition];
        self.call(Method::PUT, path, &headers, contact.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str, version: u64) -> Answer {
        let tag = format!("\"{version}\"");
        self.call(Method::DELETE, path, &[("if-match", &tag)], "").await
    }

    /// A new contact's path.
    pub(crate) async fn create(&self) -> String {
        let path = format!("/contacts/{}", Uuid::new_v4());
        assert_eq!(self.put(&path, IS_NEW, &ada()).await.status, StatusCode::CREATED);
        path
    }

    pub(crate) async fn upload(&self, path: &str, bytes: impl Into<Bytes>) -> Answer {
        let bytes = bytes.into();
        let len = bytes.len().to_string();
        self.call(Method::PUT, path, &[("content-length", &len)], bytes).await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_ref().unwrap()).unwrap()
    }

    /// Every answer of these tests is looked at: an error has a status and its name.
    fn shows_nothing_in_errors(&self) {
        if !self.status.is_success() {
            let text = String::from_utf8_lossy(self.body.as_ref().unwrap());
            assert!(text.len() < 60 && !text.contains(CANARY), "{text}");
            assert!(!format!("{:?}", self.headers).contains(CANARY), "{:?}", self.headers);
        }
    }
}

pub(crate) const IS_NEW: (&str, &str) = ("if-none-match", "*");

pub(crate) fn ada() -> Value {
    json!({ "name": format!("Ada {CANARY}"), "email": format!("{CANARY}@example.org"), "notes": null })
}
