//! What happens beside a request: others are faster, services fail, and somebody reads the log.

use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, header};
use futures_util::future::join_all;
use futures_util::stream;
use tenantseal::TenantId;
use tenantseal_service::delete_unnamed;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::scene::{CANARY, World, ada, logged};
use crate::wire::{Reaction, Wire};

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
async fn an_upload_that_others_are_always_faster_than_is_409() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let names: Vec<_> = (0..40).map(|name| format!("{contact}/attachments/{name}")).collect();
    let answers = join_all(names.iter().map(|name| acme.upload(name, name.clone()))).await;
    let (mut stored, mut refused) = (0, 0);
    for (name, answer) in names.iter().zip(answers) {
        match answer.status {
            StatusCode::CREATED => {
                stored += 1;
                assert_eq!(acme.get(name).await.body.unwrap(), name.as_bytes());
            }
            StatusCode::CONFLICT => {
                refused += 1;
                assert_eq!(acme.get(name).await.status, StatusCode::NOT_FOUND);
            }
            other => panic!("{other}"),
        }
    }
    assert!(stored >= 5 && refused > 0, "{stored} stored, {refused} refused");
}

/// The answer to the first upload's write of the record is lost, and another upload replaces its object before the SDK
/// repeats the write.
#[tokio::test]
async fn an_upload_whose_answer_was_lost_names_no_object_that_is_gone() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/a", acme.create().await);
    let (replaced, waits) = oneshot::channel::<()>();
    let waits = Mutex::new(Some(waits));
    let wire = Wire::scripted(move |sent, before| match (&*sent.operation, before) {
        ("UpdateItem", 0) => Reaction::Lose,
        ("UpdateItem", 1) => {
            let waits = waits.lock().unwrap().take().unwrap();
            Reaction::After(Box::pin(async { waits.await.unwrap() }))
        }
        _ => Reaction::Forward,
    });
    let (first, its) = (world.caller_over("acme", wire).await, path.clone());
    let first = tokio::spawn(async move { first.upload(&its, "first").await });
    while acme.get(&path).await.status != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(acme.upload(&path, "second").await.status, StatusCode::CREATED);
    replaced.send(()).unwrap();
    assert_eq!(first.await.unwrap().status, StatusCode::CONFLICT);
    assert_eq!(acme.get(&path).await.body.unwrap(), "second");
}

#[tokio::test]
async fn the_daily_job_deletes_what_no_record_names_and_nothing_else() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/a", acme.create().await);
    acme.upload(&path, "named").await;
    let tenant = world.other_program().tenant(&TenantId::parse("acme").unwrap());
    let contact = path.split('/').nth(2).unwrap();
    let unnamed = format!("{contact}/{}", Uuid::new_v4());
    tenant.blobs("attachments").put(&unnamed, b"unnamed".to_vec()).await.unwrap();
    let other = world.caller("globex");
    other.upload(&format!("{}/attachments/a", other.create().await), "another tenant's").await;
    world.plant("acme/not-of-this-service", CANARY).await;
    assert_eq!(world.objects().await.len(), 4);

    let (hour, now) = (Duration::from_secs(3_600), SystemTime::now());
    assert_eq!(delete_unnamed(&tenant, now - hour).await.unwrap(), 0, "an upload may be under way");
    assert_eq!(delete_unnamed(&tenant, now + hour).await.unwrap(), 1);
    assert!(world.objects().await.iter().all(|object| !object.ends_with(&unnamed)));
    assert_eq!(world.objects().await.len(), 3);
    assert_eq!(acme.get(&path).await.body.unwrap(), "named");
}

/// Whoever writes to the bucket may plant a key that the library refuses. It must not keep a contact's data there.
#[tokio::test]
async fn a_planted_key_stops_no_deletion() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    acme.upload(&format!("{contact}/attachments/a"), "bytes").await;
    let id = contact.rsplit('/').next().unwrap();
    world.plant(&format!("acme/{id}/.."), CANARY).await;
    assert_eq!(world.objects().await.len(), 2);
    let tenant = world.other_program().tenant(&TenantId::parse("acme").unwrap());
    let unnamed = format!("{id}/{}", Uuid::new_v4());
    tenant.blobs("attachments").put(&unnamed, b"unnamed".to_vec()).await.unwrap();
    delete_unnamed(&tenant, SystemTime::now() + Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(world.objects().await.len(), 2);
    assert_eq!(acme.delete(&contact, 2).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.objects().await, [format!("acme/{id}/..")]);
}

#[cfg(unix)]
#[tokio::test]
async fn at_sigterm_a_request_in_progress_is_answered_and_the_process_ends() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenantseal-service"));
    let mut service = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut printed = BufReader::new(service.stdout.take().unwrap()).lines();
    let (mut token, mut address) = (None, None);
    while token.is_none() || address.is_none() {
        let line = printed.next_line().await.unwrap().unwrap();
        token = token.or(line.strip_prefix("acme='").map(|header| header.trim_end_matches('\'').to_owned()));
        let url = line.split_once("http://").and_then(|(_, url)| url.split_once('/'));
        address = address.or(url.map(|(address, _)| address.to_owned()));
    }
    let mut connection = TcpStream::connect(address.as_ref().unwrap()).await.unwrap();
    let contact = ada().to_string();
    let head = format!(
        "PUT /contacts/{} HTTP/1.1\r\nhost: service\r\n{}\r\nif-none-match: *\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        Uuid::new_v4(),
        token.unwrap(),
        contact.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&contact.as_bytes()[..1]).await.unwrap();
    // Its handler waits for the body, and nothing says so to the outside.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = Command::new("kill").args(["-TERM", &service.id().unwrap().to_string()]).status().await.unwrap();
    assert!(told.success());
    while TcpStream::connect(address.as_ref().unwrap()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    connection.write_all(&contact.as_bytes()[1..]).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(service.wait().await.unwrap().success());
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
