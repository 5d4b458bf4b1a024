//! Data keys and tenants' credentials are not logged either.

use std::sync::{Arc, Mutex};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id};
use crate::{assert_not_logged, log};

/// The values of `"name":"…"` or `<name>…</name>` in what a server answered.
pub(crate) fn values(answered: &[u8], name: &str) -> Vec<String> {
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

#[tokio::test]
async fn an_http_client_that_keeps_answers_in_memory_has_no_data_key_logged() {
    log();
    let world = World::start(&["acme"]).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let wire = Wire::scripted(move |sent, _| {
        let name = match &*sent.operation {
            "GenerateDataKey" | "Decrypt" => "Plaintext",
            "AssumeRole" => "SecretAccessKey",
            _ => return Reaction::Forward,
        };
        let keep = Arc::clone(&keep);
        Reaction::Alter(Box::new(move |body| {
            keep.lock().unwrap().extend(values(body.as_bytes(), name));
            body
        }))
    });
    for _ in 0..2 {
        let acme = world.tenant_over("acme", wire.clone());
        acme.records::<Contact>().get("c-1").await.unwrap();
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    }
    let secrets = seen.lock().unwrap().clone();
    assert_eq!(secrets.len(), 5);
    for secret in secrets {
        assert_not_logged(&secret);
    }
}
