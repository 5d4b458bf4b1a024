//! S3: conditions, ranges, multipart uploads, lists, and answers that do not come.

use aws_sdk_s3::{
    Client,
    config::{Credentials, retry::RetryConfig},
    operation::{get_object::builders::GetObjectFluentBuilder, put_object::builders::PutObjectFluentBuilder},
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use tenantseal_local::{Outcome, Service};

use crate::fixture::{Fixture, alias, data_key, refusal};

struct Bucket {
    fixture: Fixture,
    s3: Client,
}

impl Bucket {
    async fn start() -> Self {
        let fixture = Fixture::start().await;
        let config =
            fixture.stack.sdk_config(&fixture.admin).into_builder().retry_config(RetryConfig::disabled()).build();
        let s3 = Client::new(&config);
        s3.create_bucket().bucket("files").send().await.unwrap();
        Self { fixture, s3 }
    }

    fn put(&self, key: &str, body: &[u8]) -> PutObjectFluentBuilder {
        self.s3.put_object().bucket("files").key(key).body(ByteStream::from(body.to_vec()))
    }

    fn get(&self, key: &str) -> GetObjectFluentBuilder {
        self.s3.get_object().bucket("files").key(key)
    }

    async fn bytes(&self, get: GetObjectFluentBuilder) -> Vec<u8> {
        get.send().await.unwrap().body.collect().await.unwrap().to_vec()
    }
}

#[tokio::test]
async fn objects_are_read_written_and_deleted_on_conditions() {
    let bucket = Bucket::start().await;
    let first = bucket.put("a", b"one").if_none_match("*").send().await.unwrap().e_tag.unwrap();
    assert_eq!(refusal(bucket.put("a", b"two").if_none_match("*").send().await), "PreconditionFailed");
    let second = bucket.put("a", b"two").if_match(&first).send().await.unwrap().e_tag.unwrap();
    assert_eq!(refusal(bucket.put("a", b"three").if_match(&first).send().await), "PreconditionFailed");
    assert_eq!(refusal(bucket.put("b", b"one").if_match(&first).send().await), "NoSuchKey");
    assert_eq!(bucket.bytes(bucket.get("a").if_match(&second)).await, b"two");
    assert_eq!(refusal(bucket.get("a").if_match(&first).send().await), "PreconditionFailed");
    assert!(bucket.get("a").if_none_match(&second).send().await.is_err(), "it was not modified");
    let delete = || bucket.s3.delete_object().bucket("files").key("a");
    assert_eq!(refusal(delete().if_match(&first).send().await), "PreconditionFailed");
    delete().if_match(&second).send().await.unwrap();
    // As in general purpose buckets: what is gone meets no condition, and needs none.
    assert_eq!(refusal(delete().if_match(&second).send().await), "NoSuchKey");
    delete().send().await.unwrap();
    assert_eq!(refusal(bucket.get("a").send().await), "NoSuchKey");
    assert_eq!(refusal(bucket.s3.get_object().bucket("none").key("a").send().await), "NoSuchBucket");
}

#[tokio::test]
async fn ranges_are_those_that_were_asked_for() {
    let bucket = Bucket::start().await;
    bucket.put("a", b"0123456789").content_type("text/plain").metadata("of", "ada").send().await.unwrap();
    for (range, bytes) in [("bytes=0-0", "0"), ("bytes=3-5", "345"), ("bytes=7-99", "789"), ("bytes=-2", "89")] {
        assert_eq!(bucket.bytes(bucket.get("a").range(range)).await, bytes.as_bytes(), "{range}");
    }
    let answer = bucket.get("a").range("bytes=3-5").send().await.unwrap();
    assert_eq!((answer.content_range(), answer.content_length()), (Some("bytes 3-5/10"), Some(3)));
    assert_eq!((answer.content_type(), answer.metadata().unwrap()["of"].as_str()), (Some("text/plain"), "ada"));
    assert_eq!(refusal(bucket.get("a").range("bytes=10-").send().await), "InvalidRange");
    let copy = bucket.s3.copy_object().copy_source("files/a").bucket("files").key("b").send().await.unwrap();
    assert_eq!(copy.copy_object_result.unwrap().e_tag.as_deref(), answer.e_tag());
    let head = bucket.s3.head_object().bucket("files").key("b").send().await.unwrap();
    assert_eq!((head.content_length(), head.content_type()), (Some(10), Some("text/plain")));
}

#[tokio::test]
async fn an_upload_becomes_an_object_once_and_of_its_parts_alone() {
    let bucket = Bucket::start().await;
    let part = vec![7; 5 << 20];
    let begin = || bucket.s3.create_multipart_upload().bucket("files").key("a").send();
    let id = begin().await.unwrap().upload_id.unwrap();
    let send = |number: i32, body: &[u8]| {
        let request = bucket.s3.upload_part().bucket("files").key("a").upload_id(&id).part_number(number);
        request.body(ByteStream::from(body.to_vec())).send()
    };
    let complete = |parts: &[(i32, Option<String>)]| {
        let parts = parts
            .iter()
            .map(|(number, etag)| CompletedPart::builder().part_number(*number).set_e_tag(etag.clone()).build());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
        bucket.s3.complete_multipart_upload().bucket("files").key("a").upload_id(&id).multipart_upload(parts)
    };
    let (one, small) = (send(1, &part).await.unwrap().e_tag, send(2, b"small").await.unwrap().e_tag);
    let three = send(3, b"end").await.unwrap().e_tag;
    let uploads = || bucket.s3.list_multipart_uploads().bucket("files").send();
    assert_eq!(uploads().await.unwrap().uploads()[0].upload_id(), Some(id.as_str()));
    for (parts, code) in [
        (vec![(1, one.clone()), (2, small.clone()), (3, three.clone())], "EntityTooSmall"),
        (vec![(3, three.clone()), (1, one.clone())], "InvalidPartOrder"),
        (vec![(1, one.clone()), (3, one.clone())], "InvalidPart"),
        (vec![(1, one.clone()), (9, three.clone())], "InvalidPart"),
    ] {
        assert_eq!(refusal(complete(&parts).send().await), code);
    }
    let parts = [(1, one), (3, three)];
    bucket.put("a", b"there").send().await.unwrap();
    assert_eq!(refusal(complete(&parts).if_none_match("*").send().await), "PreconditionFailed");
    complete(&parts).send().await.unwrap();
    assert_eq!(bucket.bytes(bucket.get("a")).await, [&part[..], b"end"].concat());
    assert_eq!(refusal(complete(&parts).send().await), "NoSuchUpload");
    assert_eq!(refusal(send(4, b"late").await), "NoSuchUpload");

    let id = begin().await.unwrap().upload_id.unwrap();
    let abort = || bucket.s3.abort_multipart_upload().bucket("files").key("a").upload_id(&id).send();
    abort().await.unwrap();
    assert_eq!(refusal(abort().await), "NoSuchUpload");
    assert!(uploads().await.unwrap().uploads().is_empty());
}

#[tokio::test]
async fn lists_have_pages_prefixes_and_a_delimiter() {
    let bucket = Bucket::start().await;
    for key in ["a", "b/1", "b/2", "b/c/1", "d"] {
        bucket.put(key, b"x").send().await.unwrap();
    }
    let list = || bucket.s3.list_objects_v2().bucket("files");
    let keys = |page: &aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output| -> Vec<String> {
        page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&list().send().await.unwrap()), ["a", "b/1", "b/2", "b/c/1", "d"]);
    assert_eq!(keys(&list().prefix("b/").start_after("b/1").send().await.unwrap()), ["b/2", "b/c/1"]);
    let (mut token, mut seen) = (None, Vec::new());
    loop {
        let page = list().delimiter("/").max_keys(1).set_continuation_token(token).send().await.unwrap();
        seen.extend(keys(&page));
        seen.extend(page.common_prefixes().iter().map(|common| common.prefix().unwrap().to_owned()));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b/", "d"]);
}

#[tokio::test]
async fn an_answer_is_lost_or_cut_when_the_call_was_served() {
    let bucket = Bucket::start().await;
    let (stack, faults) = (&bucket.fixture.stack, bucket.fixture.stack.faults());
    faults.on("PutObject").times(1).lose_answer();
    assert!(bucket.put("a", b"0123456789").send().await.is_err());
    assert_eq!(bucket.bytes(bucket.get("a")).await, b"0123456789", "it has happened");
    faults.on("GetObject").times(1).cut_answer(4);
    let mut body = bucket.get("a").send().await.unwrap().body;
    let mut read = Vec::new();
    let end = loop {
        match body.next().await {
            Some(Ok(bytes)) => read.extend_from_slice(&bytes),
            end => break end,
        }
    };
    assert_eq!((&read[..], end.is_some_and(|end| end.is_err())), (&b"0123"[..], true));
    faults.on("GetObject").when(|call| call.resource.as_deref() == Some("arn:aws:s3:::files/a")).fail("SlowDown", 503);
    assert_eq!(refusal(bucket.get("a").send().await), "SlowDown");
    assert_eq!(refusal(bucket.get("b").send().await), "NoSuchKey");
    faults.clear();
    let records = stack.calls().records();
    let put = records.iter().find(|record| record.call.operation == "PutObject").unwrap();
    assert_eq!((put.call.service, &put.outcome), (Service::S3, &Outcome::Answered));
    assert_eq!(put.call.principal.as_deref(), Some(bucket.fixture.admin.user_arn()));

    // Of KMS as well.
    bucket.fixture.key(&alias("a"), None).await;
    stack.calls().reset();
    faults.on("GenerateDataKey").times(1).lose_answer();
    assert!(data_key(&bucket.fixture.kms, &alias("a"), "a").send().await.is_err());
    assert_eq!(stack.calls().answered("GenerateDataKey").values().sum::<u64>(), 1, "it was served");
}

#[tokio::test]
async fn whoever_has_no_credentials_or_a_wrong_secret_gets_nothing() {
    let bucket = Bucket::start().await;
    bucket.put("a", b"x").send().await.unwrap();
    let stack = &bucket.fixture.stack;
    let right = Credentials::from(&bucket.fixture.admin);
    let wrong = Credentials::new(right.access_key_id(), "another secret", None, None, "wrong");
    let get = |credentials: Credentials| {
        Client::new(&stack.sdk_config(credentials)).get_object().bucket("files").key("a").send()
    };
    assert_eq!(refusal(get(wrong).await), "SignatureDoesNotMatch");
    assert_eq!(refusal(get(Credentials::new("AKIANOBODY", "x", None, None, "unknown")).await), "InvalidAccessKeyId");
    // The stack's clock may be far ahead of S3's.
    stack.clock().advance(std::time::Duration::from_secs(7 * 24 * 60 * 60));
    assert!(get(right).await.is_ok());
}
