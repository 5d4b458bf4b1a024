//! S3: objects in memory, spoken to by the genuine clients.
//!
//! The crate `s3s` speaks the protocol and verifies signatures. Here are the objects, the conditions, and the faults.

mod operations;
mod request;
pub(crate) mod store;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    config::{S3Config, StaticConfigProvider},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};

use crate::{
    calls::{Call, Outcome, Service},
    credentials::authenticate,
    refusal::Refusal,
    server::{Met, Server, break_off, cut_off},
    state::{Shared, iam::Rejected},
};
use operations::Objects;

/// The routes of S3.
pub(crate) fn routes() -> Router<Server> {
    Router::new().fallback(handle)
}

/// Lets a request meet its faults, serves it, and cuts its answer.
async fn handle(State(server): State<Server>, request: Request) -> Result<Response, Infallible> {
    let shared = &server.shared;
    let (caller, region) = authenticate(request.headers(), shared, shared.clock.now());
    let call = Call {
        service: Service::S3,
        operation: request::operation(&request).to_owned(),
        region,
        principal: caller.as_ref().ok().map(|caller| caller.principal.arn.clone()),
        session_name: caller.as_ref().ok().and_then(|caller| caller.session_name.clone()),
        key_id: None,
        resource: Some(format!("arn:aws:s3:::{}", request.uri().path().trim_start_matches('/'))),
        encryption_context: Default::default(),
    };
    let met = server.meet_faults(&call);
    let ongoing = shared.calls.begin(call);
    let Some(Met { injected, cut }) = met.await else { return Ok(break_off()) };
    let refusal = injected.or_else(|| caller.err().map(refusal));
    let response = match refusal {
        Some(refusal) => {
            // A client that is still writing would see its connection break, and not the answer.
            drain(request.into_body()).await;
            refuse(&refusal)
        }
        None => serve(shared, request).await,
    };
    ongoing.end(match response.status() {
        status if status.is_success() => Outcome::Answered,
        status => Outcome::Refused(status.as_u16().to_string()),
    });
    Ok(match cut {
        Some(after) => cut_off(response, after),
        None => response,
    })
}

async fn serve(shared: &Arc<Shared>, request: Request) -> Response {
    let request = request.map(s3s::Body::http_body_unsync);
    match service(shared).call(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn service(shared: &Arc<Shared>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Objects(Arc::clone(shared)));
    builder.set_auth(Secrets(Arc::clone(shared)));
    // The stack has a clock of its own, which may be far ahead.
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = u32::MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.build()
}

async fn drain(body: Body) {
    use futures_util::StreamExt;
    let mut pieces = body.into_data_stream();
    while let Some(Ok(_)) = pieces.next().await {}
}

fn refusal(rejected: Rejected) -> Refusal {
    let (code, status) = match rejected {
        Rejected::Missing => ("AccessDenied", 403),
        Rejected::Unknown => ("InvalidAccessKeyId", 403),
        Rejected::Expired => ("ExpiredToken", 400),
    };
    Refusal { code: code.into(), status, message: "refused by the local stack".to_owned() }
}

fn refuse(refusal: &Refusal) -> Response {
    let Refusal { code, status, message } = refusal;
    let body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"#
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The secrets of the stack's users and sessions.
struct Secrets(Arc<Shared>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let state = self.0.state();
        state.iam.secret(access_key).map(SecretKey::from).ok_or_else(|| s3_error!(InvalidAccessKeyId))
    }
}
