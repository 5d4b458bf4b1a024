//! Plaintext on its way to sealed parts.

use std::sync::Arc;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::{Buf, Bytes};
use tenantseal_core::BlobVault;
use tenantseal_core::blob::{BlobHeader, BlobSealer, CHUNK_LEN, SEALED_CHUNK_LEN, Stamp};

use super::PutBlob;
use crate::blobs::Place;
use crate::body::BlobBody;
use crate::error::{BodyError, Error};
use crate::pace::Pace;

/// How many chunks a part has: 8 MiB of plaintext.
pub(super) const PART_CHUNKS: u64 = 128;
/// How many chunks are sealed before others get their turn: 1 MiB.
const PIECE_CHUNKS: usize = 16;
/// How many chunks a buffer is made for before they are there: 16 MiB, as one request takes.
const MOST_AHEAD: usize = 256;
/// How large the buffer of an unknown body is at first.
const LEAST_BUFFER: usize = 2 * SEALED_CHUNK_LEN;

/// Where plaintext comes from.
pub(crate) enum Source {
    Body {
        body: ByteStream,
        len: Option<u64>,
    },
    /// An object that is read at the same time, and how long S3 says that it is.
    Blob {
        body: BlobBody,
        len: u64,
    },
}

impl Source {
    pub(crate) fn body(body: SdkBody) -> Self {
        let len = body.content_length();
        Self::Body { body: ByteStream::new(body), len }
    }

    /// How many bytes it says that it has. Parts are sized by it, and at the end it must be true.
    pub(super) fn len(&self) -> Option<u64> {
        match self {
            Self::Body { len, .. } => *len,
            Self::Blob { len, .. } => Some(*len),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Body { body, .. } => {
                body.next().await.transpose().map_err(|error| Error::Source(BodyError::new(error)))
            }
            Self::Blob { body, .. } => body.next().await.transpose(),
        }
    }
}

/// A blob that is being sealed.
pub(super) struct Sealing {
    place: Arc<Place>,
    vault: BlobVault,
    header: BlobHeader,
    source: Source,
    /// Plaintext that has arrived.
    arrived: Bytes,
    /// None when the last chunk was sealed.
    sealer: Option<BlobSealer>,
    begun: bool,
    len: u64,
    pace: Pace,
}

impl Sealing {
    pub(super) async fn start(place: &Arc<Place>, key: &str, source: Source) -> Result<Self, Error> {
        let vault = place.vault(key);
        let sealer = vault.seal_for("PutObject").await.map_err(|error| place.vault_error(error))?;
        Ok(Self {
            place: Arc::clone(place),
            vault,
            header: sealer.parsed_header().clone(),
            source,
            arrived: Bytes::new(),
            sealer: Some(sealer),
            begun: false,
            len: 0,
            pace: Pace::new(),
        })
    }

    pub(super) fn header(&self) -> &BlobHeader {
        &self.header
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.header.claimed_stamp()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.sealer.is_none()
    }

    /// The blob as it was stored.
    pub(super) fn stored(&self, etag: Option<String>, version_id: Option<String>) -> PutBlob {
        PutBlob { etag, version_id, stamp: self.stamp(), len: self.len }
    }

    /// The next part of at most `most` chunks; the first one begins with the header. `known` is the length of the
    /// plaintext, if anyone said it.
    pub(super) async fn fill(&mut self, most: u64, known: Option<u64>) -> Result<Bytes, Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut sealed =
            Buffer::new(self.capacity(most, known), self.header.len() + most.saturating_mul(SEALED_CHUNK_LEN));
        let mut full = most.saturating_mul(SEALED_CHUNK_LEN);
        if !self.begun {
            self.begun = true;
            full = full.saturating_add(self.header.len());
            if let Some(sealer) = &self.sealer {
                sealed.bytes.extend_from_slice(sealer.header());
            }
        }
        while sealed.bytes.len() < full {
            let Some(mut sealer) = self.sealer.take() else { break };
            if self.arrived.is_empty() {
                match self.source.next().await {
                    Ok(Some(bytes)) => self.arrived = bytes,
                    Ok(None) => {
                        // A connection that is given up may look like the end of its body.
                        if self.source.len().is_some_and(|len| self.len < len) {
                            return Err(Error::Source(BodyError::new(OtherLength)));
                        }
                        sealed.make_room(1);
                        sealer.finish(&mut sealed.bytes).map_err(|fault| self.place.fault(fault))?;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            // Several chunks at a time: all but the last one are copied once.
            let room = (full - sealed.bytes.len()).div_ceil(SEALED_CHUNK_LEN).min(PIECE_CHUNKS);
            let piece = self.arrived.len().min(room * CHUNK_LEN);
            let chunks = piece.div_ceil(CHUNK_LEN);
            sealed.make_room(chunks);
            sealer.push(&self.arrived[..piece], &mut sealed.bytes).map_err(|fault| self.place.fault(fault))?;
            self.arrived.advance(piece);
            self.len += piece as u64;
            if self.source.len().is_some_and(|len| self.len > len) {
                return Err(Error::Source(BodyError::new(OtherLength)));
            }
            self.sealer = Some(sealer);
            self.pace.step(chunks, &self.vault, &self.header).await.map_err(|error| self.place.vault_error(error))?;
        }
        Ok(sealed.bytes.into())
    }

    /// How large a buffer is at first: as large as the part will be, but no larger than plaintext justifies that has
    /// only been announced.
    fn capacity(&self, most: usize, known: Option<u64>) -> usize {
        let chunks = match known {
            None if !self.begun => return self.header.len() + LEAST_BUFFER,
            None => most,
            Some(len) => usize::try_from(chunks_of(len.saturating_sub(self.len))).unwrap_or(usize::MAX).min(most),
        };
        self.header.len() + chunks.min(MOST_AHEAD) * SEALED_CHUNK_LEN
    }
}

/// The body has another length than it said.
#[derive(Debug, thiserror::Error)]
#[error("the body does not have as many bytes as it said")]
struct OtherLength;

/// A buffer that grows by doubling, and never beyond the size of a part.
struct Buffer {
    bytes: Vec<u8>,
    most: usize,
}

impl Buffer {
    fn new(capacity: usize, most: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity.min(most)), most }
    }

    /// Makes room for so many chunks.
    fn make_room(&mut self, chunks: usize) {
        let needed = self.bytes.len() + chunks * SEALED_CHUNK_LEN;
        if self.bytes.capacity() < needed {
            let capacity = (2 * self.bytes.capacity()).clamp(needed, self.most.max(needed));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
    }
}

/// How many chunks hold so many bytes.
pub(super) fn chunks_of(len: u64) -> u64 {
    len.div_ceil(CHUNK_LEN as u64).max(1)
}
