//! Tokens that somebody made to pass for another's.

use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tenantseal_tower::{Algorithm as Allowed, Refused};

use crate::scene::{TestKey, World, base64url, claims, headers};

#[tokio::test]
async fn a_good_token_gives_its_tenant_and_its_claims() {
    let world = World::start().await;
    let tenant = world.verify(&world.token()).await.unwrap();
    assert_eq!(tenant.id().as_str(), "acme");
    assert_eq!(tenant.tenant().id().as_str(), "acme");
    assert_eq!((tenant.subject(), tenant.issuer()), (Some("user-1"), Some("https://issuer.test")));
    assert_eq!(tenant.claim(&["aud"]), Some(&json!("crm")));
    assert_eq!(tenant.claim(&["no", "such"]), None);
    assert_eq!(format!("{tenant:?}"), "VerifiedTenant(..)");
}

#[tokio::test]
async fn every_allowed_algorithm_is_verified_with_its_key() {
    let all = [Allowed::Rs256, Allowed::Es256, Allowed::Es384, Allowed::EdDsa];
    for key in [TestKey::rsa_a(), TestKey::p256_a(), TestKey::p384(), TestKey::ed25519()] {
        let world = World::build(key, |builder, issuer| builder.issuer(issuer).algorithms(all)).await;
        assert!(world.accepts(&world.token()).await, "{}", world.key.kid);
        let forged = format!("{}.{}", message(&world), base64url([1; 64]));
        assert_eq!(world.refuses(&forged).await, Refused::Signature, "{}", world.key.kid);
    }
}

fn message(world: &World) -> String {
    world.token().rsplit_once('.').unwrap().0.to_owned()
}

#[tokio::test]
async fn rsa_with_other_hashes_and_pss_is_verified_where_allowed() {
    let all = [Allowed::Rs384, Allowed::Rs512, Allowed::Ps256, Allowed::Ps384, Allowed::Ps512];
    let mut jwk = TestKey::rsa_a().jwk();
    jwk.as_object_mut().unwrap().remove("alg");
    let world = World::build(TestKey::rsa_a(), |builder, issuer| builder.issuer(issuer).algorithms(all)).await;
    world.issuer.publish(&[jwk]);
    world.clock.advance(std::time::Duration::from_secs(3_600));
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512] {
        let key = TestKey::rsa_a().with(algorithm);
        let mut claims = claims(&world.issuer);
        claims["exp"] = json!(claims["exp"].as_u64().unwrap() + 3_600);
        assert!(world.accepts(&key.sign(&claims)).await, "{algorithm:?}");
    }
    assert_eq!(world.refuses(&world.token()).await, Refused::Algorithm);
}

#[tokio::test]
async fn no_signature_is_none_however_it_is_spelled() {
    let world = World::start().await;
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": algorithm, "kid": world.key.kid });
        let message = format!("{}.{}", base64url(header.to_string()), base64url(claims(&world.issuer).to_string()));
        assert_eq!(world.refuses(&format!("{message}.")).await, Refused::Algorithm, "{algorithm}");
        let signed = world.key.sign_message(&message);
        assert_eq!(world.refuses(&signed).await, Refused::Algorithm, "{algorithm}");
    }
    for algorithm in [json!(null), json!(["ES256"]), json!(0)] {
        let token = world.key.sign_with(&json!({ "alg": algorithm, "kid": world.key.kid }), &claims(&world.issuer));
        assert_eq!(world.refuses(&token).await, Refused::Algorithm, "{algorithm}");
    }
    let unsigned = format!("{}.", message(&world));
    assert_eq!(world.refuses(&unsigned).await, Refused::Signature);
}

/// A token that is signed with a symmetric key.
fn symmetric(world: &World, kid: &str, secret: &[u8]) -> String {
    let header = json!({ "alg": "HS256", "kid": kid });
    let message = format!("{}.{}", base64url(header.to_string()), base64url(claims(&world.issuer).to_string()));
    let key = EncodingKey::from_secret(secret).unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn a_public_key_is_no_secret_and_a_published_secret_no_key() {
    let world = World::start_with(TestKey::rsa_a(), |issuer| issuer).await;
    let jwk = world.key.jwk();
    let modulus = base64url_decoded(&jwk["n"]);
    for secret in [modulus, jwk["n"].as_str().unwrap().into(), jwk.to_string().into_bytes()] {
        assert_eq!(world.refuses(&symmetric(&world, "rsa-a", &secret)).await, Refused::Algorithm);
    }
    let oct = json!({ "kty": "oct", "kid": "shared", "alg": "HS256", "k": base64url("a published secret") });
    world.issuer.publish(&[jwk, oct]);
    world.clock.advance(std::time::Duration::from_secs(11));
    assert_eq!(world.refuses(&symmetric(&world, "shared", b"a published secret")).await, Refused::Algorithm);
    // Nor is it taken for a key of an algorithm that is allowed.
    let as_rsa = world.key.sign_with(&json!({ "alg": "RS256", "kid": "shared" }), &claims(&world.issuer));
    assert_eq!(world.refuses(&as_rsa).await, Refused::UnknownKey);
    assert_eq!(world.issuer.fetches(), 2);
}

fn base64url_decoded(text: &Value) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_key_serves_the_algorithm_that_it_is_for_alone() {
    let (rsa, ec) = (TestKey::rsa_a(), TestKey::p256_a());
    let world = World::start_with(TestKey::rsa_a(), |issuer| issuer).await;
    world.issuer.publish(&[rsa.jwk(), ec.jwk()]);
    world.clock.advance(std::time::Duration::from_secs(11));
    assert!(world.accepts(&ec.sign(&claims(&world.issuer))).await);
    let ec_by_rsa = ec.sign_with(&json!({ "alg": "ES256", "kid": "rsa-a" }), &claims(&world.issuer));
    assert_eq!(world.refuses(&ec_by_rsa).await, Refused::KeyDoesNotFit);
    let rsa_by_ec = rsa.sign_with(&json!({ "alg": "RS256", "kid": "p256-a" }), &claims(&world.issuer));
    assert_eq!(world.refuses(&rsa_by_ec).await, Refused::KeyDoesNotFit);
    // An algorithm that fits the key, but that the key does not name.
    let world = World::build(TestKey::rsa_a(), |builder, issuer| {
        builder.issuer(issuer).algorithms([Allowed::Rs256, Allowed::Rs512])
    });
    let world = world.await;
    let other = TestKey::rsa_a().with(Algorithm::RS512);
    assert_eq!(world.refuses(&other.sign(&claims(&world.issuer))).await, Refused::KeyDoesNotFit);
}

#[tokio::test]
async fn an_algorithm_that_is_not_allowed_is_refused_though_its_key_is_good() {
    let world = World::start_with(TestKey::p384(), |issuer| issuer).await;
    assert_eq!(world.refuses(&world.token()).await, Refused::Algorithm);
    let es256 = World::build(TestKey::p256_a(), |builder, issuer| builder.issuer(issuer).algorithms([Allowed::Rs256]));
    let es256 = es256.await;
    assert_eq!(es256.refuses(&es256.token()).await, Refused::Algorithm);
}

#[tokio::test]
async fn keys_and_addresses_of_keys_in_the_header_are_not_looked_at() {
    let (world, attacker) = (World::start().await, TestKey::p256_b());
    let own = [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://attacker.test/keys")),
        ("x5u", json!("https://attacker.test/certificate")),
        ("x5c", json!(["MIIB"])),
    ];
    for (name, value) in own {
        for kid in [world.key.kid, attacker.kid] {
            let mut header = json!({ "alg": "ES256", "kid": kid });
            header[name] = value.clone();
            let forged = attacker.sign_with(&header, &claims(&world.issuer));
            let expected = if kid == attacker.kid { Refused::UnknownKey } else { Refused::Signature };
            assert_eq!(world.refuses(&forged).await, expected, "{name} {kid}");
        }
        let mut header = world.key.header();
        header[name] = value;
        assert!(world.accepts(&world.key.sign_with(&header, &claims(&world.issuer))).await, "{name}");
    }
}

#[tokio::test]
async fn extensions_that_must_be_understood_are_refused() {
    let world = World::start().await;
    for critical in [json!(["b64"]), json!(["exp"]), json!([]), json!(null)] {
        let mut header = world.key.header();
        header["crit"] = critical.clone();
        header["b64"] = json!(false);
        let token = world.key.sign_with(&header, &claims(&world.issuer));
        assert_eq!(world.refuses(&token).await, Refused::Critical, "{critical}");
    }
}

#[tokio::test]
async fn a_token_must_name_its_key_by_a_text_of_bounded_length() {
    let world = World::start().await;
    for kid in [json!(null), json!(7), json!(["p256-a"]), json!(""), json!("k".repeat(257))] {
        let token = world.key.sign_with(&json!({ "alg": "ES256", "kid": kid }), &claims(&world.issuer));
        assert_eq!(world.refuses(&token).await, Refused::KeyId, "{kid}");
    }
    let none = world.key.sign_with(&json!({ "alg": "ES256" }), &claims(&world.issuer));
    assert_eq!(world.refuses(&none).await, Refused::KeyId);
    let longest = world.key.sign_with(&json!({ "alg": "ES256", "kid": "k".repeat(256) }), &claims(&world.issuer));
    assert_eq!(world.refuses(&longest).await, Refused::UnknownKey);
}

#[tokio::test]
async fn another_key_under_a_good_kid_is_refused() {
    let (world, attacker) = (World::start().await, TestKey::p256_b());
    let forged = attacker.sign_with(&world.key.header(), &claims(&world.issuer));
    assert_eq!(world.refuses(&forged).await, Refused::Signature);
    let world = World::start_with(TestKey::rsa_a(), |issuer| issuer).await;
    let forged = TestKey::rsa_b().sign_with(&world.key.header(), &claims(&world.issuer));
    assert_eq!(world.refuses(&forged).await, Refused::Signature);
}

#[tokio::test]
async fn nothing_of_a_token_can_be_changed() {
    let world = World::start().await;
    let token = world.token();
    let parts: Vec<&str> = token.split('.').collect();
    let other = base64url(r#"{"tenant_id":"globex"}"#);
    assert_eq!(world.refuses(&format!("{}.{other}.{}", parts[0], parts[2])).await, Refused::UnknownIssuer);
    let mut claims = claims(&world.issuer);
    claims["tenant_id"] = json!("globex");
    let swapped = base64url(claims.to_string());
    assert_eq!(world.refuses(&format!("{}.{swapped}.{}", parts[0], parts[2])).await, Refused::Signature);
    // One character after the other: whatever it says then, nobody accepts it.
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(!world.accepts(&String::from_utf8(changed).unwrap()).await, "{at}");
    }
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let world = World::start_with(TestKey::rsa_a(), |issuer| issuer).await;
    let token = world.token();
    assert!(world.accepts(&token).await);
    let parts: Vec<&str> = token.split('.').collect();
    // 256 bytes leave 4 bits in the last character that no byte has.
    let (rest, last) = parts[2].split_at(parts[2].len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let mut spellings = 0;
    for other in ((place & !15)..=(place | 15)).filter(|&other| other != place) {
        let spelled = format!("{}.{}.{rest}{}", parts[0], parts[1], &alphabet[other..=other]);
        assert_eq!(world.refuses(&spelled).await, Refused::Malformed);
        spellings += 1;
    }
    assert_eq!(spellings, 15);
    for padded in ["=", "==", "\u{0}", "\n", " "] {
        for at in 0..3 {
            let spelled: Vec<String> = parts
                .iter()
                .enumerate()
                .map(|(i, part)| if i == at { format!("{part}{padded}") } else { (*part).to_owned() })
                .collect();
            let mut headers = HeaderMap::new();
            let Ok(value) = HeaderValue::from_bytes(format!("Bearer {}", spelled.join(".")).as_bytes()) else {
                continue;
            };
            headers.insert(header::AUTHORIZATION, value);
            let refused = world.tenants.verify(&headers).await.unwrap_err();
            assert_eq!(refused, Refused::Malformed, "{padded:?} {at}");
        }
    }
    let standard = token.replace('-', "+").replace('_', "/");
    assert_ne!(standard, token, "a signature of 256 bytes has such a character");
    assert_eq!(world.refuses(&standard).await, Refused::Malformed);
}

#[tokio::test]
async fn a_token_has_three_parts_that_are_objects() {
    let world = World::start().await;
    let token = world.token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let encrypted = format!("{token}.{signature}.{signature}");
    for parts in
        [message, header, "", ".", "..", "...", &format!("{token}.{signature}"), &format!("{token}."), &encrypted]
    {
        assert_eq!(world.refuses(parts).await, Refused::Malformed, "{parts}");
    }
    for text in ["[]", "7", "\"text\"", "null", "", "{", "{} {}", "{\"a\":1}x", "\u{feff}{}"] {
        let part = base64url(text);
        assert_eq!(world.refuses(&format!("{part}.{payload}.{signature}")).await, Refused::Malformed, "{text}");
        assert_eq!(
            world.refuses(&world.key.sign_message(&format!("{header}.{part}"))).await,
            Refused::Malformed,
            "{text}"
        );
    }
    let no_text = base64url(b"{\"iss\":\"\xff\"}");
    assert_eq!(world.refuses(&world.key.sign_message(&format!("{header}.{no_text}"))).await, Refused::Malformed);
}

#[tokio::test]
async fn no_name_stands_twice_in_an_object() {
    let world = World::start().await;
    let (header, claims) = (world.key.header().to_string(), claims(&world.issuer).to_string());
    let twice = |object: &str, more: &str| object.replacen('{', &format!("{{{more},"), 1);
    let token = |header: &str, claims: &str| world.key.sign_text(header, claims);
    for more in [
        "\"tenant_id\":\"globex\"",
        "\"tenant_id\":\"acme\"",
        "\"tenant\\u005fid\":\"globex\"",
        "\"exp\":1",
        "\"a\":{\"b\":1,\"b\":1}",
    ] {
        assert_eq!(world.refuses(&token(&header, &twice(&claims, more))).await, Refused::Malformed, "{more}");
    }
    for more in ["\"alg\":\"none\"", "\"alg\":\"ES256\"", "\"kid\":\"other\"", "\"a\":[{\"b\":1,\"b\":1}]"] {
        assert_eq!(world.refuses(&token(&twice(&header, more), &claims)).await, Refused::Malformed, "{more}");
    }
    assert!(world.accepts(&token(&twice(&header, "\"a\":{\"b\":1,\"c\":{\"b\":1}}"), &claims)).await);
}

#[tokio::test]
async fn an_object_has_at_most_16_levels() {
    let world = World::start().await;
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (levels, is_accepted) in [(15, true), (16, false), (4_000, false)] {
        let claims = claims(&world.issuer).to_string().replacen('{', &format!("{{\"deep\":{},", nested(levels)), 1);
        let token = world.key.sign_text(&world.key.header().to_string(), &claims);
        // 8,192 bytes in base64url are 6,144.
        assert_eq!(world.accepts(&token).await, is_accepted, "{levels} of {}", token.len());
    }
}

#[tokio::test]
async fn a_header_of_more_than_8192_bytes_is_refused() {
    let world = World::start().await;
    let padded = |length: usize| {
        let mut claims = claims(&world.issuer);
        claims["padding"] = json!("x".repeat(length));
        world.key.sign(&claims)
    };
    assert_eq!(world.refuses(&padded(7_000)).await, Refused::TooLong);
    let token = padded(5_500);
    assert!(token.len() > 7_000 && world.accepts(&token).await, "{}", token.len());
    let fill = |length: usize| headers(&"x".repeat(length - "Bearer ".len()));
    assert_eq!(world.tenants.verify(&fill(8_192)).await.unwrap_err(), Refused::Malformed);
    assert_eq!(world.tenants.verify(&fill(8_193)).await.unwrap_err(), Refused::TooLong);
}

#[tokio::test]
async fn the_token_comes_in_one_authorization_header_and_nowhere_else() {
    let world = World::start().await;
    let token = world.token();
    let verify = async |headers: HeaderMap| world.tenants.verify(&headers).await.map(|tenant| tenant.id().clone());
    assert_eq!(verify(HeaderMap::new()).await, Err(Refused::NoToken));
    let mut elsewhere = HeaderMap::new();
    for name in ["x-tenant-id", "x-amzn-oidc-data", "cookie", "proxy-authorization", "x-forwarded-authorization"] {
        elsewhere.insert(name, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    }
    assert_eq!(verify(elsewhere).await, Err(Refused::NoToken));
    let mut twice = headers(&token);
    twice.append(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    assert_eq!(verify(twice).await, Err(Refused::SeveralTokens));
    let mut basic = headers(&token);
    basic.append(header::AUTHORIZATION, HeaderValue::from_static("Basic dXNlcjpwYXNz"));
    assert_eq!(verify(basic).await, Err(Refused::SeveralTokens));
    for (value, refused) in [
        (token.clone(), Some(Refused::NotBearer)),
        (format!("Basic {token}"), Some(Refused::NotBearer)),
        (format!("Bearer\t{token}"), Some(Refused::NotBearer)),
        (format!("Bearer  {token}"), Some(Refused::Malformed)),
        (format!("Bearer {token},Bearer {token}"), Some(Refused::Malformed)),
        ("Bearer".to_owned(), Some(Refused::NotBearer)),
        ("Bearer ".to_owned(), Some(Refused::Malformed)),
        (format!("bearer {token}"), None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        assert_eq!(verify(headers).await.err(), refused, "{value}");
    }
}

#[tokio::test]
async fn a_tenant_in_a_header_is_never_read() {
    let world = World::start().await;
    let mut headers = headers(&world.token());
    for name in ["x-tenant-id", "x-tenant", "tenant", "x-org"] {
        headers.insert(name, HeaderValue::from_static("globex"));
    }
    assert_eq!(world.tenants.verify(&headers).await.unwrap().id().as_str(), "acme");
}
