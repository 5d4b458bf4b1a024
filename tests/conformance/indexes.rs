//! Query of secondary indexes: local and global ones, with every kind of projection.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::Select;

use super::case::{Case, case};
use super::ctx::{Ctx, m, n, s};
use super::outcome::{Outcome, outcome, shown};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_local_index_of_all_attributes),
        case!(a_local_index_backwards_with_a_condition_on_its_sort_key),
        case!(a_local_index_in_pages),
        case!(a_local_index_of_keys_alone),
        case!(a_local_index_fetches_what_it_lacks),
        case!(a_local_index_read_consistently),
        case!(an_item_leaves_a_local_index_with_its_key),
        case!(a_global_index_of_all_attributes),
        case!(a_global_index_with_a_condition_on_its_sort_key),
        case!(a_global_index_in_pages),
        case!(a_global_index_by_the_paginator),
        case!(a_global_index_with_a_projection_and_a_filter),
        case!(a_global_index_with_a_nested_projection),
        case!(a_global_index_of_keys_alone),
        case!(a_global_index_counts),
        case!(a_global_index_that_includes_the_header),
        case!(a_global_index_that_includes_the_header_and_is_projected),
        case!(a_global_index_without_the_header_does_not_open).refused("Open IndexLacksHeader email"),
        case!(a_global_index_without_the_header_gives_its_plain_attributes),
        case!(a_global_index_whose_sort_key_is_the_tenants),
        case!(a_global_index_whose_sort_key_begins_with_the_tenant),
        case!(a_global_index_whose_sort_key_is_the_tenants_without_a_condition_on_it).refused("TenantInIndex pk"),
        case!(a_global_index_with_a_filter_in_parentheses),
        case!(a_global_index_with_a_filter_on_the_key_of_the_table),
        case!(a_global_index_without_the_header_is_projected).refused("Open IndexLacksHeader email"),
        case!(all_projected_attributes_of_indexes),
        case!(a_global_index_follows_updates),
        case!(a_global_index_cannot_be_read_consistently).validation(),
        case!(an_index_that_is_not_there_is_an_error).validation(),
        case!(an_index_without_its_partition_key_is_an_error).invalid("Expression NotAKeyCondition"),
        case!(an_index_by_the_key_of_the_table_is_an_error).validation(),
        case!(a_global_index_of_keys_does_not_give_other_attributes).validation(),
        case!(an_index_key_of_another_type_is_an_error).validation(),
    ]
}

/// Five items in one city, with ranks that run the other way than their sort keys.
async fn seed(db: &Client, t: &Ctx) {
    for i in 0..5 {
        let attributes = [
            ("title", s(format!("title {i}"))),
            ("grade", n(10 - i)),
            ("city", t.own("Brno")),
            ("status", t.own("open")),
            ("owner", t.own("ada")),
            ("due", s(format!("2026-01-{:02}", 20 - i))),
            ("email", s(format!("{i}@example.org"))),
            ("profile", m([("zip", n(i)), ("street", s("Main"))])),
        ];
        t.seed(db, &format!("{i}"), attributes).await;
    }
    t.seed(db, "elsewhere", [("city", t.own("Praha")), ("email", s("p"))]).await;
    t.seed(db, "nowhere", [("email", s("n"))]).await;
}

fn local(db: &Client, t: &Ctx, index: &str) -> QueryFluentBuilder {
    t.query(db).index_name(index)
}

fn by_city(db: &Client, t: &Ctx) -> QueryFluentBuilder {
    let query = t.query_where(db, "city = :city").index_name("by_city");
    query.expression_attribute_values(":city", t.own("Brno"))
}

fn by_status(db: &Client, t: &Ctx) -> QueryFluentBuilder {
    let query = t.query_where(db, "#status = :status").index_name("by_status");
    query.expression_attribute_names("#status", "status").expression_attribute_values(":status", t.own("open"))
}

fn by_owner(db: &Client, t: &Ctx, index: &str) -> QueryFluentBuilder {
    let query = t.query_where(db, "#owner = :owner").index_name(index);
    query.expression_attribute_names("#owner", "owner").expression_attribute_values(":owner", t.own("ada"))
}

async fn a_local_index_of_all_attributes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![local(db, t, "by_grade").send().await]
}

async fn a_local_index_backwards_with_a_condition_on_its_sort_key(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = local(db, t, "by_grade").key_condition_expression("pk = :pk AND #grade >= :grade");
    let query = query.expression_attribute_names("#grade", "grade").expression_attribute_values(":grade", n(8));
    outcome![query.scan_index_forward(false).send().await]
}

async fn a_local_index_in_pages(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    all_pages(local(db, t, "by_grade").limit(2)).await
}

async fn all_pages(query: QueryFluentBuilder) -> Outcome {
    let (mut outcome, mut start) = (Vec::new(), None);
    loop {
        let page = query.clone().set_exclusive_start_key(start).send().await;
        start = page.as_ref().ok().and_then(|page| page.last_evaluated_key.clone());
        outcome.push(shown(page));
        if start.is_none() {
            return outcome;
        }
    }
}

async fn a_local_index_of_keys_alone(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![local(db, t, "by_due").send().await]
}

async fn a_local_index_fetches_what_it_lacks(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        local(db, t, "by_due").projection_expression("email, title").send().await,
        local(db, t, "by_due").select(Select::AllAttributes).send().await,
    ]
}

async fn a_local_index_read_consistently(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![local(db, t, "by_grade").consistent_read(true).send().await]
}

async fn an_item_leaves_a_local_index_with_its_key(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        t.put(db, "1", [("email", s("without a grade"))]).send().await,
        local(db, t, "by_grade").send().await,
        t.query(db).send().await,
    ]
}

async fn a_global_index_of_all_attributes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_city(db, t).send().await, by_city(db, t).scan_index_forward(false).send().await]
}

async fn a_global_index_with_a_condition_on_its_sort_key(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = by_city(db, t).key_condition_expression("city = :city AND sk BETWEEN :low AND :high");
    let query = query.expression_attribute_values(":low", s("1")).expression_attribute_values(":high", s("3"));
    outcome![query.send().await]
}

async fn a_global_index_in_pages(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    all_pages(by_city(db, t).limit(2)).await
}

async fn a_global_index_by_the_paginator(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let items = by_city(db, t).into_paginator().page_size(2).items().send();
    outcome![items.collect::<Result<Vec<_>, _>>().await]
}

async fn a_global_index_with_a_projection_and_a_filter(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = by_city(db, t)
        .filter_expression("title <> :t AND attribute_exists(email)")
        .expression_attribute_values(":t", s("title 3"))
        .projection_expression("email, title");
    outcome![query.send().await]
}

async fn a_global_index_with_a_nested_projection(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_city(db, t).projection_expression("profile.zip").send().await]
}

async fn a_global_index_of_keys_alone(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_status(db, t).send().await]
}

async fn a_global_index_counts(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        by_status(db, t).select(Select::Count).send().await,
        by_city(db, t).select(Select::Count).limit(2).send().await,
    ]
}

async fn a_global_index_that_includes_the_header(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_owner(db, t, "by_owner").send().await]
}

async fn a_global_index_that_includes_the_header_and_is_projected(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        by_owner(db, t, "by_owner").projection_expression("email").send().await,
        by_owner(db, t, "by_owner").projection_expression("title, sk").send().await,
    ]
}

async fn a_global_index_without_the_header_does_not_open(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_owner(db, t, "by_owner_unsealed").send().await]
}

async fn a_global_index_without_the_header_gives_its_plain_attributes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_owner(db, t, "by_owner_unsealed").projection_expression("title, due").send().await]
}

/// The table's partition key as the index's sort key: it is compared as such.
async fn a_global_index_whose_sort_key_is_the_tenants(db: &Client, t: &Ctx) -> Outcome {
    let sk = format!("{}-shared", t.number);
    t.seed(db, &sk, [("email", s("e"))]).await;
    let query = t.query_where(db, "sk = :sk AND pk = :pk").index_name("by_sk");
    outcome![query.expression_attribute_values(":sk", s(sk)).expression_attribute_values(":pk", t.pk()).send().await]
}

async fn a_global_index_whose_sort_key_begins_with_the_tenant(db: &Client, t: &Ctx) -> Outcome {
    let sk = format!("{}-shared", t.number);
    t.seed(db, &sk, [("email", s("e"))]).await;
    let query = t.query_where(db, "sk = :sk AND begins_with(pk, :pk)").index_name("by_sk");
    outcome![query.expression_attribute_values(":sk", s(sk)).expression_attribute_values(":pk", t.pk()).send().await]
}

async fn a_global_index_follows_updates(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let moved = t.update(db, "1", "SET city = :city, email = :email");
    let moved = moved.expression_attribute_values(":city", t.own("Praha"));
    outcome![
        moved.expression_attribute_values(":email", s("moved")).send().await,
        t.update(db, "2", "REMOVE city").send().await,
        by_city(db, t).send().await,
        t.query_where(db, "city = :city")
            .index_name("by_city")
            .expression_attribute_values(":city", t.own("Praha"))
            .send()
            .await,
    ]
}

async fn a_global_index_cannot_be_read_consistently(db: &Client, t: &Ctx) -> Outcome {
    outcome![by_city(db, t).consistent_read(true).send().await]
}

async fn an_index_that_is_not_there_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![by_city(db, t).index_name("by_nothing").send().await]
}

async fn an_index_without_its_partition_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let query = t.query_where(db, "sk > :sk").index_name("by_city");
    outcome![query.expression_attribute_values(":sk", s("1")).send().await]
}

async fn an_index_by_the_key_of_the_table_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.query(db).index_name("by_city").send().await]
}

async fn a_global_index_of_keys_does_not_give_other_attributes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        by_status(db, t).select(Select::AllAttributes).send().await,
        by_status(db, t).projection_expression("title").send().await,
    ]
}

async fn an_index_key_of_another_type_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.put(db, "1", [("city", n(1))]).send().await,
        t.put(db, "1", [("city", s(""))]).send().await,
        t.get(db, "1").send().await,
    ]
}

async fn a_global_index_whose_sort_key_is_the_tenants_without_a_condition_on_it(db: &Client, t: &Ctx) -> Outcome {
    let sk = format!("{}-shared", t.number);
    t.seed(db, &sk, [("email", s("e")), ("title", s("t"))]).await;
    let query = || t.query_where(db, "sk = :sk").index_name("by_sk").expression_attribute_values(":sk", s(&sk));
    outcome![
        query().send().await,
        query().filter_expression("title = :t").expression_attribute_values(":t", s("t")).send().await,
    ]
}

async fn a_global_index_with_a_filter_in_parentheses(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = || by_city(db, t).expression_attribute_values(":t", s("title 3"));
    outcome![
        query().filter_expression("(title = :t)").send().await,
        query().filter_expression("(title = :t) OR (attribute_not_exists(email))").send().await,
        query().filter_expression("title = :t OR attribute_exists(memo)").send().await,
    ]
}

async fn a_global_index_with_a_filter_on_the_key_of_the_table(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let query = |pk| by_city(db, t).filter_expression("pk = :pk").expression_attribute_values(":pk", pk);
    outcome![query(t.pk()).send().await, query(t.pk_of("other")).send().await]
}

async fn a_global_index_without_the_header_is_projected(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![by_owner(db, t, "by_owner_unsealed").projection_expression("email, title").send().await]
}

async fn all_projected_attributes_of_indexes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let select = Select::AllProjectedAttributes;
    outcome![
        by_city(db, t).select(select.clone()).send().await,
        by_status(db, t).select(select.clone()).send().await,
        by_owner(db, t, "by_owner").select(select.clone()).send().await,
        local(db, t, "by_due").select(select).send().await,
    ]
}
