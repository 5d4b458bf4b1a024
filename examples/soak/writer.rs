//! The process that writes and reads as an application would. The soak starts it, and may kill it at any moment.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_smithy_async::time::TimeSource;
use aws_smithy_types::timeout::TimeoutConfig;
use clap::Args;
use tenantseal::TenantSeal;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::Outcome;
use crate::entry::{Entry, TABLE};
use crate::journal::Journal;
use crate::stage::{GRACE, REVALIDATION, ROLE, key_table};
use crate::worker::Worker;
use crate::zipf::Zipf;

/// A writer's arguments. On standard input, `clock <seconds>` sets its clock off by that much; the writer finishes when
/// the input ends.
#[derive(Debug, Args)]
pub(crate) struct Orders {
    /// Begins the sort keys of its entries, which no other writer touches.
    #[arg(long)]
    pub(crate) name: String,
    #[arg(long)]
    pub(crate) journal: PathBuf,
    #[arg(long)]
    pub(crate) tenants: usize,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long)]
    pub(crate) workers: usize,
    /// How many data keys it may keep.
    #[arg(long)]
    pub(crate) capacity: u64,
    /// The MiB that it leaks every second.
    #[arg(long)]
    pub(crate) leak: usize,
}

/// Writes until the standard input ends.
pub(crate) async fn run(orders: Orders) -> Outcome<()> {
    let Orders { name, journal, tenants, seed, workers, capacity, leak } = orders;
    let (journal, history) = Journal::open(&journal)?;
    let journal = Arc::new(journal);
    let clock = WrongClock::default();
    let seal = library(&clock, capacity).await?;
    let plain = aws_sdk_dynamodb::Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let zipf = Arc::new(Zipf::below(tenants));
    let stopping = Arc::new(AtomicBool::new(false));

    let mut entries: HashMap<usize, HashMap<_, _>> = HashMap::new();
    for (key, possible) in history.entries {
        let worker = key.1.split('-').nth(1).and_then(|worker| worker.parse().ok());
        entries.entry(worker.ok_or("an entry of the journal names no worker")?).or_default().insert(key, possible);
    }
    let mut working = tokio::task::JoinSet::new();
    for at in 0..workers {
        let random = fastrand::Rng::with_seed(seed ^ (history.lives << 32) ^ (at as u64 + 1).wrapping_mul(0x9e37_79b9));
        let worker = Worker::new(
            format!("{name}-{at}"),
            (seal.clone(), plain.clone(), Arc::clone(&journal), Arc::clone(&zipf)),
            random,
            entries.remove(&at).unwrap_or_default(),
        );
        working.spawn(worker.run(Arc::clone(&stopping)));
    }
    let listening = listen(clock, Arc::clone(&stopping));
    tokio::pin!(listening);
    tokio::select! {
        () = keep_more(leak) => {}
        heard = &mut listening => heard?,
        Some(ended) = working.join_next() => return ended?,
    }
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    Ok(())
}

/// The library with the configuration from the environment, short leases, and a cache too small for all tenants.
async fn library(clock: &WrongClock, capacity: u64) -> Outcome<TenantSeal> {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(30))
        .build();
    let config = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await;
    let config = config.into_builder().time_source(clock.clone()).build();
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Entry>().data_key_capacity(capacity);
    let seal = seal.data_key_revalidation(REVALIDATION).outage_grace(GRACE);
    Ok(seal.table_name(TABLE, TABLE).key_table(key_table(&config)).build(&config)?)
}

/// Leaks this many MiB every second.
async fn keep_more(leak: usize) {
    let mut kept = Vec::new();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        kept.push(vec![1_u8; leak << 20]);
    }
}

async fn listen(clock: WrongClock, stopping: Arc<AtomicBool>) -> Outcome<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let seconds = line.strip_prefix("clock ").ok_or("an order that no writer knows")?;
        clock.0.store(seconds.parse()?, Ordering::Relaxed);
    }
    stopping.store(true, Ordering::Relaxed);
    Ok(())
}

/// The process's wall clock, off by this many seconds.
#[derive(Debug, Clone, Default)]
struct WrongClock(Arc<AtomicI64>);

impl TimeSource for WrongClock {
    fn now(&self) -> SystemTime {
        let wrong = self.0.load(Ordering::Relaxed);
        let by = Duration::from_secs(wrong.unsigned_abs());
        if wrong < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}
