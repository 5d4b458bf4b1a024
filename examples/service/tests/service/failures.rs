//! What happens beside a request: others are faster, services fail, and somebody reads the log.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, header};
use futures_util::stream;

use crate::scene::{CANARY, World, ada, logged};

#[tokio::test]
async fn an_upload_to_a_contact_that_is_deleted_meanwhile_leaves_nothing() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let (other, deleted) = (acme.clone(), contact.clone());
    let body = stream::once(async move {
        assert_eq!(other.delete(&deleted, 1).await.status, StatusCode::NO_CONTENT);
        Ok::<_, std::io::Error>(Bytes::from_static(b"late"))
    });
    let path = format!("{contact}/attachments/a");
    let late = acme.call(Method::PUT, &path, &[("content-length", "4")], Body::from_stream(body)).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    assert_eq!(world.objects().await.len(), 0);
}

#[tokio::test]
async fn a_reader_gets_the_new_attachment_when_the_former_goes() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/a", acme.create().await);
    acme.upload(&path, "former").await;
    let before = world.local.stack().calls().count("GetObject");
    world.local.stack().faults().on("GetObject").hang();
    let (reader, read) = (acme.clone(), path.clone());
    let reading = tokio::spawn(async move { reader.get(&read).await });
    while world.local.stack().calls().count("GetObject") == before {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(acme.upload(&path, "new").await.status, StatusCode::CREATED);
    world.local.stack().faults().clear();
    assert_eq!(reading.await.unwrap().body.unwrap(), "new");
}

#[tokio::test]
async fn an_outage_of_kms_is_503_and_says_when_to_come_back() {
    let world = World::start().await;
    let contact = world.caller("acme").create().await;
    let world = world.restarted().await;
    world.local.stack().faults().on("Decrypt").fail("KMSInternalException", 500);
    let answer = world.caller("acme").get(&contact).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
}

#[tokio::test]
async fn an_upload_whose_object_cannot_be_stored_changes_nothing() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/a", acme.create().await);
    acme.upload(&path, "former").await;
    world.local.stack().faults().on("PutObject").fail("AccessDenied", 403);
    assert_eq!(acme.upload(&path, "new").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(acme.get(&path).await.body.unwrap(), "former");
}

#[tokio::test]
async fn no_line_of_the_log_shows_what_was_sent_or_stored() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let path = format!("{contact}/attachments/{CANARY}");
    acme.upload(&path, CANARY).await;
    acme.get(&path).await;
    acme.put(&contact, ("if-match", "\"1\""), &ada()).await;
    acme.get(&format!("/contacts/{CANARY}")).await;
    acme.get(&format!("/contacts?page={CANARY}")).await;
    world.plant(&world.objects().await[0], CANARY).await;
    assert_eq!(acme.get(&path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let log = logged();
    for expected in ["a request failed", "a request was refused", "/contacts/{id}/attachments/{name}"] {
        assert!(log.contains(expected), "{expected}");
    }
    let shown: Vec<_> = log.lines().filter(|line| line.contains(CANARY)).take(3).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
