//! Where the chunks of a blob lie among its stored bytes.

use std::ops::Range;

use super::{BlobFault, BlobHeader, CHUNK_LEN, MAX_CHUNKS, SEALED_CHUNK_LEN};
use crate::crypto::TAG_LEN;

const CHUNK: u64 = CHUNK_LEN as u64;
const SEALED: u64 = SEALED_CHUNK_LEN as u64;
const TAG: u64 = TAG_LEN as u64;

/// How many chunks and bytes a blob has when it takes so many bytes where it is stored.
///
/// The store says how many. Whoever opens the last chunk knows that it told the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    header: u64,
    stored: u64,
    chunks: u64,
}

/// Chunks that hold a range of the plaintext, and the stored bytes that they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub(super) first_chunk: u64,
    pub(super) ends_the_blob: bool,
    stored: Range<u64>,
    skip: usize,
    len: u64,
}

impl Extent {
    /// The extent of a blob with this header that takes `stored` bytes.
    ///
    /// # Errors
    ///
    /// [`BlobFault::Truncated`] when no blob takes as many: it ends within the header or a tag. [`BlobFault::TooLong`]
    /// when it would have more than 2^32 chunks.
    pub fn new(stored: u64, header: &BlobHeader) -> Result<Self, BlobFault> {
        let header = header.len() as u64;
        let body = stored.checked_sub(header).filter(|body| *body >= TAG).ok_or(BlobFault::Truncated)?;
        let chunks = body.div_ceil(SEALED);
        let last = body - (chunks - 1) * SEALED;
        if last < TAG || (chunks > 1 && last == TAG) {
            return Err(BlobFault::Truncated);
        }
        if chunks > MAX_CHUNKS {
            return Err(BlobFault::TooLong);
        }
        Ok(Self { header, stored, chunks })
    }

    /// How many bytes of plaintext.
    pub fn len(&self) -> u64 {
        self.stored - self.header - self.chunks * TAG
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The chunks that hold the bytes `range` of the plaintext, as far as there are such bytes; `None` when there are
    /// none.
    pub fn span(&self, range: Range<u64>) -> Option<Span> {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return None;
        }
        let (first, last) = (range.start / CHUNK, (range.end - 1) / CHUNK);
        let skip = usize::try_from(range.start % CHUNK).expect("less than a chunk");
        Some(Span { skip, len: range.end - range.start, ..self.chunks(first, last) })
    }

    /// The last chunk. Opening it proves where the blob ends.
    pub fn last_chunk(&self) -> Span {
        self.chunks(self.chunks - 1, self.chunks - 1)
    }

    /// The whole chunks from `first` to `last`.
    fn chunks(&self, first: u64, last: u64) -> Span {
        let start = self.header + first * SEALED;
        let end = (self.header + (last + 1) * SEALED).min(self.stored);
        let len = end - start - (last + 1 - first) * TAG;
        Span { first_chunk: first, ends_the_blob: last + 1 == self.chunks, stored: start..end, skip: 0, len }
    }
}

impl Span {
    /// The stored bytes.
    pub fn stored(&self) -> Range<u64> {
        self.stored.clone()
    }

    /// How many bytes of the first chunk lie before the range.
    pub fn skip(&self) -> usize {
        self.skip
    }

    /// How many bytes the range has.
    #[expect(clippy::len_without_is_empty, reason = "a span is of a chunk at least")]
    pub fn len(&self) -> u64 {
        self.len
    }
}
