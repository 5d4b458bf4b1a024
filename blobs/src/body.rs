//! The plaintext of an object or of a range, as a stream of authentic chunks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tenantseal_core::BlobVault;
use tenantseal_core::blob::{BlobHeader, BlobOpener, OpenedBlob, Span, Stamp};

use crate::blobs::Place;
use crate::error::Error;
use crate::pace::Pace;
use crate::reader::Reader;

/// The plaintext of an object or of a range, in chunks of at most 64 KiB. Each is authentic.
///
/// **Only a stream that ended without an error was whole.** Until then it may still turn out that the object was cut
/// short. So do not rename a file, or commit what you did, before the end. [`BlobBody::bytes`] gives all or nothing.
///
/// ```
/// # use tenantseal_blobs::{Blobs, Error};
/// # async fn example(blobs: Blobs, mut file: Vec<u8>) -> Result<(), Error> {
/// let mut body = blobs.get("reports/2026.pdf").await?.into_body();
/// while let Some(chunk) = body.next().await {
///     file.extend_from_slice(&chunk?);
/// }
/// # Ok(()) }
/// ```
pub struct BlobBody(Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>);

impl BlobBody {
    /// The next chunk; none at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        self.0.next().await
    }

    /// All of it, or an error.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] when it has more than `most` bytes, as soon as that many have arrived. Otherwise the error
    /// of the first chunk that does not open.
    pub async fn bytes(mut self, most: u64) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if (whole.len() + chunk.len()) as u64 > most {
                return Err(Error::TooLarge { most });
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    pub(crate) fn new(opening: Opening) -> Self {
        let chunks = stream::try_unfold(opening, |mut opening| async move {
            Ok(opening.next_chunk().await?.map(|chunk| (chunk, opening)))
        });
        Self(Box::pin(chunks))
    }

    /// Of a range without a byte.
    pub(crate) fn empty() -> Self {
        Self(Box::pin(stream::empty()))
    }
}

impl Stream for BlobBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobBody(..)")
    }
}

/// An object's header as it arrives, and the first bytes behind it.
pub(crate) struct Beginning {
    pub(crate) header: BlobHeader,
    pub(crate) behind: Bytes,
}

impl Beginning {
    /// Reads until the header is complete.
    pub(crate) async fn read(place: &Place, reader: &mut Reader) -> Result<Self, Error> {
        let mut read = BytesMut::new();
        loop {
            if let Some(header) = BlobHeader::parse(&read).map_err(|fault| place.fault(fault))? {
                read.advance(header.len());
                return Ok(Self { header, behind: read.freeze() });
            }
            match reader.next().await? {
                Some(bytes) => read.extend_from_slice(&bytes),
                None => return Err(place.fault(BlobHeader::fault_of_end(&read))),
            }
        }
    }

    /// Opens the header: the data key first, then the commitment, then the stamp.
    pub(crate) async fn open(
        &self,
        place: &Place,
        vault: &BlobVault,
        stamp: Option<Stamp>,
    ) -> Result<OpenedBlob, Error> {
        let opened = vault.open_for("GetObject", &self.header).await.map_err(|error| place.vault_error(error))?;
        match stamp {
            Some(stamp) if stamp != opened.stamp() => Err(place.fault(tenantseal_core::blob::BlobFault::OtherVersion)),
            _ => Ok(opened),
        }
    }
}

/// Stored bytes on their way to plaintext.
pub(crate) struct Opening {
    pub(crate) place: Arc<Place>,
    pub(crate) vault: BlobVault,
    pub(crate) header: BlobHeader,
    pub(crate) reader: Reader,
    /// None when the last chunk was opened.
    opener: Option<BlobOpener>,
    /// Bytes that have arrived.
    arrived: Bytes,
    /// Bytes of the first chunk that lie before the range.
    skip: usize,
    /// Bytes of the range that are still to come.
    left: u64,
    pace: Pace,
}

impl Opening {
    /// Of the whole object.
    pub(crate) fn whole(
        place: &Arc<Place>,
        vault: BlobVault,
        reader: Reader,
        beginning: Beginning,
        opened: OpenedBlob,
    ) -> Self {
        let Beginning { header, behind } = beginning;
        let opener = Some(opened.into_opener());
        let (skip, left) = (0, u64::MAX);
        Self { place: Arc::clone(place), vault, header, reader, opener, arrived: behind, skip, left, pace: Pace::new() }
    }

    /// Of the chunks of a span, of which `reader` reads the rest.
    pub(crate) fn span(
        place: &Arc<Place>,
        vault: BlobVault,
        header: BlobHeader,
        reader: Reader,
        opened: &OpenedBlob,
        span: &Span,
    ) -> Self {
        Self {
            place: Arc::clone(place),
            vault,
            header,
            reader,
            opener: Some(opened.opener(span)),
            arrived: Bytes::new(),
            skip: span.skip(),
            left: span.len(),
            pace: Pace::new(),
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(chunk) = self.open_next().await? else { return Ok(None) };
            let mut chunk = Bytes::from(chunk);
            chunk.advance(self.skip.min(chunk.len()));
            self.skip = 0;
            chunk.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= chunk.len() as u64;
            // The only chunk of an empty blob; a stream has no empty pieces.
            if !chunk.is_empty() {
                self.pace.step(1, &self.vault, &self.header).await.map_err(|error| self.place.vault_error(error))?;
                return Ok(Some(chunk));
            }
        }
    }

    /// Opens the next chunk; none behind the last one.
    async fn open_next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let Some(opener) = &mut self.opener else { return Ok(None) };
            let mut rest = &self.arrived[..];
            let chunk = opener.push(&mut rest).map_err(|fault| self.place.fault(fault))?;
            let taken = self.arrived.len() - rest.len();
            self.arrived.advance(taken);
            if chunk.is_some() {
                return Ok(chunk);
            }
            match self.reader.next().await? {
                Some(bytes) => self.arrived = bytes,
                None => {
                    let opener = self.opener.take();
                    let last = opener.map(|opener| opener.finish().map_err(|fault| self.place.fault(fault)));
                    return last.transpose();
                }
            }
        }
    }
}
