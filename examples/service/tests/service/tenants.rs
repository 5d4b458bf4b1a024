//! Who a caller is, and that nobody else's data is there for them.

use std::time::{Duration, SystemTime};

use axum::http::{Method, StatusCode};

use crate::scene::{CANARY, IS_NEW, World, ada};

#[tokio::test]
async fn another_tenant_sees_and_changes_nothing() {
    let world = World::start().await;
    let (acme, globex) = (world.caller("acme"), world.caller("globex"));
    let contact = acme.create().await;
    acme.create().await;
    let attachment = format!("{contact}/attachments/{CANARY}");
    acme.upload(&attachment, CANARY).await;
    let page = acme.get("/contacts?limit=1").await.json()["next"].as_str().unwrap().to_owned();

    assert_eq!(globex.get(&contact).await.status, StatusCode::NOT_FOUND);
    assert_eq!(globex.get(&attachment).await.status, StatusCode::NOT_FOUND);
    assert_eq!(globex.upload(&attachment, "theirs").await.status, StatusCode::NOT_FOUND);
    assert_eq!(globex.put(&contact, ("if-match", "\"2\""), &ada()).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(globex.delete(&contact, 2).await.status, StatusCode::NO_CONTENT, "there is none of theirs");
    assert_eq!(globex.call(Method::DELETE, &attachment, &[], "").await.status, StatusCode::NOT_FOUND);
    let listed = globex.get("/contacts").await.json();
    assert_eq!((listed["contacts"].as_array().unwrap().len(), &listed["next"]), (0, &serde_json::Value::Null));
    assert_eq!(globex.get(&format!("/contacts?limit=1&page={page}")).await.status, StatusCode::BAD_REQUEST);
    // The same id is another contact there.
    assert_eq!(globex.put(&contact, IS_NEW, &ada()).await.status, StatusCode::CREATED);
    assert_eq!(globex.delete(&contact, 1).await.status, StatusCode::NO_CONTENT);

    assert_eq!(acme.get(&format!("/contacts?limit=1&page={page}")).await.status, StatusCode::OK);
    assert_eq!(acme.get(&attachment).await.body.unwrap(), CANARY);
    assert_eq!(acme.get(&contact).await.json()["version"], 2);
}

#[tokio::test]
async fn without_a_good_token_every_route_but_health_answers_401() {
    let world = World::start().await;
    let contact = world.caller("acme").create().await;
    let attachment = format!("{contact}/attachments/a");
    let expired = SystemTime::now() - Duration::from_secs(120);
    let expired = world.local.token_until("acme", expired).unwrap();
    let foreign = tenantseal_service::local::Local::start(&["acme"]).await.unwrap().token("acme").unwrap();
    for token in [None, Some(expired), Some(foreign), Some("canary-7f3a".to_owned())] {
        let caller = world.caller_with(token);
        for path in ["/contacts", &contact, &attachment] {
            for method in [Method::GET, Method::PUT, Method::DELETE] {
                assert_eq!(caller.call(method, path, &[], "").await.status, StatusCode::UNAUTHORIZED, "{path}");
            }
        }
        assert_eq!(caller.get("/health").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_tenant_whose_key_is_disabled_gets_403() {
    let world = World::start().await;
    let contact = world.caller("acme").create().await;
    let attachment = format!("{contact}/attachments/a");
    world.caller("acme").upload(&attachment, CANARY).await;
    world.local.disable_key("acme").await.unwrap();
    let world = world.restarted().await;
    let acme = world.caller("acme");
    for path in [contact.as_str(), &attachment, "/contacts"] {
        assert_eq!(acme.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(acme.put(&contact, ("if-match", "\"2\""), &ada()).await.status, StatusCode::FORBIDDEN);
    world.caller("globex").create().await;
}

#[tokio::test]
async fn nothing_stored_shows_a_contact_or_an_attachment() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    acme.upload(&format!("{contact}/attachments/{CANARY}"), CANARY).await;
    let items = world.local.dynamodb().scan().table_name(world.local.names().0).send().await.unwrap();
    assert_eq!(items.count(), 1);
    let seen = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
    for value in items.items()[0].values() {
        assert!(value.as_b().map_or_else(|_| !format!("{value:?}").contains(CANARY), |b| !seen(b.as_ref())));
    }
    let objects = world.objects().await;
    assert_eq!(objects.len(), 1);
    assert!(!objects[0].contains(CANARY) && !seen(&world.stored(&objects[0]).await));
}
