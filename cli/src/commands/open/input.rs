//! Reads lines in batches of bounded size, on a thread of its own.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;

use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

use crate::errors::{Failure, Result};

/// The longest line. An item has 400 KB at most; in JSON a record with both images may be several times as long.
const MAX_LINE: usize = 4 << 20;
/// Where a batch ends: as few data keys are asked for as possible, in memory that is bounded.
const BATCH_LINES: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;
/// How many batches may wait to be opened.
const AHEAD: usize = 2;
const BUFFER: usize = 1 << 18;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ION: [&[u8]; 2] = [&[0xe0, 0x01, 0x00, 0xea], b"$ion_1_0"];

/// Where lines come from.
pub(super) struct Source(Box<dyn Read + Send>);

/// Consecutive lines.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The number of the first one, from 1.
    pub(super) first: u64,
    bytes: Vec<u8>,
    lines: Vec<Option<Range<usize>>>,
}

impl Batch {
    /// The lines; `None` in place of one that is too long.
    pub(super) fn lines(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.lines.iter().map(|line| line.clone().map(|range| &self.bytes[range]))
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_LINES || self.bytes.len() >= BATCH_BYTES
    }
}

impl Source {
    pub(super) fn new(from: impl Read + Send + 'static) -> Self {
        Self(Box::new(from))
    }

    pub(super) fn stdin() -> Self {
        Self::new(io::stdin())
    }

    /// Starts to read.
    pub(super) fn read(self) -> mpsc::Receiver<Result<Batch>> {
        let (batches, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = self.read_into(&batches) {
                // Nobody wants to know when the receiver is gone.
                let _ = batches.blocking_send(Err(failure));
            }
        });
        receiver
    }

    fn read_into(mut self, batches: &mpsc::Sender<Result<Batch>>) -> Result<()> {
        let failed = |error: io::Error| {
            let help = "what was read before it was opened; take the input again from its source";
            Failure::usage(format!("the input cannot be read on: {error}")).help(help)
        };
        let mut head = Vec::new();
        self.0.by_ref().take(ION[1].len() as u64).read_to_end(&mut head).map_err(failed)?;
        let whole = Cursor::new(head.clone()).chain(self.0);
        let lines: Box<dyn Read> = if head.starts_with(&GZIP) {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole)))
        } else {
            Box::new(whole)
        };
        let mut lines = BufReader::with_capacity(BUFFER, lines);
        let begins = lines.fill_buf().map_err(failed)?;
        if ION.iter().any(|ion| begins.starts_with(ion)) {
            let help = "export the table in DynamoDB JSON";
            return Err(Failure::usage("the input is Amazon Ion, which this command does not read").help(help));
        }
        let mut first = 1;
        loop {
            let mut batch = Batch { first, ..Batch::default() };
            let read = fill(&mut batch, &mut lines);
            first += batch.lines.len() as u64;
            let is_last = batch.lines.is_empty();
            if !is_last && batches.blocking_send(Ok(batch)).is_err() {
                return Ok(());
            }
            // What stands before the fault is whole.
            read.map_err(failed)?;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Reads the next lines. A batch also ends where the source would have to be waited for.
fn fill(batch: &mut Batch, lines: &mut BufReader<impl Read>) -> io::Result<()> {
    while !batch.is_full() && (batch.lines.is_empty() || !lines.buffer().is_empty()) {
        let start = batch.bytes.len();
        let read = lines.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut batch.bytes)?;
        if read == 0 {
            break;
        }
        if batch.bytes.last() != Some(&b'\n') && read > MAX_LINE {
            batch.bytes.truncate(start);
            batch.lines.push(None);
            skip_line(lines)?;
            continue;
        }
        let line = batch.bytes[start..].trim_ascii_end().len();
        batch.lines.push(Some(start..start + line));
    }
    Ok(())
}

/// Skips the rest of a line, in bounded memory.
fn skip_line(lines: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = lines.fill_buf()?;
        let (skipped, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        lines.consume(skipped);
        if ended {
            return Ok(());
        }
    }
}
