//! Through SDK clients over sockets: concurrent puts with a slow KMS, and a query.
//!
//! DynamoDB, KMS and STS are the local stack, on a runtime of its own, so that a client that blocks does not block
//! them. Clients work on runtimes of two workers.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use aws_db_esdk::key_store::client::Client as KeyStore;
use aws_db_esdk::key_store::types::KmsConfiguration;
use aws_db_esdk::key_store::types::key_store_config::KeyStoreConfig;
use aws_db_esdk::material_providers::types::keyring::KeyringRef;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_types::SdkConfig;
use futures_util::future::join_all;
use nix::time::{ClockId, clock_gettime};
use tenantseal::keys::{AliasTemplate, InMemoryKeyService, RoleArn, Tenancy};
use tenantseal::{TenantId, TenantSeal};
use tenantseal_local::Stack;
use tokio::runtime::{Builder, Runtime};

use crate::Outcome;
use crate::contenders::ours;
use crate::contenders::peer::{self, Suite};
use crate::found::INDEX;
use crate::item::{PARTITION_KEY, SHAPES, SORT_KEY, Shape, TENANT, stored_size};
use crate::median;
use crate::report::{Puts, Query};

/// Item (a).
const SHAPE: Shape = SHAPES[0];
const CONCURRENT: usize = 16;
const KMS_TAKES: Duration = Duration::from_millis(20);
pub const PAGE: usize = 100;
const TABLE: &str = "items";
const KEY_STORE: &str = "key-store";
const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
/// When to give up on puts that do not end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The local stack with everything in it that either library needs.
pub struct Cloud {
    stack: Stack,
    config: SdkConfig,
    /// The ARN of a key in the application's own account, by which the peer calls it.
    key: String,
    /// The peer's branch key for its hierarchical keyring.
    pub branch_key: String,
    pub runtime: Runtime,
}

impl Cloud {
    /// Starts the stack; creates keys, tenant, tables and the peer's branch key.
    pub fn start() -> Outcome<Self> {
        let runtime = runtime();
        let (stack, config, key, branch_key) = runtime.block_on(async {
            let stack = Stack::start().await?;
            let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
            let tenancy = Tenancy::new(RoleArn::parse(ROLE)?, AliasTemplate::default());
            let service = stack.account("222222222222")?.user("service").permission(everything).create()?;
            let account = stack.account(tenancy.role().account())?;
            let admin = account.user("admin").permission(everything).create()?;
            let role = account.role("TenantKeys").trust(tenancy.trust_policy(&[service.user_arn()]));
            role.permission(tenancy.role_policy(stack.region())).create()?;

            let tenant = TenantId::parse(TENANT)?;
            let kms = aws_sdk_kms::Client::new(&stack.sdk_config(&admin));
            let key = kms.create_key().policy(tenancy.key_policy(&tenant)?.to_string()).send().await?;
            let key = key.key_metadata.ok_or("CreateKey answers without metadata")?.key_id;
            kms.create_alias().alias_name(tenancy.alias(&tenant).as_str()).target_key_id(key).send().await?;

            let config = stack.sdk_config(&service);
            create_table(&Client::new(&config), TABLE, [PARTITION_KEY, SORT_KEY]).await?;
            create_table(&Client::new(&config), KEY_STORE, ["branch-key-id", "type"]).await?;
            let own = aws_sdk_kms::Client::new(&config).create_key().send().await?;
            let own = own.key_metadata.and_then(|metadata| metadata.arn).ok_or("CreateKey answers without an ARN")?;
            let branch_key =
                key_store(&config, &own)?.create_key().send().await.map_err(|error| format!("{error:?}"))?;
            let branch_key = branch_key.branch_key_identifier.ok_or("no branch key")?;
            Ok::<_, Box<dyn std::error::Error>>((stack, config, own, branch_key))
        })?;
        Ok(Self { stack, config, key, branch_key, runtime })
    }

    /// Sixteen concurrent PutItem of item (a), while every call to KMS and STS takes 20 ms.
    pub fn puts(&self, rounds: usize) -> Outcome<Vec<Puts>> {
        let setups = [Setup::Plain, Setup::Ours, Setup::Kms, Setup::Hierarchical];
        self.stack.faults().on("*").delay(KMS_TAKES);
        let mut measured: Vec<[Measured; 2]> = setups.iter().map(|_| Default::default()).collect();
        for round in 0..rounds {
            for turn in 0..setups.len() {
                let at = (turn + round) % setups.len();
                for joined in [false, true] {
                    // A new client has cold caches. The second time they are warm.
                    let client = self.client(setups[at], TABLE, &self.fresh())?;
                    let runtime = runtime();
                    for measured in &mut measured[at] {
                        self.stack.calls().reset();
                        let took = in_time(&runtime, client.clone(), joined);
                        measured.calls = self.stack.calls().counts().values().sum();
                        if joined { &mut measured.joined } else { &mut measured.spawned }.push(took);
                        measured.bytes_added = self.bytes_added()?;
                    }
                    // It does not wait for puts that have not ended.
                    runtime.shutdown_background();
                }
            }
        }
        self.stack.faults().clear();
        let puts = setups.iter().zip(measured).flat_map(|(setup, measured)| {
            let states = if *setup == Setup::Plain { ["", ""] } else { [", cold", ", warm"] };
            let puts = states.into_iter().zip(measured).map(|(state, measured)| Puts {
                setup: format!("{}{state}", setup.title()),
                spawned_ms: middle(measured.spawned),
                joined_ms: middle(measured.joined),
                calls: measured.calls,
                bytes_added: measured.bytes_added,
            });
            puts.skip(usize::from(*setup == Setup::Plain)).collect::<Vec<_>>()
        });
        Ok(puts.collect())
    }

    /// How much bigger the first item is stored than it was put.
    fn bytes_added(&self) -> Outcome<usize> {
        let item = SHAPE.item(0);
        let get = Client::new(&self.fresh()).get_item().table_name(TABLE);
        let get = get.key(PARTITION_KEY, item[PARTITION_KEY].clone()).key(SORT_KEY, item[SORT_KEY].clone());
        let stored = self.runtime.block_on(get.send())?.item.ok_or("an item that was put is not stored")?;
        Ok(stored_size(&stored) - stored_size(&item))
    }

    /// A query of one page of 100 items (a), each client reading what it wrote itself; nobody needs KMS.
    pub fn query(&self, rounds: usize) -> Outcome<Vec<Query>> {
        let setups = [Setup::Plain, Setup::OursInMemory, Setup::Raw(Suite::Unsigned), Setup::Raw(Suite::Signed)];
        let runtime = runtime();
        let mut clients = Vec::new();
        for (at, setup) in setups.into_iter().enumerate() {
            let table = format!("page{at}");
            let admin = Client::new(&self.fresh());
            self.runtime.block_on(create_table(&admin, &table, [PARTITION_KEY, SORT_KEY]))?;
            let client = self.client(setup, &table, &self.fresh())?;
            runtime.block_on(async {
                for id in 0..PAGE {
                    client.put_item().table_name(&table).set_item(Some(SHAPE.item(id))).send().await?;
                }
                Ok::<_, aws_sdk_dynamodb::Error>(())
            })?;
            clients.push((table, client));
        }
        let mut measured = vec![(Vec::new(), Vec::new()); setups.len()];
        for round in 0..=rounds {
            for turn in 0..setups.len() {
                let at = (turn + round) % setups.len();
                let (table, client) = &clients[at];
                let query = client.query().table_name(table).key_condition_expression("tenant_id = :tenant");
                let query = query.expression_attribute_values(":tenant", AttributeValue::S(TENANT.to_owned()));
                let (begun, cpu) = (Instant::now(), process_cpu());
                let page = runtime.block_on(query.send())?;
                let (took, cpu) = (begun.elapsed(), process_cpu() - cpu);
                if page.items().len() != PAGE || page.items().iter().any(|item| !item["secret0"].is_s()) {
                    return Err("a page that is not what was stored".into());
                }
                // The first round warms up.
                if round > 0 {
                    measured[at].0.push(1e3 * took.as_secs_f64());
                    measured[at].1.push(1e3 * cpu.as_secs_f64());
                }
            }
        }
        let queries = setups.iter().zip(measured).map(|(setup, (wall, cpu))| Query {
            setup: setup.title().to_owned(),
            wall_ms: median(wall.into_iter()),
            cpu_ms: median(cpu.into_iter()),
        });
        Ok(queries.collect())
    }

    /// A configuration with connections of its own, which live on the runtime that opens them; without TLS, whose
    /// set-up is nobody's here.
    pub fn fresh(&self) -> SdkConfig {
        self.config.to_builder().http_client(HttpClientBuilder::new().build_http()).build()
    }

    fn client(&self, setup: Setup, table: &str, config: &SdkConfig) -> Outcome<Client> {
        let peer = |suite, keyring| peer::client(config, table, SHAPE, suite, keyring);
        let ours = |builder| ours::tenant(builder, SHAPE, table, config).dynamodb();
        Ok(match setup {
            Setup::Plain => Client::new(config),
            Setup::Ours => ours(TenantSeal::builder().assume_role(ROLE)),
            Setup::OursInMemory => ours(TenantSeal::builder().key_service(InMemoryKeyService::new())),
            Setup::Kms => peer(Suite::Unsigned, self.kms_keyring(config)?),
            Setup::Hierarchical => peer(Suite::Unsigned, self.hierarchical_keyring(config)?),
            Setup::Raw(suite) => peer(suite, peer::raw_aes_keyring()),
        })
    }

    /// The peer's keyring that calls KMS by key ARN, for each item.
    fn kms_keyring(&self, config: &SdkConfig) -> Outcome<KeyringRef> {
        let keyring = peer::material_providers().create_aws_kms_keyring().kms_key_id(&self.key);
        let keyring = keyring.kms_client(aws_sdk_kms::Client::new(config)).send();
        Ok(self.runtime.block_on(keyring).map_err(|error| format!("{error:?}"))?)
    }

    /// The peer's keyring that caches: a branch key in memory for 10 minutes, as in its example.
    pub fn hierarchical_keyring(&self, config: &SdkConfig) -> Outcome<KeyringRef> {
        let keyring = peer::material_providers()
            .create_aws_kms_hierarchical_keyring()
            .branch_key_id(&self.branch_key)
            .key_store(key_store(config, &self.key)?)
            .ttl_seconds(600)
            .send();
        Ok(self.runtime.block_on(keyring).map_err(|error| format!("{error:?}"))?)
    }
}

impl Cloud {
    /// The peer's key store.
    pub fn key_store(&self) -> Outcome<KeyStore> {
        key_store(&self.fresh(), &self.key)
    }
}

/// How a client is set up.
#[derive(Clone, Copy, PartialEq)]
enum Setup {
    Plain,
    Ours,
    OursInMemory,
    Kms,
    Hierarchical,
    Raw(Suite),
}

impl Setup {
    fn title(self) -> &'static str {
        match self {
            Self::Plain => "no encryption",
            Self::Ours | Self::OursInMemory => "tenantseal",
            Self::Kms => "DB-ESDK, KMS",
            Self::Hierarchical => "DB-ESDK, hierarchical",
            Self::Raw(suite) => peer::title(suite),
        }
    }
}

#[derive(Default)]
struct Measured {
    spawned: Vec<Option<Duration>>,
    joined: Vec<Option<Duration>>,
    calls: u64,
    bytes_added: usize,
}

/// The puts, each in a task of its own or all joined in one task. None when they have not ended in time.
fn in_time(runtime: &Runtime, client: Client, joined: bool) -> Option<Duration> {
    let put = move |id| {
        let put = client.put_item().table_name(TABLE).set_item(Some(SHAPE.item(id)));
        async move {
            put.send().await.expect("the put succeeds");
        }
    };
    let (done, ended) = mpsc::channel();
    // A worker's clock: the thread that waits here may be woken late.
    runtime.spawn(async move {
        let begun = Instant::now();
        if joined {
            join_all((0..CONCURRENT).map(put)).await;
        } else {
            for ended in join_all((0..CONCURRENT).map(|id| tokio::spawn(put(id)))).await {
                ended.expect("no put panics");
            }
        }
        // Who waited may have gone.
        let _ = done.send(begun.elapsed());
    });
    ended.recv_timeout(PATIENCE).ok()
}

/// The median in milliseconds, if at least half of the runs ended.
fn middle(times: Vec<Option<Duration>>) -> Option<f64> {
    let millis = times.iter().map(|took| took.map_or(f64::INFINITY, |took| 1e3 * took.as_secs_f64()));
    Some(median(millis)).filter(|millis| millis.is_finite())
}

fn key_store(config: &SdkConfig, key: &str) -> Outcome<KeyStore> {
    let config = KeyStoreConfig::builder()
        .kms_client(aws_sdk_kms::Client::new(config))
        .ddb_client(Client::new(config))
        .ddb_table_name(KEY_STORE)
        .logical_key_store_name(KEY_STORE)
        .kms_configuration(KmsConfiguration::KmsKeyArn(key.to_owned()))
        .build()?;
    Ok(KeyStore::from_conf(config).map_err(|error| format!("{error:?}"))?)
}

async fn create_table(client: &Client, name: &str, keys: [&str; 2]) -> Outcome<()> {
    new_table(client, name, keys)?.send().await?;
    Ok(())
}

/// A table of items with an index by this attribute.
pub async fn create_indexed(client: &Client, name: &str, by: &str) -> Outcome<()> {
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    let index = GlobalSecondaryIndex::builder().index_name(INDEX).projection(all).key_schema(key(by, KeyType::Hash)?);
    let table = new_table(client, name, [PARTITION_KEY, SORT_KEY])?.attribute_definitions(attribute(by)?);
    table.global_secondary_indexes(index.build()?).send().await?;
    Ok(())
}

fn new_table(client: &Client, name: &str, [partition, sort]: [&str; 2]) -> Outcome<CreateTableFluentBuilder> {
    let mut table = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [(partition, KeyType::Hash), (sort, KeyType::Range)] {
        table = table.attribute_definitions(attribute(name)?).key_schema(key(name, kind)?);
    }
    Ok(table)
}

fn attribute(name: &str) -> Outcome<AttributeDefinition> {
    Ok(AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()?)
}

fn key(name: &str, kind: KeyType) -> Outcome<KeySchemaElement> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts")
}

fn process_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has this clock").into()
}
