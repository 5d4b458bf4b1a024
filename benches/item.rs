//! `seal` and `open` of one item beside the floor, which is the time of the primitives alone for the same bytes.
//!
//! `cargo bench --bench item` prints times and allocations.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

#[path = "common/floor.rs"]
mod floor;

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use divan::{AllocProfiler, Bencher};
use floor::Floor;
use futures_util::FutureExt;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::TableSchema;
use tenantseal::{Tenant, TenantId, TenantSeal};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

type Item = HashMap<String, AttributeValue>;

fn main() {
    divan::main();
}

/// An item: the number of attributes beside the two keys, how many are encrypted, and the length of each value.
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

    /// What the primitives work on: each value, and one byte for its type.
    fn buffers(self) -> Vec<Vec<u8>> {
        vec![vec![7; self.length + 1]; self.encrypted]
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
            .key_service(InMemoryKeyService::new())
            .table(schema.build().unwrap())
            .build(&config)
            .unwrap();
        let tenant = seal.tenant(&TenantId::parse("acme").unwrap());
        now(tenant.seal("bench", self.item()));
        tenant
    }
}

/// With a cached key nothing waits, so one poll is enough.
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
    let floor = Floor::new();
    bencher.with_inputs(|| shape.buffers()).bench_values(|mut buffers| {
        floor.seal(&mut buffers);
        buffers
    });
}

/// The primitives alone, decrypting.
#[divan::bench(args = SHAPES)]
fn open_floor(bencher: Bencher<'_, '_>, shape: Shape) {
    let (floor, mut sealed) = (Floor::new(), shape.buffers());
    let tag = floor.seal(&mut sealed);
    bencher.with_inputs(|| sealed.clone()).bench_values(|mut buffers| {
        floor.open(&mut buffers, &tag);
        buffers
    });
}
