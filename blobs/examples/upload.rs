//! A put of 1 GiB beside a plain multipart upload of as many bytes to the same S3: the local stack's, in this process.
//!
//! `cargo run --release -p tenantseal-blobs --example upload -- [MiB] [rounds]`

#![allow(clippy::cast_precision_loss, reason = "rates")]

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use tenantseal::blobs::aws_sdk_s3::primitives::ByteStream;
use tenantseal::blobs::aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tenantseal::blobs::bytes::Bytes;
use tenantseal::blobs::{Blobs, Bucket, aws_sdk_s3::Client};
use tenantseal::keys::InMemoryKeyService;
use tenantseal::{TenantId, TenantSeal};
use tenantseal_local::Stack;

const PART: usize = 8 << 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mebibytes: usize = arguments.next().map_or(Ok(1_024), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let stack = Stack::start().await?;
    let user = stack.account("222222222222")?.user("service").create()?;
    let config = stack.sdk_config(&user);
    let s3 = Client::new(&config);
    s3.create_bucket().bucket("documents").send().await?;
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new()).bucket(Bucket::new("documents"));
    let blobs = builder.build(&config)?.tenant(&TenantId::parse("acme")?).blobs("documents");
    let body = Bytes::from(vec![0x5a; mebibytes << 20]);

    let (mut sealed, mut plain) = (Vec::new(), Vec::new());
    put(&blobs, &body).await?;
    upload(&s3, &body).await?;
    // By turns: what else the machine does hits both of them.
    for round in 0..rounds {
        if round % 2 == 0 {
            sealed.push(put(&blobs, &body).await?);
            plain.push(upload(&s3, &body).await?);
        } else {
            plain.push(upload(&s3, &body).await?);
            sealed.push(put(&blobs, &body).await?);
        }
    }
    for (what, times) in [("put, sealed", &mut sealed), ("plain upload", &mut plain)] {
        times.sort_unstable();
        let (least, median) = (times[0].as_secs_f64(), times[times.len() / 2].as_secs_f64());
        println!("{what}: median {median:.3} s, best {least:.3} s, {:.0} MB/s", body.len() as f64 / median / 1e6);
    }
    let ratio = |at: usize| sealed[at].as_secs_f64() / plain[at].as_secs_f64();
    println!("sealed / plain: {:.3} by the medians, {:.3} by the best", ratio(sealed.len() / 2), ratio(0));
    Ok(())
}

async fn put(blobs: &Blobs, body: &Bytes) -> Result<Duration> {
    let start = Instant::now();
    blobs.put("a", body.clone()).await?;
    Ok(start.elapsed())
}

/// Parts of the same size, as many at a time.
async fn upload(s3: &Client, body: &Bytes) -> Result<Duration> {
    let start = Instant::now();
    let upload = s3.create_multipart_upload().bucket("documents").key("plain").send().await?;
    let id = upload.upload_id().ok_or("no upload")?;
    let parts = stream::iter((0..body.len().div_ceil(PART)).map(|at| async move {
        let part = body.slice(at * PART..body.len().min((at + 1) * PART));
        let number = i32::try_from(at + 1)?;
        let request = s3.upload_part().bucket("documents").key("plain").upload_id(id).part_number(number);
        let sent = request.body(ByteStream::from(part)).send().await?;
        Ok::<_, Box<dyn std::error::Error>>(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }));
    let parts: Vec<_> = parts.buffered(4).try_collect().await?;
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.complete_multipart_upload().bucket("documents").key("plain").upload_id(id);
    complete.multipart_upload(parts).send().await?;
    Ok(start.elapsed())
}
