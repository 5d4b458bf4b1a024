//! Streams that outlive their token.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use tenantseal_tower::TokenExpired;
use tokio_stream::StreamExt;
use tonic::Code;
use tower::ServiceExt;

use crate::grpc::{Caller, Ends};
use crate::scene::{NOW, World, claims_with};

/// How long the tokens of these tests have left, with the leeway of a minute.
const LEFT: Duration = Duration::from_millis(400);

/// A token that is refused soon. The clock of the tests stands still, so a test moves it there.
fn ending(world: &World) -> String {
    let exp = NOW as f64 - 60.0 + LEFT.as_secs_f64();
    world.key.sign(&claims_with(&world.issuer, "exp", json!(exp)))
}

/// Lets the token expire.
fn expire_later(world: &World) {
    let clock = world.clock.clone();
    tokio::spawn(async move {
        tokio::time::sleep(LEFT).await;
        clock.advance(2 * LEFT);
    });
}

#[tokio::test]
async fn a_stream_of_grpc_ends_with_the_status_16_when_its_token_expires() {
    let world = World::start().await;
    let mut caller = Caller::connect(&world, Ends::AtExpiry, Some(ending(&world))).await;
    let mut ticks = caller.watch().await.unwrap();
    expire_later(&world);
    let (began, mut seen) = (Instant::now(), 0);
    let status = loop {
        match tokio::time::timeout(Duration::from_secs(20), ticks.message()).await.expect("the stream ends") {
            Ok(Some(_)) => seen += 1,
            other => break other.unwrap_err(),
        }
    };
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(seen > 3 && began.elapsed() >= LEFT / 2, "{seen} {:?}", began.elapsed());
}

#[tokio::test]
async fn without_being_asked_to_the_layer_ends_no_stream() {
    let world = World::start().await;
    let mut caller = Caller::connect(&world, Ends::Never, Some(ending(&world))).await;
    let mut ticks = caller.watch().await.unwrap();
    world.clock.advance(Duration::from_secs(3_600));
    for _ in 0..40 {
        assert!(ticks.message().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn an_upload_over_grpc_ends_with_the_status_16_when_its_token_expires() {
    let world = World::start().await;
    let mut caller = Caller::connect(&world, Ends::AtExpiry, Some(ending(&world))).await;
    expire_later(&world);
    let messages = tokio_stream::iter(std::iter::repeat(Bytes::from_static(b"part")));
    let upload = caller.upload(messages.throttle(Duration::from_millis(20)));
    let status = tokio::time::timeout(Duration::from_secs(20), upload).await.expect("it ends").unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    // One that ends in time is counted to its end.
    let mut caller = Caller::connect(&world, Ends::AtExpiry, Some(world.token())).await;
    let messages = tokio_stream::iter(vec![Bytes::from_static(b"part"); 5]);
    assert_eq!(caller.upload(messages).await.unwrap(), "5");
}

/// An app whose bodies go on without end, in small pieces.
fn app(world: &World) -> axum::Router {
    let endless = || async {
        let ticks = tokio_stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"tick"))));
        Body::from_stream(ticks.throttle(Duration::from_millis(20)))
    };
    // As fast as they are taken: never pending.
    let greedy = || async {
        Body::from_stream(tokio_stream::iter(std::iter::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from_static(b"tick"))
        })))
    };
    let count = |body: Body| async move {
        match body.collect().await {
            Ok(_) => "whole",
            Err(error) if std::error::Error::source(&error).is_some_and(|cause| cause.is::<TokenExpired>()) => {
                "expired"
            }
            Err(_) => "broken",
        }
    };
    axum::Router::new()
        .route("/endless", get(endless))
        .route("/greedy", get(greedy))
        .route("/short", get(|| async { "short" }))
        .route("/upload", post(count))
        .layer(world.tenants.layer().end_streams_at_expiry())
}

async fn ask(world: &World, method: &str, path: &str, body: Body) -> http::Response<Body> {
    let token = HeaderValue::from_str(&format!("Bearer {}", ending(world))).unwrap();
    let request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, token).body(body).unwrap();
    app(world).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_body_of_http_breaks_off_when_its_token_expires() {
    for path in ["/endless", "/greedy"] {
        let world = World::start().await;
        let mut body = ask(&world, "GET", path, Body::empty()).await.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        expire_later(&world);
        let error = async {
            loop {
                match body.frame().await {
                    Some(Ok(_)) => tokio::task::yield_now().await,
                    other => break other,
                }
            }
        };
        let end = tokio::time::timeout(Duration::from_secs(20), error).await.expect("the body ends");
        assert!(end.expect("it does not look whole").is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_request_of_http_breaks_off_when_its_token_expires() {
    let world = World::start().await;
    let parts = tokio_stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"part"))));
    expire_later(&world);
    let upload = ask(&world, "POST", "/upload", Body::from_stream(parts.throttle(Duration::from_millis(20))));
    let response = tokio::time::timeout(Duration::from_secs(20), upload).await.expect("it ends");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "expired");
    let response = ask(&world, "POST", "/upload", Body::from("all at once")).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
}

#[tokio::test]
async fn an_answer_that_is_ready_when_its_token_expires_goes_out_whole() {
    let world = World::start().await;
    let response = ask(&world, "GET", "/short", Body::empty()).await;
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "short");
}
