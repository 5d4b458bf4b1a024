//! The SDK retries what is DynamoDB's, with the same bytes, and never what is ours.

use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, PutRequest, ReturnValue, TransactWriteItem, Update, WriteRequest};
use tenantseal::{Error, Tenant};

use crate::common::wire::{Reaction, Sent, Wire};
use crate::common::{Contact, ROLE, World, contact, id, item, key, s, sealing_error};

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#;

/// A tenant over `wire`, with quick retries, for KMS and STS too.
fn eager(world: &World, wire: &Wire) -> Tenant {
    let retries = RetryConfig::standard().with_max_attempts(5).with_initial_backoff(Duration::from_millis(1));
    let app = world.over(wire.clone()).into_builder().retry_config(retries).build();
    world.builder().build(&app).unwrap().tenant(&id("acme"))
}

fn failing_twice(operation: &'static str, failure: impl Fn() -> Reaction + Send + Sync + 'static) -> Wire {
    Wire::scripted(
        move |sent: &Sent, before| {
            if sent.operation == operation && before < 2 { failure() } else { Reaction::Forward }
        },
    )
}

#[tokio::test]
async fn every_retry_sends_the_same_bytes() {
    let failures: [(fn() -> Reaction, usize); 4] = [
        (|| Reaction::Answer(500, String::new()), 3),
        (|| Reaction::Answer(400, THROTTLED.to_owned()), 3),
        (|| Reaction::Break, 3),
        // It was stored, but the answer was lost: the SDK does not ask again.
        (|| Reaction::Alter(Box::new(|_| "{".to_owned())), 1),
    ];
    for (failure, attempts) in failures {
        let world = World::start(&["acme"]).await;
        let wire = failing_twice("PutItem", failure);
        let acme = eager(&world, &wire);
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
        assert_eq!(put.send().await.is_ok(), attempts == 3);
        let bodies = wire.bodies("PutItem");
        assert_eq!(bodies.len(), attempts);
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        assert_eq!(wire.bodies("GenerateDataKey").len(), 1);
        assert_eq!(acme.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
    }
}

#[tokio::test]
async fn updates_batches_and_transactions_send_the_same_bytes_again() {
    let world = World::start(&["acme"]).await;
    let contact = || item(&contact("acme", "c-1"));
    for operation in ["UpdateItem", "BatchWriteItem", "TransactWriteItems"] {
        let wire = failing_twice(operation, || Reaction::Answer(500, String::new()));
        let acme = eager(&world, &wire);
        let dynamodb = acme.dynamodb();
        match operation {
            "UpdateItem" => {
                let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
                let update = update.update_expression("SET email = :v, notes = :v");
                update.expression_attribute_values(":v", s("x")).send().await.map(drop).unwrap();
            }
            "BatchWriteItem" => {
                let put = PutRequest::builder().set_item(Some(contact())).build().unwrap();
                let write = vec![WriteRequest::builder().put_request(put).build()];
                dynamodb.batch_write_item().request_items("crm", write).send().await.map(drop).unwrap();
            }
            _ => {
                let put = Put::builder().table_name("crm").set_item(Some(contact())).build().unwrap();
                let put = TransactWriteItem::builder().put(put).build();
                dynamodb.transact_write_items().transact_items(put).send().await.map(drop).unwrap();
            }
        }
        let bodies = wire.bodies(operation);
        assert_eq!(bodies.len(), 3, "{operation}");
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{operation}");
    }
}

#[tokio::test]
async fn a_transaction_that_a_caller_repeats_with_its_token_is_the_same_request() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let acme = eager(&world, &wire);
    let transact = |token: Option<&'static str>, email: &'static str| {
        let contact = Contact { email: email.to_owned(), ..contact("acme", "c-1") };
        let put = Put::builder().table_name("crm").set_item(Some(item(&contact))).build().unwrap();
        let update = Update::builder().table_name("crm").set_key(Some(key("acme", "c-2")));
        let update = update.update_expression("SET email = :v, notes = :v").expression_attribute_values(":v", s(email));
        let transaction = acme.dynamodb().transact_write_items().set_client_request_token(token.map(str::to_owned));
        let transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        transaction.transact_items(TransactWriteItem::builder().update(update.build().unwrap()).build()).send()
    };
    for (token, email) in [(Some("one"), "a"), (Some("one"), "a"), (Some("two"), "a"), (None, "a"), (None, "a")] {
        transact(token, email).await.unwrap();
    }
    // The same token with other content is the caller's mistake, and DynamoDB says so.
    transact(Some("one"), "b").await.unwrap_err();
    let sealed: Vec<serde_json::Value> = wire
        .bodies("TransactWriteItems")
        .iter()
        .map(|body| serde_json::from_slice::<serde_json::Value>(body).unwrap()["TransactItems"].clone())
        .collect();
    assert_eq!(sealed[0], sealed[1]);
    for (one, other) in [(1, 2), (2, 3), (3, 4), (0, 5)] {
        let email = |at: usize| sealed[at][0]["Put"]["Item"]["email"]["B"].clone();
        assert_ne!(email(one), email(other), "{one} {other}");
    }
}

#[tokio::test]
async fn two_puts_of_one_item_are_sealed_afresh() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let acme = eager(&world, &wire);
    for _ in 0..2 {
        acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    }
    let bodies = wire.bodies("PutItem");
    assert_ne!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn reads_are_retried_and_open_in_the_end() {
    for operation in ["GetItem", "Scan"] {
        let world = World::start(&["acme"]).await;
        world.tenant("acme").records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
        let wire = failing_twice(operation, || Reaction::Answer(500, String::new()));
        let dynamodb = eager(&world, &wire).dynamodb();
        if operation == "GetItem" {
            let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap();
            assert_eq!(get.item, Some(item(&contact("acme", "c-1"))));
        } else {
            let scan = dynamodb.scan().table_name("crm").send().await.unwrap();
            assert_eq!(scan.items(), [item(&contact("acme", "c-1"))]);
        }
        assert_eq!(wire.bodies(operation).len(), 3);
        assert_eq!(wire.bodies("Decrypt").len(), 1);
    }
}

#[tokio::test]
async fn a_put_without_a_key_is_not_retried_beyond_what_kms_is() {
    let world = World::start(&["acme"]).await;
    for (code, status, calls) in
        [("AccessDeniedException", 400, 1), ("KMSInternalException", 500, 5), ("DisabledException", 409, 1)]
    {
        let wire = Wire::open();
        let acme = eager(&world, &wire);
        world.stack.faults().clear();
        world.stack.faults().on("GenerateDataKey").fail(code, status);
        let put = acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
        let error = sealing_error(put.send().await);
        assert!(matches!(error, Error::KeyService(_)), "{error}");
        assert_eq!(wire.bodies("GenerateDataKey").len(), calls, "{code}");
        assert_eq!(wire.bodies("PutItem").len(), 0);
    }
}

#[tokio::test]
async fn an_item_whose_key_cannot_be_had_is_read_once() {
    let world = World::start(&["acme"]).await;
    world.tenant("acme").records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    // A refused record may be of a former key, whose own alias is tried as well.
    for (code, status, calls) in [("AccessDeniedException", 400, 2), ("KeyUnavailableException", 500, 5)] {
        let wire = Wire::open();
        let acme = eager(&world, &wire);
        world.stack.faults().clear();
        world.stack.faults().on("Decrypt").fail(code, status);
        let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await;
        let error = sealing_error(get);
        assert!(matches!(error, Error::KeyService(_)), "{error}");
        assert_eq!((wire.bodies("GetItem").len(), wire.bodies("Decrypt").len()), (1, calls), "{code}");
    }
}

#[tokio::test]
async fn refusals_and_damaged_items_are_not_retried() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let acme = eager(&world, &wire);
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    let mut damaged = world.stored("acme", "c-1").await;
    let notes = damaged["notes"].clone();
    damaged.insert("email".to_owned(), notes);
    world.plant(damaged).await;
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await;
    assert!(sealing_error(get).is_integrity());
    assert_eq!(wire.bodies("GetItem").len(), 1);
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("globex", "c-1"))).send().await;
    assert!(matches!(sealing_error(get), Error::Refused(_)));
    assert_eq!(wire.bodies("GetItem").len(), 1);
}

#[tokio::test]
async fn dynamodbs_own_errors_arrive_as_they_are() {
    let world = World::start(&["acme"]).await;
    let dynamodb = world.tenant("acme").dynamodb();
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    put().send().await.unwrap();
    let failed = put().condition_expression("attribute_not_exists(tenant_id)").send().await.unwrap_err();
    assert!(Error::find_in(&failed).is_none());
    assert!(failed.raw_response().is_some_and(|raw| raw.status().as_u16() == 400));
    assert!(matches!(failed.into_service_error(), PutItemError::ConditionalCheckFailedException(_)));
    world.plain.delete_table().table_name("crm").send().await.unwrap();
    let missing = put().send().await.unwrap_err();
    assert!(matches!(missing.into_service_error(), PutItemError::ResourceNotFoundException(_)));
}

#[tokio::test]
async fn an_operation_that_times_out_while_kms_hangs_leaves_nothing_behind() {
    let world = World::start(&["acme"]).await;
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    let timeouts = aws_sdk_dynamodb::config::timeout::TimeoutConfig::builder();
    let timeouts = timeouts.operation_timeout(Duration::from_millis(100)).build();
    let dynamodb = acme.dynamodb_with(Builder::from(&world.app).timeout_config(timeouts));
    world.stack.faults().on("GenerateDataKey").hang();
    let put = dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    let error = sealing_error(put.send().await);
    assert!(error.is_retryable() && error.to_string().contains("slow"), "{error}");
    world.stack.faults().clear();
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
}

/// Stores `c-1` with a counter under one process's key, and gives another process's client, which must ask KMS.
async fn counted(world: &World) -> aws_sdk_dynamodb::Client {
    let schema = || {
        let schema = tenantseal::schema::TableSchema::builder("crm").partition_key("tenant_id", "{tenant}");
        schema.sort_key("contact_id").plain("visits").encrypt("email").build().unwrap()
    };
    let seal = || tenantseal::TenantSeal::builder().assume_role(ROLE).table(schema()).build(&world.app).unwrap();
    let mut item = key("acme", "c-1");
    item.insert("email".to_owned(), s("ada@example.org"));
    item.insert("visits".to_owned(), AttributeValue::N("0".to_owned()));
    seal().tenant(&id("acme")).dynamodb().put_item().table_name("crm").set_item(Some(item)).send().await.unwrap();
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(400)).build();
    let config = aws_sdk_dynamodb::config::Builder::from(&world.app);
    seal().tenant(&id("acme")).dynamodb_with(config.timeout_config(timeouts).retry_config(RetryConfig::standard()))
}

#[tokio::test]
async fn a_slow_key_does_not_repeat_a_write_that_dynamodb_has_carried_out() {
    let world = World::start(&["acme"]).await;
    let dynamodb = counted(&world).await;
    world.stack.faults().on("Decrypt").delay(Duration::from_millis(900));
    let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let update = update.update_expression("ADD visits :one").return_values(ReturnValue::AllNew);
    let answer = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned())).send().await;
    assert!(sealing_error(answer).is_retryable());
    assert_eq!(world.stored("acme", "c-1").await["visits"], AttributeValue::N("1".to_owned()));
}

#[tokio::test]
async fn an_attempt_may_have_all_the_time_in_the_world() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(u64::MAX / 4)).build();
    let dynamodb = acme.dynamodb_with(Builder::from(&world.app).timeout_config(timeouts));
    dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1")))).send().await.unwrap();
    let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    assert!(get.send().await.unwrap().item.is_some());
}
