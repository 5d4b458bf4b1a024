//! The buckets, their objects, and the uploads that have begun.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::body::Bytes;
use s3s::{
    S3Result,
    crypto::{Checksum, Md5},
    dto::{ETag, ETagCondition},
    s3_error,
};

/// All buckets, behind one lock, which is held for one step at a time.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
    /// Keyed by upload id.
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// An object. It never changes: a write replaces it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) body: Body,
    pub(super) etag: String,
    pub(super) modified: SystemTime,
    pub(super) headers: Headers,
}

/// What a client says of an object, and gets back with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) metadata: Option<std::collections::HashMap<String, String>>,
}

/// A multipart upload.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) headers: Headers,
    pub(super) parts: BTreeMap<i32, Part>,
    pub(super) begun: SystemTime,
}

#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) body: Body,
    md5: [u8; 16],
}

/// Bytes in the pieces in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pieces: Vec<Bytes>,
    len: u64,
}

impl Store {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn bucket(&mut self, name: &str) -> S3Result<&mut BTreeMap<String, Arc<Object>>> {
        self.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    pub(super) fn object(&mut self, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        self.bucket(bucket)?.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Checks a write's conditions against what is there.
    pub(super) fn check_write(
        &mut self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let there = self.bucket(bucket)?.get(key);
        if if_none_match.is_some_and(|condition| there.is_some_and(|object| object.is(condition))) {
            return Err(s3_error!(PreconditionFailed));
        }
        match (if_match, there) {
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(object)) if !object.is(condition) => Err(s3_error!(PreconditionFailed)),
            _ => Ok(()),
        }
    }

    pub(super) fn upload(&mut self, id: &str, bucket: &str, key: &str) -> S3Result<&mut Upload> {
        let upload = self.uploads.get_mut(id).filter(|upload| upload.bucket == bucket && upload.key == key);
        upload.ok_or_else(|| s3_error!(NoSuchUpload))
    }
}

impl Object {
    pub(super) fn is(&self, condition: &ETagCondition) -> bool {
        match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == self.etag,
        }
    }

    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }
}

impl Part {
    pub(super) fn new(body: Body) -> Self {
        let md5 = body.md5();
        Self { body, md5 }
    }

    pub(super) fn etag(&self) -> String {
        hex(&self.md5)
    }

    /// The parts in one: their bytes, and the ETag that S3 makes of theirs.
    pub(super) fn join(parts: &[Self]) -> (Body, String) {
        let (mut body, mut md5) = (Body::default(), Md5::new());
        for part in parts {
            md5.update(&part.md5);
            body.len += part.body.len;
            body.pieces.extend(part.body.pieces.iter().cloned());
        }
        (body, format!("{}-{}", hex(&md5.finalize()), parts.len()))
    }
}

impl Body {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len() as u64;
        self.pieces.push(piece);
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn etag(&self) -> String {
        hex(&self.md5())
    }

    fn md5(&self) -> [u8; 16] {
        let mut md5 = Md5::new();
        self.pieces.iter().for_each(|piece| md5.update(piece));
        md5.finalize()
    }

    /// The bytes of this range, without copying them.
    pub(super) fn range(&self, range: Range<u64>) -> Vec<Bytes> {
        let (mut at, mut found) = (0, Vec::new());
        for piece in &self.pieces {
            let (start, end) = (at, at + piece.len() as u64);
            at = end;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let within = |offset: u64| usize::try_from(offset - start).unwrap_or(piece.len());
                found.push(piece.slice(within(from)..within(to)));
            }
        }
        found
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
