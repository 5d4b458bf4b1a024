//! What must hold for any bytes whatever: one function per fuzz target, which panics when it does not.
//!
//! `fuzz/` runs them under libFuzzer, `cargo test -p tenantseal-tower --lib` on the stable toolchain. Not an interface.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use crate::algorithm::Algorithm;
use crate::claims::at_path;
use crate::issuer::{CheckedIssuer, Issuer};
use crate::json;
use crate::key_set::KeySet;
use crate::refused::Refused;
use crate::token::{UnverifiedToken, bearer};

#[cfg(test)]
mod tests;

/// The only token that the issuer has signed, without its signature.
const SIGNED: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYtYSJ9.\
    eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0IiwiYXVkIjoiY3JtIiwiZXhwIjo0MTAyNDQ0ODAwLCJ0ZW5hbnRfaWQiOiJhY21lIn0";

/// The issuer's public keys.
const KEYS: &str = r#"{"keys":[
    {"kty":"EC","crv":"P-256","kid":"p256-a","use":"sig","alg":"ES256",
     "x":"9PnQKlUjUWkUg6rOlzBae-M6RoVbfok0HAGLO6cl3uY","y":"y5g1hPCCHNWppsXCIaWj0Uo8gT7Ilfdae6tPm7g4kjI"},
    {"kty":"RSA","kid":"rsa-a","e":"AQAB","n":"p8kMLIR5v43HW1W61cU9oeEprqL5NoeNHriTqVPZK0jbBDdN_XVAW1Xit6SWzZ2GgJ9YNGCN5-zwtjIFfya937Ye531MC1g0IzwaXleAtQe8pkBy3EeVzeH7HnVvIavA8jtjNZufDvMujL4DH_ixpAsb09DNr9vX6E9U4a3JJM2GUP0tKb5tMbpe1eUEeIrZ7YUHsQjDzfopOexVl_Zy_5MzGC7Ys5vX9zRzEHDAmKXm-_KepW7-orR391lSNIVSTF1sslQKJa5uaXsOVKh62rCI9rra1_J_fz1ETa3c26RQzGGTALyZlQ3ovgxvGEDYAOtoCTKFThz5TOe-GAaKkw"}
]}"#;

struct Scene {
    issuer: CheckedIssuer,
    keys: KeySet,
    now: SystemTime,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let issuer = Issuer::new("https://issuer.test").audience("crm").tenant_claim(["tenant_id"]);
    Scene {
        issuer: issuer.check(true).expect("it is complete"),
        keys: KeySet::parse(KEYS.as_bytes()).expect("it is a set"),
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    }
});

/// Bytes after `Bearer ` are refused, unless they are the one token that was signed.
pub fn token(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", data].concat()) else { return };
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    if verify(&headers).is_ok() {
        let message = data.rsplitn(2, |&byte| byte == b'.').last();
        assert_eq!(message, Some(SIGNED.as_bytes()), "another token was accepted");
    }
}

fn verify(headers: &HeaderMap) -> Result<(), Refused> {
    let Scene { issuer, keys, now } = &*SCENE;
    let token = UnverifiedToken::parse(bearer(headers)?, &[Algorithm::Rs256, Algorithm::Es256])?;
    if token.claimed_issuer() != Some(&issuer.name) {
        return Err(Refused::UnknownIssuer);
    }
    issuer.tenant(token, keys, *now, headers).map(drop)
}

/// Claims that are accepted, were they signed, name our audience, the future and the tenant that comes of them.
pub fn claims(data: &[u8]) {
    let Scene { issuer, now, .. } = &*SCENE;
    let Some(claims) = json::parse_object(data) else { return };
    let expires = issuer.requirements.check(&claims, *now);
    let tenant = issuer.rule.tenant(&claims, &HeaderMap::new());
    if let (Ok(expires), Ok(tenant)) = (expires, tenant) {
        assert!(expires > *now - Duration::from_secs(60));
        assert_eq!(at_path(&claims, &["tenant_id"]).and_then(|claim| claim.as_str()), Some(tenant.as_str()));
        let audience = &claims["aud"];
        assert!(audience == "crm" || audience.as_array().is_some_and(|list| list.iter().any(|one| one == "crm")));
    }
}

/// A set has at most 100 keys, and none of them verifies a signature of zeros.
///
/// Ed25519 is left out: it has keys of small order, for which such a signature may be one.
pub fn key_set(data: &[u8]) {
    let Ok(keys) = KeySet::parse(data) else { return };
    assert!(keys.len() <= 100);
    for key in keys.iter() {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384] {
            assert!(!key.verifies(algorithm, b"message", &vec![0; 64]));
        }
    }
}
