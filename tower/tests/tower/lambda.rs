//! Events of API Gateway, made up as whoever may invoke the function can.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use serde_json::{Value, json};
use tenantseal_tower::{Authorizer, AuthorizerBuilder, ConfigError, Refused, TenantFromAuthorizer, Tenants};

use crate::scene::{Clock, NOW, World, aws, seal};

const API: &str = "a1b2c3d4e5";
const ACCOUNT: &str = "222222222222";

fn http_event(authorizer: Value) -> ApiGatewayV2httpRequest {
    let http = json!({ "method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" });
    let context = json!({ "apiId": API, "accountId": ACCOUNT, "authorizer": authorizer, "http": http, "timeEpoch": 0 });
    serde_json::from_value(
        json!({ "version": "2.0", "headers": {}, "requestContext": context, "isBase64Encoded": false }),
    )
    .unwrap()
}

fn rest_event(authorizer: Value) -> ApiGatewayProxyRequest {
    let mut context = json!({ "apiId": API, "accountId": ACCOUNT, "httpMethod": "GET", "requestTimeEpoch": 0 });
    context["authorizer"] = authorizer;
    let event = json!({ "httpMethod": "GET", "headers": {}, "multiValueHeaders": {}, "requestContext": context });
    serde_json::from_value(event).unwrap()
}

fn builder(authorizer: Authorizer) -> AuthorizerBuilder {
    let seal = seal(&aws(&Clock::default(), &[]));
    TenantFromAuthorizer::new(seal, authorizer).api(API).account(ACCOUNT).tenant_claim(["tenant_id"])
}

fn built(builder: AuthorizerBuilder) -> TenantFromAuthorizer {
    builder.build(&aws(&Clock::default(), &[])).unwrap()
}

#[test]
fn each_authorizer_is_read_where_it_writes() {
    let claims = json!({ "tenant_id": "acme", "sub": "user-1" });
    let jwt = http_event(json!({ "jwt": { "claims": claims, "scopes": null } }));
    let lambda = http_event(json!({ "lambda": claims }));
    let cognito = rest_event(json!({ "claims": claims }));
    let fields = rest_event(claims);
    let tenants = |authorizer| built(builder(authorizer));
    let tenant = tenants(Authorizer::Jwt).tenant(&jwt).unwrap();
    assert_eq!((tenant.id().as_str(), tenant.subject(), tenant.expires()), ("acme", Some("user-1"), None));
    assert_eq!(tenants(Authorizer::Lambda).tenant(&lambda).unwrap().id().as_str(), "acme");
    assert_eq!(tenants(Authorizer::Cognito).tenant(&cognito).unwrap().id().as_str(), "acme");
    assert_eq!(tenants(Authorizer::Lambda).tenant(&fields).unwrap().id().as_str(), "acme");
    // What another authorizer wrote is not looked at.
    assert_eq!(tenants(Authorizer::Jwt).tenant(&lambda).unwrap_err(), Refused::NoToken);
    assert_eq!(tenants(Authorizer::Lambda).tenant(&jwt).unwrap_err(), Refused::NoToken);
    assert_eq!(tenants(Authorizer::Cognito).tenant(&jwt).unwrap_err(), Refused::NoToken);
    assert_eq!(tenants(Authorizer::Jwt).tenant(&cognito).unwrap_err(), Refused::NoToken);
    assert_eq!(tenants(Authorizer::Cognito).tenant(&fields).unwrap_err(), Refused::NoToken);
    for empty in [json!(null), json!({}), json!({ "jwt": null }), json!({ "lambda": {} })] {
        for authorizer in [Authorizer::Jwt, Authorizer::Cognito, Authorizer::Lambda] {
            assert_eq!(tenants(authorizer).tenant(&http_event(empty.clone())).unwrap_err(), Refused::NoToken);
        }
    }
}

#[test]
fn an_event_of_another_api_or_account_is_refused() {
    let tenants = built(builder(Authorizer::Jwt));
    let event = || http_event(json!({ "jwt": { "claims": { "tenant_id": "acme" } } }));
    assert!(tenants.tenant(&event()).is_ok());
    for (api, account) in [
        (Some("other"), Some(ACCOUNT)),
        (Some(API), Some("333333333333")),
        (None, Some(ACCOUNT)),
        (Some(API), None),
        (Some(""), Some("")),
    ] {
        let mut event = event();
        event.request_context.apiid = api.map(str::to_owned);
        event.request_context.account_id = account.map(str::to_owned);
        assert_eq!(tenants.tenant(&event).unwrap_err(), Refused::ForeignApi, "{api:?} {account:?}");
    }
}

#[test]
fn the_claims_of_an_authorizer_are_checked_as_a_tokens_are() {
    let restricted = builder(Authorizer::Jwt).require("token_use", "access").tenants(Tenants::Prefix("eu-".to_owned()));
    let tenants = built(restricted.map(|org| tenantseal::TenantId::parse(org.strip_prefix("org:")?).ok()));
    let refused = |claims: Value| tenants.tenant(&http_event(json!({ "jwt": { "claims": claims } }))).err();
    let with = |tenant: &str, exp: &str| json!({ "tenant_id": tenant, "token_use": "access", "exp": exp });
    let later = (NOW + 60).to_string();
    assert_eq!(refused(with("org:eu-1", &later)), None);
    assert_eq!(refused(with("org:us-1", &later)), Some(Refused::ForeignTenant));
    assert_eq!(refused(with("eu-1", &later)), Some(Refused::NoTenant));
    assert_eq!(refused(with("org:eu-1", &(NOW - 60).to_string())), Some(Refused::Expired));
    assert_eq!(refused(with("org:eu-1", "Thu Dec 16 00:00:00 UTC 2021")), None, "a date in words says nothing");
    assert_eq!(refused(json!({ "tenant_id": "org:eu-1", "token_use": "id" })), Some(Refused::RequiredClaim));
    assert_eq!(refused(json!({ "token_use": "access" })), Some(Refused::NoTenant));
}

#[test]
fn an_authorizer_without_an_api_or_by_what_users_write_is_not_built() {
    let aws = aws(&Clock::default(), &[]);
    let bare = || TenantFromAuthorizer::new(seal(&aws), Authorizer::Jwt);
    let no_api =
        [bare().tenant_claim(["t"]), bare().api(API).tenant_claim(["t"]), bare().account(ACCOUNT).tenant_claim(["t"])];
    for builder in no_api {
        assert_eq!(builder.build(&aws).unwrap_err(), ConfigError::NoApi);
    }
    let whole = || bare().api(API).account(ACCOUNT);
    assert!(matches!(whole().build(&aws), Err(ConfigError::NoTenantClaim { .. })));
    let written = whole().tenant_claim(["user_metadata", "tenant"]).build(&aws);
    assert!(matches!(written, Err(ConfigError::WrittenByUsers { .. })));
    let nobody = whole().tenant_claim(["t"]).tenants(Tenants::Prefix(String::new())).build(&aws);
    assert!(matches!(nobody, Err(ConfigError::NoTenants { .. })));
}

#[tokio::test]
async fn a_token_in_an_event_is_verified_whatever_its_authorizer_says() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.token());
    let mut event = http_event(json!({ "jwt": { "claims": { "tenant_id": "globex" } } }));
    assert_eq!(world.tenants.verify_event(&event).await.unwrap_err(), Refused::NoToken);
    event.headers.insert("authorization", bearer.parse().unwrap());
    assert_eq!(world.tenants.verify_event(&event).await.unwrap().id().as_str(), "acme");
    // An HTTP API joins headers that were sent twice.
    event.headers.insert("authorization", format!("{bearer},{bearer}").parse().unwrap());
    assert_eq!(world.tenants.verify_event(&event).await.unwrap_err(), Refused::Malformed);
    // A REST API lists them beside the last one.
    let mut event = rest_event(json!({ "claims": { "tenant_id": "globex" } }));
    event.headers.insert("authorization", bearer.parse().unwrap());
    event.multi_value_headers.append("authorization", "Bearer x".parse().unwrap());
    event.multi_value_headers.append("authorization", bearer.parse().unwrap());
    assert_eq!(world.tenants.verify_event(&event).await.unwrap_err(), Refused::SeveralTokens);
    event.multi_value_headers.remove("authorization");
    event.multi_value_headers.append("authorization", bearer.parse().unwrap());
    assert_eq!(world.tenants.verify_event(&event).await.unwrap().id().as_str(), "acme");
}
