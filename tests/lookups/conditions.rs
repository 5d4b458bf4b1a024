//! Conditions of writes: DynamoDB decides, so exact lookups alone answer.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};

use super::scene::{TABLE, assert_right, contact, key, null, put, stored, tenant, world};
use crate::common::{World, s, sealing_error};

async fn ada() -> (World, Client) {
    let world = world(&["acme"]).await;
    let db = tenant(&world, "acme").dynamodb();
    put(&db, contact("acme", "c-1", [("email", s("ada@x.org")), ("last_name", s("Lovelace"))])).await;
    (world, db)
}

/// Whether an update under this condition goes through.
async fn holds(db: &Client, condition: &str, value: AttributeValue) -> bool {
    let request =
        db.update_item().table_name(TABLE).set_key(Some(key("acme", "c-1"))).update_expression("SET notes = :n");
    let request = request.condition_expression(condition).expression_attribute_values(":n", s("n"));
    match request.expression_attribute_values(":v", value).send().await {
        Ok(_) => true,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => {
            false
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_write_may_depend_on_an_exact_lookup() {
    let (_world, db) = ada().await;
    for (condition, value, expected) in [
        ("email = :v", "ADA@x.org", true),
        ("email = :v", "eve@x.org", false),
        ("email <> :v", "eve@x.org", true),
        ("email <> :v", "ada@x.org", false),
        ("NOT email IN (:v)", "ada@x.org", false),
        ("email IN (:v) OR attribute_exists(missing)", "ada@x.org", true),
        ("attribute_exists(email) AND NOT email = :v", "eve@x.org", true),
    ] {
        let condition = condition.replace("missing", "phone");
        assert_eq!(holds(&db, &condition, s(value)).await, expected, "{condition} {value}");
    }
    let request = db.put_item().table_name(TABLE).set_item(Some(contact("acme", "c-1", [("email", null())])));
    request.condition_expression("email = :v").expression_attribute_values(":v", s("ada@x.org")).send().await.unwrap();
    // NULL differs from every value, and so does its filler.
    assert!(holds(&db, "email <> :v", s("ada@x.org")).await);
    assert!(!holds(&db, "email = :v", s("ada@x.org")).await);
}

#[tokio::test]
async fn compare_and_set_may_use_one_placeholder_twice() {
    let (world, db) = ada().await;
    let request = db.update_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
    let request = request.update_expression("SET #e = :v, phone = :v").condition_expression("#e <> :v");
    let request = request.expression_attribute_names("#e", "email").expression_attribute_values(":v", s("17"));
    request.send().await.unwrap();
    let changed = stored(&world, "acme", "c-1").await;
    assert_right(&tenant(&world, "acme"), &changed).await;
    let request = db.delete_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
    let request = request.condition_expression("#e = :v").expression_attribute_names("#e", "email");
    request.expression_attribute_values(":v", s("17")).send().await.unwrap();
    assert!(stored(&world, "acme", "c-1").await.is_empty());
}

#[tokio::test]
async fn every_action_of_a_transaction_may_depend_on_a_lookup() {
    let (world, db) = ada().await;
    for id in ["c-2", "c-3", "c-4"] {
        put(&db, contact("acme", id, [("email", s("ada@x.org"))])).await;
    }
    let of = |email: &str| {
        let (condition, email) = ("email = :v", s(email));
        let new = Some(contact("acme", "c-1", [("email", s("new@x.org"))]));
        let put = Put::builder().table_name(TABLE).set_item(new).condition_expression(condition);
        let update =
            Update::builder().table_name(TABLE).set_key(Some(key("acme", "c-2"))).condition_expression(condition);
        let update = update.update_expression("SET email = :n").expression_attribute_values(":n", s("new@x.org"));
        let delete =
            Delete::builder().table_name(TABLE).set_key(Some(key("acme", "c-3"))).condition_expression(condition);
        let check = ConditionCheck::builder().table_name(TABLE).set_key(Some(key("acme", "c-4")));
        let check = check.condition_expression(condition).expression_attribute_values(":v", email.clone());
        let action = TransactWriteItem::builder;
        db.transact_write_items().set_transact_items(Some(vec![
            action().put(put.expression_attribute_values(":v", email.clone()).build().unwrap()).build(),
            action().update(update.expression_attribute_values(":v", email.clone()).build().unwrap()).build(),
            action().delete(delete.expression_attribute_values(":v", email).build().unwrap()).build(),
            action().condition_check(check.build().unwrap()).build(),
        ]))
    };
    let failed = of("eve@x.org").send().await.unwrap_err().into_service_error();
    let reasons: Vec<_> = failed.meta().code().into_iter().collect();
    assert_eq!(reasons, ["TransactionCanceledException"]);
    of("ADA@x.org").send().await.unwrap();
    for id in ["c-1", "c-2"] {
        let changed = stored(&world, "acme", id).await;
        assert_right(&tenant(&world, "acme"), &changed).await;
    }
    assert!(stored(&world, "acme", "c-3").await.is_empty());
}

#[tokio::test]
async fn a_lookup_that_would_hold_for_other_values_decides_no_write() {
    let (_world, db) = ada().await;
    for (condition, says) in [
        ("last_name = :v", "no lookup of attribute `last_name` can decide the condition of a write"),
        ("begins_with(last_name, :v)", "no lookup of attribute `last_name` can decide"),
        ("contains(tags, :v)", "no lookup of attribute `tags` can decide"),
        ("last_name <> :v", "no lookup of attribute `last_name` can decide"),
        ("email > :v", "`>` is not answered by any lookup"),
        ("notes = :v", "cannot be evaluated on the encrypted attribute `notes`"),
    ] {
        let request = db.delete_item().table_name(TABLE).set_key(Some(key("acme", "c-1")));
        let request = request.condition_expression(condition).expression_attribute_values(":v", s("Lovelace"));
        let error = sealing_error(request.send().await).to_string();
        assert!(error.contains(says), "{condition}: {error}");
    }
}
