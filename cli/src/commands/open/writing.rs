//! Writes to stdout on a thread of its own, so that a reader that takes its time stops nothing else.

use std::io::{self, Write};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::errors::{Exit, Failure, Result};
use crate::visible::harmless_json;

/// How many batches may wait to be written.
const AHEAD: usize = 2;

pub(super) struct Writing {
    batches: mpsc::Sender<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Writing {
    pub(super) fn start() -> Self {
        let (batches, mut received) = mpsc::channel::<Vec<u8>>(AHEAD);
        let thread = tokio::task::spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            while let Some(batch) = received.blocking_recv() {
                stdout.write_all(&harmless(batch))?;
                stdout.flush()?;
            }
            Ok(())
        });
        Self { batches, thread }
    }

    /// Whether anybody reads on.
    pub(super) async fn write(&self, batch: Vec<u8>) -> bool {
        batch.is_empty() || self.batches.send(batch).await.is_ok()
    }

    /// Waits until all is written.
    pub(super) async fn finish(self) -> Result<()> {
        drop(self.batches);
        match self.thread.await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::Findings, format!("stdout: {error}")))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::new(Exit::Findings, format!("stdout: {error}"))),
        }
    }
}

/// The same lines of JSON, without what a terminal obeys.
fn harmless(mut lines: Vec<u8>) -> Vec<u8> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    if lines.iter().all(is_plain) {
        return lines;
    }
    // In JSON these two are nothing but space between tokens.
    lines.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\t')).for_each(|byte| *byte = b' ');
    harmless_json(&String::from_utf8_lossy(&lines)).into_bytes()
}
