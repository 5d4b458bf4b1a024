//! Key sets that are broken, hostile or too large.

use serde_json::{Value, json};
use tenantseal_tower::{ConfigError, FetchError, Refused, TenantFromJwt};

use crate::local_issuer::{Answer, LocalIssuer};
use crate::scene::{Clock, TestKey, World, aws, base64url, claims, seal, trusted};

/// Why an issuer that answers so has no keys.
async fn fault(answer: Answer) -> FetchError {
    let local = LocalIssuer::start("issuer", &[]).await;
    local.answer(answer);
    let aws = aws(&Clock::default(), &[&local]);
    match TenantFromJwt::new(seal(&aws)).issuer(trusted(&local)).build(&aws).await {
        Err(ConfigError::Keys { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_is_refused() {
    for (text, expected) in [
        ("", FetchError::NotAKeySet),
        ("[]", FetchError::NotAKeySet),
        ("{}", FetchError::NotAKeySet),
        ("{\"keys\":{}}", FetchError::NotAKeySet),
        ("{\"keys\":[]} x", FetchError::NotAKeySet),
        ("{\"keys\":[],\"keys\":[]}", FetchError::NotAKeySet),
        ("<html>", FetchError::NotAKeySet),
    ] {
        assert_eq!(fault(Answer::Bytes(text.into())).await, expected, "{text}");
    }
    for status in [201, 204, 301, 304, 401, 404, 500, 503] {
        assert_eq!(fault(Answer::Status(status)).await, FetchError::Status(status));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = "https://issuer.test/.well-known/openid-configuration";
    assert_eq!(fault(Answer::Redirect(elsewhere)).await, FetchError::Status(307));
    assert_eq!(fault(Answer::Redirect("http://issuer.test/keys")).await, FetchError::Status(307));
}

#[tokio::test]
async fn a_set_has_at_most_256_kib_and_100_keys() {
    let padded = |length: usize| {
        let set = json!({ "keys": [TestKey::p256_a().jwk()] }).to_string();
        let padding = " ".repeat(length - set.len());
        Answer::Bytes((set + &padding).into_bytes())
    };
    let local = LocalIssuer::start("issuer", &[]).await;
    let aws = aws(&Clock::default(), &[&local]);
    local.answer(padded(256 * 1024));
    assert!(TenantFromJwt::new(seal(&aws)).issuer(trusted(&local)).build(&aws).await.is_ok());
    assert_eq!(fault(padded(256 * 1024 + 1)).await, FetchError::TooLarge);
    assert_eq!(fault(Answer::Endless).await, FetchError::TooLarge);
    let keys = |count: usize| json!({ "keys": vec![json!({ "kty": "unknown" }); count] });
    assert_eq!(fault(Answer::Set(keys(101))).await, FetchError::NotAKeySet);
    local.answer(Answer::Set(keys(100)));
    assert!(TenantFromJwt::new(seal(&aws)).issuer(trusted(&local)).build(&aws).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_in_time_is_given_up() {
    let began = std::time::Instant::now();
    let fault = tokio::time::timeout(std::time::Duration::from_secs(9), fault(Answer::Never)).await;
    assert_eq!(fault.expect("it is given up"), FetchError::TooSlow);
    assert!(began.elapsed().as_secs() >= 4, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_kid_twice_makes_a_set_invalid() {
    let mut twin = TestKey::p256_b().jwk();
    twin["kid"] = json!("p256-a");
    let keys = json!({ "keys": [TestKey::p256_a().jwk(), twin] });
    assert_eq!(fault(Answer::Set(keys)).await, FetchError::DuplicateKid);
}

/// The set's only key, changed.
fn changed(key: &TestKey, change: impl Fn(&mut Value)) -> Value {
    let mut jwk = key.jwk();
    change(&mut jwk);
    jwk
}

#[tokio::test]
async fn one_broken_key_leaves_the_others_in_use() {
    let (rsa, ec) = (TestKey::rsa_a(), TestKey::p256_b());
    let even = |jwk: &mut Value| jwk["n"] = base64url([0xfe; 256]).into();
    let broken = [
        changed(&rsa, |jwk| jwk["n"] = json!("not base64!")),
        changed(&rsa, |jwk| jwk["n"] = json!(7)),
        changed(&rsa, even),
        changed(&rsa, |jwk| jwk["e"] = base64url([1]).into()),
        changed(&rsa, |jwk| jwk["e"] = base64url([2]).into()),
        changed(&rsa, |jwk| jwk["e"] = base64url([0]).into()),
        changed(&rsa, |jwk| jwk["e"] = json!("")),
        changed(&rsa, |jwk| jwk["e"] = base64url([1, 0, 0, 0, 1]).into()),
        changed(&rsa, |jwk| jwk["d"] = json!("AQAB")),
        changed(&rsa, |jwk| jwk["k"] = json!("AQAB")),
        changed(&rsa, |jwk| jwk["use"] = json!("enc")),
        changed(&rsa, |jwk| jwk["use"] = json!(["sig"])),
        changed(&rsa, |jwk| jwk["key_ops"] = json!(["encrypt"])),
        changed(&rsa, |jwk| jwk["key_ops"] = json!("verify")),
        changed(&rsa, |jwk| jwk["alg"] = json!("RSA-OAEP")),
        changed(&rsa, |jwk| jwk["alg"] = json!(null)),
        changed(&rsa, |jwk| jwk["kty"] = json!("rsa")),
        changed(&rsa, |jwk| jwk["kty"] = json!("oct")),
        changed(&rsa, |jwk| jwk["kid"] = json!(7)),
        changed(&rsa, |jwk| drop(jwk.as_object_mut().unwrap().remove("kid"))),
        changed(&ec, |jwk| jwk["x"] = base64url([7; 31]).into()),
        changed(&ec, |jwk| jwk["crv"] = json!("P-521")),
        changed(&ec, |jwk| jwk["crv"] = json!("secp256k1")),
        changed(&TestKey::p384(), |jwk| jwk["crv"] = json!("P-256")),
        changed(&TestKey::ed25519(), |jwk| jwk["x"] = base64url([2; 31]).into()),
        changed(&TestKey::ed25519(), |jwk| jwk["crv"] = json!("X25519")),
        TestKey::rsa_1024().jwk(),
        json!("text"),
        json!(null),
        json!({}),
    ];
    for jwk in broken {
        let world = World::start().await;
        world.issuer.publish(&[jwk.clone(), world.key.jwk()]);
        world.clock.advance(std::time::Duration::from_secs(3_600));
        let mut claims = claims(&world.issuer);
        claims["exp"] = json!(u32::MAX);
        assert!(world.accepts(&world.key.sign(&claims)).await, "{jwk}");
        assert_eq!(world.issuer.fetches(), 2);
        for key in [&rsa, &ec] {
            assert_eq!(world.refuses(&key.sign(&claims)).await, Refused::UnknownKey, "{jwk}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_no_point_of_its_curve_verifies_nothing() {
    let ec = TestKey::p256_b();
    for (name, value) in [("x", [7; 32]), ("y", [0; 32]), ("y", [0xff; 32])] {
        let world = World::start().await;
        world.issuer.publish(&[changed(&ec, |jwk| jwk[name] = base64url(value).into()), world.key.jwk()]);
        world.clock.advance(std::time::Duration::from_secs(11));
        assert_eq!(world.refuses(&ec.sign(&claims(&world.issuer))).await, Refused::Signature);
        assert!(world.accepts(&world.token()).await);
    }
}

#[tokio::test]
async fn a_weak_rsa_key_checks_no_token() {
    let weak = TestKey::rsa_1024();
    let world = World::start_with(weak, |issuer| issuer).await;
    assert_eq!(world.refuses(&world.token()).await, Refused::UnknownKey);
}
