//! Keys that come and go, and who waits for them.

use std::time::Duration;

use serde_json::json;
use tenantseal_tower::Refused;

use crate::local_issuer::Answer;
use crate::scene::{TestKey, World, claims};

/// A token that is good for days.
fn lasting(world: &World, key: &TestKey) -> String {
    let mut claims = claims(&world.issuer);
    claims["exp"] = json!(u32::MAX);
    key.sign(&claims)
}

#[tokio::test]
async fn a_new_key_is_fetched_at_once_when_a_token_names_it() {
    let world = World::start().await;
    let new = TestKey::p256_b();
    world.issuer.publish(&[world.key.jwk(), new.jwk()]);
    world.clock.advance(Duration::from_secs(10));
    assert!(world.accepts(&lasting(&world, &new)).await);
    assert!(world.accepts(&lasting(&world, &world.key)).await);
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_retired_key_is_refused_after_the_next_refresh() {
    let world = World::start().await;
    world.issuer.publish(&[TestKey::p256_b().jwk()]);
    assert!(world.accepts(&lasting(&world, &world.key)).await, "nobody has asked yet");
    world.clock.advance(Duration::from_secs(10 * 60));
    // This request finds the old set, and has it refreshed behind it.
    assert!(world.accepts(&lasting(&world, &world.key)).await);
    world.issuer.reaches(2).await;
    let refused = async {
        while world.accepts(&lasting(&world, &world.key)).await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    assert_eq!(world.refuses(&lasting(&world, &world.key)).await, Refused::UnknownKey);
}

#[tokio::test]
async fn a_set_is_refreshed_at_an_age_of_5_to_10_minutes_and_not_before() {
    let world = World::start().await;
    let token = lasting(&world, &world.key);
    world.clock.advance(Duration::from_secs(5 * 60 - 1));
    assert!(world.accepts(&token).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.issuer.fetches(), 1);
    world.clock.advance(Duration::from_secs(5 * 60 + 1));
    assert!(world.accepts(&token).await);
    world.issuer.reaches(2).await;
}

#[tokio::test]
async fn a_refresh_in_the_background_keeps_no_request_waiting() {
    let world = World::start().await;
    world.issuer.answer(Answer::Held(json!({ "keys": [world.key.jwk()] })));
    world.clock.advance(Duration::from_secs(10 * 60));
    let token = lasting(&world, &world.key);
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_secs(2), world.accepts(&token)).await;
        assert!(answer.expect("it does not wait"));
    }
    world.issuer.reaches(2).await;
    world.issuer.goes_on();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn after_a_long_pause_a_request_waits_for_new_keys() {
    let world = World::start().await;
    world.issuer.publish(&[TestKey::p256_b().jwk()]);
    world.clock.advance(Duration::from_secs(30 * 60));
    // The process may have been frozen: the old key is not believed before the issuer was asked.
    assert_eq!(world.refuses(&lasting(&world, &world.key)).await, Refused::UnknownKey);
    assert!(world.accepts(&lasting(&world, &TestKey::p256_b())).await);
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn five_thousand_unknown_kids_in_50_seconds_are_4_fetches() {
    let world = World::start().await;
    let token =
        |at: usize| world.key.sign_with(&json!({ "alg": "ES256", "kid": format!("k-{at}") }), &claims(&world.issuer));
    let tokens: Vec<_> = (0..50).map(token).collect();
    for at in 0..5_000 {
        assert_eq!(world.refuses(&tokens[at % 50]).await, Refused::UnknownKey);
        world.clock.advance(Duration::from_millis(10));
    }
    assert_eq!(world.issuer.fetches(), 1 + 4);
}

#[tokio::test]
async fn requests_that_need_a_key_wait_for_one_fetch() {
    let world = World::start().await;
    let new = TestKey::p256_b();
    world.issuer.answer(Answer::Held(json!({ "keys": [new.jwk()] })));
    world.clock.advance(Duration::from_secs(10));
    let token = lasting(&world, &new);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (tenants, token) = (world.tenants.clone(), token.clone());
            tokio::spawn(async move { tenants.verify(&crate::scene::headers(&token)).await.is_ok() })
        })
        .collect();
    world.issuer.reaches(2).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    world.issuer.goes_on();
    for task in waiting {
        assert!(task.await.unwrap());
    }
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_request_that_is_given_up_does_not_take_the_fetch_with_it() {
    let world = World::start().await;
    let new = TestKey::p256_b();
    world.issuer.answer(Answer::Held(json!({ "keys": [new.jwk()] })));
    world.clock.advance(Duration::from_secs(10));
    let (tenants, token) = (world.tenants.clone(), lasting(&world, &new));
    let given_up = tokio::spawn(async move { tenants.verify(&crate::scene::headers(&token)).await.is_ok() });
    world.issuer.reaches(2).await;
    given_up.abort();
    assert!(given_up.await.is_err());
    world.issuer.goes_on();
    let token = lasting(&world, &new);
    let accepted = tokio::time::timeout(Duration::from_secs(20), world.accepts(&token)).await;
    assert!(accepted.unwrap());
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_fetch_ends_with_its_runtime_and_the_next_one_starts_another() {
    let world = World::start().await;
    let new = TestKey::p256_b();
    world.issuer.answer(Answer::Held(json!({ "keys": [new.jwk()] })));
    world.clock.advance(Duration::from_secs(10));
    let (tenants, token) = (world.tenants.clone(), lasting(&world, &new));
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let headers = crate::scene::headers(&token);
        let waited =
            async { tokio::time::timeout(Duration::from_millis(300), tenants.verify(&headers)).await.is_err() };
        assert!(runtime.block_on(waited));
    });
    tokio::task::spawn_blocking(move || other.join().unwrap()).await.unwrap();
    world.issuer.publish(&[new.jwk()]);
    // What was begun says nothing: it is too early for another attempt, and nobody knows the key.
    assert_eq!(world.refuses(&lasting(&world, &new)).await, Refused::NoKeys);
    world.clock.advance(Duration::from_secs(10));
    assert!(world.accepts(&lasting(&world, &new)).await);
}

#[tokio::test]
async fn an_empty_set_retires_every_key() {
    let world = World::start().await;
    world.issuer.publish(&[]);
    world.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(world.refuses(&lasting(&world, &world.key)).await, Refused::UnknownKey);
}

#[tokio::test]
async fn an_invalid_set_leaves_the_former_one_in_use() {
    let world = World::start().await;
    let mut twin = TestKey::p256_b().jwk();
    twin["kid"] = json!("p256-a");
    world.issuer.publish(&[world.key.jwk(), twin]);
    world.clock.advance(Duration::from_secs(30 * 60));
    assert!(world.accepts(&lasting(&world, &world.key)).await);
    assert_eq!(world.issuer.fetches(), 2);
}
