//! A tenant's client beside plain ones, on one local server, in one run: `cargo bench --bench client`.
//!
//! The item has 1 KiB and 5 attributes, 3 of them encrypted; the data key is cached. Three clients take turns in short
//! rounds, so that noise on the machine affects all alike:
//!
//! - `plain`: a plain client and the plain item, as in an application without encryption. Ratios refer to it.
//! - `bytes`: a plain client and an item of the stored size (the sealed item itself, as opaque bytes). It shows the
//!   cost of the bytes alone, for client and server: no client can seal and be faster.
//! - `sealed`: the tenant's client.
//!
//! Then the tenant's client asks for one page of 100 items in two ways: by an index of a plain attribute, and by that of
//! a lookup. Ratios refer to the first. `--found` prints this part alone.
//!
//! The server runs in its own process. CPU is the time of this process per operation, on all threads (Linux only). The
//! last line is the time of the primitives alone.
//!
//! `--only <client> <operation> <count>` runs this many operations of one client, one after the other, and measures
//! nothing. It is for `valgrind --tool=callgrind`, whose counts are immune to noise. The cost of an operation is the
//! difference of two counts: `valgrind --tool=callgrind <the benchmark's binary> --only sealed get 300`, and the same
//! with 100. `--only plain found 30` and `--only lookup found 30` do the same for pages that are found.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark")]

#[path = "common/floor.rs"]
mod floor;
#[path = "common/found.rs"]
mod found;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_types::SdkConfig;
use aws_types::region::Region;
use floor::Floor;
use found::Finder;
use futures_util::{StreamExt, stream};
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::TableSchema;
use tenantseal::{TenantId, TenantSeal};
use tenantseal_local::Stack;

const TABLE: &str = "bench";
const ITEMS: usize = 100;
const SECRETS: [&str; 3] = ["secret0", "secret1", "secret2"];
const LENGTH: usize = 330;
/// Each client has a turn in each round; the first round warms up.
const ROUNDS: usize = 12;
/// Set in the server's process.
const SERVER: &str = "TENANTSEAL_BENCH_SERVER";

type Item = HashMap<String, AttributeValue>;

/// The operations, by their printed names.
const OPERATIONS: [(&str, Operation, usize); 4] = [
    ("put", Operation::Put, 400),
    ("get", Operation::Get, 400),
    ("update", Operation::Update, 400),
    ("query 100", Operation::QueryPage, 40),
];

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Put,
    Get,
    Update,
    QueryPage,
}

/// A client of the comparison, and what it writes.
struct Contestant {
    name: &'static str,
    client: Client,
    /// The values of a put, and the value of an update.
    values: Vec<AttributeValue>,
    update: AttributeValue,
    /// The overhead of a stored item beside keys and values.
    header: Option<AttributeValue>,
}

#[tokio::main]
async fn main() {
    if env::var_os(SERVER).is_some() {
        return serve().await;
    }
    let (server, aws) = connect();
    let finders = Finder::both(&aws).await;
    let arguments: Vec<String> = env::args().skip_while(|argument| argument != "--only").skip(1).collect();
    if let [finder, found, count] = &arguments[..]
        && found == "found"
    {
        let finder = finders.iter().find(|one| one.name == *finder).unwrap();
        for _ in 0..count.parse().unwrap() {
            finder.find().await;
        }
        return drop(server);
    }
    let contestants = contestants(&aws).await;
    if let [client, operation, count] = &arguments[..] {
        only(&contestants, client, operation, count.parse().unwrap()).await;
        return drop(server);
    }
    println!("operation  in flight  client       op/s  ratio   p50 µs  difference  CPU µs/op  ratio");
    if env::args().any(|argument| argument == "--found") {
        report_found(&finders).await;
        return drop(server);
    }
    let names: Vec<_> = contestants.iter().map(|contestant| contestant.name).collect();
    for (name, operation, count) in OPERATIONS {
        for in_flight in [1, 8, 64] {
            let run = |one: usize, at| contestants[one].run(operation, at);
            report(name, in_flight, &names, &measure(names.len(), run, count, in_flight).await);
        }
    }
    report_found(&finders).await;
    let open = Floor::time_to_open(SECRETS.len(), LENGTH).as_secs_f64() * 1e6;
    println!("the primitives alone: {open:.1} µs to open one item, {:.0} µs for a page", open * ITEMS as f64);
    drop(server);
}

/// A page that is found by a plain attribute, and by a lookup.
async fn report_found(finders: &[Finder; 2]) {
    let names = finders.each_ref().map(|finder| finder.name);
    for in_flight in [1, 8] {
        let measured = measure(finders.len(), |one: usize, _| finders[one].find(), 40, in_flight).await;
        report("found 100", in_flight, &names, &measured);
    }
}

/// Runs this many operations of one kind with one client.
async fn only(all: &[Contestant], client: &str, operation: &str, count: usize) {
    let contestant = all.iter().find(|contestant| contestant.name == client).unwrap();
    let (_, operation, _) = OPERATIONS.into_iter().find(|(name, ..)| name.starts_with(operation)).unwrap();
    for at in 0..count {
        contestant.run(operation, at % ITEMS).await;
    }
}

/// What one contestant did.
#[derive(Default)]
struct Measured {
    took: Duration,
    cpu: Option<Duration>,
    times: Vec<Duration>,
}

/// Each of so many contestants takes turns. `run` has one of them do something, for the item at a place.
async fn measure<F: Future<Output = ()>>(
    contestants: usize,
    run: impl Fn(usize, usize) -> F,
    count: usize,
    in_flight: usize,
) -> Vec<Measured> {
    let mut measured: Vec<_> = (0..contestants).map(|_| Measured::default()).collect();
    for round in 0..ROUNDS {
        for turn in 0..contestants {
            let one = (turn + round) % contestants;
            let (run, measured) = (&run, &mut measured[one]);
            let (begun, cpu) = (Instant::now(), cpu_time());
            let times: Vec<Duration> = stream::iter(0..count)
                .map(|at| async move {
                    let begun = Instant::now();
                    run(one, at % ITEMS).await;
                    begun.elapsed()
                })
                .buffer_unordered(in_flight)
                .collect()
                .await;
            if round > 0 {
                measured.took += begun.elapsed();
                if let (Some(before), Some(after)) = (cpu, cpu_time()) {
                    *measured.cpu.get_or_insert_default() += after.saturating_sub(before);
                }
                measured.times.extend(times);
            }
        }
    }
    for Measured { times, .. } in &mut measured {
        times.sort_unstable();
    }
    measured
}

fn report(operation: &str, in_flight: usize, names: &[&str], measured: &[Measured]) {
    let throughput = |measured: &Measured| measured.times.len() as f64 / measured.took.as_secs_f64();
    let p50 = |measured: &Measured| measured.times[measured.times.len() / 2].as_secs_f64() * 1e6;
    let cpu = |measured: &Measured| Some(measured.cpu?.as_secs_f64() * 1e6 / measured.times.len() as f64);
    let plain = &measured[0];
    for (name, one) in names.iter().zip(measured) {
        print!(
            "{operation:<9}  {in_flight:>9}  {name:<7}  {:>8.0}  {:>5.3}",
            throughput(one),
            throughput(one) / throughput(plain)
        );
        print!("  {:>7.0}  {:>+10.0}", p50(one), p50(one) - p50(plain));
        match (cpu(one), cpu(plain)) {
            (Some(one), Some(plain)) => println!("  {one:>9.1}  {:>5.2}", one / plain),
            _ => println!(),
        }
    }
}

impl Contestant {
    async fn run(&self, operation: Operation, at: usize) {
        let Self { name, client, .. } = self;
        let (pk, sk) = (AttributeValue::S((*name).to_owned()), AttributeValue::S(format!("item-{at:04}")));
        let key = || HashMap::from([("pk".to_owned(), pk.clone()), ("sk".to_owned(), sk.clone())]);
        match operation {
            Operation::Put => {
                let mut item = key();
                item.extend(SECRETS.map(str::to_owned).into_iter().zip(self.values.iter().cloned()));
                item.extend(self.header.clone().map(|header| ("header".to_owned(), header)));
                client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
            }
            Operation::Get => {
                let found = client.get_item().table_name(TABLE).set_key(Some(key())).send().await.unwrap();
                assert!(found.item.unwrap().len() >= 5);
            }
            Operation::Update => {
                let update = client.update_item().table_name(TABLE).set_key(Some(key()));
                let update = update.update_expression("SET secret0 = :v");
                update.expression_attribute_values(":v", self.update.clone()).send().await.unwrap();
            }
            Operation::QueryPage => {
                let query = client.query().table_name(TABLE).key_condition_expression("pk = :pk");
                let page = query.expression_attribute_values(":pk", pk).send().await.unwrap();
                assert_eq!(page.items().len(), ITEMS);
            }
        }
    }

    async fn put_all(&self) {
        for at in 0..ITEMS {
            self.run(Operation::Put, at).await;
        }
    }
}

/// The three, each with its items in the table.
async fn contestants(aws: &SdkConfig) -> Vec<Contestant> {
    let plain = Client::new(aws);
    create_table(&plain).await;
    let schema = TableSchema::builder(TABLE).partition_key("pk", "{tenant}").sort_key("sk");
    let schema = SECRETS.into_iter().fold(schema, |schema, secret| schema.encrypt(secret));
    let builder = TenantSeal::builder().key_service(InMemoryKeyService::new());
    let seal = builder.table(schema.build().unwrap()).build(aws).unwrap();
    let client = seal.tenant(&TenantId::parse("sealed").unwrap()).dynamodb();

    let text = AttributeValue::S("x".repeat(LENGTH));
    let values = vec![text.clone(); SECRETS.len()];
    let sealed = Contestant { name: "sealed", client, values: values.clone(), update: text.clone(), header: None };
    sealed.put_all().await;
    let put = stored(&plain).await;
    sealed.run(Operation::Update, 0).await;
    let updated = stored(&plain).await;
    let bytes = Contestant {
        name: "bytes",
        client: plain.clone(),
        values: SECRETS.map(|secret| put[secret].clone()).into(),
        update: updated[SECRETS[0]].clone(),
        header: Some(put["_seal"].clone()),
    };
    bytes.put_all().await;
    let plain = Contestant { name: "plain", client: plain, values, update: text, header: None };
    plain.put_all().await;
    vec![plain, bytes, sealed]
}

/// The first sealed item as it is stored.
async fn stored(plain: &Client) -> Item {
    let key = [("pk", "sealed"), ("sk", "item-0000")];
    let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    plain.get_item().table_name(TABLE).set_key(Some(key.into())).send().await.unwrap().item.unwrap()
}

/// The server's process: prints its address, and ends with its parent.
async fn serve() {
    let stack = Stack::start().await.unwrap();
    let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let key = stack.account("222222222222").unwrap().user("bench").permission(everything).create().unwrap();
    let key = Credentials::from(&key);
    println!("{} {} {}", stack.dynamodb_url(), key.access_key_id(), key.secret_access_key());
    let mut closed = String::new();
    tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut closed)).await.unwrap().unwrap();
}

/// Starts the server; it stops when its standard input is closed.
fn connect() -> (Child, SdkConfig) {
    let mut server = Command::new(env::current_exe().unwrap())
        .env(SERVER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let [url, id, secret] = said.split_whitespace().collect::<Vec<_>>()[..] else { panic!("the server says {said:?}") };
    let aws = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(id, secret, None, None, "bench")))
        .build();
    (server, aws)
}

/// The CPU time of this process so far, over all threads.
fn cpu_time() -> Option<Duration> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    let spent = threads.flatten().filter_map(|thread| {
        let spent = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        spent.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(spent.sum()))
}

async fn create_table(client: &Client) {
    let mut table = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        table = table.attribute_definitions(attribute.build().unwrap()).key_schema(key.build().unwrap());
    }
    table.send().await.unwrap();
}
