//! Every operation with a canary in every sensitive field: none passes the wire, none is logged.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, AttributeValueUpdate, ComparisonOperator, Condition, ConditionalOperator, ExpectedAttributeValue,
    Get, KeysAndAttributes, Put, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactGetItem,
    TransactWriteItem, Update, WriteRequest,
};
use tenantseal::{Error, Tenant};

use crate::common::{Contact, Taps, World, canary, contact, id, item, key, s, sealing_error, tap};
use crate::{assert_not_logged, log};

/// A contact whose sensitive fields are canaries, and these.
fn marked(tenant: &str, contact_id: &str) -> (Contact, Vec<String>) {
    let canaries: Vec<String> = (0..4).map(|_| canary()).collect();
    let [email, notes, name, value] = &canaries[..] else { unreachable!() };
    let contact = Contact {
        email: email.clone(),
        notes: Some(notes.clone()),
        api_keys: HashMap::from([(name.clone(), value.clone())]),
        ..contact(tenant, contact_id)
    };
    (contact, canaries)
}

async fn tapped() -> (World, Taps, Tenant) {
    log();
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let tenant = world.builder().build(&app).unwrap().tenant(&id("acme"));
    (world, taps, tenant)
}

fn assert_unseen(taps: &Taps, canaries: &[String]) {
    for canary in canaries {
        for tap in [&taps.dynamodb, &taps.kms, &taps.sts] {
            assert_eq!(tap::find(&tap.sent(), canary), None, "it was sent");
            assert_eq!(tap::find(&tap.answered(), canary), None, "it was answered");
        }
        assert_not_logged(canary);
    }
}

#[tokio::test]
async fn the_tap_and_the_log_do_see_what_is_plain() {
    let (_world, taps, acme) = tapped().await;
    let plain = canary();
    let contact = Contact { company: plain.clone(), ..contact("acme", "c-1") };
    acme.records::<Contact>().put(&contact).await.unwrap();
    assert!(tap::find(&taps.dynamodb.sent(), &plain).is_some());
    assert!(!crate::logged(&plain).is_empty());
    assert_eq!((taps.kms.requests(), taps.sts.requests()), (1, 1));
}

#[tokio::test]
async fn the_drop_in_client_neither_sends_nor_logs_plaintext() {
    let (_world, taps, acme) = tapped().await;
    let dynamodb = acme.dynamodb();
    let (first, mut canaries) = marked("acme", "c-1");
    let (second, more) = marked("acme", "c-1");
    canaries.extend(more);
    let put = |contact: &Contact| dynamodb.put_item().table_name("crm").set_item(Some(item(contact)));
    put(&first).send().await.unwrap();
    let replaced = put(&second).return_values(ReturnValue::AllOld).send().await.unwrap();
    assert_eq!(replaced.attributes, Some(item(&first)));
    let failed = put(&first)
        .condition_expression("attribute_not_exists(email)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let failed = failed.send().await.unwrap_err().into_service_error();
    let shown = match failed {
        aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => failed.item,
        other => panic!("{other:?}"),
    };
    assert_eq!(shown, Some(item(&second)));
    let get = dynamodb.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    assert_eq!(get.send().await.unwrap().item, Some(item(&second)));
    assert_eq!(dynamodb.scan().table_name("crm").send().await.unwrap().items(), [item(&second)]);
    let deleted = dynamodb.delete_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let deleted = deleted.return_values(ReturnValue::AllOld).send().await.unwrap();
    assert_eq!(deleted.attributes, Some(item(&second)));
    assert_unseen(&taps, &canaries);
}

#[tokio::test]
async fn updates_batches_and_transactions_neither_send_nor_log_plaintext() {
    let (_world, taps, acme) = tapped().await;
    let dynamodb = acme.dynamodb();
    let (contact, canaries) = marked("acme", "c-1");
    let secret = &contact.email;
    for expression in [
        "SET email = :v",
        "SET email = :v, notes = :v",
        "SET notes = if_not_exists(notes, :v)",
        "SET #e = :v REMOVE company",
        "SET email = :v SET2",
    ] {
        let names = expression.contains("#e").then(|| HashMap::from([("#e".to_owned(), "email".to_owned())]));
        for returned in [ReturnValue::AllNew, ReturnValue::UpdatedNew, ReturnValue::AllOld, ReturnValue::UpdatedOld] {
            let update = dynamodb.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
            let update = update.set_expression_attribute_names(names.clone()).update_expression(expression);
            let update = update.expression_attribute_values(":v", s(secret)).return_values(returned).send().await;
            assert_eq!(update.is_ok(), !expression.contains("SET2"), "{update:?}");
        }
    }
    let put = || Put::builder().table_name("crm").set_item(Some(item(&contact))).build().unwrap();
    let update = || {
        let update = Update::builder().table_name("crm").set_key(Some(key("acme", "c-2")));
        let update =
            update.update_expression("SET email = :v, notes = :v").expression_attribute_values(":v", s(secret));
        update.condition_expression("attribute_not_exists(email)")
    };
    let shown = ReturnValuesOnConditionCheckFailure::AllOld;
    for token in [None, Some("a token".to_owned()), Some("another".to_owned())] {
        let transaction = dynamodb.transact_write_items().set_client_request_token(token.clone());
        let transaction = transaction.transact_items(TransactWriteItem::builder().put(put()).build());
        let update = update().return_values_on_condition_check_failure(shown.clone()).build().unwrap();
        let transaction = transaction.transact_items(TransactWriteItem::builder().update(update).build()).send().await;
        assert_eq!(transaction.is_ok(), token.is_none(), "the condition holds once: {transaction:?}");
    }
    let request = PutRequest::builder().set_item(Some(item(&contact))).build().unwrap();
    let writes = vec![WriteRequest::builder().put_request(request).build()];
    dynamodb.batch_write_item().request_items("crm", writes).send().await.unwrap();
    let keys = KeysAndAttributes::builder().keys(key("acme", "c-1")).keys(key("acme", "c-2")).build().unwrap();
    let found = dynamodb.batch_get_item().request_items("crm", keys).send().await.unwrap();
    assert!(found.responses.unwrap()["crm"].contains(&item(&contact)));
    let get = Get::builder().table_name("crm").set_key(Some(key("acme", "c-1"))).build().unwrap();
    let get = dynamodb.transact_get_items().transact_items(TransactGetItem::builder().get(get).build());
    let found = get.send().await.unwrap();
    assert_eq!(found.responses()[0].item, Some(item(&contact)));
    assert_unseen(&taps, &canaries);
}

#[tokio::test]
async fn what_is_refused_is_neither_sent_nor_logged() {
    let (_world, taps, acme) = tapped().await;
    let dynamodb = acme.dynamodb();
    let (contact, canaries) = marked("acme", "c-1");
    let secret = || s(&contact.email);
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(item(&contact)));
    let keyed = |contact_id| Some(key("acme", contact_id));

    put().item("undeclared", secret()).send().await.unwrap_err();
    put().item("_seal_x", secret()).send().await.unwrap_err();
    put().item("_seal", secret()).send().await.unwrap_err();
    put().item("tenant_id", s("globex")).send().await.unwrap_err();
    put().item("notes", AttributeValue::N("not a number".to_owned())).send().await.unwrap_err();
    put().item("notes", AttributeValue::Ss(vec![])).send().await.unwrap_err();
    put().expression_attribute_values(":unused", secret()).send().await.unwrap_err();
    for condition in [
        "email = :v",
        "contains(email, :v)",
        "size(email) > :v",
        "begins_with(email, :v)",
        "email BETWEEN :v AND :v",
        "email IN (:v)",
        "attribute_type(email, :v)",
        ":v = email",
        "NOT (email <> :v)",
        "api_keys.mail = :v",
        "api_keys[0] = :v",
        "undeclared = :v",
        "#seal = :v",
        "company = :v OR email = :v",
    ] {
        let names = |name: &str| (condition.contains(name)).then(|| HashMap::from([(name.into(), "_seal".into())]));
        let refused = put().condition_expression(condition).expression_attribute_values(":v", secret());
        refused.set_expression_attribute_names(names("#seal")).send().await.unwrap_err();
        let refused = dynamodb.delete_item().table_name("crm").set_key(keyed("c-1")).condition_expression(condition);
        let refused = refused.expression_attribute_values(":v", secret());
        refused.set_expression_attribute_names(names("#seal")).send().await.unwrap_err();
        let refused = dynamodb.scan().table_name("crm").filter_expression(condition);
        let refused = refused.expression_attribute_values(":v", secret());
        refused.set_expression_attribute_names(names("#seal")).send().await.unwrap_err();
    }
    let update = dynamodb.update_item().table_name("crm").set_key(keyed("c-1"));
    update
        .update_expression("SET undeclared = :v")
        .expression_attribute_values(":v", secret())
        .send()
        .await
        .unwrap_err();
    let statement = dynamodb.execute_statement().statement("INSERT INTO crm VALUE {'email': ?}");
    statement.parameters(secret()).send().await.unwrap_err();
    let get = dynamodb.get_item().table_name("crm").set_key(keyed("c-1")).key("email", secret());
    get.send().await.unwrap_err();
    let scan = dynamodb.scan().table_name("crm").set_exclusive_start_key(keyed("c-1"));
    scan.exclusive_start_key("email", secret()).send().await.unwrap_err();
    let query = dynamodb.query().table_name("crm").key_condition_expression("tenant_id = :t AND email = :v");
    let query = query.expression_attribute_values(":t", s("acme")).expression_attribute_values(":v", secret());
    query.send().await.unwrap_err();
    assert_eq!(taps.dynamodb.requests(), 0);
    assert_unseen(&taps, &canaries);
}

#[tokio::test]
async fn legacy_parameters_are_refused_with_the_values_in_them() {
    let (_world, taps, acme) = tapped().await;
    let dynamodb = acme.dynamodb();
    let secret = canary();
    let expected = || {
        let expected = ExpectedAttributeValue::builder().value(s(&secret));
        expected.comparison_operator(ComparisonOperator::Eq).build()
    };
    let condition = || {
        let condition = Condition::builder().attribute_value_list(s(&secret));
        condition.comparison_operator(ComparisonOperator::Eq).build().unwrap()
    };
    let own = || Some(key("acme", "c-1"));
    let put = || dynamodb.put_item().table_name("crm").set_item(Some(item(&contact("acme", "c-1"))));
    let delete = || dynamodb.delete_item().table_name("crm").set_key(own());
    let query = || {
        let query = dynamodb.query().table_name("crm").key_condition_expression("tenant_id = :t");
        query.expression_attribute_values(":t", s("acme"))
    };
    let scan = || dynamodb.scan().table_name("crm");
    let update = || dynamodb.update_item().table_name("crm").set_key(own());
    let set = AttributeValueUpdate::builder().value(s(&secret)).build();
    let get = || dynamodb.get_item().table_name("crm").set_key(own());
    let errors = [
        sealing_error(put().expected("email", expected()).send().await),
        sealing_error(put().conditional_operator(ConditionalOperator::Or).send().await),
        sealing_error(delete().expected("email", expected()).send().await),
        sealing_error(delete().conditional_operator(ConditionalOperator::Or).send().await),
        sealing_error(dynamodb.query().table_name("crm").key_conditions("tenant_id", condition()).send().await),
        sealing_error(query().query_filter("email", condition()).send().await),
        sealing_error(query().conditional_operator(ConditionalOperator::Or).send().await),
        sealing_error(query().attributes_to_get("email").send().await),
        sealing_error(scan().scan_filter("email", condition()).send().await),
        sealing_error(scan().conditional_operator(ConditionalOperator::Or).send().await),
        sealing_error(scan().attributes_to_get("email").send().await),
        sealing_error(get().attributes_to_get("email").send().await),
        sealing_error(update().attribute_updates("email", set).send().await),
        sealing_error(update().expected("email", expected()).send().await),
    ];
    for error in errors {
        assert!(matches!(error, Error::Refused(_)), "{error}");
    }
    assert_eq!(taps.dynamodb.requests(), 0);
    assert_unseen(&taps, &[secret]);
}

#[tokio::test]
async fn without_a_key_nothing_is_sent_or_logged() {
    let (contact, canaries) = marked("acme", "c-1");
    for operation in ["AssumeRole", "GenerateDataKey"] {
        let (world, taps, acme) = tapped().await;
        world.stack.faults().on(operation).fail("AccessDeniedException", 400);
        acme.dynamodb().put_item().table_name("crm").set_item(Some(item(&contact))).send().await.unwrap_err();
        assert_eq!(taps.dynamodb.requests(), 0);
        assert_unseen(&taps, &canaries);
    }
}
