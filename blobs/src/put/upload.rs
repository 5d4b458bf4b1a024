//! A multipart upload, which is aborted when it is given up.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt};
use tenantseal_core::blob::{BlobHeader, SEALED_CHUNK_LEN};
use tokio::runtime::Handle;
use tracing::Instrument;

use super::Fields;
use super::sealing::{PART_CHUNKS, Sealing, chunks_of};
use crate::blobs::Place;
use crate::doubt::Doubt;
use crate::error::{Error, ServiceError};

/// How many parts are in memory at a time: one may be filled while the others are on their way.
const IN_FLIGHT: usize = 4;
/// S3's limit.
const MOST_PARTS: u64 = 10_000;
/// How many chunks S3's largest part of 5 GiB holds, with a header.
const MOST_CHUNKS: u64 = ((5 << 30) - BlobHeader::MAX_LEN as u64) / SEALED_CHUNK_LEN as u64;
/// After how many parts their size doubles where the length is not known: so 7.8 TiB fit.
const DOUBLED_AFTER: u64 = 1_000;

/// A multipart upload that has begun. Dropped, it is aborted.
pub(super) struct Upload {
    place: Arc<Place>,
    key: String,
    fields: Fields,
    id: String,
    is_open: bool,
}

impl Upload {
    /// Begins an upload. The request is finished even when nobody waits for it any more: otherwise there could be an
    /// upload of which nobody knows.
    pub(super) async fn begin(place: &Arc<Place>, key: &str, fields: &Fields) -> Result<Self, Error> {
        let (bucket, place) = (place.bucket.clone(), Arc::clone(place));
        let (key, fields) = (key.to_owned(), fields.clone());
        let answer = |what| Error::Answer { bucket: bucket.clone(), what };
        let begin = async move {
            let request = place.client.create_multipart_upload().bucket(&place.physical).key(&key);
            let created = fields.create(request).send().await.map_err(|error| Error::S3(ServiceError::new(error)))?;
            let id = created.upload_id;
            Ok(id.map(|id| Self { place, key, fields, id, is_open: true }))
        };
        // Only the end of the runtime cancels the task.
        let begun = tokio::spawn(begin.in_current_span()).await.map_err(|_| answer("the runtime has ended"))?;
        begun?.ok_or_else(|| answer("it names no upload"))
    }

    /// Seals and sends all parts: first those that are sealed already, then the rest as it arrives.
    pub(super) async fn send_parts(
        &self,
        sealing: &mut Sealing,
        mut sealed: VecDeque<Bytes>,
        known: Option<u64>,
    ) -> Result<Vec<CompletedPart>, Error> {
        let (mut sending, mut sent, mut begun) = (FuturesUnordered::new(), Vec::new(), 0);
        loop {
            let part = match sealed.pop_front() {
                Some(part) => part,
                None if sealing.has_ended() => break,
                None if begun == MOST_PARTS => return Err(Error::TooManyParts),
                None => {
                    while sending.len() >= IN_FLIGHT {
                        sent.extend(sending.try_next().await?);
                    }
                    let mut fill = pin!(sealing.fill(chunks_of_part(begun, known), known));
                    loop {
                        tokio::select! {
                            part = &mut fill => break part?,
                            Some(done) = sending.next() => sent.push(done?),
                        }
                    }
                }
            };
            begun += 1;
            sending.push(self.send_part(begun, part)?);
        }
        while let Some(done) = sending.try_next().await? {
            sent.push(done);
        }
        sent.sort_unstable_by_key(CompletedPart::part_number);
        Ok(sent)
    }

    /// Sends a part. The SDK retries it with the same bytes, so no nonce seals two texts.
    fn send_part(
        &self,
        number: u64,
        part: Bytes,
    ) -> Result<impl Future<Output = Result<CompletedPart, Error>> + Send + use<>, Error> {
        let Self { place, key, fields, id, .. } = self;
        let number = i32::try_from(number).map_err(|_| Error::TooManyParts)?;
        let request = place.client.upload_part().bucket(&place.physical).key(key).upload_id(id).part_number(number);
        let request = fields.part(request).body(ByteStream::new(SdkBody::from(part)));
        Ok(async move {
            let sent = request.send().await.map_err(|error| Error::S3(ServiceError::new(error)))?;
            Ok(completed(number, sent))
        })
    }

    /// Makes the object of its parts: from now on everybody sees it.
    pub(super) async fn complete(
        &self,
        parts: Vec<CompletedPart>,
    ) -> Result<CompleteMultipartUploadOutput, ServiceError> {
        let Self { place, key, fields, id, .. } = self;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = place.client.complete_multipart_upload().bucket(&place.physical).key(key).upload_id(id);
        let doubt = Doubt::default();
        let request = fields.complete(request).multipart_upload(parts).customize().interceptor(doubt.clone());
        request.send().await.map_err(|error| ServiceError::of_a_write(error, &doubt))
    }

    /// Leaves a completed upload alone.
    pub(super) fn forget(mut self) {
        self.is_open = false;
    }

    /// Aborts the upload, so that its parts cost nothing.
    pub(super) async fn abort(mut self) {
        let aborted = self.abort_request().send().await;
        // Still open while that is awaited: if this is given up as well, dropping it asks once more.
        self.is_open = false;
        match aborted.map_err(ServiceError::new) {
            Err(error) if error.code() != Some("NoSuchUpload") => {
                tracing::warn!(bucket = self.place.bucket, %error, "a multipart upload was not aborted: its parts stay until a lifecycle rule removes them");
            }
            _ => {}
        }
    }

    fn abort_request(&self) -> AbortMultipartUploadFluentBuilder {
        let Self { place, key, fields, id, .. } = self;
        let request = place.client.abort_multipart_upload().bucket(&place.physical).key(key).upload_id(id);
        fields.abort(request)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = Handle::try_current()
        {
            let request = self.abort_request();
            // Nobody is left to be told.
            runtime.spawn(async { drop(request.send().await) });
        }
    }
}

/// What completes a part: its number, ETag and checksums.
fn completed(number: i32, sent: UploadPartOutput) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .set_checksum_crc32_c(sent.checksum_crc32_c)
        .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
        .set_checksum_md5(sent.checksum_md5)
        .set_checksum_sha1(sent.checksum_sha1)
        .set_checksum_sha256(sent.checksum_sha256)
        .set_checksum_sha512(sent.checksum_sha512)
        .set_checksum_xxhash64(sent.checksum_xxhash64)
        .set_checksum_xxhash3(sent.checksum_xxhash3)
        .set_checksum_xxhash128(sent.checksum_xxhash128)
        .build()
}

/// Refuses a body that no multipart upload holds, before anything is made for it.
pub(super) fn check_len(known: Option<u64>) -> Result<(), Error> {
    match known {
        Some(len) if chunks_of(len).div_ceil(MOST_PARTS) > MOST_CHUNKS => Err(Error::TooManyParts),
        _ => Ok(()),
    }
}

/// How many chunks the part has that follows `sent` others.
fn chunks_of_part(sent: u64, known: Option<u64>) -> u64 {
    match known {
        Some(len) => chunks_of(len).div_ceil(MOST_PARTS).max(PART_CHUNKS),
        None => PART_CHUNKS << (sent / DOUBLED_AFTER),
    }
}

#[cfg(test)]
mod tests {
    use tenantseal_core::blob::CHUNK_LEN;

    use super::*;

    /// S3's limits of a part, in bytes.
    const PART: std::ops::RangeInclusive<u64> = 5 << 20..=5 << 30;

    #[test]
    fn ten_thousand_parts_of_legal_size_hold_whatever_the_length() {
        let size = |chunks: u64| chunks * SEALED_CHUNK_LEN as u64 + BlobHeader::MAX_LEN as u64;
        for len in [17 << 20, 83_886_080_000, 83_886_080_001, 1 << 40, 48 << 40] {
            let chunks = chunks_of_part(0, Some(len));
            assert!(PART.contains(&size(chunks)), "{len}: {chunks}");
            assert!(chunks * MOST_PARTS >= chunks_of(len), "{len}");
            assert_eq!(chunks, chunks_of_part(9_999, Some(len)), "all parts are as long");
        }
        assert!(check_len(Some(48 << 40)).is_ok() && check_len(None).is_ok());
        for len in [49 << 40, u64::MAX - 2, u64::MAX] {
            assert!(matches!(check_len(Some(len)), Err(Error::TooManyParts)), "{len}");
        }
        let unknown: Vec<u64> = (0..MOST_PARTS).map(|sent| chunks_of_part(sent, None)).collect();
        assert!(unknown.iter().all(|chunks| PART.contains(&size(*chunks))));
        assert_eq!(unknown[..1_001].iter().sum::<u64>(), 1_000 * PART_CHUNKS + 2 * PART_CHUNKS);
        let all = unknown.iter().sum::<u64>() * CHUNK_LEN as u64;
        assert!(all > 78 * (1 << 40) / 10, "7.8 TiB: {all}");
    }
}
