//! Data keys that the processes of a fleet share: one per tenant and period, whatever happens to the table.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_smithy_async::time::TimeSource;
use futures_util::future::join_all;
use tenantseal::error::ConfigError;
use tenantseal::keys::{
    InMemoryKeyService, InMemoryKeyTable, InvalidSettings, KeyTable, KeyTableError, KeyTableErrorKind as Kind, Swap,
};
use tenantseal::{Error, Item, TenantSeal};
use tenantseal_local::Clock;

use crate::common::key_table::{b, key_id, key_table, throttled, to_key_table};
use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item, s};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn counts(world: &World) -> (u64, u64) {
    let calls = world.stack.calls();
    (calls.count("GenerateDataKey"), calls.count("Decrypt"))
}

async fn sealed(seal: &TenantSeal, contact_id: &str) -> Item {
    seal.tenant(&id("acme")).seal("crm", item(&contact("acme", contact_id))).await.unwrap()
}

/// Goes to the middle of a period, so that no test runs into its end.
async fn to_the_middle_of_a_day(world: &World) {
    let now = world.stack.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let into = Duration::from_secs(now.as_secs() % DAY.as_secs());
    world.stack.clock().advance(DAY + DAY / 2 - into);
}

#[tokio::test]
async fn twenty_processes_that_start_at_once_seal_under_one_data_key() {
    let world = World::with_key_table(&["acme"]).await;
    world.stack.faults().on("*").delay(Duration::from_millis(30));
    let fleet: Vec<TenantSeal> = (0..20).map(|_| world.sharing().build(&world.app).unwrap()).collect();
    let items: Vec<Item> = join_all(fleet.iter().map(|process| sealed(process, "c-1"))).await;
    assert_eq!(world.entries("current#").await.len(), 1);
    let (generated, decrypted) = counts(&world);
    assert!((1..=20).contains(&generated), "{generated}");
    // Each process that did not win unwraps the winner's.
    assert_eq!(decrypted, 19);
    assert_eq!(world.entries("key#").await.len() as u64, generated);
    let pointed = &world.entries("current#").await[0].2;
    for item in &items {
        assert_eq!(item["_seal"].as_b().unwrap().as_ref(), pointed);
    }

    // A process that starts later.
    world.stack.calls().reset();
    let later = world.sharing().build(&world.app).unwrap();
    assert_eq!(key_id(&sealed(&later, "c-2").await), key_id(&items[0]));
    assert_eq!(counts(&world), (0, 1));
    // What any process has sealed needs no more.
    let acme = later.tenant(&id("acme"));
    acme.open_all("crm", items).await.unwrap();
    assert_eq!(counts(&world), (0, 1));
}

#[tokio::test]
async fn reading_costs_one_unwrap_a_period_and_not_a_process() {
    const PROCESSES: u64 = 20;
    let world = World::with_key_table(&["acme"]).await;
    // GenerateDataKey and Decrypt to start, Decrypt to read what all have written.
    for (sharing, starting, reading) in [(false, (PROCESSES, 0), PROCESSES), (true, (1, PROCESSES - 1), 1)] {
        let process = || match sharing {
            true => world.sharing().build(&world.app).unwrap(),
            false => world.seal(),
        };
        world.stack.calls().reset();
        let mut items = Vec::new();
        for _ in 0..PROCESSES {
            items.push(sealed(&process(), "c-1").await);
        }
        assert_eq!(counts(&world), starting);
        world.stack.calls().reset();
        process().tenant(&id("acme")).open_all("crm", items).await.unwrap();
        assert_eq!(counts(&world), (0, reading));
    }
}

#[tokio::test]
async fn one_process_requests_the_fleet_key_once_and_asks_the_table_once() {
    let world = World::with_key_table(&["acme"]).await;
    let wire = Wire::open();
    let config = world.over(wire.clone());
    let seal = world.builder().key_table(key_table(&config)).build(&config).unwrap();
    join_all((0..100).map(|at| sealed_owned(&seal, format!("c-{at}")))).await;
    assert_eq!(counts(&world), (1, 0));
    // Reads the pointer, stores the record, sets the pointer.
    let operations: Vec<_> = wire.sent().into_iter().filter(to_key_table).map(|sent| sent.operation).collect();
    assert_eq!(operations, ["GetItem", "PutItem", "PutItem"]);
}

async fn sealed_owned(seal: &TenantSeal, contact_id: String) -> Item {
    sealed(seal, &contact_id).await
}

#[tokio::test]
async fn data_keys_change_with_the_period_and_former_ones_open() {
    let world = World::with_key_table(&["acme"]).await;
    to_the_middle_of_a_day(&world).await;
    let seal = world.sharing().build(&world.app).unwrap();
    let first = sealed(&seal, "c-1").await;
    // A second before the end, then a second after it.
    let now = world.stack.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let left = DAY - Duration::from_secs(now.as_secs() % DAY.as_secs());
    world.stack.clock().advance(left - Duration::from_secs(2));
    assert_eq!(key_id(&sealed(&seal, "c-2").await), key_id(&first));
    world.stack.clock().advance(Duration::from_secs(3));
    let second = sealed(&seal, "c-3").await;
    assert_ne!(key_id(&second), key_id(&first));
    let pointers = world.entries("current#").await;
    assert_eq!(pointers.len(), 2);
    for (_, entry, record) in &pointers {
        let period = entry.rsplit('#').next().unwrap();
        assert!(entry.starts_with("current#us-east-1#") && period.ends_with("+86400"), "{entry}");
        let stored = [&b"\x06period\x00\x10"[..], period.as_bytes()].concat();
        assert!(record.windows(stored.len()).any(|window| window == stored));
    }
    let reader = world.sharing().build(&world.app).unwrap().tenant(&id("acme"));
    world.stack.calls().reset();
    reader.open_all("crm", vec![first, second]).await.unwrap();
    assert_eq!(counts(&world), (0, 2));
    let contexts = world.stack.calls().records().into_iter().map(|record| record.call);
    let contexts = contexts.filter(|call| call.operation == "Decrypt").map(|call| call.encryption_context);
    assert!(contexts.into_iter().all(|context| context.contains_key("period") && context["tenant"] == "acme"));
}

#[tokio::test]
async fn items_open_before_and_after_the_key_table_is_used() {
    let world = World::with_key_table(&["acme"]).await;
    let before = sealed(&world.seal(), "c-1").await;
    let during = sealed(&world.sharing().build(&world.app).unwrap(), "c-2").await;
    for process in [world.seal(), world.sharing().build(&world.app).unwrap()] {
        let opened = process.tenant(&id("acme")).open_all("crm", vec![before.clone(), during.clone()]).await.unwrap();
        assert_eq!(opened, [item(&contact("acme", "c-1")), item(&contact("acme", "c-2"))]);
    }
}

#[tokio::test]
async fn a_pointer_to_a_key_of_another_tenant_or_period_is_an_integrity_error() {
    let world = World::with_key_table(&["acme", "globex"]).await;
    to_the_middle_of_a_day(&world).await;
    let fleet = || world.sharing().build(&world.app).unwrap();
    sealed(&fleet(), "c-1").await;
    let yesterday = world.entries("current#").await[0].2.clone();
    world.stack.clock().advance(DAY);
    sealed(&fleet(), "c-1").await;
    fleet().tenant(&id("globex")).seal("crm", item(&contact("globex", "c-1"))).await.unwrap();
    let theirs = world.entries("current#").await.into_iter().find(|(tenant, ..)| tenant == "globex").unwrap().2;
    let of_acme = |(tenant, _, record): &(String, String, Vec<u8>)| tenant == "acme" && *record != yesterday;
    let (_, pointer, todays) = world.entries("current#").await.into_iter().find(of_acme).unwrap();

    let flipped = |at: usize| {
        let mut record = todays.clone();
        record[at] ^= 1;
        record
    };
    let before_kms = [
        ("yesterday's", b(&yesterday)),
        ("another tenant's", b(&theirs)),
        ("no record", b(b"record")),
        ("an empty record", b(b"")),
        ("another type", s("record")),
        ("cut off", b(&todays[..todays.len() - 1])),
        ("a reference", b(&[&[2][..], &todays[1..17]].concat())),
    ];
    let after_kms = [
        ("another key id", b(&flipped(1))),
        ("another time", b(&flipped(20))),
        ("another wrapped key", b(&flipped(todays.len() - 1))),
    ];
    for (asked, (what, record)) in
        before_kms.into_iter().map(|case| (0, case)).chain(after_kms.into_iter().map(|case| (1, case)))
    {
        world.plant_entry("acme", &pointer, record).await;
        world.stack.calls().reset();
        let error = fleet().tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await.unwrap_err();
        match &error {
            Error::KeyTable(error) => {
                assert_eq!(*error.kind(), Kind::ForgedPointer { tenant: id("acme") }, "{what}")
            }
            other => panic!("{what}: {other}"),
        }
        assert!(error.is_integrity() && !error.is_retryable(), "{what}");
        assert_eq!(counts(&world), (0, asked), "{what}");
    }
    // The neighbours go on, and so does the tenant when the pointer is deleted.
    fleet().tenant(&id("globex")).seal("crm", item(&contact("globex", "c-2"))).await.unwrap();
    world.delete_entry("acme", &pointer).await;
    sealed(&fleet(), "c-1").await;
}

#[tokio::test]
async fn while_the_key_table_fails_each_process_seals_under_a_key_of_its_own() {
    let world = World::with_key_table(&["acme"]).await;
    for fault in [throttled as fn() -> Reaction, || Reaction::Break] {
        let wire = Wire::scripted(move |sent, _| if to_key_table(sent) { fault() } else { Reaction::Forward });
        let config = world.over(wire);
        let down = || world.builder().key_table(key_table(&config)).build(&config).unwrap();
        let (one, other) = (down(), down());
        let items = [sealed(&one, "c-1").await, sealed(&other, "c-2").await];
        assert_ne!(key_id(&items[0]), key_id(&items[1]));
        assert_eq!(key_id(&sealed(&one, "c-3").await), key_id(&items[0]));
        world.tenant("acme").open_all("crm", items.to_vec()).await.unwrap();
    }
}

/// A table whose every first answer to a write is lost, so that the SDK repeats the write.
#[derive(Debug, Default)]
struct Repeating(InMemoryKeyTable);

#[async_trait]
impl KeyTable for Repeating {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.0.get(partition, entry).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        self.0.compare_and_swap(partition, entry, expected, record).await?;
        self.0.compare_and_swap(partition, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        self.0.check().await
    }
}

#[tokio::test]
async fn a_write_that_was_repeated_because_its_answer_was_lost_is_no_lost_race() {
    let world = World::start(&["acme"]).await;
    let table = Arc::new(Repeating::default());
    let process = || world.builder().key_table(table.clone()).compact("crm").build(&world.app).unwrap();
    let stored = sealed(&process(), "c-1").await;
    assert_eq!(counts(&world), (1, 0));
    assert_eq!(key_id(&sealed(&process(), "c-2").await), key_id(&stored));
    assert_eq!(counts(&world), (1, 1));
}

#[tokio::test]
async fn after_the_alias_was_repointed_the_fleet_agrees_on_a_key_of_the_new_kek() {
    let world = World::with_key_table(&["acme"]).await;
    let fleet: Vec<_> = (0..4).map(|_| world.sharing().build(&world.app).unwrap()).collect();
    let former = sealed(&fleet[0], "c-1").await;
    world.repoint("acme").await;
    let items = join_all(fleet[1..].iter().map(|process| sealed(process, "c-2"))).await;
    assert!(items.iter().all(|item| item["_seal"] == items[0]["_seal"]));
    assert_ne!(key_id(&items[0]), key_id(&former));
    assert_eq!(world.entries("current#").await.len(), 1);
}

/// A clock that is thirty days ahead.
#[derive(Debug)]
struct Ahead(Clock);

impl TimeSource for Ahead {
    fn now(&self) -> SystemTime {
        self.0.now() + 30 * DAY
    }
}

#[tokio::test]
async fn data_keys_left_behind_for_later_periods_are_void_with_a_new_kms_key() {
    let world = World::with_key_table(&["acme"]).await;
    to_the_middle_of_a_day(&world).await;
    // A compromised service, whose memory is the attacker's. It is found out and stopped.
    let config = world.app.clone().into_builder().time_source(Ahead(world.stack.clock().clone())).build();
    let theirs = key_id(&sealed(&world.sharing().build(&config).unwrap(), "c-1").await);
    assert_ne!(key_id(&sealed(&world.sharing().build(&world.app).unwrap(), "c-1").await), theirs);
    world.stack.clock().advance(30 * DAY);
    let later = sealed(&world.sharing().build(&world.app).unwrap(), "c-1").await;
    assert_eq!(key_id(&later), theirs, "this is what a new KMS key is needed for");
    world.repoint("acme").await;
    assert_ne!(key_id(&sealed(&world.sharing().build(&world.app).unwrap(), "c-1").await), theirs);
}

#[tokio::test]
async fn a_revoked_tenant_gets_no_key_from_the_table() {
    let world = World::with_key_table(&[]).await;
    let arn = world.onboard("acme").await;
    sealed(&world.sharing().build(&world.app).unwrap(), "c-1").await;
    world.admin.disable_key().key_id(&arn).send().await.unwrap();
    let seal = world.sharing().build(&world.app).unwrap();
    let error = seal.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await.unwrap_err();
    assert!(error.is_revoked(), "{error}");
}

#[tokio::test]
async fn other_pairs_other_regions_and_other_periods_are_other_keys() {
    let world = World::with_key_table(&["acme"]).await;
    let mut keys = Vec::new();
    for builder in [
        world.sharing(),
        world.sharing().context("env", "prod"),
        world.sharing().context("env", "test"),
        world.sharing().data_key_rotation(DAY / 2),
    ] {
        keys.push(key_id(&sealed(&builder.build(&world.app).unwrap(), "c-1").await));
    }
    let pointers = world.entries("current#").await;
    assert_eq!(pointers.len(), 4);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
    assert!(pointers.iter().all(|(_, entry, _)| entry.starts_with("current#us-east-1#")));
}

#[tokio::test]
async fn processes_share_a_table_in_memory() {
    let world = World::start(&[]).await;
    let (table, service) = (Arc::new(InMemoryKeyTable::new()), Arc::new(InMemoryKeyService::new()));
    let process = || {
        let builder = TenantSeal::builder().key_service(service.clone()).record::<Contact>();
        builder.key_table(table.clone()).compact("crm").build(&world.app).unwrap()
    };
    let stored = sealed(&process(), "c-1").await;
    assert_eq!(key_id(&sealed(&process(), "c-2").await), key_id(&stored));
    let opened = process().tenant(&id("acme")).open("crm", stored).await.unwrap();
    assert_eq!(opened, item(&contact("acme", "c-1")));
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused() {
    let world = World::start(&[]).await;
    let refused = |builder: tenantseal::TenantSealBuilder| builder.build(&world.app).unwrap_err();
    let table = || Arc::new(key_table(&world.app));
    assert!(matches!(refused(world.builder().compact("crm")), ConfigError::CompactWithoutKeyTable(_)));
    let other = refused(world.builder().key_table(table()).compact("other"));
    assert!(matches!(other, ConfigError::CompactTable(name) if name == "other"));
    let seven = (0..7).fold(world.builder(), |builder, at| builder.context(format!("p{at}"), "x"));
    assert!(matches!(refused(seven.key_table(table())), ConfigError::Settings(InvalidSettings::NoRoomForPeriod)));
    let odd = world.builder().key_table(table()).data_key_rotation(Duration::from_millis(1_500));
    assert!(matches!(refused(odd), ConfigError::Settings(InvalidSettings::KeyTableRotation)));
    let six = (0..6).fold(world.sharing(), |builder, at| builder.context(format!("p{at}"), "x"));
    six.build(&world.app).unwrap();
}
