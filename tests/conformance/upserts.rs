//! UpdateItem where there is no item yet.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValue;

use super::case::{Case, case};
use super::ctx::{Ctx, item, m, n, s, ss};
use super::outcome::{Outcome, outcome};
use super::tables::{CRM, FLAT, NUMBERED, TENANT};

pub fn cases() -> Vec<Case> {
    vec![
        case!(an_update_of_an_encrypted_attribute_makes_the_item),
        case!(an_update_of_a_plain_attribute_makes_the_item),
        case!(an_update_of_both_kinds_makes_the_item),
        case!(an_upsert_on_condition_that_nothing_is_there),
        case!(a_remove_makes_an_item_of_the_key_alone),
        case!(if_not_exists_makes_the_item_and_then_leaves_it),
        case!(a_counter_beside_an_encrypted_attribute_counts),
        case!(an_upsert_in_a_table_with_the_tenant_as_its_key),
        case!(an_upsert_in_a_table_without_a_sort_key),
        case!(an_upsert_by_another_rendering_of_a_number_finds_the_item),
        case!(an_upserted_item_is_put_over_and_updated_again),
    ]
}

async fn an_update_of_an_encrypted_attribute_makes_the_item(db: &Client, t: &Ctx) -> Outcome {
    let update = t.update(db, "1", "SET email = :e").expression_attribute_values(":e", s("e"));
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn an_update_of_a_plain_attribute_makes_the_item(db: &Client, t: &Ctx) -> Outcome {
    let update = t.update(db, "1", "SET title = :t").expression_attribute_values(":t", s("t"));
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn an_update_of_both_kinds_makes_the_item(db: &Client, t: &Ctx) -> Outcome {
    let update = t
        .update(db, "1", "SET email = :e, profile = :p, title = :e ADD tags :tags")
        .expression_attribute_values(":e", s("e"))
        .expression_attribute_values(":p", m([("zip", n("1.0"))]))
        .expression_attribute_values(":tags", ss(["a"]));
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn an_upsert_on_condition_that_nothing_is_there(db: &Client, t: &Ctx) -> Outcome {
    let update = t
        .update(db, "1", "SET email = :e")
        .condition_expression("attribute_not_exists(pk) AND attribute_not_exists(email)")
        .expression_attribute_values(":e", s("e"));
    outcome![update.send().await, t.get(db, "1").send().await]
}

async fn a_remove_makes_an_item_of_the_key_alone(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.update(db, "1", "REMOVE email, title").send().await, t.get(db, "1").send().await]
}

async fn if_not_exists_makes_the_item_and_then_leaves_it(db: &Client, t: &Ctx) -> Outcome {
    let update = |value| {
        t.update(db, "1", "SET email = if_not_exists(email, :v), title = if_not_exists(title, :v)")
            .expression_attribute_values(":v", s(value))
            .return_values(ReturnValue::AllNew)
    };
    outcome![update("first").send().await, update("second").send().await, t.get(db, "1").send().await]
}

async fn a_counter_beside_an_encrypted_attribute_counts(db: &Client, t: &Ctx) -> Outcome {
    let update = |value| {
        t.update(db, "1", "ADD price :one SET email = :v")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":v", s(value))
            .return_values(ReturnValue::UpdatedNew)
    };
    outcome![update("a").send().await, update("b").send().await, update("c").send().await, t.get(db, "1").send().await]
}

async fn an_upsert_in_a_table_with_the_tenant_as_its_key(db: &Client, t: &Ctx) -> Outcome {
    let key = || Some(item([("pk", s(TENANT)), ("sk", t.own("1"))]));
    let update = db
        .update_item()
        .table_name(t.table(CRM))
        .set_key(key())
        .update_expression("SET email = :e")
        .expression_attribute_values(":e", s("e"));
    outcome![update.send().await, db.get_item().table_name(t.table(CRM)).set_key(key()).send().await]
}

async fn an_upsert_in_a_table_without_a_sort_key(db: &Client, t: &Ctx) -> Outcome {
    let update = db
        .update_item()
        .table_name(t.table(FLAT))
        .key("pk", t.pk())
        .update_expression("SET email = :e")
        .expression_attribute_values(":e", s("e"))
        .return_values(ReturnValue::AllNew);
    outcome![update.send().await, db.get_item().table_name(t.table(FLAT)).key("pk", t.pk()).send().await]
}

async fn an_upsert_by_another_rendering_of_a_number_finds_the_item(db: &Client, t: &Ctx) -> Outcome {
    let update = |number: &str, name: &str| {
        db.update_item()
            .table_name(t.table(NUMBERED))
            .key("pk", t.pk())
            .key("sk", n(number))
            .update_expression(format!("SET {name} = :v"))
            .expression_attribute_values(":v", s(number))
            .return_values(ReturnValue::AllNew)
    };
    let get = db.get_item().table_name(t.table(NUMBERED)).key("pk", t.pk()).key("sk", n("0.5e1"));
    outcome![update("5.0", "email").send().await, update("5", "memo").send().await, get.send().await]
}

async fn an_upserted_item_is_put_over_and_updated_again(db: &Client, t: &Ctx) -> Outcome {
    let update = |value| {
        t.update(db, "1", "SET email = :v")
            .expression_attribute_values(":v", s(value))
            .return_values(ReturnValue::AllOld)
    };
    outcome![
        update("1").send().await,
        t.put(db, "1", [("memo", s("2"))]).return_values(ReturnValue::AllOld).send().await,
        update("3").send().await,
        t.get(db, "1").send().await,
    ]
}
