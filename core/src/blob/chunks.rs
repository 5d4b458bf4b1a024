//! Seals plaintext in any split into chunks, and opens chunks that arrive in any split.

use std::fmt;
use std::sync::Arc;

use super::{BlobFault, BlobHeader, CHUNK_LEN, SEALED_CHUNK_LEN, Stamp};
use crate::crypto::{BlobKey, TAG_LEN};

/// Seals one blob. It holds back at most one chunk, because only the last one may be marked as the last.
pub struct BlobSealer {
    key: BlobKey,
    header: BlobHeader,
    encoded: Box<[u8]>,
    next: u64,
    /// Plaintext of at most one chunk.
    pending: Vec<u8>,
}

impl BlobSealer {
    pub(crate) fn new(key: BlobKey, header: BlobHeader) -> Self {
        let encoded = header.encode().into();
        Self { key, header, encoded, next: 0, pending: Vec::new() }
    }

    /// What is stored before the chunks.
    pub fn header(&self) -> &[u8] {
        &self.encoded
    }

    /// The header, to find the data key again.
    pub fn parsed_header(&self) -> &BlobHeader {
        &self.header
    }

    /// Names this blob, and no other.
    pub fn stamp(&self) -> Stamp {
        self.header.id
    }

    /// Takes plaintext, and appends the chunks that it completes to `stored`: one at most for 65,536 bytes.
    ///
    /// # Errors
    ///
    /// [`BlobFault::TooLong`]. Then `stored` has whole chunks only.
    pub fn push(&mut self, mut plaintext: &[u8], stored: &mut Vec<u8>) -> Result<(), BlobFault> {
        while self.pending.len() + plaintext.len() > CHUNK_LEN {
            let (now, rest) = plaintext.split_at(CHUNK_LEN - self.pending.len());
            let index = self.index()?;
            if self.pending.is_empty() {
                self.key.encrypt(index, false, now, stored);
            } else {
                self.pending.extend_from_slice(now);
                self.key.encrypt(index, false, &self.pending, stored);
                self.pending.clear();
            }
            plaintext = rest;
        }
        if self.pending.capacity() == 0 && self.next > 0 {
            self.pending.reserve_exact(CHUNK_LEN);
        }
        self.pending.extend_from_slice(plaintext);
        Ok(())
    }

    /// Appends the last chunk to `stored`. Without it the blob does not open.
    ///
    /// # Errors
    ///
    /// [`BlobFault::TooLong`].
    pub fn finish(mut self, stored: &mut Vec<u8>) -> Result<(), BlobFault> {
        let index = self.index()?;
        self.key.encrypt(index, true, &self.pending, stored);
        Ok(())
    }

    /// The position of the chunk that is sealed now.
    fn index(&mut self) -> Result<u32, BlobFault> {
        let index = u32::try_from(self.next).map_err(|_| BlobFault::TooLong)?;
        self.next += 1;
        Ok(index)
    }
}

/// Opens consecutive chunks of one blob. It gives out authentic plaintext only.
///
/// A chunk is given out when there is a byte of another one behind it, or by [`finish`](Self::finish). So it cannot
/// pass for another than it is: the end of a blob is authenticated as its end.
pub struct BlobOpener {
    key: Arc<BlobKey>,
    next: u64,
    /// Whether the last chunk that it gets is the blob's last.
    ends_the_blob: bool,
    /// Stored bytes of at most one chunk.
    pending: Vec<u8>,
    /// Whether a chunk did not open. What comes behind it is no continuation.
    has_failed: bool,
}

impl BlobOpener {
    pub(crate) fn new(key: Arc<BlobKey>, first_chunk: u64, ends_the_blob: bool) -> Self {
        Self { key, next: first_chunk, ends_the_blob, pending: Vec::new(), has_failed: false }
    }

    /// Takes stored bytes from the front of `stored` until a chunk is complete, and opens that one; `None` when
    /// `stored` is used up. Call it until then.
    ///
    /// # Errors
    ///
    /// [`BlobFault::NotAuthentic`] when the chunk is not the one that was sealed in this place, and
    /// [`BlobFault::TooLong`]. The blob is then to be given up: what was given out before is authentic.
    pub fn push(&mut self, stored: &mut &[u8]) -> Result<Option<Vec<u8>>, BlobFault> {
        let (now, rest) = stored.split_at(stored.len().min(SEALED_CHUNK_LEN - self.pending.len()));
        *stored = rest;
        // Only when a byte follows is it known that this chunk is not the last.
        let follows = !rest.is_empty();
        if follows && self.pending.is_empty() {
            return self.open(now, false).map(Some);
        }
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(SEALED_CHUNK_LEN);
        }
        self.pending.extend_from_slice(now);
        if follows { self.open_pending(false).map(Some) } else { Ok(None) }
    }

    /// Opens the last chunk.
    ///
    /// # Errors
    ///
    /// [`BlobFault::Truncated`] or [`BlobFault::NotAuthentic`] when the stored bytes did not end where the blob, or the
    /// span, does.
    pub fn finish(mut self) -> Result<Vec<u8>, BlobFault> {
        let least = if self.next == 0 { TAG_LEN } else { TAG_LEN + 1 };
        if self.pending.len() < least {
            return Err(BlobFault::Truncated);
        }
        self.open_pending(self.ends_the_blob)
    }

    fn open_pending(&mut self, last: bool) -> Result<Vec<u8>, BlobFault> {
        let mut pending = std::mem::take(&mut self.pending);
        let plaintext = self.open(&pending, last)?;
        pending.clear();
        self.pending = pending;
        Ok(plaintext)
    }

    fn open(&mut self, chunk: &[u8], last: bool) -> Result<Vec<u8>, BlobFault> {
        let index = u32::try_from(self.next).map_err(|_| BlobFault::TooLong)?;
        self.next += 1;
        let opened = if self.has_failed { None } else { self.key.decrypt(index, last, chunk).ok() };
        self.has_failed = opened.is_none();
        opened.ok_or(BlobFault::NotAuthentic)
    }
}

/// Shows no plaintext.
impl fmt::Debug for BlobSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobSealer").field("next", &self.next).finish_non_exhaustive()
    }
}

impl fmt::Debug for BlobOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobOpener").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Commitment;

    fn key() -> BlobKey {
        BlobKey::new(&[7; 32])
    }

    fn sealer_at(next: u64) -> BlobSealer {
        let header =
            BlobHeader { record: Box::new([1]), id: Stamp::from_bytes([0; 32]), commitment: Commitment([0; 32]) };
        BlobSealer { next, ..BlobSealer::new(key(), header) }
    }

    #[test]
    fn nothing_opens_behind_a_chunk_that_did_not() {
        let mut stored = Vec::new();
        let mut sealer = sealer_at(0);
        sealer.push(&vec![0x5a; 3 * CHUNK_LEN], &mut stored).unwrap();
        sealer.finish(&mut stored).unwrap();
        stored[7] ^= 1;
        for piece in [stored.len(), 1_000] {
            let mut opener = BlobOpener::new(Arc::new(key()), 0, true);
            for mut piece in stored.chunks(piece) {
                while !piece.is_empty() {
                    assert!(matches!(opener.push(&mut piece), Ok(None) | Err(BlobFault::NotAuthentic)));
                }
            }
            assert_eq!(opener.finish(), Err(BlobFault::NotAuthentic));
        }
    }

    #[test]
    fn the_last_of_all_chunks_is_sealed_and_opened_and_none_behind_it() {
        let last = u64::from(u32::MAX);
        let mut stored = Vec::new();
        sealer_at(last).finish(&mut stored).unwrap();
        assert_eq!(stored.len(), TAG_LEN, "an empty chunk, as no writer makes it here");
        stored.clear();
        let mut sealer = sealer_at(last);
        sealer.push(b"end", &mut stored).unwrap();
        sealer.finish(&mut stored).unwrap();
        let mut opener = BlobOpener::new(Arc::new(key()), last, true);
        assert_eq!(opener.push(&mut &stored[..]), Ok(None));
        assert_eq!(opener.finish().unwrap(), b"end");

        let mut sealer = sealer_at(last);
        stored.clear();
        let too_much = vec![0x5a; 2 * CHUNK_LEN + 1];
        assert_eq!(sealer.push(&too_much, &mut stored), Err(BlobFault::TooLong));
        assert_eq!(stored.len(), SEALED_CHUNK_LEN, "no plaintext is left behind the last chunk");
        assert_eq!(sealer.finish(&mut stored), Err(BlobFault::TooLong));
        let mut opener = BlobOpener::new(Arc::new(key()), last + 1, true);
        assert_eq!(opener.push(&mut &[0; 20][..]), Ok(None));
        assert_eq!(opener.finish(), Err(BlobFault::TooLong));
    }
}
