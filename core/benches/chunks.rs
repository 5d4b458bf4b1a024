//! Sealing and opening chunks, beside AES-256-GCM alone on 64 KiB.
//!
//! `cargo bench -p tenantseal-core --bench chunks` prints MB per second, and what part of the floor is reached.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use tenantseal_core::blob::{BlobHeader, CHUNK_LEN, SEALED_CHUNK_LEN};
use tenantseal_core::keys::InMemoryKeyService;
use tenantseal_core::{BlobVault, TenantId, Vault};

/// How many chunks a round has.
const CHUNKS: usize = 512;
const ROUNDS: usize = 15;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let vault = Vault::builder(InMemoryKeyService::new()).build().unwrap();
    let blob = vault.tenant(&TenantId::parse("acme").unwrap()).blob("documents", "acme/a");
    let plaintext = vec![0x5a; CHUNKS * CHUNK_LEN];
    let sealed = seal(&blob, &plaintext).await;
    let floor = Floor::new();
    let mut buffer = sealed.clone();
    let (mut sealing, mut opening, mut bare_sealing, mut bare_opening) = (vec![], vec![], vec![], vec![]);
    // By turns: what else the machine does hits all of them.
    for _ in 0..ROUNDS {
        bare_sealing.push(floor.seal());
        let start = Instant::now();
        seal_into(&blob, &plaintext, &mut buffer).await;
        sealing.push(start.elapsed());
        bare_opening.push(floor.open());
        let start = Instant::now();
        open(&blob, &sealed).await;
        opening.push(start.elapsed());
    }
    print("seal", &mut sealing, &mut bare_sealing);
    print("open", &mut opening, &mut bare_opening);
}

/// As a put does: piece by piece into the buffer of a part.
async fn seal(blob: &BlobVault, plaintext: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1_024 + CHUNKS * SEALED_CHUNK_LEN);
    seal_into(blob, plaintext, &mut stored).await;
    stored
}

/// The same into a buffer whose memory is there already.
async fn seal_into(blob: &BlobVault, plaintext: &[u8], stored: &mut Vec<u8>) {
    let mut sealer = blob.seal().await.unwrap();
    stored.clear();
    stored.extend_from_slice(sealer.header());
    for piece in plaintext.chunks(16 * CHUNK_LEN) {
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

/// The primitive alone, in place, on as many chunks.
struct Floor {
    cipher: Aes256Gcm,
    tag: Tag,
    sealed: Vec<u8>,
}

impl Floor {
    fn new() -> Self {
        let cipher = Aes256Gcm::new(&[7; 32].into());
        let mut sealed = vec![0x5a; CHUNK_LEN];
        let tag = cipher.encrypt_inout_detached(&Nonce::from([0; 12]), &[], sealed.as_mut_slice().into()).unwrap();
        Self { cipher, tag, sealed }
    }

    fn seal(&self) -> Duration {
        let mut buffer = vec![0x5a; CHUNK_LEN];
        let start = Instant::now();
        for _ in 0..CHUNKS {
            let buffer = black_box(buffer.as_mut_slice()).into();
            black_box(self.cipher.encrypt_inout_detached(&Nonce::from([0; 12]), &[], buffer).unwrap());
        }
        start.elapsed()
    }

    fn open(&self) -> Duration {
        let mut all = vec![self.sealed.clone(); CHUNKS];
        let start = Instant::now();
        for buffer in &mut all {
            let buffer = black_box(buffer.as_mut_slice()).into();
            self.cipher.decrypt_inout_detached(&Nonce::from([0; 12]), &[], buffer, &self.tag).unwrap();
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
