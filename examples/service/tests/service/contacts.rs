//! Contacts: versions, sizes, lists, and requests that cannot be carried out.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode, header};
use serde_json::json;
use tenantseal::aws_sdk_dynamodb::types::AttributeValue;

use crate::scene::{CANARY, IS_NEW, World, ada};

#[tokio::test]
async fn a_contact_is_created_once_and_changed_by_version() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let read = acme.get(&contact).await;
    assert_eq!(read.headers[header::ETAG], "\"1\"");
    assert_eq!(read.json()["email"], ada()["email"]);
    assert_eq!(acme.put(&contact, IS_NEW, &ada()).await.status, StatusCode::PRECONDITION_FAILED, "again");

    let changed = json!({ "name": "Ada King", "email": "ada@example.org", "notes": "countess" });
    let answer = acme.put(&contact, ("if-match", "\"1\""), &changed).await;
    assert_eq!((answer.status, &answer.headers[header::ETAG]), (StatusCode::OK, &"\"2\"".parse().unwrap()));
    assert_eq!(answer.json()["notes"], "countess");
    assert_eq!(acme.get(&contact).await.json(), answer.json());

    assert_eq!(acme.put(&contact, ("if-match", "\"1\""), &ada()).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(acme.put(&contact, ("if-match", "W/\"2\""), &ada()).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(acme.put(&contact, ("accept", "*/*"), &ada()).await.status, StatusCode::PRECONDITION_REQUIRED);
    assert_eq!(acme.get(&contact).await.json(), answer.json());

    assert_eq!(acme.delete(&contact, 1).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(acme.delete(&contact, 2).await.status, StatusCode::NO_CONTENT);
    assert_eq!(acme.get(&contact).await.status, StatusCode::NOT_FOUND);
    assert_eq!(acme.delete(&contact, 2).await.status, StatusCode::NO_CONTENT, "again");
    let update = acme.put(&contact, ("if-match", "\"2\""), &ada()).await;
    assert_eq!(update.status, StatusCode::PRECONDITION_FAILED, "an update makes no contact");
    assert_eq!(acme.get(&contact).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_two_changes_of_one_version_one_wins() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let (one, other) = (ada(), ada());
    let (first, second) = tokio::join!(
        acme.put(&contact, ("if-match", "\"1\""), &one),
        acme.put(&contact, ("if-match", "\"1\""), &other),
    );
    let statuses = BTreeSet::from([first.status.as_u16(), second.status.as_u16()]);
    assert_eq!(statuses, [200, 412].into());
    assert_eq!(acme.get(&contact).await.json()["version"], 2);
}

#[tokio::test]
async fn the_pages_of_a_list_have_each_contact_once() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let mut created = BTreeSet::new();
    for _ in 0..7 {
        created.insert(acme.create().await);
    }
    let (mut listed, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let page = acme.get(&format!("/contacts?limit=3{next}")).await.json();
        let ids = page["contacts"].as_array().unwrap().iter();
        listed.extend(ids.map(|contact| format!("/contacts/{}", contact["id"].as_str().unwrap())));
        pages += 1;
        match page["next"].as_str() {
            Some(token) => next = format!("&page={token}"),
            None => break,
        }
    }
    assert_eq!(listed.len(), 7);
    assert_eq!((listed.into_iter().collect::<BTreeSet<_>>(), pages), (created, 3));
    for query in ["limit=0", "limit=101", "limit=canary-7f3a", "page=canary-7f3a"] {
        assert_eq!(acme.get(&format!("/contacts?{query}")).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn an_altered_contact_is_an_error_and_hides_no_other() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let (altered, other) = (acme.create().await, acme.create().await);
    let (table, _) = world.local.names();
    let id = |path: &str| AttributeValue::S(path.strip_prefix("/contacts/").unwrap().to_owned());
    let key = |path: &str| {
        [("tenant_id".to_owned(), AttributeValue::S("acme".to_owned())), ("contact_id".to_owned(), id(path))]
    };
    let dynamodb = world.local.dynamodb();
    let item = dynamodb.get_item().table_name(table).set_key(Some(key(&other).into())).send().await.unwrap().item;
    let mut item = item.unwrap();
    item.insert("contact_id".to_owned(), id(&altered));
    dynamodb.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();

    assert_eq!(acme.get(&altered).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let listed = acme.get("/contacts").await.json();
    assert_eq!((listed["contacts"].as_array().unwrap().len(), &listed["unreadable"]), (1, &json!(1)));
}

#[tokio::test]
async fn what_is_too_large_or_no_contact_is_refused_without_an_echo() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let large = json!({ "name": CANARY, "email": CANARY, "notes": "x".repeat(70_000) });
    assert_eq!(acme.put(&contact, ("if-match", "\"1\""), &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let wrong = [
        json!({ "name": CANARY, "email": [CANARY] }),
        json!({ "name": CANARY, "email": CANARY, CANARY: 1 }),
        json!({ "name": CANARY }),
    ];
    for body in wrong {
        let answer = acme.put(&contact, ("if-match", "\"1\""), &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    let headers = [("content-type", "application/json"), ("if-match", "\"1\"")];
    let no_json = acme.call(Method::PUT, &contact, &headers, format!("{{{CANARY}")).await;
    assert_eq!(no_json.status, StatusCode::BAD_REQUEST);
    let no_type = acme.call(Method::PUT, &contact, &headers[1..], ada().to_string()).await;
    assert_eq!(no_type.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(acme.get(&format!("/contacts/{CANARY}")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(acme.get(&contact).await.json()["version"], 1);
}
