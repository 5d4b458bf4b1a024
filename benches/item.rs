//! `seal` and `open` of one item beside the floor, which is the time of the primitives alone for the same bytes.
//!
//! `cargo bench --bench item` prints times and allocations. Its first lines have what a lookup adds to a put: an item
//! with and without it takes turns, so that noise on the machine affects both alike.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

#[path = "common/floor.rs"]
mod floor;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use divan::{AllocProfiler, Bencher};
use floor::Floor;
use futures_util::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::schema::{Form, Lookup, TableSchema};
use tenantseal::{Tenant, TenantId, TenantSeal};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

type Item = HashMap<String, AttributeValue>;

fn main() {
    lookup_beside_none();
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

/// Who puts a contact: a tenant of a table with a lookup of its e-mail address, or without.
const LOOKUPS: [&str; 2] = ["without", "of_email"];

/// An item of 300 B whose e-mail address is in its form already. One that is not costs a string for the form.
fn contact() -> Item {
    let mut contact = SHAPES[0].item();
    contact.remove("secret2");
    contact.insert("email".to_owned(), AttributeValue::S(format!("{}@example.org", "a".repeat(20))));
    contact
}

/// A handle whose data key and lookup key are in the cache already.
fn tenant_with(lookup: &str) -> Tenant {
    let schema = TableSchema::builder("bench").partition_key("tenant_id", "{tenant}").sort_key("id");
    let schema = ["secret0", "secret1", "email"].into_iter().fold(schema, |schema, name| schema.encrypt(name));
    let schema = match lookup {
        "of_email" => schema.lookup(Lookup::on("email", Form::EMAIL).index("by-email")),
        _ => schema,
    };
    let config = aws_types::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest());
    let config = config.region(aws_types::region::Region::new("us-east-1")).build();
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new()).key_table(InMemoryKeyTable::new());
    let seal = builder.table(schema.build().unwrap()).build(&config).unwrap();
    let tenant = seal.tenant(&TenantId::parse("acme").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sealed = runtime.block_on(tenant.seal("bench", contact())).unwrap();
    assert_eq!(sealed.contains_key("_seal_by_email"), lookup == "of_email");
    tenant
}

#[divan::bench(args = LOOKUPS)]
fn seal_contact(bencher: Bencher<'_, '_>, lookup: &str) {
    let (tenant, item) = (tenant_with(lookup), contact());
    bencher.with_inputs(|| item.clone()).bench_values(|item| now(tenant.seal("bench", item)));
}

/// The median of many rounds, in which an item without a lookup, one with it, and a bare HMAC take turns.
fn lookup_beside_none() {
    const ROUNDS: usize = 301;
    const ITEMS: usize = 256;
    let (tenants, item) = (LOOKUPS.map(tenant_with), contact());
    let floor: Hmac<Sha256> = Hmac::new_from_slice(&[7; 32]).unwrap();
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (tenant, times) in tenants.iter().zip(&mut times) {
            let items: Vec<_> = (0..ITEMS).map(|_| item.clone()).collect();
            let mut sealed = Vec::with_capacity(ITEMS);
            let begun = Instant::now();
            sealed.extend(items.into_iter().map(|item| now(tenant.seal("bench", item))));
            times.push(begun.elapsed());
        }
        let begun = Instant::now();
        for _ in 0..ITEMS {
            let mut mac = floor.clone();
            mac.update(black_box(&[1; 39]));
            black_box(mac.finalize());
        }
        times[2].push(begun.elapsed());
    }
    let median = |mut times: Vec<f64>| {
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let micros = |time: &Duration| time.as_secs_f64() * 1e6 / ITEMS as f64;
    let [without, with, floor] = times;
    let added = median(without.iter().zip(&with).map(|(without, with)| micros(with) - micros(without)).collect());
    let [without, with, floor] = [without, with, floor].map(|times| median(times.iter().map(micros).collect()));
    println!("a put with a lookup: {with:.2} µs; without: {without:.2} µs; {added:.3} µs more");
    println!("of that a bare HMAC-SHA256 with its key schedule kept: {floor:.3} µs");
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
