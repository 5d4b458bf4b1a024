//! Lengths that a body or S3 announces, and that are not true.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tenantseal::blobs::Error;
use tenantseal::blobs::aws_sdk_s3::primitives::{ByteStream, SdkBody};

use crate::scene::{CHUNK, Scene, plaintext};
use crate::wire::{Reaction, Wire};

/// A body as an HTTP server gives it: of a request that declares so many bytes, and sends these.
struct Announced(u64, Option<Bytes>);

impl Body for Announced {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.1.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

fn announced(len: u64, bytes: Bytes) -> ByteStream {
    ByteStream::new(SdkBody::from_body_1_x(Announced(len, Some(bytes))))
}

#[tokio::test]
async fn a_body_of_another_length_than_it_says_is_not_stored() {
    let scene = Scene::start(&["acme"]).await;
    let blobs = scene.blobs("acme");
    let whole = plaintext(300 * CHUNK);
    for len in [0, 5, 300 * CHUNK] {
        let bytes = Bytes::copy_from_slice(&whole[..len]);
        for other in [len + 1, len + 1_000, 1 << 40, len.saturating_sub(1)] {
            let put = blobs.put("a", announced(other as u64, bytes.clone())).await;
            if other == len {
                assert_eq!(put.unwrap().len(), 0);
                scene.blobs("acme").delete("a").await.unwrap();
                continue;
            }
            let refused = put.unwrap_err();
            assert!(matches!(refused, Error::Source(_)), "{len} for {other}: {refused}");
            assert_eq!((scene.keys().await.len(), scene.uploads().await), (0, 0), "{len} for {other}");
        }
        blobs.put("b", announced(len as u64, bytes)).await.unwrap();
        blobs.delete("b").await.unwrap();
    }
}

#[tokio::test]
async fn a_length_that_s3_does_not_hold_is_refused_before_anything_is_made() {
    let scene = Scene::start(&["acme"]).await;
    for len in [u64::MAX, u64::MAX - 2, 200 << 40] {
        let refused = scene.blobs("acme").put("a", announced(len, Bytes::from_static(b"hello"))).await.unwrap_err();
        assert!(matches!(refused, Error::TooManyParts), "{len}: {refused}");
    }
    assert_eq!(scene.stack.calls().count("PutObject") + scene.stack.calls().count("CreateMultipartUpload"), 0);
}

#[tokio::test]
async fn a_copy_of_what_s3_says_is_huge_takes_no_memory_for_it() {
    let scene = Scene::start(&["acme"]).await;
    scene.blobs("acme").put("a", plaintext(3 * CHUNK)).await.unwrap();
    let wire = Wire::scripted(&scene, |sent, _| match sent.method.as_str() {
        "GET" => Reaction::Alter(Box::new(|mut answer| {
            answer.headers_mut().insert("content-length", "40000000000000");
            answer
        })),
        _ => Reaction::Forward,
    });
    scene.blobs_over("acme", wire).copy("a", "b").await.unwrap_err();
    assert_eq!((scene.keys().await, scene.uploads().await), (vec!["acme/a".to_owned()], 0));
}
