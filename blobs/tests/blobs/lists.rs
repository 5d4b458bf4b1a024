//! Lists: of the tenant's objects, and of no other's whatever S3 answers.

use futures_util::TryStreamExt;
use tenantseal::blobs::{Blobs, Error, List};

use crate::scene::Scene;
use crate::wire::{Reaction, Wire};

async fn keys(list: List) -> Result<Vec<String>, Error> {
    let mut listed = list.stream();
    let mut keys = Vec::new();
    while let Some(blob) = listed.try_next().await? {
        keys.push(blob.key().to_owned());
    }
    Ok(keys)
}

async fn scene() -> (Scene, Blobs) {
    let scene = Scene::start(&["acme", "acme2"]).await;
    let blobs = scene.blobs("acme");
    for key in ["a", "reports/1", "reports/2", "reports/old/1", "z"] {
        blobs.put(key, b"x".to_vec()).await.unwrap();
    }
    scene.blobs("acme2").put("reports/of-another", b"x".to_vec()).await.unwrap();
    (scene, blobs)
}

#[tokio::test]
async fn a_list_has_the_tenants_objects_by_their_own_keys() {
    let (scene, blobs) = scene().await;
    assert_eq!(keys(blobs.list("")).await.unwrap(), ["a", "reports/1", "reports/2", "reports/old/1", "z"]);
    assert_eq!(keys(blobs.list("reports/")).await.unwrap(), ["reports/1", "reports/2", "reports/old/1"]);
    assert_eq!(keys(blobs.list("rep").start_after("reports/1")).await.unwrap(), ["reports/2", "reports/old/1"]);
    scene.stack.calls().reset();
    let paged = blobs.list("").customize(|list| list.max_keys(2));
    assert_eq!(keys(paged).await.unwrap().len(), 5);
    assert_eq!(scene.count("ListObjectsV2"), 3, "page by page");

    let page = blobs.list("reports/").customize(|list| list.delimiter("/").max_keys(2)).await.unwrap();
    assert_eq!((page.blobs.len(), page.prefixes.len()), (2, 0));
    let rest = blobs.list("reports/").page_token(page.next_token.unwrap()).customize(|list| list.delimiter("/"));
    let rest = rest.await.unwrap();
    assert_eq!((rest.blobs.len(), rest.prefixes), (0, vec!["reports/old/".to_owned()]));
    assert_eq!(rest.next_token, None);

    let listed = &blobs.list("a").await.unwrap().blobs[0];
    assert_eq!(listed.stored_len(), scene.stored("acme/a").await.len() as u64);
    assert_eq!(listed.etag(), Some(blobs.get("a").await.unwrap().etag()));
    assert!(listed.last_modified().is_some());
    assert!(keys(scene.seal().tenant(&crate::scene::id("acme")).blobs("no such bucket").list("")).await.is_err());
}

#[tokio::test]
async fn a_page_token_of_another_tenant_lists_nothing_of_its() {
    let (scene, blobs) = scene().await;
    let page = scene.blobs("acme2").list("").customize(|list| list.max_keys(1)).await.unwrap();
    let token = page.next_token.unwrap_or_else(|| "acme2/a".to_owned());
    assert!(keys(blobs.list("").page_token(token)).await.unwrap().is_empty());
    let foreign = blobs.list("").customize(|list| list.prefix("acme2/").bucket("prod-documents"));
    assert_eq!(keys(foreign).await.unwrap().len(), 5, "the prefix is the library's");
    for customized in [
        blobs.list("").customize(|list| list.start_after("acme2/")),
        blobs.list("").customize(|list| list.encoding_type("url".into())),
    ] {
        assert!(matches!(keys(customized).await, Err(Error::Refused(_))));
    }
}

#[tokio::test]
async fn a_list_that_names_what_is_not_the_tenants_gives_out_nothing_of_it() {
    let (scene, _) = scene().await;
    for (was, lie) in [
        ("acme/reports/1", "acme2/reports/1"),
        ("acme/reports/1", "acme"),
        ("acme/reports/1", "Acme/reports/1"),
        ("acme/reports/1", "acme/z"),
        ("acme/reports/1", ""),
        ("<Key>acme/reports/1</Key>", ""),
        ("<Prefix>acme/reports/old/</Prefix>", "<Prefix>acme2/</Prefix>"),
    ] {
        let wire = Wire::scripted(&scene, move |sent, _| match sent.uri.contains("list-type") {
            true => Reaction::Alter(Box::new(move |answer| {
                let (status, headers) = (answer.status(), answer.headers().clone());
                let body = lying(answer.into_body(), was, lie);
                let mut lying = aws_smithy_runtime_api::client::orchestrator::HttpResponse::new(status, body);
                *lying.headers_mut() = headers;
                lying.headers_mut().remove("content-length");
                lying
            })),
            false => Reaction::Forward,
        });
        let blobs = scene.blobs_over("acme", wire);
        let list = || blobs.list("reports/").customize(|list| list.delimiter("/"));
        let page = list().await.unwrap_err();
        assert!(matches!(&page, Error::Outside { bucket } if bucket == "documents"), "{lie}: {page}");
        assert!(page.is_integrity() && !page.to_string().contains("reports"), "{page}");
        assert!(keys(list()).await.is_err(), "{lie}");
    }
}

/// The body with one text in place of another. It is a stream, so it is collected while it is read.
fn lying(
    body: aws_smithy_types::body::SdkBody,
    was: &'static str,
    lie: &'static str,
) -> aws_smithy_types::body::SdkBody {
    let changed = futures_util::stream::once(async move {
        let bytes =
            aws_smithy_types::byte_stream::ByteStream::new(body).collect().await.map_err(std::io::Error::other)?;
        let text = String::from_utf8(bytes.to_vec()).map_err(std::io::Error::other)?;
        assert!(text.contains(was), "{text}");
        Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(text.replace(was, lie))))
    });
    aws_smithy_types::body::SdkBody::from_body_1_x(http_body_util::StreamBody::new(SyncStream(std::sync::Mutex::new(
        Box::pin(changed),
    ))))
}

/// The SDK wants bodies that are `Sync`; nobody shares this one.
struct SyncStream<S>(std::sync::Mutex<std::pin::Pin<Box<S>>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.get_mut().0.get_mut().unwrap().as_mut().poll_next(cx)
    }
}

#[tokio::test]
async fn a_list_that_goes_on_where_it_began_ends_with_an_error() {
    let (scene, _) = scene().await;
    let again = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    let wire = Wire::scripted(&scene, move |sent, _| match sent.uri.contains("list-type") {
        true => Reaction::Answer(200, again.to_owned()),
        false => Reaction::Forward,
    });
    let listed = keys(scene.blobs_over("acme", wire.clone()).list("")).await;
    assert!(matches!(listed, Err(Error::Answer { .. })), "{listed:?}");
    assert_eq!(wire.sent().len(), 2);
}
