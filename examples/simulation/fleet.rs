//! A fleet of processes that serve the traffic through the library's own code, on a paused clock.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal::schema::TableSchema;
use tenantseal::{Item, TenantId, TenantSeal};
use tokio::time::Instant;

use super::key_service::{Aws, Counts, Kms, WAITED};
use super::memory::resident;
use super::traffic::{ITEMS_A_READ, Load, Request};

pub(crate) type Error = Box<dyn std::error::Error>;

/// Monday, 2026-01-05T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_571_200);
const TABLE: &str = "crm";
/// When the fleet is redeployed: one process after the other, 30 seconds apart.
const DEPLOYMENTS: [Duration; 2] = [Duration::from_secs(38 * 3_600), Duration::from_secs(86 * 3_600)];
const BETWEEN_RESTARTS: Duration = Duration::from_secs(30);

/// What differs between two runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) rotation: Duration,
    pub(crate) revalidation: Duration,
    pub(crate) key_table: bool,
    /// The number of processes that serve a tenant's requests; all of them unless requests are routed.
    pub(crate) routed: Option<u32>,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) requests: u64,
    pub(crate) sealed: u64,
    pub(crate) opened: u64,
    /// Requests that waited for KMS, STS or the key table.
    pub(crate) waited: u64,
    /// Tenants that had a request at all.
    pub(crate) active: u64,
    /// The number of pairs of a tenant and a day (or other rotation period) with a write.
    pub(crate) written_periods: u64,
    /// The largest growth of resident memory, without the stored items, for the whole fleet, in bytes.
    pub(crate) memory: Option<u64>,
}

/// The part of a stored item that cannot be recomputed.
struct Stored {
    header: Box<[u8]>,
    note: Box<[u8]>,
}

/// The wall clock is the paused one.
#[derive(Debug)]
struct Wall(Instant);

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + EPOCH + self.0.elapsed()
    }
}

/// Serves the whole traffic. Every operation has to succeed.
///
/// # Errors
///
/// The first error of an operation.
pub(crate) async fn run(load: &Load, requests: &[Request], settings: &Settings) -> Result<Outcome, Error> {
    let aws = Aws::new();
    let begun = Instant::now();
    let build = |seed: u32| process(&aws, begun, settings, load.seed ^ u64::from(seed));
    let mut fleet = (0..load.processes).map(build).collect::<Result<Vec<_>, _>>()?;
    let tenants =
        (0..load.tenants).map(|tenant| TenantId::parse(&format!("t{tenant}"))).collect::<Result<Vec<_>, _>>()?;
    let mut table: Vec<Vec<Stored>> = tenants.iter().map(|_| Vec::new()).collect();
    let mut restarts = restarts(load.processes).peekable();
    let mut measured = Measured::new();
    let mut outcome = Outcome {
        counts: Counts::default(),
        requests: 0,
        sealed: 0,
        opened: 0,
        waited: 0,
        active: 0,
        written_periods: 0,
        memory: None,
    };
    let mut periods = HashSet::new();
    for request in requests {
        while let Some((at, number)) = restarts.next_if(|(at, _)| *at <= request.at) {
            tokio::time::sleep_until(begun + at).await;
            fleet[number as usize] = build(number + load.processes)?;
        }
        tokio::time::sleep_until(begun + request.at).await;
        let (id, items) = (&tenants[request.tenant as usize], &mut table[request.tenant as usize]);
        let seal = &fleet[serves(request, settings, load.processes)];
        let writes = request.writes || items.is_empty();
        let served = async {
            if writes {
                items.push(write(seal, id, items.len()).await?);
                outcome.sealed += 1;
            } else {
                outcome.opened += read(seal, id, items, request.lot).await?;
            }
            Ok::<_, Error>(WAITED.with(|waited| waited.load(Ordering::Relaxed) > 0))
        };
        outcome.waited += u64::from(WAITED.scope(AtomicU64::default(), served).await?);
        outcome.requests += 1;
        if writes {
            measured.store(&items[items.len() - 1]);
            periods.insert((request.tenant, request.at.as_secs() / settings.rotation.as_secs()));
        }
        measured.look(begun.elapsed());
    }
    tokio::time::sleep_until(begun + load.length).await;
    outcome.written_periods = periods.len() as u64;
    outcome.active = table.iter().filter(|items| !items.is_empty()).count() as u64;
    outcome.memory = measured.most;
    outcome.counts = aws.counts();
    Ok(outcome)
}

/// A process that has just started.
fn process(aws: &Arc<Aws>, begun: Instant, settings: &Settings, seed: u64) -> Result<TenantSeal, Error> {
    let Settings { rotation, revalidation, key_table, routed: _ } = *settings;
    let schema = TableSchema::builder(TABLE).partition_key("tenant_id", "{tenant}").sort_key("id").encrypt("note");
    let time = SharedTimeSource::new(Wall(begun));
    let config = SdkConfig::builder().region(Region::new("eu-central-1")).time_source(time).build();
    let mut seal = TenantSeal::builder().key_service(Kms::new(aws, seed)).table(schema.build()?);
    seal = seal.data_key_rotation(rotation).data_key_revalidation(revalidation);
    if key_table {
        seal = seal.key_table(Arc::clone(aws));
    }
    Ok(seal.build(&config)?)
}

/// When each process is replaced.
fn restarts(processes: u32) -> impl Iterator<Item = (Duration, u32)> {
    DEPLOYMENTS
        .into_iter()
        .flat_map(move |at| (0..processes).map(move |number| (at + BETWEEN_RESTARTS * number, number)))
}

/// The process that serves a request.
fn serves(request: &Request, settings: &Settings, processes: u32) -> usize {
    let lot = request.lot >> 32;
    let process = match settings.routed {
        // Spreads tenants of similar rank over the processes.
        Some(among) => u64::from(request.tenant) * 7_919 + lot % u64::from(among),
        None => lot,
    };
    usize::try_from(process % u64::from(processes)).unwrap_or_default()
}

async fn write(seal: &TenantSeal, tenant: &TenantId, number: usize) -> Result<Stored, Error> {
    let mut item = keys(tenant, number);
    item.insert("note".to_owned(), AttributeValue::S(note(number)));
    let mut item = seal.tenant(tenant).seal(TABLE, item).await?;
    let mut take = |name: &str| match item.remove(name) {
        Some(AttributeValue::B(bytes)) => Ok(bytes.into_inner().into_boxed_slice()),
        _ => Err(format!("`{name}` is not sealed")),
    };
    Ok(Stored { header: take("_seal")?, note: take("note")? })
}

/// Opens a page of items, recent ones more often, and returns how many.
async fn read(seal: &TenantSeal, tenant: &TenantId, stored: &[Stored], lot: u64) -> Result<u64, Error> {
    let mut rng = fastrand::Rng::with_seed(lot);
    let mut numbers = Vec::new();
    for _ in 0..ITEMS_A_READ {
        // Half of them are among the newest 7 %.
        let back = rng.usize(..stored.len());
        let back = rng.usize(..=back);
        numbers.push(stored.len() - 1 - rng.usize(..=back));
    }
    numbers.sort_unstable();
    numbers.dedup();
    let items = numbers.iter().map(|&number| {
        let Stored { header, note } = &stored[number];
        let sealed = [("_seal", header), ("note", note)];
        let mut item = keys(tenant, number);
        item.extend(sealed.map(|(name, bytes)| (name.to_owned(), AttributeValue::B(Blob::new(bytes.to_vec())))));
        item
    });
    let opened = seal.tenant(tenant).open_all(TABLE, items.collect()).await?;
    let right = |(item, &number): (&Item, &usize)| item["note"] == AttributeValue::S(note(number));
    if opened.len() != numbers.len() || !opened.iter().zip(&numbers).all(right) {
        return Err("something else came back than was stored".into());
    }
    Ok(numbers.len() as u64)
}

fn keys(tenant: &TenantId, number: usize) -> Item {
    let keys = [("tenant_id", tenant.to_string()), ("id", number.to_string())];
    keys.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
}

fn note(number: usize) -> String {
    format!("note {number}")
}

/// Samples the resident memory every simulated hour.
struct Measured {
    before: Option<u64>,
    items: u64,
    hour: u64,
    most: Option<u64>,
}

impl Measured {
    fn new() -> Self {
        Self { before: resident(), items: 0, hour: 0, most: None }
    }

    fn store(&mut self, item: &Stored) {
        let Stored { header, note } = item;
        // An allocation has 16 bytes of its allocator's, and a vector of items grows by doubling.
        self.items += (header.len() + note.len() + 2 * 16 + 2 * size_of::<Stored>()) as u64;
    }

    fn look(&mut self, elapsed: Duration) {
        let hour = elapsed.as_secs() / 3_600;
        if std::mem::replace(&mut self.hour, hour) != hour
            && let (Some(before), Some(now)) = (self.before, resident())
        {
            self.most = self.most.max(Some(now.saturating_sub(before + self.items)));
        }
    }
}
