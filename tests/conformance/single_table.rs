//! Single-table design: customers, their orders and the lines of these in one partition, told apart by their sort keys.

use aws_sdk_dynamodb::Client;

use super::case::{Case, case};
use super::ctx::{Ctx, item, l, m, n, s, yes};
use super::outcome::{Outcome, outcome};
use super::transactions::{Action, check, put, update, write};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_partition_holds_items_of_several_kinds),
        case!(the_items_of_one_kind_are_found_by_their_prefix),
        case!(an_order_and_its_lines_are_found_together),
        case!(the_latest_order_is_found_first),
        case!(items_of_one_kind_are_filtered_by_their_type),
        case!(an_index_finds_open_orders_of_all_customers),
        case!(an_order_is_placed_in_one_transaction),
        case!(an_order_is_not_placed_for_a_customer_that_is_not_there).error("TransactionCanceledException"),
        case!(a_unique_email_is_kept_by_an_item_of_its_own).error("TransactionCanceledException"),
        case!(a_counter_item_beside_sealed_ones),
        case!(optimistic_locking_by_a_plain_version).error("ConditionalCheckFailedException"),
        case!(an_item_with_a_time_to_live),
        case!(a_list_of_sealed_documents),
    ]
}

async fn seed(db: &Client, t: &Ctx) {
    let customer = [("type", s("customer")), ("name", s("Ada")), ("email", s("ada@example.org"))];
    t.seed(db, "CUSTOMER", customer).await;
    for order in 1..=3 {
        let attributes = [
            ("type", s("order")),
            ("status", t.own(if order == 2 { "closed" } else { "open" })),
            ("grade", n(order)),
            ("amount", n(order * 100)),
            ("profile", m([("ship_to", s("Main 1")), ("gift", yes())])),
        ];
        t.seed(db, &format!("ORDER#{order}"), attributes).await;
        for line in 1..=2 {
            let attributes = [("type", s("line")), ("count", n(line)), ("memo", s(format!("{order}/{line}")))];
            t.seed(db, &format!("ORDER#{order}#LINE#{line}"), attributes).await;
        }
    }
}

async fn a_partition_holds_items_of_several_kinds(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![t.query(db).send().await]
}

fn beginning(db: &Client, t: &Ctx, prefix: &str) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
    let query = t.query_where(db, "pk = :pk AND begins_with(sk, :prefix)");
    query.expression_attribute_values(":pk", t.pk()).expression_attribute_values(":prefix", s(prefix))
}

async fn the_items_of_one_kind_are_found_by_their_prefix(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![beginning(db, t, "CUSTOMER").send().await, beginning(db, t, "ORDER#1#LINE#").send().await]
}

async fn an_order_and_its_lines_are_found_together(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![beginning(db, t, "ORDER#2").send().await]
}

async fn the_latest_order_is_found_first(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = t.query(db).index_name("by_grade").scan_index_forward(false).limit(1);
    outcome![query.send().await]
}

async fn items_of_one_kind_are_filtered_by_their_type(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = t.query(db).filter_expression("#type = :type AND attribute_exists(amount)");
    let query = query.expression_attribute_names("#type", "type").expression_attribute_values(":type", s("order"));
    outcome![query.projection_expression("amount, profile.ship_to").send().await]
}

async fn an_index_finds_open_orders_of_all_customers(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let other = item([
        ("pk", t.pk_of("-other")),
        ("sk", s("ORDER#9")),
        ("status", t.own("open")),
        ("grade", n(9)),
        ("amount", n(1)),
    ]);
    db.put_item().table_name(&t.notes).set_item(Some(other)).send().await.unwrap();
    let query = t.query_where(db, "#status = :status").index_name("by_status");
    let query = query.expression_attribute_names("#status", "status");
    outcome![query.expression_attribute_values(":status", t.own("open")).send().await]
}

fn place(
    db: &Client,
    t: &Ctx,
) -> aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder {
    let actions = [
        check(t, "CUSTOMER", "attribute_exists(email)").action(),
        put(t, "ORDER#4", [("type", s("order")), ("amount", n(400))])
            .condition_expression("attribute_not_exists(pk)")
            .action(),
        put(t, "ORDER#4#LINE#1", [("type", s("line")), ("memo", s("4/1"))]).action(),
        update(t, "STATS", "SET memo = :m ADD #count :one")
            .expression_attribute_values(":m", s("last was 4"))
            .expression_attribute_values(":one", n(1))
            .action(),
    ];
    write(db, actions)
}

async fn an_order_is_placed_in_one_transaction(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![place(db, t).send().await, beginning(db, t, "ORDER#4").send().await, t.get(db, "STATS").send().await]
}

async fn an_order_is_not_placed_for_a_customer_that_is_not_there(db: &Client, t: &Ctx) -> Outcome {
    outcome![place(db, t).send().await, t.query(db).send().await]
}

async fn a_unique_email_is_kept_by_an_item_of_its_own(db: &Client, t: &Ctx) -> Outcome {
    let register = |id: &str| {
        let actions = [
            put(t, &format!("USER#{id}"), [("email", s("ada@example.org"))]).action(),
            // In life a keyed hash of the address.
            put(t, "EMAIL#1f3a", [("owner", s(id))]).condition_expression("attribute_not_exists(pk)").action(),
        ];
        write(db, actions)
    };
    outcome![register("1").send().await, register("2").send().await, t.query(db).send().await]
}

async fn a_counter_item_beside_sealed_ones(db: &Client, t: &Ctx) -> Outcome {
    use aws_sdk_dynamodb::types::ReturnValue::UpdatedNew;
    seed(db, t).await;
    let count = || {
        let update = t.update(db, "COUNTER", "ADD #count :one").expression_attribute_names("#count", "count");
        update.expression_attribute_values(":one", n(1)).return_values(UpdatedNew)
    };
    outcome![count().send().await, count().send().await, t.get(db, "COUNTER").send().await]
}

async fn optimistic_locking_by_a_plain_version(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", [("grade", n(1)), ("email", s("a"))]).await;
    let write = |email: &str, version: i32| {
        t.put(db, "1", [("grade", n(version + 1)), ("email", s(email))])
            .condition_expression("#grade = :version")
            .expression_attribute_names("#grade", "grade")
            .expression_attribute_values(":version", n(version))
    };
    outcome![
        write("b", 1).send().await,
        write("lost", 1).send().await,
        write("c", 2).send().await,
        t.get(db, "1").send().await,
    ]
}

async fn an_item_with_a_time_to_live(db: &Client, t: &Ctx) -> Outcome {
    let put = t.put(db, "1", [("ttl", n(4_102_444_800_i64)), ("secret", s("session"))]);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn a_list_of_sealed_documents(db: &Client, t: &Ctx) -> Outcome {
    let notes = (0..20).map(|i| m([("at", n(i)), ("text", s("x".repeat(i * 10)))]));
    outcome![
        t.put(db, "1", [("phones", l(notes))]).send().await,
        t.get(db, "1")
            .projection_expression("phones[19].#at, phones[0]")
            .expression_attribute_names("#at", "at")
            .send()
            .await,
        t.get(db, "1").send().await,
    ]
}
