//! Attachments: streams, ranges, and objects that are not what was uploaded.

use axum::http::{Method, StatusCode, header};
use tenantseal::TenantId;

use crate::scene::{Answer, CANARY, Caller, World, ada};

const CHUNK: usize = 65_536;

/// Bytes of which no two chunks are alike.
fn bytes(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

async fn range(caller: &Caller, path: &str, range: &str) -> Answer {
    caller.call(Method::GET, path, &[("range", range)], "").await
}

#[tokio::test]
async fn an_attachment_comes_back_whole_and_in_ranges() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/r%C3%A9sum%C3%A9.pdf", acme.create().await);
    let pdf = bytes(3 * CHUNK + 7);
    assert_eq!(acme.upload(&path, pdf.clone()).await.status, StatusCode::CREATED);
    let whole = acme.get(&path).await;
    assert_eq!(whole.headers[header::CONTENT_LENGTH], pdf.len().to_string());
    assert_eq!(whole.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(whole.body.unwrap(), pdf);

    for (asked, first, last) in
        [("bytes=0-0", 0, 0), ("bytes=65530-65545", 65_530, 65_545), ("bytes=-7", 3 * CHUNK, 3 * CHUNK + 6)]
    {
        let part = range(&acme, &path, asked).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{asked}");
        assert_eq!(part.headers[header::CONTENT_RANGE], format!("bytes {first}-{last}/{}", pdf.len()));
        assert_eq!(part.body.unwrap(), pdf[first..=last], "{asked}");
    }
    let behind = range(&acme, &path, "bytes=900000-").await;
    assert_eq!(behind.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(behind.headers[header::CONTENT_RANGE], format!("bytes */{}", pdf.len()));
    for ignored in ["bytes=x", "bytes=0-1,5-6"] {
        assert_eq!(range(&acme, &path, ignored).await.status, StatusCode::OK, "{ignored}");
    }
    let if_range = [("range", "bytes=0-0"), ("if-range", "\"another\"")];
    assert_eq!(acme.call(Method::GET, &path, &if_range, "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_new_attachment_replaces_the_former_one_and_its_object() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let path = format!("{contact}/attachments/a");
    acme.upload(&path, "old").await;
    acme.upload(&path, "new").await;
    assert_eq!(acme.get(&path).await.body.unwrap(), "new");
    assert_eq!(world.objects().await.len(), 1);
    assert_eq!(acme.call(Method::DELETE, &path, &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(acme.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.objects().await.len(), 0);
    assert_eq!(acme.call(Method::DELETE, &path, &[], "").await.status, StatusCode::NO_CONTENT, "again");

    acme.upload(&path, "more").await;
    assert_eq!(acme.delete(&contact, 5).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.objects().await.len(), 0);
}

#[tokio::test]
async fn a_change_of_the_contact_leaves_its_attachments() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let paths = ["a", "b", "c"].map(|name| format!("{contact}/attachments/{name}"));
    let uploads = tokio::join!(acme.upload(&paths[0], "1"), acme.upload(&paths[1], "2"), acme.upload(&paths[2], "3"));
    for upload in [uploads.0, uploads.1, uploads.2] {
        assert_eq!(upload.status, StatusCode::CREATED);
    }
    assert_eq!(acme.put(&contact, ("if-match", "\"4\""), &ada()).await.status, StatusCode::OK);
    for (path, content) in paths.iter().zip(["1", "2", "3"]) {
        assert_eq!(acme.get(path).await.body.unwrap(), content);
    }
}

#[tokio::test]
async fn an_older_attachment_put_back_under_the_key_is_refused() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/a", acme.create().await);
    acme.upload(&path, "old").await;
    let old = world.stored(&world.objects().await[0]).await;
    acme.upload(&path, "new").await;
    let object = world.objects().await.remove(0);
    let new = world.stored(&object).await;

    // Another object's bytes, and a version that another program of the tenant sealed for this very key.
    world.plant(&object, old).await;
    assert_eq!(acme.get(&path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let others = world.other_program().tenant(&TenantId::parse("acme").unwrap()).blobs("attachments");
    others.put(object.strip_prefix("acme/").unwrap(), b"older".to_vec()).await.unwrap();
    assert_eq!(acme.get(&path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(range(&acme, &path, "bytes=0-0").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    world.plant(&object, new).await;
    assert_eq!(acme.get(&path).await.body.unwrap(), "new");
}

#[tokio::test]
async fn a_cut_attachment_ends_the_stream_with_an_error() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let path = format!("{}/attachments/a", acme.create().await);
    acme.upload(&path, bytes(3 * CHUNK)).await;
    let object = world.objects().await.remove(0);
    let stored = world.stored(&object).await;
    let header = stored.len() - 3 * (CHUNK + 16);
    // At a border of chunks, where every chunk that is left is authentic.
    world.plant(&object, stored.slice(..header + 2 * (CHUNK + 16))).await;
    let cut = acme.get(&path).await;
    assert_eq!((cut.status, cut.body), (StatusCode::OK, None));
    assert_eq!(range(&acme, &path, "bytes=0-9").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    world.plant(&object, "").await;
    assert_eq!(acme.get(&path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn an_upload_of_another_length_than_declared_is_not_stored() {
    let world = World::start().await;
    let acme = world.caller("acme");
    let contact = acme.create().await;
    let path = format!("{contact}/attachments/{CANARY}");
    let declared = |len: &'static str| [("content-length", len)];
    assert_eq!(acme.call(Method::PUT, &path, &[], CANARY).await.status, StatusCode::LENGTH_REQUIRED);
    let large = (tenantseal_service::MAX_ATTACHMENT + 1).to_string();
    let large = acme.call(Method::PUT, &path, &[("content-length", &large)], CANARY).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    for len in ["2", "2000"] {
        assert_eq!(acme.call(Method::PUT, &path, &declared(len), CANARY).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(acme.upload("/contacts/5f8d9a52-6a3c-4f0e-9d3b-0c1a2b3c4d5e/attachments/a", "x").await.status, 404);
    assert_eq!(world.objects().await.len(), 0);
    assert_eq!(acme.get(&contact).await.json()["version"], 1);
}
