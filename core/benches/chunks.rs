//! Sealing and opening chunks, beside AES-256-GCM alone on 64 KiB.
//!
//! `cargo bench -p tenantseal-core --bench chunks` prints MB per second, and what part of the floor is reached.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use tenantseal_core::blob::{BlobHeader, CHUNK_LEN};
use tenantseal_core::keys::InMemoryKeyService;
use tenantseal_core::{BlobVault, TenantId, Vault};

/// How many chunks a round has.
const CHUNKS: usize = 512;
const ROUNDS: usize = 15;
/// What arrives at once.
const PIECE: usize = 4 * CHUNK_LEN;
/// The part of a multipart upload.
const PART: usize = 8 * 1_024 * 1_024;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let vault = Vault::builder(InMemoryKeyService::new()).build().unwrap();
    let blob = vault.tenant(&TenantId::parse("acme").unwrap()).blob("documents", "acme/a");
    let plaintext = vec![0x5a; CHUNKS * CHUNK_LEN];
    let mut sealed = Vec::new();
    seal(&blob, &plaintext, usize::MAX, &mut sealed).await;
    let mut floor = Floor::new();
    let mut buffer = Vec::with_capacity(PART);
    let (mut sealing, mut parts, mut opening, mut bare_sealing, mut bare_opening) =
        (vec![], vec![], vec![], vec![], vec![]);
    // By turns: what else the machine does hits all of them.
    for _ in 0..ROUNDS {
        bare_opening.push(floor.open());
        bare_sealing.push(floor.seal());
        let start = Instant::now();
        seal(&blob, &plaintext, 2 * PIECE, &mut buffer).await;
        sealing.push(start.elapsed());
        let start = Instant::now();
        seal(&blob, &plaintext, PART, &mut buffer).await;
        parts.push(start.elapsed());
        let start = Instant::now();
        open(&blob, &sealed).await;
        opening.push(start.elapsed());
    }
    print("seal", &mut sealing, &mut bare_sealing);
    print("seal into parts of 8 MiB", &mut parts, &mut bare_sealing);
    print("open", &mut opening, &mut bare_opening);
}

/// As a put does: piece by piece into the buffer of a part, and on to the next part when it has `part` bytes.
async fn seal(blob: &BlobVault, plaintext: &[u8], part: usize, stored: &mut Vec<u8>) {
    let mut sealer = blob.seal().await.unwrap();
    stored.clear();
    stored.extend_from_slice(sealer.header());
    for piece in plaintext.chunks(PIECE) {
        if stored.len() + PIECE > part {
            black_box(&mut *stored).clear();
        }
        sealer.push(piece, stored).unwrap();
    }
    sealer.finish(stored).unwrap();
    black_box(stored);
}

/// As a get does: in pieces of a connection, each chunk into a buffer of its own.
async fn open(blob: &BlobVault, stored: &[u8]) {
    let header = BlobHeader::parse(stored).unwrap().unwrap();
    let mut opener = blob.open(&header).await.unwrap().into_opener();
    for mut piece in stored[header.len()..].chunks(200_000) {
        while let Some(chunk) = opener.push(&mut piece).unwrap() {
            black_box(chunk);
        }
    }
    black_box(opener.finish().unwrap());
}

/// The primitive alone, in place, on as many chunks of as much memory.
struct Floor {
    cipher: Aes256Gcm,
    tag: Tag,
    chunks: Vec<u8>,
}

impl Floor {
    fn new() -> Self {
        let (cipher, mut chunks) = (Aes256Gcm::new(&[7; 32].into()), vec![0x5a; CHUNKS * CHUNK_LEN]);
        let mut chunk = vec![0x5a; CHUNK_LEN];
        let tag = cipher.encrypt_inout_detached(&Nonce::from([0; 12]), &[], chunk.as_mut_slice().into()).unwrap();
        chunks.chunks_exact_mut(CHUNK_LEN).for_each(|each| each.copy_from_slice(&chunk));
        Self { cipher, tag, chunks }
    }

    /// Opens what [`seal`](Self::seal) has sealed, or was sealed at first.
    fn open(&mut self) -> Duration {
        let start = Instant::now();
        for chunk in self.chunks.chunks_exact_mut(CHUNK_LEN) {
            let buffer = black_box(chunk).into();
            self.cipher.decrypt_inout_detached(&Nonce::from([0; 12]), &[], buffer, &self.tag).unwrap();
        }
        start.elapsed()
    }

    /// Seals what [`open`](Self::open) has opened.
    fn seal(&mut self) -> Duration {
        let start = Instant::now();
        for chunk in self.chunks.chunks_exact_mut(CHUNK_LEN) {
            let buffer = black_box(chunk).into();
            black_box(self.cipher.encrypt_inout_detached(&Nonce::from([0; 12]), &[], buffer).unwrap());
        }
        start.elapsed()
    }
}

fn print(what: &str, ours: &mut [Duration], bare: &mut [Duration]) {
    let rate = |times: &mut [Duration]| {
        times.sort_unstable();
        (CHUNKS * CHUNK_LEN) as f64 / times[times.len() / 2].as_secs_f64() / 1e6
    };
    let (ours, bare) = (rate(ours), rate(bare));
    println!("{what}: {ours:.0} MB/s, bare AES-GCM {bare:.0} MB/s: {:.2}", ours / bare);
}
