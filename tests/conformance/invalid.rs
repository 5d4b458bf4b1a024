//! Requests that are no good: keys, tables, parameters.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValueUpdate, ExpectedAttributeValue, KeysAndAttributes};

use super::case::{Case, case};
use super::ctx::{Ctx, item, n, s};
use super::outcome::{Outcome, outcome};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_key_without_its_sort_key_is_an_error).invalid("PrimaryKey Missing sk"),
        case!(a_key_without_its_partition_key_is_an_error).invalid("PrimaryKey Missing pk"),
        case!(a_key_with_a_third_attribute_is_an_error).invalid("PrimaryKey Superfluous title"),
        case!(an_item_without_its_key_is_an_error).invalid("PrimaryKey Missing sk"),
        case!(an_empty_sort_key_is_an_error).invalid("PrimaryKey Invalid Empty sk"),
        case!(an_empty_partition_key_is_an_error).invalid("PrimaryKey ForeignTenant pk"),
        case!(a_sort_key_of_another_type_is_an_error).validation(),
        case!(a_partition_key_of_another_type_is_an_error).invalid("PrimaryKey ForeignTenant pk"),
        case!(a_sort_key_over_a_kilobyte_is_an_error).validation(),
        case!(a_request_without_a_key_is_an_error).invalid("Missing"),
        case!(a_put_without_an_item_is_an_error).invalid("Missing"),
        case!(a_table_that_is_not_there).refused("UnknownTable").error("ResourceNotFoundException"),
        case!(a_batch_on_a_table_that_is_not_there).refused("UnknownTable").error("ResourceNotFoundException"),
        case!(an_undeclared_attribute_is_refused).refused("Seal Undeclared undeclared"),
        case!(an_attribute_of_the_librarys_own_is_refused).refused("Seal Reserved _seal"),
        case!(another_tenants_item_is_refused).refused("PrimaryKey ForeignTenant pk"),
        case!(an_attribute_without_a_name_is_an_error).invalid("Seal Undeclared"),
        case!(a_name_that_nothing_uses_is_an_error).validation(),
        case!(names_without_an_expression_are_an_error).validation(),
        case!(values_without_an_expression_are_an_error).invalid("UnusedValue"),
        case!(no_names_at_all_are_an_error).invalid("Empty"),
        case!(no_values_at_all_are_an_error).invalid("Empty").alone(),
        case!(a_placeholder_without_its_sign_is_an_error).validation(),
        case!(legacy_conditions_are_refused).refused("Legacy"),
        case!(legacy_updates_are_refused).refused("Legacy"),
        case!(legacy_projections_are_refused).refused("Legacy"),
        case!(legacy_key_conditions_are_refused).refused("Legacy"),
        case!(an_expression_over_4_kilobytes_is_an_error).invalid("Expression TooLong"),
        case!(more_than_100_operands_of_in_are_an_error).invalid("Expression TooManyOperands"),
    ]
}

async fn a_key_without_its_sort_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let key = || Some(item([("pk", t.pk())]));
    outcome![
        db.get_item().table_name(&t.notes).set_key(key()).send().await,
        db.delete_item().table_name(&t.notes).set_key(key()).send().await,
        db.update_item().table_name(&t.notes).set_key(key()).update_expression("REMOVE email").send().await,
    ]
}

async fn a_key_without_its_partition_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.get_item().table_name(&t.notes).key("sk", s("1")).send().await]
}

async fn a_key_with_a_third_attribute_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let key = || Some(t.item("1", [("title", s("t"))]));
    outcome![
        db.get_item().table_name(&t.notes).set_key(key()).send().await,
        db.delete_item().table_name(&t.notes).set_key(key()).send().await,
    ]
}

async fn an_item_without_its_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let all = item([("pk", t.pk()), ("email", s("e"))]);
    outcome![db.put_item().table_name(&t.notes).set_item(Some(all)).send().await]
}

async fn an_empty_sort_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "", [("email", s("e"))]).send().await, t.get(db, "").send().await]
}

async fn an_empty_partition_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.get_item().table_name(&t.notes).key("pk", s("")).key("sk", s("1")).send().await]
}

async fn a_sort_key_of_another_type_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let all = item([("pk", t.pk()), ("sk", n(1)), ("email", s("e"))]);
    outcome![
        db.put_item().table_name(&t.notes).set_item(Some(all)).send().await,
        db.get_item().table_name(&t.notes).key("pk", t.pk()).key("sk", n(1)).send().await,
    ]
}

async fn a_partition_key_of_another_type_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.get_item().table_name(&t.notes).key("pk", n(1)).key("sk", s("1")).send().await]
}

async fn a_sort_key_over_a_kilobyte_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let key = "k".repeat(1025);
    outcome![t.put(db, &key, [("email", s("e"))]).send().await, t.get(db, &key).send().await]
}

async fn a_request_without_a_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        db.get_item().table_name(&t.notes).send().await,
        db.delete_item().table_name(&t.notes).send().await,
        db.update_item().table_name(&t.notes).update_expression("REMOVE email").send().await,
    ]
}

async fn a_put_without_an_item_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.put_item().table_name(&t.notes).send().await]
}

async fn a_table_that_is_not_there(db: &Client, t: &Ctx) -> Outcome {
    let name = t.table("missing");
    outcome![
        db.put_item().table_name(&name).set_item(Some(t.key("1"))).send().await,
        db.get_item().table_name(&name).set_key(Some(t.key("1"))).send().await,
        db.delete_item().table_name(&name).set_key(Some(t.key("1"))).send().await,
        db.update_item().table_name(&name).set_key(Some(t.key("1"))).update_expression("REMOVE email").send().await,
        t.query(db).table_name(&name).send().await,
        db.scan().table_name(&name).send().await,
    ]
}

async fn a_batch_on_a_table_that_is_not_there(db: &Client, t: &Ctx) -> Outcome {
    let name = t.table("missing");
    let keys = KeysAndAttributes::builder().keys(t.key("1")).build().unwrap();
    outcome![
        db.batch_get_item().request_items(&name, keys).send().await,
        db.batch_write_item().request_items(&name, vec![super::batches::put(t.key("1"))]).send().await,
    ]
}

async fn an_undeclared_attribute_is_refused(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", [("undeclared", s("x"))]).send().await]
}

async fn an_attribute_of_the_librarys_own_is_refused(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", [("_seal", s("x"))]).send().await]
}

async fn another_tenants_item_is_refused(db: &Client, t: &Ctx) -> Outcome {
    let key = || Some(item([("pk", s(format!("T#globex#{}", t.number))), ("sk", s("1"))]));
    outcome![
        db.get_item().table_name(&t.notes).set_key(key()).send().await,
        db.update_item().table_name(&t.notes).set_key(key()).update_expression("REMOVE email").send().await,
        db.delete_item().table_name(&t.notes).set_key(key()).send().await,
    ]
}

async fn an_attribute_without_a_name_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", [("", s("x"))]).send().await]
}

async fn a_name_that_nothing_uses_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let condition = "attribute_exists(email)";
    outcome![
        t.put(db, "00", []).condition_expression(condition).expression_attribute_names("#x", "title").send().await,
        t.delete(db, "00").condition_expression(condition).expression_attribute_names("#x", "title").send().await,
        t.update(db, "00", "REMOVE email").expression_attribute_names("#x", "title").send().await,
        t.query(db).expression_attribute_names("#x", "title").send().await,
        t.query(db).filter_expression(condition).expression_attribute_names("#x", "title").send().await,
        t.query(db).projection_expression("email").expression_attribute_names("#x", "title").send().await,
        t.query(db).send().await,
    ]
}

async fn names_without_an_expression_are_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.get(db, "1").expression_attribute_names("#x", "title").send().await,
        t.put(db, "1", []).expression_attribute_names("#x", "title").send().await,
        db.scan().table_name(&t.notes).expression_attribute_names("#x", "title").send().await,
    ]
}

async fn values_without_an_expression_are_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.put(db, "1", []).expression_attribute_values(":x", s("x")).send().await,
        t.delete(db, "1").expression_attribute_values(":x", s("x")).send().await,
    ]
}

async fn no_names_at_all_are_an_error(db: &Client, t: &Ctx) -> Outcome {
    let none = || Some(Default::default());
    outcome![
        t.get(db, "1").projection_expression("title").set_expression_attribute_names(none()).send().await,
        t.get(db, "1").projection_expression("email").set_expression_attribute_names(none()).send().await,
        t.query(db).projection_expression("email").set_expression_attribute_names(none()).send().await,
        t.update(db, "1", "REMOVE email").set_expression_attribute_names(none()).send().await,
    ]
}

async fn no_values_at_all_are_an_error(db: &Client, t: &Ctx) -> Outcome {
    let none = || Some(Default::default());
    outcome![
        t.update(db, "1", "REMOVE email").set_expression_attribute_values(none()).send().await,
        t.delete(db, "1")
            .condition_expression("attribute_exists(email)")
            .set_expression_attribute_values(none())
            .send()
            .await,
        db.scan()
            .table_name(&t.notes)
            .filter_expression("attribute_exists(email)")
            .set_expression_attribute_values(none())
            .send()
            .await,
    ]
}

async fn a_placeholder_without_its_sign_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.get(db, "1").projection_expression("email").expression_attribute_names("x", "title").send().await,
        t.get(db, "1")
            .projection_expression("#x")
            .expression_attribute_names("#x", "title")
            .expression_attribute_names("y", "city")
            .send()
            .await,
    ]
}

async fn legacy_conditions_are_refused(db: &Client, t: &Ctx) -> Outcome {
    let absent = || ExpectedAttributeValue::builder().exists(false).build();
    outcome![
        t.put(db, "1", [("email", s("e"))]).expected("email", absent()).send().await,
        t.delete(db, "2").expected("email", absent()).send().await,
    ]
}

async fn legacy_updates_are_refused(db: &Client, t: &Ctx) -> Outcome {
    let update = AttributeValueUpdate::builder().value(s("x")).build();
    let request = db.update_item().table_name(&t.notes).set_key(Some(t.key("1"))).attribute_updates("title", update);
    outcome![request.send().await]
}

async fn legacy_projections_are_refused(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let keys = KeysAndAttributes::builder().keys(t.key("00")).attributes_to_get("title").build().unwrap();
    outcome![
        t.get(db, "00").attributes_to_get("title").send().await,
        db.batch_get_item().request_items(&t.notes, keys).send().await,
    ]
}

async fn an_expression_over_4_kilobytes_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let condition = format!("attribute_exists(title){}", " AND attribute_exists(title)".repeat(150));
    outcome![t.delete(db, "1").condition_expression(condition).send().await]
}

async fn more_than_100_operands_of_in_are_an_error(db: &Client, t: &Ctx) -> Outcome {
    let operands: Vec<_> = (0..101).map(|i| format!(":v{i}")).collect();
    let values = operands.iter().map(|name| (name.clone(), s(name.as_str()))).collect();
    let delete = t.delete(db, "1").condition_expression(format!("title IN ({})", operands.join(", ")));
    outcome![delete.set_expression_attribute_values(Some(values)).send().await]
}

async fn legacy_key_conditions_are_refused(db: &Client, t: &Ctx) -> Outcome {
    use aws_sdk_dynamodb::types::{ComparisonOperator, Condition};
    t.seed_many(db, 1).await;
    let condition = Condition::builder().comparison_operator(ComparisonOperator::Eq).attribute_value_list(t.pk());
    outcome![db.query().table_name(&t.notes).key_conditions("pk", condition.build().unwrap()).send().await]
}
