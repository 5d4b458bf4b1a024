//! What is read under a leave, and without one.

use aws_sdk_dynamodb::types::{Get, KeysAndAttributes, ReturnValue, TransactGetItem};
use tenantseal::adoption::AdoptionStage;
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::{Error, Item, Tenant};

use super::scene::{LEASE, Scene, at, plaintext};
use crate::common::{Contact, contact, s, sealing_error};

/// Every way to read the contact `c-1`: by name, what it gives.
async fn read_everywhere(acme: &Tenant) -> Vec<(&'static str, Result<Vec<Item>, Error>)> {
    let dynamodb = acme.dynamodb();
    let ours = |error: &(dyn std::error::Error + 'static)| Error::find_in(error).unwrap().cause().clone();
    let get = dynamodb.get_item().table_name("crm").set_key(Some(at("c-1"))).send().await;
    let get = get.map(|got| got.item.into_iter().collect()).map_err(|error| ours(&error));
    let query = dynamodb.query().table_name("crm").key_condition_expression("tenant_id = :t");
    let query = query.expression_attribute_values(":t", s("acme")).send().await;
    let query = query.map(|got| got.items.unwrap_or_default()).map_err(|error| ours(&error));
    let index = dynamodb.query().table_name("crm").index_name("by-company-and-tenant");
    let index = index.key_condition_expression("company = :c AND tenant_id = :t");
    let index = index.expression_attribute_values(":t", s("acme")).expression_attribute_values(":c", s("Example Ltd"));
    let index = index.send().await.map(|got| got.items.unwrap_or_default()).map_err(|error| ours(&error));
    let scan = dynamodb.scan().table_name("crm").send().await;
    let scan = scan.map(|got| got.items.unwrap_or_default()).map_err(|error| ours(&error));
    let keys = KeysAndAttributes::builder().keys(at("c-1")).build().unwrap();
    let batch = dynamodb.batch_get_item().request_items("crm", keys).send().await;
    let batch = batch.map(|got| got.responses.unwrap().remove("crm").unwrap()).map_err(|error| ours(&error));
    let get_one = Get::builder().table_name("crm").set_key(Some(at("c-1"))).build().unwrap();
    let transaction = dynamodb.transact_get_items();
    let transaction = transaction.transact_items(TransactGetItem::builder().get(get_one).build()).send().await;
    let transaction = transaction
        .map(|got| got.responses.unwrap().into_iter().filter_map(|response| response.item).collect())
        .map_err(|error| ours(&error));
    let update = dynamodb.update_item().table_name("crm").set_key(Some(at("c-1")));
    let update = update.update_expression("SET company = :c").expression_attribute_values(":c", s("Example Ltd"));
    let update = update.return_values(ReturnValue::AllOld).send().await;
    let update = update.map(|got| got.attributes.into_iter().collect()).map_err(|error| ours(&error));
    let put = dynamodb.put_item().table_name("crm").set_item(Some(at("c-1"))).condition_expression("company = :x");
    let put = put
        .expression_attribute_values(":x", s("no one"))
        .return_values_on_condition_check_failure(aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld);
    let put = put.send().await.unwrap_err();
    let put = match Error::find_in(&put) {
        Some(error) => Err(error.cause().clone()),
        None => match put.into_service_error() {
            aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
                Ok(failed.item.into_iter().collect())
            }
            other => panic!("{other}"),
        },
    };
    let record = acme.records::<Contact>().get("c-1").await;
    let record = record.map(|found| found.iter().map(crate::common::item).collect());
    let record = record.map_err(|error| error.cause().clone());
    vec![
        ("get", get),
        ("query", query),
        ("query of an index", index),
        ("scan", scan),
        ("batch", batch),
        ("transaction", transaction),
        ("what an update returns", update),
        ("what a failed condition returns", put),
        ("repository", record),
    ]
}

#[tokio::test]
async fn plaintext_is_read_by_every_operation_under_a_leave_and_by_none_without() {
    for stage in [AdoptionStage::None, AdoptionStage::Plain, AdoptionStage::Sealing, AdoptionStage::Closed] {
        let scene = Scene::at(stage).await;
        scene.world.plant(plaintext("c-1")).await;
        let acme = scene.acme();
        for (way, read) in read_everywhere(&acme).await {
            match stage {
                AdoptionStage::Plain | AdoptionStage::Sealing => assert_eq!(read.unwrap(), [plaintext("c-1")], "{way}"),
                _ => {
                    let error = read.unwrap_err();
                    assert!(error.is_integrity(), "{stage:?}, {way}: {error}");
                    let fault = matches!(&error, Error::Open(OpenError::Attribute { fault: OpenFault::NoLeave, .. }));
                    assert!(fault, "{stage:?}, {way}: {error}");
                }
            }
        }
        let opened = acme.open("crm", plaintext("c-1")).await;
        assert_eq!(opened.is_ok(), matches!(stage, AdoptionStage::Plain | AdoptionStage::Sealing), "{stage:?}");
    }
}

#[tokio::test]
async fn sealed_and_plain_items_are_read_together() {
    let scene = Scene::at(AdoptionStage::Sealing).await;
    let acme = scene.acme();
    scene.world.plant(plaintext("c-1")).await;
    acme.records::<Contact>().put(&contact("acme", "c-2")).await.unwrap();
    let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(at("c-1")));
    let update = update.update_expression("SET notes = :n").expression_attribute_values(":n", s("sealed notes"));
    update.send().await.unwrap();
    let stored = scene.world.stored("acme", "c-1").await;
    assert!(stored["email"].is_s() && stored["notes"].is_b(), "{stored:?}");
    let query = acme.dynamodb().query().table_name("crm").key_condition_expression("tenant_id = :t");
    let query = query.expression_attribute_values(":t", s("acme"));
    let mut mixed = plaintext("c-1");
    mixed.insert("notes".to_owned(), s("sealed notes"));
    assert_eq!(query.send().await.unwrap().items(), [mixed, plaintext("c-2")]);
}

#[tokio::test]
async fn plaintext_planted_after_the_close_is_refused_in_every_process() {
    let scene = Scene::at(AdoptionStage::Sealing).await;
    scene.world.plant(plaintext("c-1")).await;
    let (one, other) = (scene.acme(), scene.acme());
    let get = |acme: Tenant| async move { acme.records::<Contact>().get("c-1").await };
    assert!(get(one.clone()).await.unwrap().is_some());
    // One process has seen the leave, the other asks for the first time.
    scene.flip(AdoptionStage::Closed).await;
    for acme in [one, other] {
        let error = get(acme).await.unwrap_err();
        assert!(error.is_integrity() && !error.is_retryable(), "{error}");
        assert!(error.to_string().contains("the tenant has no leave for this table"), "{error}");
    }
}

#[tokio::test]
async fn an_expired_leave_counts_as_none() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    scene.world.plant(plaintext("c-1")).await;
    let acme = scene.acme();
    assert!(acme.open("crm", plaintext("c-1")).await.is_ok());
    scene.world.stack.clock().advance(LEASE * 60 * 24 * 31);
    let error = acme.open("crm", plaintext("c-1")).await.unwrap_err();
    assert!(error.is_integrity(), "{error}");
}

#[tokio::test]
async fn only_attributes_that_code_and_leave_both_name_may_be_plain() {
    let scene = Scene::at(AdoptionStage::Plain).await;
    scene.world.plant(plaintext("c-1")).await;
    let narrow = scene.world.builder().ledger(scene.ledger.clone()).adopt("crm", ["email"]);
    let narrow = narrow.build(&scene.world.app).unwrap();
    let error = narrow.tenant(&crate::common::id("acme")).open("crm", plaintext("c-1")).await.unwrap_err();
    let named = match error.cause() {
        Error::Open(OpenError::Attribute { attribute, .. }) => attribute.clone(),
        other => panic!("{other}"),
    };
    assert!(["notes", "api_keys"].contains(&named.as_str()), "{named}");
    // Another tenant has no leave, whatever this one has.
    let globex = scene.adopting().tenant(&crate::common::id("globex"));
    assert!(globex.open("crm", crate::common::item(&contact("globex", "c-1"))).await.unwrap_err().is_integrity());
}

#[tokio::test]
async fn a_sealed_value_without_its_header_is_not_returned_from_an_index() {
    let scene = Scene::at(AdoptionStage::Sealing).await;
    let acme = scene.acme();
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    // As an index that does not project the header would have it.
    let mut stored = scene.world.stored("acme", "c-1").await;
    stored.remove("_seal");
    stored.insert("contact_id".to_owned(), s("c-2"));
    scene.world.plant(stored).await;
    let query = acme.dynamodb().query().table_name("crm").index_name("by-company");
    let query = query.key_condition_expression("company = :c AND contact_id = :i").filter_expression("tenant_id = :t");
    let query = query.expression_attribute_values(":c", s("Example Ltd")).expression_attribute_values(":i", s("c-2"));
    let error = sealing_error(query.expression_attribute_values(":t", s("acme")).send().await);
    assert!(matches!(error, Error::Open(OpenError::IndexLacksHeader { .. })), "{error}");
}
