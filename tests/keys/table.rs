//! What a key table does, the same for every implementation; and what is said of one that is not as it should be.

use futures_util::future::join_all;
use tenantseal::Error;
use tenantseal::keys::{DynamoDbKeyTable, InMemoryKeyTable, KeyTable, KeyTableErrorKind as Kind, Swap};

use crate::common::key_table::{KEY_TABLE, NOT_RECOVERABLE, RECOVERABLE, key_table, throttled, to_key_table};
use crate::common::wire::{Reaction, Wire};
use crate::common::{World, contact, id, item};

async fn keeps_what_is_stored_first(table: &dyn KeyTable) {
    let (acme, globex) = ("acme", "globex");
    assert_eq!(table.get(acme, "key#1").await.unwrap(), None);
    assert_eq!(table.compare_and_swap(acme, "key#1", None, b"one").await.unwrap(), Swap::Stored);
    assert_eq!(table.get(acme, "key#1").await.unwrap().as_deref(), Some(&b"one"[..]));
    let found = Swap::Found(Some(b"one".to_vec()));
    assert_eq!(table.compare_and_swap(acme, "key#1", None, b"two").await.unwrap(), found);
    assert_eq!(table.compare_and_swap(acme, "key#1", Some(b"two"), b"two").await.unwrap(), found);
    assert_eq!(table.get(acme, "key#1").await.unwrap().as_deref(), Some(&b"one"[..]));
    // Neither another tenant's nor another entry.
    assert_eq!(table.get(globex, "key#1").await.unwrap(), None);
    assert_eq!(table.get(acme, "key#2").await.unwrap(), None);
}

async fn swaps_only_what_is_expected(table: &dyn KeyTable) {
    let acme = "acme";
    assert_eq!(table.compare_and_swap(acme, "current", Some(b"one"), b"two").await.unwrap(), Swap::Found(None));
    assert_eq!(table.compare_and_swap(acme, "current", None, b"one").await.unwrap(), Swap::Stored);
    assert_eq!(table.compare_and_swap(acme, "current", Some(b"one"), b"two").await.unwrap(), Swap::Stored);
    let found = Swap::Found(Some(b"two".to_vec()));
    assert_eq!(table.compare_and_swap(acme, "current", Some(b"one"), b"three").await.unwrap(), found);
}

async fn has_one_winner(table: &dyn KeyTable) {
    let acme = "acme";
    let records: Vec<_> = (0..20u8).map(|at| [at; 100]).collect();
    let swaps = records.iter().map(|record| table.compare_and_swap(acme, "race", None, record));
    let swaps = join_all(swaps).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    let winner = swaps.iter().position(|swap| *swap == Swap::Stored).unwrap();
    for (at, swap) in swaps.iter().enumerate() {
        assert!(at == winner || *swap == Swap::Found(Some(records[winner].to_vec())), "{swap:?}");
    }
    assert_eq!(table.get(acme, "race").await.unwrap().as_deref(), Some(&records[winner][..]));
}

async fn is_a_key_table(table: &dyn KeyTable) {
    table.check().await.unwrap();
    keeps_what_is_stored_first(table).await;
    swaps_only_what_is_expected(table).await;
    has_one_winner(table).await;
}

#[tokio::test]
async fn the_table_in_memory_is_a_key_table() {
    is_a_key_table(&InMemoryKeyTable::new()).await;
}

#[tokio::test]
async fn the_table_in_dynamodb_is_a_key_table() {
    let world = World::with_key_table(&[]).await;
    is_a_key_table(&key_table(&world.app)).await;
}

#[tokio::test]
async fn without_the_item_in_the_error_of_a_condition_the_winner_is_read() {
    let world = World::with_key_table(&[]).await;
    let wire = Wire::scripted(|sent, _| match sent.operation.as_str() {
        "PutItem" => Reaction::Alter(Box::new(|answer| match answer.contains("ConditionalCheckFailedException") {
            true => r#"{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#.to_owned(),
            false => answer,
        })),
        _ => Reaction::Forward,
    });
    is_a_key_table(&key_table(&world.over(wire))).await;
}

#[tokio::test]
async fn a_created_table_is_protected_recoverable_and_billed_on_demand() {
    let world = World::start(&[]).await;
    let wire = Wire::scripted(|sent, before| match (sent.operation.as_str(), before) {
        ("UpdateContinuousBackups", 0) => Reaction::Answer(
            400,
            r#"{"__type": "com.amazonaws.dynamodb.v20120810#ContinuousBackupsUnavailableException"}"#.to_owned(),
        ),
        ("UpdateContinuousBackups" | "DescribeContinuousBackups", _) => Reaction::Answer(200, RECOVERABLE.to_owned()),
        _ => Reaction::Forward,
    });
    let table = DynamoDbKeyTable::new(&world.over(wire.clone()), KEY_TABLE);
    for _ in 0..2 {
        table.create_table().await.unwrap();
        table.enable_recovery().await.unwrap();
    }
    is_a_key_table(&table).await;
    let created = String::from_utf8(wire.bodies("CreateTable")[0].clone()).unwrap();
    for setting in [r#""BillingMode":"PAY_PER_REQUEST""#, r#""DeletionProtectionEnabled":true"#] {
        assert!(created.contains(setting), "{created}");
    }
    let updated = wire.bodies("UpdateContinuousBackups");
    assert_eq!(updated.len(), 3);
    assert!(String::from_utf8_lossy(&updated[0]).contains(r#""PointInTimeRecoveryEnabled":true"#));
}

#[tokio::test]
async fn a_table_that_is_not_as_it_should_be_is_told_what_to_do() {
    let world = World::with_key_table(&[]).await;
    let checked = |answer: Option<(u16, &'static str)>, table: &'static str| {
        let wire = Wire::scripted(move |sent, _| match (sent.operation.as_str(), answer) {
            ("DescribeContinuousBackups", Some((status, body))) => Reaction::Answer(status, body.to_owned()),
            _ => Reaction::Forward,
        });
        let table = DynamoDbKeyTable::new(&world.over(wire), table);
        async move { table.check().await }
    };
    checked(Some((200, RECOVERABLE)), KEY_TABLE).await.unwrap();

    let error = checked(Some((200, NOT_RECOVERABLE)), KEY_TABLE).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::NoRecovery);
    let command = "aws dynamodb update-continuous-backups --table-name tenantseal-keys \
                   --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true";
    assert!(error.to_string().contains(command), "{error}");
    assert!(!error.is_retryable());

    let denied = r#"{"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "no"}"#;
    let error = checked(Some((400, denied)), KEY_TABLE).await.unwrap_err();
    assert!(*error.kind() == Kind::Denied && error.to_string().contains("DescribeContinuousBackups"), "{error}");

    assert_eq!(*checked(None, "nowhere").await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(*checked(None, "crm").await.unwrap_err().kind(), Kind::NotAKeyTable);
    let missing = key_table(&world.app).get("acme", "key#1").await.unwrap();
    assert_eq!(missing, None);
    let nowhere = DynamoDbKeyTable::new(&world.app, "nowhere").danger_without_recovery();
    let error = nowhere.get("acme", "key#1").await.unwrap_err();
    assert!(*error.kind() == Kind::NotFound && error.to_string().contains("create"), "{error}");
}

#[tokio::test]
async fn compact_items_need_a_recoverable_key_table_which_is_checked_once() {
    let world = World::with_key_table(&["acme", "globex"]).await;
    let answers = [NOT_RECOVERABLE, RECOVERABLE];
    let wire = Wire::scripted(move |sent, before| match sent.operation.as_str() {
        "DescribeContinuousBackups" => Reaction::Answer(200, answers[before.min(1)].to_owned()),
        _ => Reaction::Forward,
    });
    let config = world.over(wire.clone());
    let seal = world.builder().key_table(DynamoDbKeyTable::new(&config, KEY_TABLE)).compact("crm");
    let seal = seal.build(&config).unwrap();
    let acme = seal.tenant(&id("acme"));
    match acme.seal("crm", item(&contact("acme", "c-1"))).await {
        Err(Error::KeyTable(error)) => assert_eq!(*error.kind(), Kind::NoRecovery),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.key_calls(), 0);
    let tenants = ["acme", "globex"].map(|tenant| (seal.tenant(&id(tenant)), tenant));
    join_all(tenants.iter().flat_map(|(handle, tenant)| {
        (0..10).map(move |at| handle.seal("crm", item(&contact(tenant, &format!("c-{at}")))))
    }))
    .await
    .into_iter()
    .for_each(|sealed| assert_eq!(sealed.unwrap()["_seal"].as_b().unwrap().as_ref().len(), 17));
    assert_eq!(wire.bodies("DescribeContinuousBackups").len(), 2);
}

#[tokio::test]
async fn tables_that_hold_their_records_do_not_need_recovery() {
    let world = World::with_key_table(&["acme"]).await;
    let wire = Wire::scripted(|sent, _| match sent.operation.as_str() {
        "DescribeContinuousBackups" | "DescribeTable" => throttled(),
        _ => Reaction::Forward,
    });
    let config = world.over(wire.clone());
    let seal = world.builder().key_table(DynamoDbKeyTable::new(&config, KEY_TABLE)).build(&config).unwrap();
    seal.tenant(&id("acme")).seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    assert!(wire.sent().iter().all(|sent| !sent.operation.starts_with("Describe")));
    assert_eq!(wire.sent().iter().filter(|sent| to_key_table(sent)).count(), 3);
}
