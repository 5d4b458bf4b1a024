//! Claims of tokens whose signature is good.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tenantseal::TenantId;
use tenantseal_tower::{OtherTenant, Refused, TenantFromJwt, Tenants};

use crate::local_issuer::LocalIssuer;
use crate::scene::{Clock, NOW, TestKey, World, aws, claims, claims_with, claims_without, headers, seal, trusted};

#[tokio::test]
async fn an_issuer_is_compared_to_the_letter() {
    let world = World::start().await;
    let url = world.issuer.url();
    let wrong = [
        json!(format!("{url}/")),
        json!(url.to_uppercase()),
        json!(url.trim_start_matches("https://")),
        json!(format!(" {url}")),
        json!("https://issuer.test.evil.example"),
        json!([url]),
        json!({ "iss": url }),
        json!(null),
        json!(1),
        json!(""),
    ];
    for issuer in wrong {
        let token = world.key.sign(&claims_with(&world.issuer, "iss", issuer.clone()));
        assert_eq!(world.refuses(&token).await, Refused::UnknownIssuer, "{issuer}");
    }
    let none = world.key.sign(&claims_without(&world.issuer, "iss"));
    assert_eq!(world.refuses(&none).await, Refused::UnknownIssuer);
    assert_eq!(world.issuer.fetches(), 1, "nobody fetches keys for an unknown issuer");
}

#[tokio::test]
async fn an_audience_is_a_text_or_a_list_of_texts_with_ours() {
    let world = World::start_with(TestKey::p256_a(), |issuer| issuer.audience("crm-admin")).await;
    for good in [json!("crm"), json!("crm-admin"), json!(["other", "crm"]), json!(["crm"])] {
        assert!(world.accepts(&world.key.sign(&claims_with(&world.issuer, "aud", good.clone()))).await, "{good}");
    }
    let wrong = [
        json!("other"),
        json!("CRM"),
        json!("crm "),
        json!("crm crm-admin"),
        json!(""),
        json!([]),
        json!(["other"]),
        json!(["crm", 1]),
        json!([["crm"]]),
        json!({ "crm": true }),
        json!(null),
        json!(true),
    ];
    for wrong in wrong {
        let token = world.key.sign(&claims_with(&world.issuer, "aud", wrong.clone()));
        assert_eq!(world.refuses(&token).await, Refused::Audience, "{wrong}");
    }
    let none = world.key.sign(&claims_without(&world.issuer, "aud"));
    assert_eq!(world.refuses(&none).await, Refused::Audience);
}

#[tokio::test]
async fn another_claim_names_the_audience_where_it_is_configured() {
    let world = World::start_with(TestKey::p256_a(), |issuer| issuer.audience_claim("client_id")).await;
    assert_eq!(world.refuses(&world.token()).await, Refused::Audience);
    let token = world.key.sign(&claims_with(&world.issuer, "client_id", json!("crm")));
    assert!(world.accepts(&token).await);
}

#[tokio::test]
async fn required_claims_have_their_very_values() {
    let configure = |issuer: tenantseal_tower::Issuer| issuer.require("token_use", "access").require("verified", true);
    let world = World::start_with(TestKey::p256_a(), configure).await;
    let with = |usage: Value, verified: Value| {
        let mut claims = claims(&world.issuer);
        (claims["token_use"], claims["verified"]) = (usage, verified);
        world.key.sign(&claims)
    };
    assert!(world.accepts(&with(json!("access"), json!(true))).await);
    for (usage, verified) in [
        (json!("id"), json!(true)),
        (json!(["access"]), json!(true)),
        (json!("access"), json!("true")),
        (json!("access"), json!(null)),
    ] {
        assert_eq!(world.refuses(&with(usage, verified)).await, Refused::RequiredClaim);
    }
    assert_eq!(world.refuses(&world.token()).await, Refused::RequiredClaim);
}

#[tokio::test]
async fn a_required_type_is_compared_without_case() {
    for required in ["at+jwt", "application/AT+JWT"] {
        judges_types(World::start_with(TestKey::p256_a(), |issuer| issuer.token_type(required)).await).await;
    }
}

async fn judges_types(world: World) {
    let of = |token_type: Value| {
        let mut header = world.key.header();
        header["typ"] = token_type;
        world.key.sign_with(&header, &claims(&world.issuer))
    };
    for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(world.accepts(&of(json!(good))).await, "{good}");
    }
    for wrong in [json!("JWT"), json!("at"), json!("text/at+jwt"), json!(null), json!(["at+jwt"])] {
        assert_eq!(world.refuses(&of(wrong.clone())).await, Refused::TokenType, "{wrong}");
    }
    let none = world.key.sign_with(&json!({ "alg": "ES256", "kid": world.key.kid }), &claims(&world.issuer));
    assert_eq!(world.refuses(&none).await, Refused::TokenType);
}

#[tokio::test]
async fn a_token_expires_one_minute_after_its_time() {
    let world = World::start().await;
    let expiring = |exp: Value| world.key.sign(&claims_with(&world.issuer, "exp", exp));
    assert!(world.accepts(&expiring(json!(NOW - 59))).await);
    assert!(world.accepts(&expiring(json!(NOW as f64 - 59.5))).await);
    assert_eq!(world.refuses(&expiring(json!(NOW - 60))).await, Refused::Expired);
    assert_eq!(world.refuses(&expiring(json!(NOW - 3_600))).await, Refused::Expired);
    assert_eq!(world.refuses(&expiring(json!(0))).await, Refused::Expired);
    assert_eq!(world.refuses(&expiring(json!(-5))).await, Refused::Expired);
    let token = world.token();
    world.clock.advance(Duration::from_secs(359));
    let tenant = world.verify(&token).await.unwrap();
    assert_eq!(tenant.expires(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + 300)));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.refuses(&token).await, Refused::Expired);
}

#[tokio::test]
async fn an_expiry_that_is_no_time_is_refused() {
    let world = World::start().await;
    let texts = ["\"1800000300\"", "true", "null", "[1800000300]", "{}", "1e300", "-1e300", "\"Infinity\""];
    for text in texts {
        let claims = claims(&world.issuer).to_string().replace("1800000300", text);
        assert!(claims.contains(text), "{claims}");
        let token = world.key.sign_text(&world.key.header().to_string(), &claims);
        assert_eq!(world.refuses(&token).await, Refused::Lifetime, "{text}");
    }
    for text in ["Infinity", "NaN", "1e400", "-Infinity", "01800000300", "+1800000300", "0x7fffffff"] {
        let claims = claims(&world.issuer).to_string().replace("1800000300", text);
        let token = world.key.sign_text(&world.key.header().to_string(), &claims);
        assert_eq!(world.refuses(&token).await, Refused::Malformed, "{text}");
    }
    let none = world.key.sign(&claims_without(&world.issuer, "exp"));
    assert_eq!(world.refuses(&none).await, Refused::Lifetime);
}

#[tokio::test]
async fn a_token_is_valid_one_minute_before_its_time() {
    let world = World::start().await;
    for claim in ["nbf", "iat"] {
        let beginning = |time: Value| world.key.sign(&claims_with(&world.issuer, claim, time));
        for good in [json!(NOW + 60), json!(NOW), json!(0), json!(NOW as f64 + 59.5)] {
            assert!(world.accepts(&beginning(good.clone())).await, "{claim} {good}");
        }
        for early in [json!(NOW + 61), json!(NOW as f64 + 60.5)] {
            assert_eq!(world.refuses(&beginning(early.clone())).await, Refused::NotYetValid, "{claim} {early}");
        }
        for wrong in [json!("1800000000"), json!(true), json!(null), json!([NOW]), json!(1e300)] {
            assert_eq!(world.refuses(&beginning(wrong.clone())).await, Refused::Lifetime, "{claim} {wrong}");
        }
        assert!(world.accepts(&world.key.sign(&claims_without(&world.issuer, claim))).await, "{claim}");
    }
}

#[tokio::test]
async fn a_tenant_is_a_text_that_is_a_tenant_id() {
    let world = World::start().await;
    let wrong = [
        json!(7),
        json!(["acme"]),
        json!({ "id": "acme" }),
        json!(null),
        json!(true),
        json!(""),
        json!("*"),
        json!("acme/../globex"),
        json!("acme globex"),
        json!("acme\u{0}"),
        json!("acmé"),
        json!("a".repeat(49)),
    ];
    for tenant in wrong {
        let token = world.key.sign(&claims_with(&world.issuer, "tenant_id", tenant.clone()));
        assert_eq!(world.refuses(&token).await, Refused::NoTenant, "{tenant}");
    }
    let none = world.key.sign(&claims_without(&world.issuer, "tenant_id"));
    assert_eq!(world.refuses(&none).await, Refused::NoTenant);
}

#[tokio::test]
async fn a_claim_is_found_by_a_path_of_names_that_may_have_dots() {
    let url = |path: &[&str], value: Value| path.iter().rev().fold(value, |inner, name| json!({ *name: inner }));
    for path in [&["https://example.com/tenant.id"][..], &["app_metadata", "tenant"], &["a", "b.c", "d"]] {
        let world = World::build(TestKey::p256_a(), |builder, issuer| {
            let _ = issuer;
            let issuer = tenantseal_tower::Issuer::new("https://issuer.test").audience("crm");
            builder.issuer(issuer.tenant_claim(path.iter().copied()))
        });
        let world = world.await;
        let with = |value: Value| {
            let mut all = claims_without(&world.issuer, "tenant_id");
            let named = url(path, value);
            all.as_object_mut().unwrap().extend(named.as_object().unwrap().clone());
            world.key.sign(&all)
        };
        assert_eq!(world.verify(&with(json!("acme"))).await.unwrap().id().as_str(), "acme");
        assert_eq!(world.refuses(&with(json!(["acme"]))).await, Refused::NoTenant);
        assert_eq!(world.refuses(&world.token()).await, Refused::NoTenant);
    }
}

#[tokio::test]
async fn a_map_makes_tenant_ids_of_what_the_issuer_calls_them() {
    let configure = |issuer: tenantseal_tower::Issuer| {
        issuer.map(|org| if org == "none" { None } else { TenantId::encode(org).ok() })
    };
    let world = World::start_with(TestKey::p256_a(), configure).await;
    let named = |org: &str| world.key.sign(&claims_with(&world.issuer, "tenant_id", json!(org)));
    let tenant = world.verify(&named("org:1")).await.unwrap();
    assert_eq!(tenant.id(), &TenantId::encode("org:1").unwrap());
    assert_eq!(world.refuses(&named("none")).await, Refused::NoTenant);
}

/// Our own issuer, and one that a customer runs.
async fn two_issuers(customers: Tenants) -> (TenantFromJwt, [LocalIssuer; 2]) {
    let own = LocalIssuer::start("own", &[TestKey::p256_a().jwk()]).await;
    let customer = LocalIssuer::start("customer", &[TestKey::p256_b().jwk()]).await;
    let aws = aws(&Clock::default(), &[&own, &customer]);
    let tenants = TenantFromJwt::new(seal(&aws))
        .issuer(trusted(&own).tenants(Tenants::Any))
        .issuer(trusted(&customer).tenants(customers));
    (tenants.build(&aws).await.unwrap(), [own, customer])
}

#[tokio::test]
async fn an_issuer_speaks_for_its_own_tenants_alone() {
    let only_acme = Tenants::OneOf(BTreeSet::from([TenantId::parse("acme").unwrap()]));
    for (customers, good, foreign) in
        [(only_acme, "acme", ["globex", "acme2"]), (Tenants::Prefix("acme-".to_owned()), "acme-eu", ["acme", "globex"])]
    {
        let (tenants, [own, customer]) = two_issuers(customers).await;
        let token = |tenant: &str| TestKey::p256_b().sign(&claims_with(&customer, "tenant_id", json!(tenant)));
        assert_eq!(tenants.verify(&headers(&token(good))).await.unwrap().id().as_str(), good);
        for foreign in foreign {
            assert_eq!(tenants.verify(&headers(&token(foreign))).await.unwrap_err(), Refused::ForeignTenant);
            let ours = TestKey::p256_a().sign(&claims_with(&own, "tenant_id", json!(foreign)));
            assert!(tenants.verify(&headers(&ours)).await.is_ok());
        }
    }
}

#[tokio::test]
async fn keys_belong_to_their_issuer() {
    let (tenants, [own, customer]) = two_issuers(Tenants::Prefix("acme-".to_owned())).await;
    // The customer's key, in a token that claims to be ours: with its own kid and with that of our key.
    let forged = TestKey::p256_b().sign(&claims(&own));
    assert_eq!(tenants.verify(&headers(&forged)).await.unwrap_err(), Refused::UnknownKey);
    let forged = TestKey::p256_b().sign_with(&TestKey::p256_a().header(), &claims(&own));
    assert_eq!(tenants.verify(&headers(&forged)).await.unwrap_err(), Refused::Signature);
    // The customer publishes our public key under our kid: tokens of ours do not become its own.
    customer.publish(&[TestKey::p256_a().jwk()]);
    let replayed = TestKey::p256_a().sign(&claims(&own));
    assert_eq!(tenants.verify(&headers(&replayed)).await.unwrap().issuer(), Some("https://own.test"));
}

#[tokio::test]
async fn a_tenant_in_the_path_must_be_the_verified_one() {
    let world = World::start().await;
    let tenant = world.verify(&world.token()).await.unwrap();
    assert_eq!(tenant.expect("acme"), Ok(()));
    assert_eq!(tenant.expect(&TenantId::parse("acme").unwrap()), Ok(()));
    for other in ["globex", "Acme", "acme ", "", "acme/x"] {
        assert_eq!(tenant.expect(other), Err(OtherTenant), "{other}");
    }
}
