//! Programs in other languages: an independent reader and writer in Python, and a second S3.
//!
//! They run when `TENANTSEAL_PYTHON` and `TENANTSEAL_SECOND_S3` name them, as `.ci/peers` does.

use std::io::Write;
use std::process::{Command, Stdio};

use aws_smithy_types::base64;
use serde_json::json;
use tenantseal::TenantSeal;
use tenantseal::blobs::aws_sdk_s3::config::Builder;
use tenantseal::blobs::{BlobFault, Bucket, aws_sdk_s3};

use crate::scene::{CHUNK, PART, ROLE, Scene, fault, id, plaintext, unknown};

/// What a variable of the environment names; says so past the test harness when there is none.
#[allow(clippy::explicit_write, reason = "the harness captures what eprintln! prints")]
fn peer(variable: &str) -> Option<String> {
    let named = std::env::var(variable).ok();
    if named.is_none() {
        writeln!(std::io::stderr(), "SKIPPED: set {variable}, or run .ci/peers").unwrap();
    }
    named
}

#[tokio::test]
async fn an_independent_reader_opens_ours_and_we_its_when_python_is_set() {
    let Some(python) = peer("TENANTSEAL_PYTHON") else { return };
    let scene = Scene::start(&["acme", "globex"]).await;
    let blobs = scene.blobs("acme");
    let lens = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * PART + 1];
    for len in lens {
        blobs.put(format!("ours/{len}"), plaintext(len)).await.unwrap();
    }
    scene.blobs("globex").put("a", b"x".to_vec()).await.unwrap();
    let copy = scene.plain.copy_object().copy_source("prod-documents/acme/ours/1").bucket("prod-documents");
    copy.key("acme/copied").send().await.unwrap();
    let mut keys: Vec<_> = lens.iter().map(|len| format!("acme/ours/{len}")).collect();
    keys.extend(["acme/copied".to_owned(), "globex/a".to_owned()]);
    let write: serde_json::Map<_, _> =
        lens[..6].iter().map(|len| (format!("acme/its/{len}"), json!(base64::encode(plaintext(*len))))).collect();
    let tenancy = scene.tenancy();
    let job = json!({
        "tenant": "acme", "contexts": [{ "tenant": "acme" }], "bucket": "documents", "physical": "prod-documents",
        "keys": keys, "write": write, "role": ROLE,
        "alias": tenancy.alias(&id("acme")).as_str(),
        "session_name": id("acme").session_name(), "session_tenant": "acme",
        "policy": tenancy.session_policy(&id("acme"), scene.stack.region()).unwrap().to_string(),
    });
    let environment = scene.stack.environment(scene.credentials.clone());
    let output = tokio::task::spawn_blocking(move || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/open_blobs.py");
        let mut command = Command::new(python);
        command.env_clear().args(["-B", script]).envs(environment);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for len in lens {
        let read = read[format!("acme/ours/{len}")]["plaintext"].as_str().unwrap_or_else(|| panic!("{read}"));
        assert!(base64::decode(read).unwrap() == plaintext(len), "{len}");
    }
    assert!(read["acme/copied"]["error"].is_string() && read["globex/a"]["error"].is_string(), "{read}");
    for len in &lens[..6] {
        let key = format!("its/{len}");
        assert!(blobs.get(&key).bytes(u64::MAX).await.unwrap() == plaintext(*len), "{key}");
        assert!(blobs.open(&key).await.unwrap().range(..).await.unwrap() == plaintext(*len), "{key}");
    }
}

#[tokio::test]
async fn a_second_s3_does_what_ours_does_when_it_is_set() {
    let Some(url) = peer("TENANTSEAL_SECOND_S3") else { return };
    let scene = Scene::start(&["acme"]).await;
    let config = Builder::from(&scene.app).endpoint_url(url).force_path_style(true).build();
    let second = aws_sdk_s3::Client::from_conf(config);
    second.create_bucket().bucket("prod-documents").send().await.unwrap();
    let bucket = Bucket::new("documents").physical("prod-documents");
    let builder = TenantSeal::builder().assume_role(ROLE).bucket(bucket).s3_client(second.clone());
    let blobs = builder.build(&scene.app).unwrap().tenant(&id("acme")).blobs("documents");

    for len in [0, 1, CHUNK, CHUNK + 1, 2 * PART + 5] {
        let bytes = plaintext(len);
        let put = blobs.put("a", bytes.clone()).customize(|put| put.content_type("a/b")).await.unwrap();
        let stored = blobs.get("a").stamp(put.stamp()).await.unwrap();
        assert_eq!((Some(stored.etag()), stored.as_sdk().content_type()), (put.etag(), Some("a/b")), "{len}");
        assert!(stored.into_body().bytes(u64::MAX).await.unwrap() == bytes, "{len}");
        let open = blobs.open("a").await.unwrap();
        assert_eq!(open.len(), len as u64);
        assert!(open.range(3..).await.unwrap() == bytes[3.min(len)..], "{len}");
        blobs.put("b", unknown(&bytes, 10_000)).await.unwrap();
        assert!(blobs.get("b").bytes(u64::MAX).await.unwrap() == bytes, "{len}");
    }
    let open = blobs.open("a").await.unwrap();
    assert!(blobs.put("a", b"x".to_vec()).if_none_match().await.unwrap_err().is_condition_failed());
    blobs.put("a", b"x".to_vec()).await.unwrap();
    assert_eq!(fault(open.range(..9).await), BlobFault::Changed);
    let copy = second.copy_object().copy_source("prod-documents/acme/a").bucket("prod-documents").key("acme/copied");
    copy.send().await.unwrap();
    assert_eq!(fault(blobs.get("copied").await), BlobFault::ForeignBlob);
    let whole = second.get_object().bucket("prod-documents").key("acme/a").send().await.unwrap();
    let whole = whole.body.collect().await.unwrap().into_bytes();
    let cut = second.put_object().bucket("prod-documents").key("acme/a").body(whole.slice(..whole.len() - 9).into());
    cut.send().await.unwrap();
    assert_eq!(fault(blobs.get("a").await), BlobFault::Truncated);
    let put = blobs.put("a", b"x".to_vec()).await.unwrap();
    let empty = second.put_object().bucket("prod-documents").key("acme/empty").send();
    empty.await.unwrap();
    assert_eq!(fault(blobs.get("empty").await), BlobFault::NotSealed);
    assert_eq!(fault(blobs.open("empty").await.map(|_| ())), BlobFault::NotSealed);

    blobs.rename("a", "c").await.unwrap();
    assert!(blobs.get("a").await.unwrap_err().is_not_found());
    assert_ne!(blobs.reseal("c").await.unwrap().stamp(), put.stamp());
    let listed: Vec<_> = blobs.list("c").await.unwrap().blobs.iter().map(|blob| blob.key().to_owned()).collect();
    assert_eq!(listed, ["c", "copied"]);
    blobs.delete("c").await.unwrap();
    assert!(blobs.head("c").await.unwrap_err().is_not_found());
    assert!(second.list_multipart_uploads().bucket("prod-documents").send().await.unwrap().uploads().is_empty());
}
