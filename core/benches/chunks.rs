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
    let mut sealer = blob.seal().await.unwrap();
    let (header, mut sealed) = (sealer.header().to_vec(), Vec::new());
    sealer.push(&plaintext, &mut sealed).unwrap();
    sealer.finish(&mut sealed).unwrap();
    let mut floor = Floor::new();
    let (mut small, mut buffer) = (Vec::with_capacity(2 * PIECE), Vec::with_capacity(PART));
    let (mut sealing, mut parts, mut opening, mut bare_sealing, mut bare_opening) =
        (vec![], vec![], vec![], vec![], vec![]);
    // By turns: what else the machine does hits all of them.
    for _ in 0..ROUNDS {
        bare_opening.push(floor.open());
        bare_sealing.push(floor.seal());
        let start = Instant::now();
        seal(&blob, &plaintext, 2 * PIECE, &mut small).await;
        sealing.push(start.elapsed());
        let start = Instant::now();
        seal(&blob, &plaintext, PART, &mut buffer).await;
        parts.push(start.elapsed());
        let start = Instant::now();
        open(&blob, &header, &sealed).await;
        opening.push(start.elapsed());
    }
    print("seal", &mut sealing, &mut bare_sealing);
    print("seal into parts of 8 MiB", &mut parts, &mut bare_sealing);
    print("open", &mut opening, &mut bare_opening);
}

/// As a put of known length does: piece by piece into the buffer of a part, and on to the next part when it has `part`
/// bytes.
async fn seal(blob: &BlobVault, plaintext: &[u8], part: usize, stored: &mut Vec<u8>) {
    let mut sealer = blob.seal().await.unwrap();
    stored.resize(part, 0);
    let (mut filled, mut rest) = (0, plaintext);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(PIECE));
        if filled + PIECE + 4 * 16 > part {
            black_box(&mut *stored);
            filled = 0;
        }
        sealer.fill(piece, !behind.is_empty(), stored, &mut filled).unwrap();
        rest = behind;
    }
    let mut last = Vec::new();
    sealer.finish(&mut last).unwrap();
    black_box((stored, last));
}

/// As a get does: in pieces of a connection, each chunk into a buffer that has been used before.
async fn open(blob: &BlobVault, header: &[u8], chunks: &[u8]) {
    let header = BlobHeader::parse(header).unwrap().unwrap();
    let (mut opener, mut chunk) = (blob.open(&header).await.unwrap().into_opener(), Vec::new());
    for mut piece in chunks.chunks(200_000) {
        while opener.fill(&mut piece, &mut chunk).unwrap() {
            black_box(&mut chunk);
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
