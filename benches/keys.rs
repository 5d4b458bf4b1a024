//! The cache of data keys: what a lookup takes, alone and with eight tasks on two workers, and what 100,000 keys weigh.
//!
//! `cargo bench --features fuzzing --bench keys` prints times and allocations; the feature shows the cache alone.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use divan::{AllocProfiler, Bencher, black_box};
use tenantseal::fuzzing::Lookups;
use tenantseal::keys::{GeneratedDataKey, KeyService, KeyServiceError, UnwrappedDataKey};
use tenantseal::{DataKey, EncryptionContext, KeyArn, TenantId, WrappedKey};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    lookups_at_once();
    divan::main();
}

/// Keys of the lengths that KMS answers with; it keeps none of them.
#[derive(Debug, Default)]
struct Forgetful(AtomicU64);

impl Forgetful {
    fn kek() -> KeyArn {
        KeyArn::parse("arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap()
    }
}

#[async_trait]
impl KeyService for Forgetful {
    async fn generate_data_key(
        &self,
        _: &TenantId,
        _: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let data_key = DataKey::take(number.repeat(4)).unwrap();
        Ok(GeneratedDataKey {
            data_key,
            wrapped: WrappedKey::new(number.repeat(23)).unwrap(),
            kek: Self::kek(),
            request_id: None,
        })
    }

    async fn unwrap_data_key(
        &self,
        _: &TenantId,
        _: &EncryptionContext,
        _: &KeyArn,
        wrapped: &WrappedKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        Ok(UnwrappedDataKey {
            data_key: DataKey::take(wrapped.as_bytes()[..32].to_vec()).unwrap(),
            kek: Self::kek(),
            request_id: None,
        })
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// So many tenants with a data key each, and the records of these.
fn filled(runtime: &Runtime, count: usize) -> (Lookups, Vec<(TenantId, Box<[u8]>)>) {
    let lookups = Lookups::new(Arc::new(Forgetful::default()));
    let tenants = runtime.block_on(async {
        let mut tenants = Vec::with_capacity(count);
        for at in 0..count {
            let tenant = TenantId::parse(&format!("tenant-{at:06}")).unwrap();
            let record = lookups.fill(&tenant).await.unwrap();
            tenants.push((tenant, record));
        }
        tenants
    });
    (lookups, tenants)
}

#[divan::bench(args = [1, 1_000])]
fn sealing(bencher: Bencher<'_, '_>, tenants: usize) {
    let runtime = runtime();
    let (lookups, tenants) = filled(&runtime, tenants);
    let mut next = tenants.iter().cycle();
    bencher.with_inputs(|| &next.next().unwrap().0).bench_local_values(|tenant| assert!(lookups.sealing(tenant)));
}

#[divan::bench(args = [1, 1_000])]
fn opening(bencher: Bencher<'_, '_>, tenants: usize) {
    let runtime = runtime();
    let (lookups, tenants) = filled(&runtime, tenants);
    let mut next = tenants.iter().cycle();
    bencher
        .with_inputs(|| next.next().unwrap())
        .bench_local_values(|(tenant, record)| assert!(lookups.opening(tenant, record)));
}

/// What stays allocated, by counting, and what the process grows by.
#[divan::bench(args = [100_000], sample_count = 1, sample_size = 1)]
fn memory(bencher: Bencher<'_, '_>, keys: usize) {
    let runtime = runtime();
    bencher.bench_local(|| {
        let before = resident();
        let held = filled(&runtime, keys);
        println!("{keys} data keys, one of each tenant: {} MB more resident", (resident() - before) / 1_000_000);
        held
    });
}

/// Bytes in memory, as Linux counts them.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() * 1_024
}

/// Eight tasks on two workers: processor time a lookup, which is twice the time that passes.
fn lookups_at_once() {
    const TASKS: u32 = 8;
    const EACH: u32 = 200_000;
    let runtime = runtime();
    for tenants in [1, 8, 1_000] {
        let (lookups, tenants) = filled(&runtime, tenants);
        let shared = Arc::new((lookups, tenants));
        let started = Instant::now();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        let (lookups, tenants) = &*shared;
                        for at in 0..EACH {
                            let (tenant, _) = &tenants[(task + at) as usize % tenants.len()];
                            assert!(black_box(lookups.sealing(tenant)));
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let each: Duration = 2 * started.elapsed() / (TASKS * EACH);
        println!("8 tasks on 2 workers, {} tenants: {each:?} a lookup", shared.1.len());
    }
}
