//! One address for the stack's 4 services, so that `--endpoint-url` reaches them all.

use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tenantseal_local::Stack;
use tokio::net::TcpListener;

use crate::errors::{Failure, Result};

#[derive(Clone)]
struct Door {
    client: Client<HttpConnector, Body>,
    dynamodb: String,
    kms: String,
    s3: String,
    sts: String,
}

/// Opens the door, and returns its address.
pub(super) async fn open(stack: &Stack, port: u16) -> Result<String> {
    let closed = |error: std::io::Error| {
        Failure::usage(format!("127.0.0.1:{port}: {error}")).help("choose another --port, or leave it out")
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(closed)?;
    let url = format!("http://{}", listener.local_addr().map_err(closed)?);
    let door = Door {
        client: Client::builder(TokioExecutor::new()).build_http(),
        dynamodb: stack.dynamodb_url().to_owned(),
        kms: stack.kms_url().to_owned(),
        s3: stack.s3_url().to_owned(),
        sts: stack.sts_url().to_owned(),
    };
    let router = Router::new().fallback(pass).with_state(door);
    // It ends with the process. Callers notice by themselves if it stops serving.
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(url)
}

async fn pass(State(door): State<Door>, mut request: Request) -> Response {
    let Some(service) = door.service(request.headers()) else {
        return (StatusCode::BAD_REQUEST, "the request is not signed for dynamodb, kms, s3 or sts").into_response();
    };
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Ok(uri) = format!("{service}{path}").parse::<Uri>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    match door.client.request(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Door {
    /// The service that a request is signed for: `Credential=<id>/<date>/<region>/<service>/aws4_request`.
    fn service(&self, headers: &HeaderMap) -> Option<&str> {
        let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (_, scope) = authorization.split_once("Credential=")?;
        match scope.split('/').nth(3)? {
            "dynamodb" => Some(&self.dynamodb),
            "kms" => Some(&self.kms),
            "s3" => Some(&self.s3),
            "sts" => Some(&self.sts),
            _ => None,
        }
    }
}
