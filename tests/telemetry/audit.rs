//! The audit hears of every use of a data key, and of nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::{
    Get, KeysAndAttributes, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactGetItem,
    TransactWriteItem, Update, WriteRequest,
};
use tenantseal::audit::{AuditSink, DataKeySource, DataKeyUse, Purpose};
use tenantseal::{Error, Tenant};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item, key, s, sealing_error};

/// A use as it was told, in words.
type Told = (Purpose, &'static str, usize);

#[derive(Default)]
struct Trail {
    told: Mutex<Vec<(Told, DataKeySource, Option<String>)>>,
    is_full: AtomicBool,
}

impl AuditSink for Trail {
    fn record(&self, key: &DataKeyUse<'_>) {
        assert!(!self.is_full.load(Ordering::SeqCst), "the trail is full");
        assert_eq!((key.tenant.as_str(), key.table), ("acme", "crm"));
        assert!(key.kek.to_string().starts_with("arn:aws:kms:us-east-1:111111111111:key/"));
        assert_eq!(key.key_id.to_string().len(), 32);
        assert!(key.at.elapsed().unwrap() < Duration::from_secs(60));
        let told = (key.purpose, key.operation, key.items);
        self.told.lock().unwrap().push((told, key.source, key.request_id.map(str::to_owned)));
    }
}

impl Trail {
    /// What was told since.
    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().drain(..).map(|(told, ..)| told).collect()
    }

    fn tenant(self: &Arc<Self>, world: &World) -> Tenant {
        let seal = world.builder().audit(Arc::clone(self)).build(&world.app).unwrap();
        seal.tenant(&id("acme"))
    }
}

#[tokio::test]
async fn every_use_of_a_data_key_is_told_warm_and_cold() {
    use Purpose::{Open, Seal};
    let world = World::start(&["acme"]).await;
    let trail = Arc::new(Trail::default());
    let one = || item(&contact("acme", "c-1"));
    let two = || item(&contact("acme", "c-2"));
    let is_cold = [true, false];
    // Each operation finds its key in no cache, and then in the cache.
    for cold in is_cold {
        let shared = trail.tenant(&world);
        let acme = || if cold { trail.tenant(&world) } else { shared.clone() };
        let client = || acme().dynamodb();
        macro_rules! tells {
            ($call:expr, $told:expr) => {
                $call.await.unwrap();
                assert_eq!(trail.told(), $told, "{} cold: {cold}", stringify!($call));
            };
        }
        tells!(client().put_item().table_name("crm").set_item(Some(one())).send(), [(Seal, "PutItem", 1)]);
        tells!(
            client().put_item().table_name("crm").set_item(Some(one())).return_values(ReturnValue::AllOld).send(),
            [(Seal, "PutItem", 1), (Open, "PutItem", 1)]
        );
        let get = client().get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        tells!(get.send(), [(Open, "GetItem", 1)]);
        let none = client().get_item().table_name("crm").set_key(Some(key("acme", "nobody")));
        tells!(none.send(), []);
        let update = |expression: &str| {
            let update = client().update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
            update.update_expression(expression).expression_attribute_values(":v", s("new"))
        };
        tells!(update("SET email = :v").send(), [(Seal, "UpdateItem", 1)]);
        tells!(update("SET company = :v").send(), []);
        let put = || Put::builder().table_name("crm").set_item(Some(two())).build().unwrap();
        let change = || {
            let update = Update::builder().table_name("crm").set_key(Some(key("acme", "c-1")));
            update.update_expression("SET email = :v").expression_attribute_values(":v", s("newer")).build().unwrap()
        };
        let actions = || {
            let put = TransactWriteItem::builder().put(put()).build();
            vec![put, TransactWriteItem::builder().update(change()).build()]
        };
        let write = || client().transact_write_items().set_transact_items(Some(actions()));
        tells!(write().send(), [(Seal, "TransactWriteItems", 2)]);
        let token = format!("token-{cold}");
        tells!(write().client_request_token(&token).send(), [(Seal, "TransactWriteItems", 2)]);
        let puts = [one(), two()].map(|item| {
            let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        });
        let write = client().batch_write_item().request_items("crm", puts.to_vec());
        tells!(write.send(), [(Seal, "BatchWriteItem", 2)]);
        let keys = [key("acme", "c-1"), key("acme", "c-2")];
        let batch = KeysAndAttributes::builder().set_keys(Some(keys.to_vec())).build().unwrap();
        tells!(client().batch_get_item().request_items("crm", batch).send(), [(Open, "BatchGetItem", 2)]);
        let gets = keys.map(|key| {
            let get = Get::builder().table_name("crm").set_key(Some(key)).build().unwrap();
            TransactGetItem::builder().get(get).build()
        });
        let read = client().transact_get_items().set_transact_items(Some(gets.to_vec()));
        tells!(read.send(), [(Open, "TransactGetItems", 2)]);
        let query = client().query().table_name("crm").key_condition_expression("tenant_id = :t");
        tells!(query.expression_attribute_values(":t", s("acme")).send(), [(Open, "Query", 2)]);
        tells!(client().scan().table_name("crm").send(), [(Open, "Scan", 2)]);
        let delete = client().delete_item().table_name("crm").set_key(Some(key("acme", "c-2")));
        tells!(delete.return_values(ReturnValue::AllOld).send(), [(Open, "DeleteItem", 1)]);
        // The typed repository.
        tells!(acme().records::<Contact>().put(&contact("acme", "c-2")), [(Seal, "PutItem", 1)]);
        tells!(acme().records::<Contact>().get("c-2"), [(Open, "GetItem", 1)]);
        tells!(acme().records::<Contact>().update("c-2").set("email", "x"), [(Seal, "UpdateItem", 1)]);
        // By hand.
        tells!(acme().seal("crm", one()), [(Seal, "seal", 1)]);
        let sealed = acme().seal("crm", one()).await.unwrap();
        trail.told();
        tells!(acme().open_all("crm", vec![sealed.clone(), sealed.clone()]), [(Open, "open", 2)]);
        tells!(acme().open("crm", sealed), [(Open, "open", 1)]);
    }
}

#[tokio::test]
async fn failed_refused_and_repeated_operations_are_told_as_what_they_used() {
    use Purpose::{Open, Seal};
    let world = World::start(&["acme"]).await;
    let trail = Arc::new(Trail::default());
    let acme = trail.tenant(&world);
    let put = |client: aws_sdk_dynamodb::Client| {
        client.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))))
    };
    put(acme.dynamodb()).send().await.unwrap();
    trail.told();

    let failing = put(acme.dynamodb()).condition_expression("attribute_not_exists(tenant_id)");
    failing.clone().send().await.unwrap_err();
    assert_eq!(trail.told(), [(Seal, "PutItem", 1)]);
    let with_item = failing.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    with_item.send().await.unwrap_err();
    assert_eq!(trail.told(), [(Seal, "PutItem", 1), (Open, "PutItem", 1)]);

    put(acme.dynamodb()).item("undeclared", s("x")).send().await.unwrap_err();
    assert_eq!(trail.told(), []);

    // What DynamoDB holds was moved: the key was used to find that out.
    let mut moved = world.stored("acme", "c-1").await;
    moved.insert("contact_id".to_owned(), s("c-9"));
    world.plant(moved).await;
    acme.records::<Contact>().get("c-9").await.unwrap_err();
    assert_eq!(trail.told(), [(Open, "GetItem", 1)]);

    // Sealed once, sent three times.
    let wire = Wire::scripted(|sent, _| match sent.operation.as_str() {
        "PutItem" => Reaction::Answer(500, "{}".to_owned()),
        _ => Reaction::Forward,
    });
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let over = world.over(wire.clone()).into_builder().retry_config(retries).build();
    let seal = world.builder().audit(Arc::clone(&trail)).build(&over).unwrap();
    put(seal.tenant(&id("acme")).dynamodb()).send().await.unwrap_err();
    assert_eq!(wire.bodies("PutItem").len(), 3);
    assert_eq!(trail.told(), [(Seal, "PutItem", 1)]);
}

#[tokio::test]
async fn a_use_names_the_kms_request_that_brought_the_key() {
    let world = World::start(&["acme"]).await;
    let trail = Arc::new(Trail::default());
    let (writer, reader) = (trail.tenant(&world), trail.tenant(&world));
    for _ in 0..2 {
        writer.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        reader.records::<Contact>().get("c-1").await.unwrap();
    }
    let told: Vec<_> = trail.told.lock().unwrap().drain(..).collect();
    let sources: Vec<_> = told.iter().map(|(_, source, _)| *source).collect();
    assert_eq!(sources, [DataKeySource::Kms, DataKeySource::Kms, DataKeySource::Cache, DataKeySource::Cache]);
    let requests: Vec<_> = told.iter().map(|(.., id)| id.as_deref().expect("the stack gives request ids")).collect();
    assert_ne!(requests[0], requests[1]);
    assert_eq!(requests[..2], requests[2..]);
}

#[tokio::test]
async fn a_key_taken_from_the_key_table_is_told_apart() {
    let world = World::with_key_table(&["acme"]).await;
    let trail = Arc::new(Trail::default());
    let process = |builder: tenantseal::TenantSealBuilder| {
        builder.audit(Arc::clone(&trail)).build(&world.app).unwrap().tenant(&id("acme"))
    };
    let seal = async |acme: &Tenant| acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    let sources = || trail.told.lock().unwrap().drain(..).map(|(_, source, _)| source).collect::<Vec<_>>();
    let requests = || world.stack.calls().count("GenerateDataKey") + world.stack.calls().count("Decrypt");

    // Whoever made it has it from KMS, the rest of the fleet by the table.
    let (maker, other) = (process(world.sharing()), process(world.sharing()));
    let sealed = seal(&maker).await;
    seal(&other).await;
    seal(&other).await;
    assert_eq!(sources(), [DataKeySource::Kms, DataKeySource::KeyTable, DataKeySource::Cache]);
    // Reading: the record is in the item, or only in the table.
    process(world.sharing()).open("crm", sealed).await.unwrap();
    assert_eq!(sources(), [DataKeySource::Kms]);
    let compact = seal(&process(world.sharing().compact("crm"))).await;
    let reader = process(world.sharing());
    for _ in 0..2 {
        reader.open("crm", compact.clone()).await.unwrap();
    }
    assert_eq!(sources(), [DataKeySource::KeyTable, DataKeySource::KeyTable, DataKeySource::Cache]);
    // Each use that is not the cache's is one answer of KMS.
    assert_eq!(requests(), 5);
}

#[tokio::test]
async fn when_the_audit_panics_nothing_is_sealed_sent_or_opened() {
    let world = World::start(&["acme"]).await;
    let trail = Arc::new(Trail::default());
    let acme = trail.tenant(&world);
    let records = acme.records::<Contact>();
    records.put(&contact("acme", "c-1")).await.unwrap();
    let sealed = acme.seal("crm", item(&contact("acme", "c-2"))).await.unwrap();

    trail.is_full.store(true, Ordering::SeqCst);
    for acme in [acme.clone(), trail.tenant(&world)] {
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-2"))));
        assert!(matches!(sealing_error(put.send().await), Error::Audit));
        let got = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await;
        assert!(matches!(sealing_error(got), Error::Audit));
        assert!(matches!(acme.seal("crm", item(&contact("acme", "c-2"))).await, Err(Error::Audit)));
        assert!(matches!(acme.open("crm", sealed.clone()).await.unwrap_err().cause(), Error::Audit));
    }
    let stored = world.plain.get_item().table_name("crm").set_key(Some(key("acme", "c-2"))).send().await.unwrap();
    assert_eq!(stored.item, None);

    trail.is_full.store(false, Ordering::SeqCst);
    records.put(&contact("acme", "c-2")).await.unwrap();
    assert_eq!(records.get("c-2").await.unwrap(), Some(contact("acme", "c-2")));
}

#[tokio::test]
async fn an_attempt_that_timed_out_takes_nothing_from_the_audit() {
    let world = World::start(&["acme"]).await;
    let trail = Arc::new(Trail::default());
    world.stack.faults().on("GenerateDataKey").times(1).delay(Duration::from_millis(900));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(600)).build();
    let retries = RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(1));
    let config = aws_sdk_dynamodb::config::Builder::from(&world.app).timeout_config(timeouts).retry_config(retries);
    let acme = trail.tenant(&world).dynamodb_with(config);
    let put = acme.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    // The key comes too late for it, and was asked for all the same.
    assert!(sealing_error(put.clone().send().await).is_retryable());
    assert_eq!(trail.told(), [], "nothing was sealed");
    put.send().await.unwrap();
    assert_eq!(trail.told(), [(Purpose::Seal, "PutItem", 1)], "what was sealed is missing in the audit");
}
