//! Updates, batches and transactions from the wrong side: one bad part, and nothing of the whole is sent.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, DeleteRequest, Get, KeysAndAttributes, Put, PutRequest, TransactGetItem, TransactWriteItem,
    Update, WriteRequest,
};
use tenantseal::Error;
use tenantseal::error::Refusal;

use crate::boundary::tenants::is_foreign;
use crate::common::{World, contact, id, item, key, s, sealing_error};

fn put_of(tenant: &str) -> TransactWriteItem {
    let put = Put::builder().table_name("crm").set_item(Some(item(&contact(tenant, "c-1")))).build().unwrap();
    TransactWriteItem::builder().put(put).build()
}

/// Each action that a transaction can have, on an item of `tenant`.
fn actions_on(tenant: &str) -> Vec<TransactWriteItem> {
    let key = || Some(key(tenant, "c-2"));
    let delete = Delete::builder().table_name("crm").set_key(key()).build().unwrap();
    let check = ConditionCheck::builder().table_name("crm").set_key(key());
    let check = check.condition_expression("attribute_exists(email)").build().unwrap();
    let update = Update::builder().table_name("crm").set_key(key()).update_expression("SET email = :v");
    let update = update.expression_attribute_values(":v", s("x")).build().unwrap();
    vec![
        put_of(tenant),
        TransactWriteItem::builder().delete(delete).build(),
        TransactWriteItem::builder().condition_check(check).build(),
        TransactWriteItem::builder().update(update).build(),
    ]
}

#[tokio::test]
async fn one_item_of_another_tenant_anywhere_refuses_the_whole_before_any_call() {
    let world = World::start(&["acme", "globex"]).await;
    let (taps, app) = world.tapped().await;
    let dynamodb = world.builder().build(&app).unwrap().tenant(&id("acme")).dynamodb();
    let mut errors = Vec::new();
    for theirs in actions_on("globex") {
        let transaction = dynamodb.transact_write_items().transact_items(put_of("acme")).transact_items(theirs);
        errors.push(sealing_error(transaction.send().await));
    }
    let read = |tenant| {
        let get = Get::builder().table_name("crm").set_key(Some(key(tenant, "c-1"))).build().unwrap();
        TransactGetItem::builder().get(get).build()
    };
    let reads = dynamodb.transact_get_items().transact_items(read("acme")).transact_items(read("globex"));
    errors.push(sealing_error(reads.send().await));
    let keys = KeysAndAttributes::builder().keys(key("acme", "c-1")).keys(key("globex", "c-1")).build().unwrap();
    errors.push(sealing_error(dynamodb.batch_get_item().request_items("crm", keys).send().await));
    let put = |tenant| {
        let put = PutRequest::builder().set_item(Some(item(&contact(tenant, "c-1")))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let delete = DeleteRequest::builder().set_key(Some(key("globex", "c-1"))).build().unwrap();
    let delete = WriteRequest::builder().delete_request(delete).build();
    for theirs in [put("globex"), delete] {
        let batch = dynamodb.batch_write_item().request_items("crm", vec![put("acme"), theirs]);
        errors.push(sealing_error(batch.send().await));
    }
    let update = dynamodb.update_item().table_name("crm").set_key(Some(key("globex", "c-1")));
    let update = update.update_expression("SET email = :v").expression_attribute_values(":v", s("x"));
    errors.push(sealing_error(update.send().await));
    for error in errors {
        assert!(is_foreign(&error), "{error}");
    }
    assert_eq!((taps.dynamodb.requests(), world.key_calls()), (0, 0));
}

#[tokio::test]
async fn one_unknown_table_anywhere_refuses_the_whole() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let dynamodb = world.builder().build(&app).unwrap().tenant(&id("acme")).dynamodb();
    let keys = || KeysAndAttributes::builder().keys(key("acme", "c-1")).build().unwrap();
    let reads = dynamodb.batch_get_item().request_items("crm", keys()).request_items("other", keys());
    let put = PutRequest::builder().set_item(Some(item(&contact("acme", "c-1")))).build().unwrap();
    let put = || vec![WriteRequest::builder().put_request(put.clone()).build()];
    let writes = dynamodb.batch_write_item().request_items("crm", put()).request_items("other", put());
    let delete = Delete::builder().table_name("other").set_key(Some(key("acme", "c-1"))).build().unwrap();
    let delete = TransactWriteItem::builder().delete(delete).build();
    let transaction = dynamodb.transact_write_items().transact_items(put_of("acme")).transact_items(delete);
    for error in
        [sealing_error(reads.send().await), sealing_error(writes.send().await), sealing_error(transaction.send().await)]
    {
        assert!(matches!(&error, Error::Refused(Refusal::UnknownTable(table)) if table == "other"), "{error}");
    }
    assert_eq!((taps.dynamodb.requests(), world.key_calls()), (0, 0));
}

#[tokio::test]
async fn a_token_that_another_tenant_used_is_refused_and_changes_nothing() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let transact = |tenant: &str, token: &str| {
        let transaction = seal.tenant(&id(tenant)).dynamodb().transact_write_items().transact_items(put_of(tenant));
        transaction.client_request_token(token).send()
    };
    let get = |tenant: &str| seal.tenant(&id(tenant)).records::<crate::common::Contact>().get("c-1");
    for _ in 0..2 {
        transact("acme", "token").await.unwrap();
    }
    let refused = transact("globex", "token").await.unwrap_err();
    assert!(Error::find_in(&refused).is_none());
    assert!(refused.into_service_error().is_idempotent_parameter_mismatch_exception());
    assert_eq!(get("globex").await.unwrap(), None);
    assert_eq!(get("acme").await.unwrap(), Some(contact("acme", "c-1")));
    for _ in 0..2 {
        transact("globex", "globex-token").await.unwrap();
    }
    assert_eq!(get("globex").await.unwrap(), Some(contact("globex", "c-1")));
    let of = |tenant: &str| {
        let records = world.stack.calls().records();
        let made = records.iter().filter(|record| record.call.operation == "GenerateDataKey");
        made.filter(|record| record.call.encryption_context["tenant"] == tenant).count()
    };
    assert_eq!((of("acme"), of("globex")), (1, 1));
}

#[tokio::test]
async fn an_update_cannot_take_ciphertext_elsewhere_or_touch_what_is_reserved() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
    for expression in [
        "SET company = email",
        "SET email = company",
        "SET email = notes",
        "SET company = if_not_exists(email, :v)",
        "SET email = if_not_exists(company, :v)",
        "SET company = if_not_exists(company, email)",
        "SET email = email + :v",
        "SET api_keys = list_append(api_keys, :v)",
        "SET company = list_append(:v, notes)",
        "SET api_keys.mail = :v",
        "SET api_keys[0] = :v",
        "REMOVE api_keys.mail",
        "ADD email :v",
        "DELETE email :v",
        "SET #s = :v",
        "REMOVE #s",
        "SET company = #s",
        "SET undeclared = :v",
        "SET email = :v, undeclared = :v",
    ] {
        let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let values = expression.contains(":v").then(|| HashMap::from([(":v".to_owned(), s("secret"))]));
        let names = expression.contains("#s").then(|| HashMap::from([("#s".to_owned(), "_seal".to_owned())]));
        let update = update.set_expression_attribute_values(values).set_expression_attribute_names(names);
        let update = update.update_expression(expression).send().await;
        let error = sealing_error(update);
        assert!(matches!(error, Error::Refused(Refusal::Expression { .. })), "{expression}: {error}");
    }
    assert_eq!((taps.dynamodb.requests(), world.key_calls()), (0, 0));
}
