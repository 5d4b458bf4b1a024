//! When to ask again whether a data key may still be used.

use std::time::{Duration, Instant};

use tenantseal_core::BlobVault;
use tenantseal_core::blob::BlobHeader;

/// After how many chunks at the latest: 1 MiB.
const CHUNKS: usize = 16;
/// After what time at the latest, where chunks come slowly.
const PERIOD: Duration = Duration::from_secs(1);

/// Revalidates the data key of a blob that takes long. The cache answers, unless it is time to ask the key service.
#[derive(Debug)]
pub(crate) struct Pace {
    chunks: usize,
    since: Instant,
}

impl Pace {
    /// From a moment at which the data key was valid.
    pub(crate) fn new() -> Self {
        Self { chunks: 0, since: Instant::now() }
    }

    /// Before so many chunks are given out, or after they were sealed. Others get their turn while a large body is sealed in memory.
    pub(crate) async fn step(
        &mut self,
        chunks: usize,
        vault: &BlobVault,
        header: &BlobHeader,
    ) -> Result<(), tenantseal_core::Error> {
        self.chunks += chunks;
        if self.chunks < CHUNKS && self.since.elapsed() < PERIOD {
            return Ok(());
        }
        *self = Self::new();
        tokio::task::yield_now().await;
        vault.revalidate(header).await
    }
}
