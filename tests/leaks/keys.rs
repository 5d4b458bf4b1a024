//! Data keys and tenants' credentials are not logged either.

use crate::common::{Contact, World, contact, id};
use crate::{assert_not_logged, log};

/// The values of `"name":"…"` or `<name>…</name>` in what a server answered.
fn values(answered: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(answered).into_owned();
    let (start, end) = if text.contains(&format!("<{name}>")) {
        (format!("<{name}>"), format!("</{name}>"))
    } else {
        (format!("\"{name}\":\""), "\"".to_owned())
    };
    let after = text.split(&start).skip(1);
    after.map(|rest| rest.split(&end).next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn data_keys_and_session_credentials_are_not_logged() {
    log();
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    for _ in 0..2 {
        let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
        acme.records::<Contact>().get("c-1").await.unwrap();
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    }
    let mut secrets = values(&taps.kms.answered(), "Plaintext");
    assert_eq!(secrets.len(), 3, "two data keys made and one unwrapped");
    let sessions = taps.sts.answered();
    let (access, token) = (values(&sessions, "SecretAccessKey"), values(&sessions, "SessionToken"));
    assert_eq!((access.len(), token.len()), (2, 2));
    secrets.extend(access);
    for secret in secrets {
        assert!(secret.len() > 20, "{secret}");
        assert_not_logged(&secret);
    }
    // The session token travels in a header of each request, which the SDK logs; alone it is of no use.
}
