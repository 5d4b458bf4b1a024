//! What callers of an axum service get.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;
use tenantseal_tower::{OtherTenant, Refused, VerifiedTenant};
use tower::{Layer, Service, ServiceExt};

use crate::local_issuer::Answer;
use crate::scene::{TestKey, World, claims_with, headers};

async fn whoami(tenant: VerifiedTenant) -> String {
    tenant.id().to_string()
}

async fn contacts_of(tenant: VerifiedTenant, Path(id): Path<String>) -> Result<&'static str, OtherTenant> {
    tenant.expect(&id)?;
    Ok("contacts")
}

async fn logged(headers: HeaderMap) -> String {
    format!("{headers:?}")
}

fn app(world: &World) -> Router {
    Router::new()
        .route("/whoami", get(whoami))
        .route("/tenants/{id}/contacts", get(contacts_of))
        .route("/logged", get(logged))
        .layer(world.tenants.layer())
        .route("/health", get(|| async { "well" }))
        .route("/forgotten", get(whoami))
}

async fn ask(app: Router, path: &str, headers: HeaderMap) -> (Response<()>, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    *request.headers_mut() = headers;
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_handler_gets_the_tenant_of_the_token() {
    let world = World::start().await;
    let (response, body) = ask(app(&world), "/whoami", headers(&world.token())).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::OK, "acme"));
}

/// A refusal of gRPC has the status 200: what counts requests, or caches answers, must not take one for a success.
#[tokio::test]
async fn a_refusal_is_no_success_and_is_not_cached_whatever_the_caller_says() {
    let world = World::start().await;
    let mut said = headers("no.to.ken");
    said.insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
    let (response, _) = ask(app(&world), "/whoami", said).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_bad_token_is_401_and_the_body_says_nothing() {
    let world = World::start().await;
    let expired = world.key.sign(&claims_with(&world.issuer, "exp", json!(0)));
    let foreign = TestKey::p256_b().sign_with(&world.key.header(), &claims_with(&world.issuer, "a", json!(1)));
    for (headers, challenge) in [
        (HeaderMap::new(), "Bearer"),
        (headers("x"), "Bearer error=\"invalid_token\""),
        (headers(&expired), "Bearer error=\"invalid_token\""),
        (headers(&foreign), "Bearer error=\"invalid_token\""),
    ] {
        let (response, body) = ask(app(&world), "/whoami", headers).await;
        assert_eq!((response.status(), body.as_str()), (StatusCode::UNAUTHORIZED, ""));
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], challenge);
    }
}

#[tokio::test]
async fn a_good_token_without_a_tenant_or_with_another_is_403() {
    let world = World::start().await;
    let no_tenant = world.key.sign(&claims_with(&world.issuer, "tenant_id", json!(null)));
    let (response, body) = ask(app(&world), "/whoami", headers(&no_tenant)).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::FORBIDDEN, ""));
    assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
    for (path, status) in
        [("/tenants/acme/contacts", StatusCode::OK), ("/tenants/globex/contacts", StatusCode::FORBIDDEN)]
    {
        let (response, _) = ask(app(&world), path, headers(&world.token())).await;
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn without_keys_it_is_503_and_says_when_to_try_again() {
    let world = World::start().await;
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(3_600));
    let token = world.key.sign(&claims_with(&world.issuer, "exp", json!(u32::MAX)));
    let (response, body) = ask(app(&world), "/whoami", headers(&token)).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
    assert_eq!(response.headers()[header::RETRY_AFTER], "10");
}

#[tokio::test]
async fn a_handler_outside_of_the_layer_is_a_mistake_of_the_program() {
    let world = World::start().await;
    let (response, body) = ask(app(&world), "/forgotten", headers(&world.token())).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, ""));
    let (response, body) = ask(app(&world), "/health", HeaderMap::new()).await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::OK, "well"));
}

#[tokio::test]
async fn a_handler_that_logs_its_headers_does_not_log_the_token() {
    let world = World::start().await;
    let token = world.token();
    let (_, logged) = ask(app(&world), "/logged", headers(&token)).await;
    assert!(logged.contains("\"authorization\": Sensitive"), "{logged}");
    assert!(!logged.contains(&token));
}

#[tokio::test]
async fn every_refusal_has_its_status_over_http_and_grpc() {
    let unauthenticated = [
        Refused::NoToken,
        Refused::SeveralTokens,
        Refused::NotBearer,
        Refused::TooLong,
        Refused::Malformed,
        Refused::Algorithm,
        Refused::Critical,
        Refused::KeyId,
        Refused::UnknownIssuer,
        Refused::TokenType,
        Refused::UnknownKey,
        Refused::KeyDoesNotFit,
        Refused::Signature,
        Refused::Audience,
        Refused::Lifetime,
        Refused::Expired,
        Refused::NotYetValid,
        Refused::RequiredClaim,
        Refused::ForeignApi,
    ];
    let forbidden = [Refused::NoTenant, Refused::ForeignTenant, Refused::NoSelection, Refused::NotAMember];
    let all = unauthenticated.iter().map(|refused| (refused, 401, 16));
    let all = all.chain(forbidden.iter().map(|refused| (refused, 403, 7))).chain([(&Refused::NoKeys, 503, 14)]);
    let mut reasons = std::collections::BTreeSet::new();
    for (refused, http, grpc) in all {
        assert_eq!((refused.status().as_u16(), refused.grpc_code()), (http, grpc), "{refused}");
        assert_eq!(i32::from(tonic::Status::from(*refused).code()), i32::from(grpc), "{refused}");
        assert_eq!(refused.http_response::<()>().status().as_u16(), http, "{refused}");
        assert!(reasons.insert(refused.reason()), "{refused}");
    }
    assert_eq!(reasons.len(), 24);
}

/// A service that must be asked whether it is ready, and whose clones were not asked.
struct AskFirst(bool);

impl Clone for AskFirst {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Service<Request<Body>> for AskFirst {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(self.0, "it was not asked");
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let world = World::start().await;
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    *request.headers_mut() = headers(&world.token());
    let answer = world.tenants.layer().layer(AskFirst(false)).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}
