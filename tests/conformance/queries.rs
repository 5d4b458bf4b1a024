//! Query of the table: key conditions, order, limits, pages.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Select};

use super::case::{Case, case};
use super::ctx::{Attributes, Ctx, b, given, item, n, names, s};
use super::outcome::{Outcome, outcome, shown};
use super::tables::{BINARY, CRM, FLAT, NUMBERED, TENANT};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = rows()
        .into_iter()
        .map(|(condition, values)| {
            Case::new(format!("the key condition {condition}"), move |db, t| {
                Box::pin(query(db, t, condition, values.clone()))
            })
        })
        .collect();
    cases.extend(errors().into_iter().map(|(condition, values, refusal)| {
        let case = Case::new(format!("the erroneous key condition {condition}"), move |db, t| {
            Box::pin(query(db, t, condition, values.clone()))
        });
        match refusal {
            Some(refusal) => case.invalid(refusal),
            None => case.validation(),
        }
    }));
    cases.extend([
        case!(a_query_of_an_empty_partition_finds_nothing),
        case!(a_descending_query),
        case!(a_limited_query_says_where_it_stopped),
        case!(pages_by_hand),
        case!(pages_by_hand_backwards),
        case!(pages_by_the_paginator),
        case!(items_by_the_paginator),
        case!(pages_with_a_filter_and_a_projection),
        case!(a_limit_of_exactly_all_items),
        case!(a_limit_of_nothing_is_an_error).validation(),
        case!(a_count_of_items),
        case!(a_count_of_filtered_items),
        case!(selected_attributes_need_a_projection).validation(),
        case!(selected_attributes_are_those_of_the_projection),
        case!(all_attributes_may_be_selected),
        case!(a_projection_beside_all_attributes_is_an_error).validation(),
        case!(projected_attributes_cannot_be_selected_of_a_table).validation(),
        case!(a_consistent_query),
        case!(a_start_key_of_an_item_that_is_gone_goes_on_behind_it),
        case!(a_start_key_without_the_sort_key_is_an_error).invalid("PrimaryKey Missing sk"),
        case!(a_start_key_of_another_partition_is_an_error).validation(),
        case!(a_query_without_a_key_condition_is_an_error).invalid("Missing"),
        case!(a_query_of_large_items_ends_at_a_megabyte),
        case!(a_query_of_a_table_with_the_tenant_as_its_key),
        case!(a_query_of_a_table_without_a_sort_key),
        case!(numbers_as_sort_keys_are_in_numeric_order),
        case!(bytes_as_sort_keys_are_in_the_order_of_bytes),
        case!(another_tenants_partition_is_refused).refused("NotOneTenant pk"),
    ]);
    cases
}

async fn query(db: &Client, t: &Ctx, condition: &'static str, values: Attributes) -> Outcome {
    for sk in ["a", "b1", "b2", "c", "d"] {
        t.seed(db, sk, [("title", s(sk)), ("email", s(format!("{sk}@example.org")))]).await;
    }
    let mut values = values;
    if condition.contains(":pk") {
        values.push((":pk", t.pk()));
    }
    let query = t
        .query_where(db, condition)
        .set_expression_attribute_names(names([condition]))
        .set_expression_attribute_values(given(values));
    outcome![query.send().await]
}

fn rows() -> Vec<(&'static str, Attributes)> {
    let v = |text| vec![(":v", s(text))];
    vec![
        ("pk = :pk", vec![]),
        ("#pk = :pk", vec![]),
        ("(pk = :pk)", vec![]),
        ("pk = :pk AND sk = :v", v("b1")),
        ("sk = :v AND pk = :pk", v("b1")),
        ("pk = :pk AND #sk = :v", v("nothing")),
        ("pk = :pk AND sk < :v", v("b2")),
        ("pk = :pk AND sk <= :v", v("b2")),
        ("pk = :pk and sk > :v", v("b1")),
        ("pk = :pk AND sk >= :v", v("b1")),
        ("pk = :pk AND begins_with(sk, :v)", v("b")),
        ("pk = :pk AND (begins_with(#sk, :v))", v("b")),
        ("pk=:pk and(sk between :v and :w)", vec![(":v", s("b")), (":w", s("c"))]),
        ("(pk = :pk) AND (sk > :v)", v("b1")),
        ("pk = :pk AND sk BETWEEN :v AND :w", vec![(":v", s("b")), (":w", s("c"))]),
    ]
}

fn errors() -> Vec<(&'static str, Attributes, Option<&'static str>)> {
    let v = |text| vec![(":v", s(text))];
    vec![
        ("pk > :pk", vec![], Some("Expression NotAKeyCondition")),
        ("sk = :v", v("a"), Some("NotOneTenant pk")),
        ("pk = :pk OR sk = :v", v("a"), Some("Expression NotAKeyCondition")),
        ("pk = :pk AND NOT sk = :v", v("a"), Some("Expression NotAKeyCondition")),
        ("pk = :pk AND sk <> :v", v("a"), Some("Expression NotAKeyCondition")),
        ("pk = :pk AND contains(sk, :v)", v("a"), Some("Expression NotAKeyCondition")),
        ("pk = :pk AND attribute_exists(sk)", vec![], Some("Expression NotAKeyCondition")),
        ("pk = :pk AND sk > :v AND sk < :w", vec![(":v", s("a")), (":w", s("c"))], Some("Expression RepeatedKey sk")),
        ("pk = :pk AND email = :v", v("a@example.org"), Some("Expression EncryptedKey email")),
        ("pk = :pk AND sk = :undefined", vec![], Some("UndefinedValue")),
        ("pk = :pk", vec![(":unused", s("x"))], Some("UnusedValue")),
        ("", vec![], Some("Expression Syntax")),
    ]
}

async fn a_query_of_an_empty_partition_finds_nothing(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.query(db).send().await]
}

async fn a_descending_query(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    outcome![t.query(db).scan_index_forward(false).send().await]
}

async fn a_limited_query_says_where_it_stopped(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    outcome![t.query(db).limit(3).send().await]
}

async fn pages_by_hand(db: &Client, t: &Ctx) -> Outcome {
    pages(db, t, true).await
}

async fn pages_by_hand_backwards(db: &Client, t: &Ctx) -> Outcome {
    pages(db, t, false).await
}

async fn pages(db: &Client, t: &Ctx, forward: bool) -> Outcome {
    t.seed_many(db, 7).await;
    let (mut outcome, mut start) = (Vec::new(), None);
    loop {
        let query = t.query(db).limit(3).scan_index_forward(forward).set_exclusive_start_key(start);
        let page = query.send().await;
        start = page.as_ref().ok().and_then(|page| page.last_evaluated_key.clone());
        outcome.push(shown(page));
        if start.is_none() {
            return outcome;
        }
    }
}

async fn pages_by_the_paginator(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 7).await;
    let mut pages = t.query(db).into_paginator().page_size(2).send();
    let mut outcome = Vec::new();
    while let Some(page) = pages.next().await {
        outcome.push(shown(page));
    }
    outcome
}

async fn items_by_the_paginator(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 7).await;
    let items = t.query(db).into_paginator().page_size(3).items().send();
    outcome![items.collect::<Result<Vec<_>, _>>().await]
}

async fn pages_with_a_filter_and_a_projection(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 9).await;
    let query = t
        .query(db)
        .filter_expression("#grade < :grade AND attribute_exists(email)")
        .projection_expression("email")
        .expression_attribute_names("#grade", "grade")
        .expression_attribute_values(":grade", n(97));
    let mut pages = query.limit(4).into_paginator().send();
    let mut outcome = Vec::new();
    while let Some(page) = pages.next().await {
        outcome.push(shown(page));
    }
    outcome
}

async fn a_limit_of_exactly_all_items(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 3).await;
    let start = Some(t.key("02"));
    outcome![t.query(db).limit(3).send().await, t.query(db).set_exclusive_start_key(start).send().await]
}

async fn a_limit_of_nothing_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.query(db).limit(0).send().await]
}

async fn a_count_of_items(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    outcome![t.query(db).select(Select::Count).send().await, t.query(db).select(Select::Count).limit(3).send().await]
}

async fn a_count_of_filtered_items(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    let query = t.query(db).select(Select::Count).filter_expression("title > :t");
    outcome![query.expression_attribute_values(":t", s("title 01")).send().await]
}

async fn selected_attributes_need_a_projection(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    outcome![t.query(db).select(Select::SpecificAttributes).send().await]
}

async fn selected_attributes_are_those_of_the_projection(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    outcome![t.query(db).select(Select::SpecificAttributes).projection_expression("email").send().await]
}

async fn all_attributes_may_be_selected(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    outcome![t.query(db).select(Select::AllAttributes).send().await]
}

async fn a_projection_beside_all_attributes_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 1).await;
    let query = |select| t.query(db).select(select).projection_expression("email");
    outcome![query(Select::AllAttributes).send().await, query(Select::Count).send().await]
}

async fn projected_attributes_cannot_be_selected_of_a_table(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.query(db).select(Select::AllProjectedAttributes).send().await]
}

async fn a_consistent_query(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    outcome![t.query(db).consistent_read(true).send().await]
}

async fn a_start_key_of_an_item_that_is_gone_goes_on_behind_it(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 4).await;
    t.delete(db, "01").send().await.unwrap();
    outcome![t.query(db).set_exclusive_start_key(Some(t.key("01"))).send().await]
}

async fn a_start_key_without_the_sort_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    outcome![t.query(db).exclusive_start_key("pk", t.pk()).send().await]
}

async fn a_start_key_of_another_partition_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 2).await;
    let start = item([("pk", t.pk_of("other")), ("sk", s("00"))]);
    outcome![t.query(db).set_exclusive_start_key(Some(start)).send().await]
}

async fn a_query_without_a_key_condition_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![db.query().table_name(&t.notes).send().await]
}

/// Each item is large enough that the ciphertext's overhead moves no page.
async fn a_query_of_large_items_ends_at_a_megabyte(db: &Client, t: &Ctx) -> Outcome {
    for i in 0..4 {
        t.seed(db, &i.to_string(), [("secret", s(i.to_string().repeat(390_000)))]).await;
    }
    let mut pages = t.query(db).into_paginator().send();
    let mut outcome = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map(|mut page| {
            for item in page.items.iter_mut().flatten() {
                let length = item["secret"].as_s().unwrap().len();
                item.insert("secret".to_owned(), n(length));
            }
            page
        });
        outcome.push(shown(page));
    }
    outcome
}

async fn a_query_of_a_table_with_the_tenant_as_its_key(db: &Client, t: &Ctx) -> Outcome {
    for i in ["1", "2"] {
        let all = item([("pk", s(TENANT)), ("sk", t.own(i)), ("email", s(i))]);
        db.put_item().table_name(t.table(CRM)).set_item(Some(all)).send().await.unwrap();
    }
    let query = db
        .query()
        .table_name(t.table(CRM))
        .key_condition_expression("pk = :pk AND begins_with(sk, :own)")
        .expression_attribute_values(":pk", s(TENANT))
        .expression_attribute_values(":own", t.own(""));
    outcome![query.send().await]
}

async fn a_query_of_a_table_without_a_sort_key(db: &Client, t: &Ctx) -> Outcome {
    let all = item([("pk", t.pk()), ("email", s("e"))]);
    db.put_item().table_name(t.table(FLAT)).set_item(Some(all)).send().await.unwrap();
    outcome![of(db, &t.table(FLAT), t.pk()).send().await]
}

async fn numbers_as_sort_keys_are_in_numeric_order(db: &Client, t: &Ctx) -> Outcome {
    for number in ["10", "9", "-1", "-2.50", "0.001", "1e3"] {
        let all = item([("pk", t.pk()), ("sk", n(number)), ("email", s(number))]);
        db.put_item().table_name(t.table(NUMBERED)).set_item(Some(all)).send().await.unwrap();
    }
    let between = of(db, &t.table(NUMBERED), t.pk())
        .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
        .expression_attribute_values(":low", n("-1.0"))
        .expression_attribute_values(":high", n("1e1"));
    outcome![of(db, &t.table(NUMBERED), t.pk()).send().await, between.send().await]
}

async fn bytes_as_sort_keys_are_in_the_order_of_bytes(db: &Client, t: &Ctx) -> Outcome {
    for bytes in [&[255][..], &[0, 1], &[0], &[127, 0], &[128]] {
        let all = item([("pk", t.pk()), ("sk", b(bytes)), ("email", s(format!("{bytes:?}")))]);
        db.put_item().table_name(t.table(BINARY)).set_item(Some(all)).send().await.unwrap();
    }
    let begins = of(db, &t.table(BINARY), t.pk())
        .key_condition_expression("pk = :pk AND begins_with(sk, :zero)")
        .expression_attribute_values(":zero", b([0]));
    outcome![of(db, &t.table(BINARY), t.pk()).limit(4).send().await, begins.send().await]
}

fn of(
    db: &Client,
    table: &str,
    pk: AttributeValue,
) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
    db.query().table_name(table).key_condition_expression("pk = :pk").expression_attribute_values(":pk", pk)
}

async fn another_tenants_partition_is_refused(db: &Client, t: &Ctx) -> Outcome {
    let query = t.query_where(db, "pk = :pk").expression_attribute_values(":pk", s("T#globex#1"));
    outcome![query.send().await]
}
