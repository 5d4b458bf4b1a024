//! `seal` and `open` of one item, beside the floor: what the primitives alone take for the same bytes.
//!
//! `cargo bench --bench item` prints times and allocations. The floor is one HKDF-Expand, one AES-256 key schedule and one GCM call per
//! encrypted attribute, on the same crates, without a single allocation.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use divan::{AllocProfiler, Bencher};
use futures_util::FutureExt;
use hkdf::Hkdf;
use sha2::Sha256;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::TableSchema;
use tenantseal::{Tenant, TenantId, TenantSeal};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

type Item = HashMap<String, AttributeValue>;

fn main() {
    divan::main();
}

/// An item: how many attributes beside the two keys, how many of them encrypted, and how long each value is.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    plain: usize,
    encrypted: usize,
    length: usize,
    binary: bool,
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const SHAPES: [Shape; 3] = [
    Shape { name: "a_300_B_3_of_5", plain: 0, encrypted: 3, length: 70, binary: false },
    Shape { name: "b_4_KB_10_of_20", plain: 8, encrypted: 10, length: 215, binary: false },
    Shape { name: "c_100_KB_binary", plain: 0, encrypted: 1, length: 100_000, binary: true },
];

impl Shape {
    fn item(self) -> Item {
        let value = |_| match self.binary {
            true => AttributeValue::B(Blob::new(vec![7; self.length])),
            false => AttributeValue::S("x".repeat(self.length)),
        };
        let keys = [("tenant_id", "acme"), ("id", "0001")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let keys = keys.into_iter().map(|(name, value)| (name, AttributeValue::S(value)));
        let plain = (0..self.plain).map(|at| (format!("plain{at}"), value(at)));
        let encrypted = (0..self.encrypted).map(|at| (format!("secret{at}"), value(at)));
        keys.chain(plain).chain(encrypted).collect()
    }

    /// A handle whose data key is in the cache already.
    fn tenant(self) -> Tenant {
        let mut schema = TableSchema::builder("bench").partition_key("tenant_id", "{tenant}").sort_key("id");
        for at in 0..self.plain {
            schema = schema.plain(format!("plain{at}"));
        }
        for at in 0..self.encrypted {
            schema = schema.encrypt(format!("secret{at}"));
        }
        let config = aws_types::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let seal = TenantSeal::builder()
            .key_service(Arc::new(InMemoryKeyService::new()))
            .table(schema.build().unwrap())
            .build(&config)
            .unwrap();
        let tenant = seal.tenant(&TenantId::parse("acme").unwrap());
        now(tenant.seal("bench", self.item()));
        tenant
    }
}

/// With the key in the cache nothing waits, so one poll is enough.
fn now<T, E: std::fmt::Debug>(future: impl Future<Output = Result<T, E>>) -> T {
    future.now_or_never().expect("a cached key is there at once").unwrap()
}

#[divan::bench(args = SHAPES)]
fn seal(bencher: Bencher<'_, '_>, shape: Shape) {
    let tenant = shape.tenant();
    let item = shape.item();
    bencher.with_inputs(|| item.clone()).bench_values(|item| now(tenant.seal("bench", item)));
}

#[divan::bench(args = SHAPES)]
fn open(bencher: Bencher<'_, '_>, shape: Shape) {
    let tenant = shape.tenant();
    let sealed = now(tenant.seal("bench", shape.item()));
    bencher.with_inputs(|| sealed.clone()).bench_values(|item| now(tenant.open("bench", item)));
}

/// The primitives alone, encrypting.
#[divan::bench(args = SHAPES)]
fn seal_floor(bencher: Bencher<'_, '_>, shape: Shape) {
    let hkdf = Hkdf::<Sha256>::new(Some(b"tenantseal v1"), &[7; 32]);
    let buffer = vec![7_u8; shape.length + 1];
    bencher.with_inputs(|| vec![buffer.clone(); shape.encrypted]).bench_values(|mut buffers| {
        let cipher = item_cipher(&hkdf);
        for buffer in &mut buffers {
            let tag = cipher.encrypt_inout_detached(&Nonce::from([1; 12]), &AAD, buffer.as_mut_slice().into()).unwrap();
            black_box(tag);
        }
        buffers
    });
}

/// The primitives alone, decrypting.
#[divan::bench(args = SHAPES)]
fn open_floor(bencher: Bencher<'_, '_>, shape: Shape) {
    let hkdf = Hkdf::<Sha256>::new(Some(b"tenantseal v1"), &[7; 32]);
    let mut buffer = vec![7_u8; shape.length + 1];
    let nonce = Nonce::from([1; 12]);
    let tag = item_cipher(&hkdf).encrypt_inout_detached(&nonce, &AAD, buffer.as_mut_slice().into()).unwrap();
    bencher.with_inputs(|| vec![buffer.clone(); shape.encrypted]).bench_values(|mut buffers| {
        let cipher = item_cipher(&hkdf);
        for buffer in &mut buffers {
            cipher.decrypt_inout_detached(&nonce, &AAD, buffer.as_mut_slice().into(), &tag).unwrap();
        }
        buffers
    });
}

/// As long as the AAD of an attribute of these items.
const AAD: [u8; 37] = [3; 37];

/// One Expand of an identity's length, one key schedule.
fn item_cipher(hkdf: &Hkdf<Sha256>) -> Aes256Gcm {
    let mut key = [0; 32];
    hkdf.expand(black_box(&[5; 75]), &mut key).unwrap();
    Aes256Gcm::new(&key.into())
}
