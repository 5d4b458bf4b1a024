//! The cost of a handle and of a client per request, beside a plain client: `cargo bench --bench handles`.
//!
//! It prints times and allocated bytes. It sends nothing, so it needs no server. `--only <what> <count>` makes this
//! many and measures nothing, for callgrind: `valgrind --tool=callgrind <the benchmark's binary> --only client 1100`,
//! minus the same with 100.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::env;
use std::hint::black_box;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use aws_types::region::Region;
use divan::{AllocProfiler, Bencher};
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::schema::{Form, Lock, Lookup, TableSchema};
use tenantseal::{TenantId, TenantSeal, TenantSealBuilder};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    let arguments: Vec<String> = env::args().skip_while(|argument| argument != "--only").skip(1).collect();
    let [what, count] = &arguments[..] else { return divan::main() };
    let (scene, count) = (Scene::new(), count.parse().unwrap());
    match what.as_str() {
        "handle" => (0..count).for_each(|at| drop(black_box(scene.seal.tenant(&scene.tenants[at % TENANTS])))),
        "client" => {
            (0..count).for_each(|at| drop(black_box(scene.seal.tenant(&scene.tenants[at % TENANTS]).dynamodb())))
        }
        "plain" => (0..count).for_each(|_| drop(black_box(Client::new(&scene.aws)))),
        other => panic!("handle, client or plain, not {other}"),
    }
}

const TENANTS: usize = 1_000;

/// A service's one [`TenantSeal`], and its tenants.
struct Scene {
    seal: TenantSeal,
    aws: SdkConfig,
    tenants: Vec<TenantId>,
}

impl Scene {
    fn new() -> Self {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "bench");
        let aws = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("id").encrypt("email");
        let builder = TenantSeal::builder().key_service(InMemoryKeyService::new());
        let seal = builder.table(schema.build().unwrap()).build(&aws).unwrap();
        let tenants = (0..TENANTS).map(|at| TenantId::parse(&format!("tenant-{at:04}")).unwrap()).collect();
        Self { seal, aws, tenants }
    }
}

/// Handles of tenants in turn, as requests arrive.
#[divan::bench]
fn a_handle(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    let mut tenants = scene.tenants.iter().cycle();
    bencher.with_inputs(|| tenants.next().unwrap()).bench_local_values(|tenant| scene.seal.tenant(tenant));
}

#[divan::bench]
fn a_handle_and_its_client(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    let mut tenants = scene.tenants.iter().cycle();
    bencher.with_inputs(|| tenants.next().unwrap()).bench_local_values(|tenant| scene.seal.tenant(tenant).dynamodb());
}

/// A kept handle returns its client.
#[divan::bench]
fn the_client_of_a_kept_handle(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    let kept = scene.seal.tenant(&scene.tenants[0]);
    bencher.bench_local(|| kept.dynamodb());
}

#[divan::bench]
fn a_plain_client(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    bencher.bench_local(|| Client::new(&scene.aws));
}

/// A configuration of 50 tables of 10 attributes and a lookup each.
fn large() -> TenantSealBuilder {
    let mut builder = TenantSeal::builder().key_service(InMemoryKeyService::new()).key_table(InMemoryKeyTable::new());
    for table in 0..50 {
        let mut schema = TableSchema::builder(format!("table-{table:02}"));
        schema = schema.partition_key("tenant_id", "{tenant}").sort_key("id").encrypt("email");
        schema = schema.lookup(Lookup::on("email", Form::EMAIL).index("by-email"));
        for attribute in 0..9 {
            let name = format!("attribute-{attribute}");
            schema = if attribute % 2 == 0 { schema.encrypt(name) } else { schema.plain(name) };
        }
        builder = builder.table(schema.build().unwrap());
    }
    builder
}

#[divan::bench]
fn a_build_of_50_tables(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    bencher.with_inputs(large).bench_local_values(|builder| builder.build(&scene.aws).unwrap());
}

#[divan::bench]
fn a_build_of_50_tables_with_a_lock(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    let lock = Lock::of(&large().schemas().unwrap()).unwrap().to_string();
    let locked = || large().lock(lock.as_str());
    bencher.with_inputs(locked).bench_local_values(|builder| builder.build(&scene.aws).unwrap());
}
