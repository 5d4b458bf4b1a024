//! Making a token, beside one HMAC-SHA256 with the key schedule kept.
//!
//! `cargo bench -p tenantseal-core --bench tokens` prints nanoseconds, and how many times the floor a token takes.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tenantseal_core::TenantId;
use tenantseal_core::envelope::KeyRecordPlacement;
use tenantseal_core::format::{Identity, LookupDefinition, LookupKind};
use tenantseal_core::keys::{DeclaredLookup, InMemoryKeyService, InMemoryKeyTable, Retries, Settings};
use tenantseal_core::time::SystemTimeSource;

const TOKENS: u32 = 20_000;
const ROUNDS: usize = 51;
/// An e-mail address in its form, encoded.
const VALUE: &[u8] = b"\x01ada@example.org";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let definition = LookupDefinition::new(LookupKind::Equality, 128, [("email", "email")]).unwrap();
    let lookup = DeclaredLookup { table: "crm".to_owned(), name: "email".to_owned(), number: 1, definition };
    let settings =
        Settings { key_table: Some(Arc::new(InMemoryKeyTable::new())), lookups: vec![lookup], ..Settings::default() };
    let service = Arc::new(InMemoryKeyService::new());
    let keys = settings.build(service, "", Arc::new(SystemTimeSource), Retries::default()).unwrap();
    let acme = TenantId::parse("acme").unwrap();
    let handle = keys.for_tenant(&acme);
    let lookups = handle.lookup_keys(&[1]).await.unwrap();
    let key = lookups.mac_key("crm", "email").unwrap();
    let identity = Identity::new(&acme, "crm", ("tenant_id", "acme".into()), Some(("id", "c-17".into()))).unwrap();
    let floor: Hmac<Sha256> = Hmac::new_from_slice(&[7; 32]).unwrap();
    let message = [&[0, 0, 0, 0, 0, 16], VALUE].concat();

    let place = KeyRecordPlacement::Item;
    handle.sealing_key(None, place).await.unwrap();
    let mut times: [Vec<Duration>; 5] = Default::default();
    // By turns: what else the machine does hits all of them.
    for _ in 0..ROUNDS {
        times[0].push(time(|| {
            let mut mac = floor.clone();
            mac.update(black_box(&message));
            black_box(mac.finalize());
        }));
        times[1].push(time(|| drop(black_box(key.token(&["acme"], &[black_box(VALUE)])))));
        times[2].push(time(|| drop(black_box(key.filler(&["acme"], black_box(&identity))))));
        times[3].push(time(|| {
            let lookups = handle.warm_lookup_keys(&[1]).unwrap();
            black_box(lookups.mac_key(black_box("crm"), "email").unwrap());
        }));
        times[4].push(time(|| drop(black_box(handle.warm_sealing_key(place).unwrap()))));
    }
    let [floor, token, filler, warm, sealing] = times.map(median);
    println!("HMAC-SHA256 alone: {floor:.0} ns");
    println!("a token: {token:.0} ns, {:.2} x; a filler: {filler:.0} ns, {:.2} x", token / floor, filler / floor);
    println!("a warm lookup key: {warm:.0} ns; a warm sealing key: {sealing:.0} ns");
}

fn time(mut each: impl FnMut()) -> Duration {
    let start = Instant::now();
    (0..TOKENS).for_each(|_| each());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() / f64::from(TOKENS) * 1e9
}
