//! The cache of data keys: the time of a lookup, alone and with 8 tasks on 2 workers, and the memory of 100,000 keys.
//!
//! `cargo bench --features fuzzing --bench keys` prints times and allocations; the feature exposes the cache. `-- memory`
//! prints the memory alone, also that of lookup keys.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use divan::{AllocProfiler, Bencher, black_box};
use futures_util::future::join_all;
use tenantseal::TenantId;
use tenantseal::fuzzing::{Lookups, TenantLookups};
use tenantseal::keys::{
    DataKey, EncryptionContext, GeneratedDataKey, KekId, KeyService, KeyServiceError, KeyTable, KeyTableError, Swap,
    UnwrappedDataKey, WrappedDataKey,
};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    lookups_at_once();
    divan::main();
}

/// A key service whose keys have the lengths of KMS's; it stores none of them.
#[derive(Debug, Default)]
struct Forgetful(AtomicU64);

impl Forgetful {
    fn kek() -> KekId {
        KekId::parse("arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap()
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
        Ok(GeneratedDataKey::new(data_key, WrappedDataKey::new(number.repeat(23)).unwrap(), Self::kek()))
    }

    async fn unwrap_data_key(
        &self,
        _: &TenantId,
        _: &EncryptionContext,
        _: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        Ok(UnwrappedDataKey::new(DataKey::take(wrapped.as_bytes()[..32].to_vec()).unwrap(), Self::kek()))
    }
}

/// A key table that is always empty, so that none of its memory is counted.
#[derive(Debug)]
struct Empty;

#[async_trait]
impl KeyTable for Empty {
    fn name(&self) -> &str {
        "empty"
    }

    async fn get(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        Ok(None)
    }

    async fn compare_and_swap(&self, _: &str, _: &str, _: Option<&[u8]>, _: &[u8]) -> Result<Swap, KeyTableError> {
        Ok(Swap::Stored)
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A tenant whose data key is in the cache: its handle, and the key's record.
type Filled = (TenantLookups, Box<[u8]>);

/// This many of them.
fn filled(runtime: &Runtime, count: usize) -> Vec<Filled> {
    filled_in(runtime, &Lookups::new(Arc::new(Forgetful::default())), count)
}

fn filled_in(runtime: &Runtime, lookups: &Lookups, count: usize) -> Vec<Filled> {
    runtime.block_on(async {
        let mut tenants = Vec::with_capacity(count);
        for at in 0..count {
            let tenant = lookups.for_tenant(&TenantId::parse(&format!("tenant-{at:06}")).unwrap());
            let record = tenant.fill().await.unwrap();
            tenants.push((tenant, record));
        }
        tenants
    })
}

#[divan::bench(args = [1, 1_000], sample_size = 1_000)]
fn sealing(bencher: Bencher<'_, '_>, tenants: usize) {
    looked_up(bencher, tenants, |(tenant, _)| tenant.sealing());
}

#[divan::bench(args = [1, 1_000], sample_size = 1_000)]
fn opening(bencher: Bencher<'_, '_>, tenants: usize) {
    looked_up(bencher, tenants, |(tenant, record)| tenant.opening(record));
}

/// Lookups of tenants in turn.
fn looked_up(bencher: Bencher<'_, '_>, tenants: usize, look_up: impl Fn(&Filled) -> bool) {
    let runtime = runtime();
    let tenants = filled(&runtime, tenants);
    let mut next = tenants.iter().cycle();
    bencher.with_inputs(|| next.next().unwrap()).bench_local_values(|tenant| assert!(look_up(tenant)));
}

/// The time of a request that makes its own handle.
#[divan::bench(args = [1, 1_000], sample_size = 1_000)]
fn handles(bencher: Bencher<'_, '_>, tenants: usize) {
    let runtime = runtime();
    let lookups = Lookups::new(Arc::new(Forgetful::default()));
    let tenants: Vec<_> = (0..tenants).map(|at| TenantId::parse(&format!("tenant-{at:06}")).unwrap()).collect();
    let _entered = runtime.enter();
    let mut next = tenants.iter().cycle();
    bencher.with_inputs(|| next.next().unwrap()).bench_local_values(|tenant| lookups.for_tenant(tenant));
}

/// The bytes that stay allocated, counted, and the growth of the process.
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

/// What tenants' lookups add to their data keys, in resident memory: the first one of each with its lookup key.
#[divan::bench(args = [100_000], sample_count = 1, sample_size = 1)]
fn memory_of_lookups(bencher: Bencher<'_, '_>, tenants: usize) {
    let runtime = runtime();
    bencher.bench_local(|| {
        let attributes = ["email", "phone", "iban", "name"];
        let lookups = Lookups::declaring(Arc::new(Forgetful::default()), Arc::new(Empty), &attributes);
        let held = filled_in(&runtime, &lookups, tenants);
        let mut before = resident();
        for attribute in attributes {
            for (tenant, _) in &held {
                assert!(runtime.block_on(tenant.use_lookup(attribute)).unwrap().is_some());
            }
            let after = resident();
            println!(
                "{tenants} tenants, lookup of `{attribute}`: {} B each",
                after.saturating_sub(before) / tenants as u64
            );
            before = after;
        }
        held
    });
}

/// The resident memory in bytes, as Linux reports it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() * 1_024
}

/// The process's CPU time in seconds, which Linux reports in hundredths.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// 8 tasks on 2 workers: CPU time per lookup, which excludes other programs.
fn lookups_at_once() {
    const TASKS: usize = 8;
    const EACH: usize = 1_000_000;
    let runtime = runtime();
    for tenants in [1, 8, 1_000] {
        let tenants = Arc::new(filled(&runtime, tenants));
        let before = processor_time();
        runtime.block_on(join_all((0..TASKS).map(|task| {
            let tenants = Arc::clone(&tenants);
            runtime.spawn(async move {
                for at in 0..EACH {
                    let (tenant, _) = &tenants[(task + at) % tenants.len()];
                    assert!(black_box(tenant.sealing()));
                }
            })
        })));
        let each = (processor_time() - before) * 1e9 / (TASKS * EACH) as f64;
        println!("{TASKS} tasks on 2 workers, {} tenants: {each:.0} ns of processor time a lookup", tenants.len());
    }
}
