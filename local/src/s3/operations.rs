//! The operations on objects, with the conditions that S3 checks.

use std::{collections::BTreeSet, io, ops::Bound, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto::*, s3_error};

use super::store::{self, Headers, Part, Upload};
use crate::state::Shared;

/// The least bytes of a part that is not the last.
const LEAST_PART: u64 = 5 << 20;
/// How many entries a page of a list has.
const PAGE: i32 = 1000;

pub(super) struct Objects(pub(super) Arc<Shared>);

/// What arrives, in its pieces.
async fn collect(body: Option<StreamingBlob>) -> S3Result<store::Body> {
    let mut collected = store::Body::default();
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            collected.push(piece.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?);
        }
    }
    Ok(collected)
}

fn length(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

macro_rules! headers {
    ($input:expr) => {
        Headers {
            content_type: $input.content_type.map(|content_type| content_type.to_string()),
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            content_encoding: $input.content_encoding,
            content_language: $input.content_language,
            metadata: $input.metadata,
        }
    };
}

impl Objects {
    fn put(&self, bucket: &str, key: String, body: store::Body, etag: String, headers: Headers) -> S3Result<()> {
        let modified = self.0.clock.now();
        let object = store::Object { body, etag, modified, headers };
        self.0.s3.lock().bucket(bucket)?.insert(key, Arc::new(object));
        Ok(())
    }

    /// The object, if the read's conditions hold.
    fn read(
        &self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Arc<store::Object>> {
        let object = self.0.s3.lock().object(bucket, key)?;
        if if_match.is_some_and(|condition| !object.is(condition)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if if_none_match.is_some_and(|condition| object.is(condition)) {
            return Err(s3_error!(NotModified));
        }
        Ok(object)
    }
}

#[async_trait]
impl S3 for Objects {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.0.s3.lock().buckets.entry(req.input.bucket).or_default();
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.s3.lock().bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = req.input;
        let body = collect(input.body.take()).await?;
        let etag = body.etag();
        let mut state = self.0.s3.lock();
        state.check_write(&input.bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let headers = headers!(input);
        let object = store::Object { body, etag, modified: self.0.clock.now(), headers };
        let e_tag = Some(object.etag());
        state.bucket(&input.bucket)?.insert(input.key, Arc::new(object));
        Ok(S3Response::new(PutObjectOutput { e_tag, ..Default::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = self.read(&input.bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let size = object.body.len();
        let (range, content_range) = match input.range {
            None => (0..size, None),
            Some(range) => {
                let range = range.check(size)?;
                (range.clone(), Some(format!("bytes {}-{}/{size}", range.start, range.end - 1)))
            }
        };
        let content_length = length(range.end - range.start);
        let pieces = object.body.range(range).into_iter().map(Ok::<_, io::Error>);
        let headers = object.headers.clone();
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(stream::iter(pieces))),
            content_length,
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified.into()),
            content_type: headers.content_type.and_then(|content_type| content_type.parse().ok()),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            metadata: headers.metadata,
            ..Default::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let object = self.read(&input.bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let headers = object.headers.clone();
        Ok(S3Response::new(HeadObjectOutput {
            content_length: length(object.body.len()),
            e_tag: Some(object.etag()),
            last_modified: Some(object.modified.into()),
            content_type: headers.content_type.and_then(|content_type| content_type.parse().ok()),
            metadata: headers.metadata,
            ..Default::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        let mut state = self.0.s3.lock();
        let bucket = state.bucket(&input.bucket)?;
        // As in general purpose buckets: what is gone meets no condition.
        if let Some(condition) = &input.if_match {
            let object = bucket.get(&input.key).ok_or_else(|| s3_error!(NoSuchKey))?;
            if !object.is(condition) {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        bucket.remove(&input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else { return Err(s3_error!(NotImplemented)) };
        let source = self.read(bucket, key, input.copy_source_if_match.as_ref(), None)?;
        let (body, etag) = (source.body.clone(), source.etag.clone());
        self.put(&input.bucket, input.key, body, etag, source.headers.clone())?;
        let copied = CopyObjectResult { e_tag: Some(source.etag()), ..Default::default() };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(copied), ..Default::default() }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let (prefix, most) = (input.prefix.clone().unwrap_or_default(), input.max_keys.unwrap_or(PAGE).clamp(0, PAGE));
        let after = input.continuation_token.clone().or(input.start_after.clone());
        let mut state = self.0.s3.lock();
        let bucket = state.bucket(&input.bucket)?;
        let (mut contents, mut folders, mut last, mut truncated) = (Vec::new(), BTreeSet::new(), None, false);
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, object) in bucket.range::<String, _>((from, Bound::Unbounded)) {
            let Some(rest) = key.strip_prefix(&prefix) else { continue };
            let folder =
                input.delimiter.as_ref().filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
                    Some(format!("{prefix}{}{delimiter}", rest.split_once(delimiter.as_str())?.0))
                });
            if folder.as_ref().is_some_and(|folder| {
                folders.contains(folder) || after.as_ref().is_some_and(|after| after.starts_with(folder))
            }) {
                last = Some(key.clone());
                continue;
            }
            if contents.len() + folders.len() == usize::try_from(most).unwrap_or(0) {
                truncated = true;
                break;
            }
            last = Some(key.clone());
            match folder {
                Some(folder) => drop(folders.insert(folder)),
                None => contents.push(Object {
                    key: Some(key.clone()),
                    size: length(object.body.len()),
                    e_tag: Some(object.etag()),
                    last_modified: Some(object.modified.into()),
                    ..Default::default()
                }),
            }
        }
        let folders: Vec<_> = folders.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            max_keys: Some(most),
            key_count: i32::try_from(contents.len() + folders.len()).ok(),
            is_truncated: Some(truncated),
            next_continuation_token: last.filter(|_| truncated),
            contents: Some(contents),
            common_prefixes: Some(folders),
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let id = crate::random::uuid().map_err(|_| s3_error!(InternalError))?;
        let mut state = self.0.s3.lock();
        state.bucket(&input.bucket)?;
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let begun = self.0.clock.now();
        let upload = Upload { bucket, key, headers: headers!(input), parts: Default::default(), begun };
        state.uploads.insert(id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let mut input = req.input;
        let part = Part::new(collect(input.body.take()).await?);
        let e_tag = Some(ETag::Strong(part.etag()));
        let mut state = self.0.s3.lock();
        state.upload(&input.upload_id, &input.bucket, &input.key)?.parts.insert(input.part_number, part);
        Ok(S3Response::new(UploadPartOutput { e_tag, ..Default::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let mut state = self.0.s3.lock();
        let upload = state.upload(&input.upload_id, &input.bucket, &input.key)?;
        let named = input.multipart_upload.and_then(|named| named.parts).unwrap_or_default();
        let mut parts = Vec::with_capacity(named.len());
        for named in &named {
            let part = named.part_number.and_then(|number| upload.parts.get(&number));
            let part = part.filter(|part| named.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag()));
            parts.push(part.cloned().ok_or_else(|| s3_error!(InvalidPart))?);
        }
        let is_ascending = named.is_sorted_by(|one, other| one.part_number < other.part_number);
        match parts.split_last() {
            Some(_) if !is_ascending => return Err(s3_error!(InvalidPartOrder)),
            Some((_, before)) if before.iter().any(|part| part.body.len() < LEAST_PART) => {
                return Err(s3_error!(EntityTooSmall));
            }
            Some(_) => {}
            None => return Err(s3_error!(MalformedXML)),
        }
        state.check_write(&input.bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let upload = state.uploads.remove(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let (body, etag) = Part::join(&parts);
        let object = store::Object { body, etag, modified: self.0.clock.now(), headers: upload.headers };
        let e_tag = Some(object.etag());
        state.bucket(&input.bucket)?.insert(input.key.clone(), Arc::new(object));
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag,
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        let mut state = self.0.s3.lock();
        state.upload(&input.upload_id, &input.bucket, &input.key)?;
        state.uploads.remove(&input.upload_id);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let bucket = req.input.bucket;
        let mut state = self.0.s3.lock();
        state.bucket(&bucket)?;
        let uploads = state.uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
        let uploads = uploads.map(|(id, upload)| MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some(id.clone()),
            initiated: Some(upload.begun.into()),
            ..Default::default()
        });
        let uploads = Some(uploads.collect());
        Ok(S3Response::new(ListMultipartUploadsOutput { bucket: Some(bucket), uploads, ..Default::default() }))
    }
}
