//! Issuers that cannot be reached.

use std::time::Duration;

use serde_json::json;
use tenantseal_tower::{Refused, TenantFromJwt};

use crate::local_issuer::{Answer, LocalIssuer};
use crate::scene::{Clock, TestKey, World, aws, claims, headers, seal, trusted};

fn lasting(world: &World, key: &TestKey) -> String {
    let mut claims = claims(&world.issuer);
    claims["exp"] = json!(u32::MAX);
    key.sign(&claims)
}

#[tokio::test]
async fn old_keys_serve_for_an_hour_and_then_nobody_knows() {
    let world = World::start().await;
    let token = lasting(&world, &world.key);
    world.issuer.answer(Answer::Status(503));
    for _ in 0..59 {
        world.clock.advance(Duration::from_secs(60));
        assert!(world.accepts(&token).await);
        // A request does not wait for the attempt that it makes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.clock.advance(Duration::from_secs(59));
    assert!(world.accepts(&token).await);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.refuses(&token).await, Refused::NoKeys);
    assert!(world.issuer.fetches() > 10, "it goes on asking: {}", world.issuer.fetches());
    // At most one attempt in 10 seconds, however many ask.
    let attempts = world.issuer.fetches();
    for _ in 0..100 {
        assert_eq!(world.refuses(&token).await, Refused::NoKeys);
    }
    assert!(world.issuer.fetches() <= attempts + 1);
    world.issuer.publish(&[world.key.jwk()]);
    world.clock.advance(Duration::from_secs(10));
    assert!(world.accepts(&token).await, "it comes back by itself");
}

#[tokio::test]
async fn an_unknown_kid_during_an_outage_is_no_keys_and_not_a_bad_token() {
    let world = World::start().await;
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(10));
    let new = lasting(&world, &TestKey::p256_b());
    assert_eq!(world.refuses(&new).await, Refused::NoKeys);
    assert_eq!(world.refuses(&new).await, Refused::NoKeys);
    assert!(world.accepts(&lasting(&world, &world.key)).await, "the known key serves on");
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn after_a_long_pause_old_keys_serve_when_the_issuer_is_down() {
    let world = World::start().await;
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(30 * 60));
    let token = lasting(&world, &world.key);
    assert!(world.accepts(&token).await);
    assert_eq!(world.issuer.fetches(), 2, "it asked first");
    assert!(world.accepts(&token).await);
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn during_an_outage_one_request_in_10_seconds_waits_and_no_other() {
    let world = World::start().await;
    let token = lasting(&world, &world.key);
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(20 * 60));
    assert!(world.accepts(&token).await);
    world.issuer.answer(Answer::Held(json!({ "keys": [] })));
    world.clock.advance(Duration::from_secs(10));
    let (tenants, waiting) = (world.tenants.clone(), headers(&token));
    let waiting = tokio::spawn(async move { tenants.verify(&waiting).await.map(drop) });
    world.issuer.reaches(3).await;
    for _ in 0..20 {
        assert!(tokio::time::timeout(Duration::from_secs(1), world.accepts(&token)).await.expect("it does not wait"));
    }
    assert!(!waiting.is_finished());
    world.issuer.goes_on();
    assert_eq!(waiting.await.unwrap(), Err(Refused::UnknownKey), "the issuer has retired the key");
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn without_any_keys_everybody_waits_for_the_fetch_under_way() {
    let world = World::start().await;
    let token = lasting(&world, &world.key);
    world.issuer.answer(Answer::Status(500));
    world.clock.advance(Duration::from_secs(2 * 3_600));
    assert_eq!(world.refuses(&token).await, Refused::NoKeys);
    world.issuer.answer(Answer::Held(json!({ "keys": [world.key.jwk()] })));
    world.clock.advance(Duration::from_secs(10));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (tenants, headers) = (world.tenants.clone(), headers(&token));
            tokio::spawn(async move { tenants.verify(&headers).await.is_ok() })
        })
        .collect();
    world.issuer.reaches(3).await;
    world.issuer.goes_on();
    for task in waiting {
        assert!(task.await.unwrap());
    }
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn an_outage_of_one_issuer_is_not_that_of_another() {
    let own = LocalIssuer::start("own", &[TestKey::p256_a().jwk()]).await;
    let customer = LocalIssuer::start("customer", &[TestKey::p256_b().jwk()]).await;
    customer.answer(Answer::Status(500));
    let clock = Clock::default();
    let aws = aws(&clock, &[&own, &customer]);
    let any = tenantseal_tower::Tenants::Any;
    let tenants = TenantFromJwt::new(seal(&aws))
        .issuer(trusted(&own).tenants(any.clone()))
        .issuer(trusted(&customer).tenants(any).optional_at_start());
    let tenants = tenants.build(&aws).await.unwrap();
    let ours = TestKey::p256_a().sign(&claims(&own));
    let theirs = TestKey::p256_b().sign(&claims(&customer));
    assert!(tenants.verify(&headers(&ours)).await.is_ok());
    assert_eq!(tenants.verify(&headers(&theirs)).await.unwrap_err(), Refused::NoKeys);
    customer.publish(&[TestKey::p256_b().jwk()]);
    clock.advance(Duration::from_secs(10));
    assert!(tenants.verify(&headers(&theirs)).await.is_ok());
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_old_keys_alive() {
    let world = World::start().await;
    let mut claims = claims(&world.issuer);
    claims.as_object_mut().unwrap().remove("iat");
    claims["exp"] = json!(u32::MAX);
    world.issuer.publish(&[TestKey::p256_b().jwk()]);
    world.clock.set_back(Duration::from_secs(24 * 3_600));
    assert_eq!(world.refuses(&world.key.sign(&claims)).await, Refused::UnknownKey);
    assert!(world.accepts(&TestKey::p256_b().sign(&claims)).await);
    assert_eq!(world.issuer.fetches(), 2);
}
