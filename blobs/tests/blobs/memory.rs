//! How much memory a put and a get hold, counted by the allocator, in a process of their own.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use tenantseal::TenantSeal;
use tenantseal::blobs::aws_sdk_s3::primitives::ByteStream;
use tenantseal::blobs::{Blobs, Bucket};
use tenantseal::keys::InMemoryKeyService;
use tenantseal_local::Stack;

use crate::scene::{CHUNK, PART, id};

#[global_allocator]
static ALLOCATOR: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Set in the process that counts: its test runs alone.
const COUNTS: &str = "TENANTSEAL_COUNTS_MEMORY";

/// S3 as far as a put and a get need it, in the HTTP client: no server's memory is counted with theirs.
#[derive(Debug, Clone, Default)]
struct Paper {
    parts: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
    kept: Arc<Mutex<Option<Bytes>>>,
}

impl HttpClient for Paper {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Paper {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let paper = self.clone();
        HttpConnectorFuture::new(async move { Ok(paper.answer(request).await) })
    }
}

impl Paper {
    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let uri = request.uri().to_owned();
        let has = |name: &str| uri.contains(name);
        let answer = |body: &'static str| HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body));
        let mut response = match request.method() {
            "POST" if has("uploads") => {
                answer("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            }
            "POST" => answer("<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>"),
            "GET" => {
                let kept = self.kept.lock().unwrap().clone().unwrap();
                let len = kept.len();
                let pieces: Vec<_> =
                    (0..len.div_ceil(CHUNK)).map(|at| kept.slice(at * CHUNK..len.min((at + 1) * CHUNK))).collect();
                let pieces = futures_util::stream::iter(
                    pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(piece))),
                );
                let mut response = HttpResponse::new(
                    200.try_into().unwrap(),
                    SdkBody::from_body_1_x(http_body_util::StreamBody::new(pieces)),
                );
                response.headers_mut().insert("content-length", len.to_string());
                response
            }
            _ => {
                if has("partNumber") {
                    self.parts.fetch_add(1, Ordering::SeqCst);
                } else {
                    *self.kept.lock().unwrap() = request.body().bytes().map(Bytes::copy_from_slice);
                }
                // Long enough for the others to come.
                let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(400)).await;
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
                answer("")
            }
        };
        response.headers_mut().insert("etag", "\"e\"");
        response
    }
}

/// A body that makes its pieces when they are taken.
fn lazy(len: usize) -> ByteStream {
    let pieces = futures_util::stream::iter((0..len.div_ceil(10_000)).map(move |at| {
        let piece = Bytes::from(vec![0x5a; 10_000.min(len - at * 10_000)]);
        Ok::<_, std::io::Error>(http_body::Frame::data(piece))
    }));
    ByteStream::new(SdkBody::from_body_1_x(http_body_util::StreamBody::new(pieces)))
}

async fn blobs(paper: &Paper) -> Blobs {
    let stack = Stack::start().await.unwrap();
    let user = stack.account("222222222222").unwrap().user("service").create().unwrap();
    let config = stack.sdk_config(&user).into_builder().http_client(paper.clone()).build();
    stack.shutdown().await;
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new()).bucket(Bucket::new("documents"));
    builder.build(&config).unwrap().tenant(&id("acme")).blobs("documents")
}

/// The most bytes that were allocated while this ran, beyond those before.
async fn most<T>(run: impl Future<Output = T>) -> usize {
    let before = peak_alloc::PeakAlloc.current_usage();
    peak_alloc::PeakAlloc.reset_peak_usage();
    run.await;
    peak_alloc::PeakAlloc.peak_usage() - before
}

#[test]
fn a_put_holds_no_more_than_its_parts_in_flight_and_a_get_a_few_chunks() {
    if std::env::var_os(COUNTS).is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let test = "memory::a_put_holds_no_more_than_its_parts_in_flight_and_a_get_a_few_chunks";
        let alone = alone.args(["--exact", test, "--nocapture"]).env(COUNTS, "1").output().unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success(), "{said}{}", String::from_utf8_lossy(&alone.stderr));
        println!("{said}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let paper = Paper::default();
        let blobs = blobs(&paper).await;
        // What the SDK and the cache keep from the first time on.
        blobs.put("warm", lazy(3 * PART)).await.unwrap();
        // 128 chunks with their tags, and in the first one the header.
        let part = 128 * (CHUNK + 16) + 512;
        for len in [PART, 2 * PART, 12 * PART] {
            let put = most(async { blobs.put("a", lazy(len)).await.unwrap() }).await;
            println!("a put of {len} bytes held {put} bytes: {} of a part", put as f64 / part as f64);
            assert!(put <= 4 * part + 256 * 1024, "{len}: {put}");
        }
        assert_eq!(paper.parts.load(Ordering::SeqCst), 3 + 12);
        assert_eq!(paper.most_in_flight.load(Ordering::SeqCst), 4, "four parts at a time");
        blobs.put("a", vec![0x5a; 2 * PART]).await.unwrap();
        let get = most(async {
            let mut body = blobs.get("a").await.unwrap().into_body();
            while let Some(chunk) = body.next().await {
                chunk.unwrap();
            }
        });
        let get = get.await;
        println!("a get of {} bytes held {get} bytes", 2 * PART);
        assert!(get <= 512 * 1024, "{get}");
    });
}
