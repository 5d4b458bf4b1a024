//! PutItem and GetItem.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::case::{Case, case};
use super::ctx::{Attributes, Ctx, b, item, l, m, n, s, ss};
use super::outcome::{Outcome, outcome, shown};
use super::tables::{BINARY, CRM, FLAT, NUMBERED, TENANT};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_put_item_comes_back),
        case!(a_put_replaces_the_whole_item),
        case!(a_put_of_a_key_alone_comes_back),
        case!(a_put_of_encrypted_attributes_alone_comes_back),
        case!(an_item_that_is_not_there_does_not_come_back),
        case!(a_put_gives_the_item_that_it_replaced),
        case!(a_put_gives_nothing_when_there_was_nothing),
        case!(a_put_that_asks_for_new_values_is_an_error).validation(),
        case!(a_put_on_condition_that_nothing_is_there_happens_once).error("ConditionalCheckFailedException"),
        case!(a_failed_put_shows_the_item_in_the_way).error("ConditionalCheckFailedException"),
        case!(a_failed_put_shows_nothing_when_there_is_nothing).error("ConditionalCheckFailedException"),
        case!(a_put_may_be_read_consistently),
        case!(attribute_names_with_dashes_and_reserved_words_are_names_like_others),
        case!(a_hundred_kilobytes_come_back),
        case!(an_item_over_400_kilobytes_is_an_error).invalid("Seal TooLarge"),
        case!(a_table_with_the_tenant_as_its_key),
        case!(a_table_without_a_sort_key),
        case!(a_table_with_a_number_for_its_sort_key),
        case!(a_table_with_bytes_for_its_sort_key),
        case!(a_get_by_another_rendering_of_a_number_finds_the_item),
        case!(two_items_of_one_partition_are_two),
        case!(a_customized_put_and_get),
        case!(a_put_may_ask_for_capacity_and_metrics),
        case!(many_requests_of_one_client_at_once),
    ]
}

fn full() -> Attributes {
    vec![
        ("title", s("a title")),
        ("grade", n(7)),
        ("doc", m([("a", l([n("1.0")]))])),
        ("tags", ss(["x", "y"])),
        ("email", s("a@example.org")),
        ("amount", n("12.50")),
        ("profile", m([("street", s("Main")), ("zip", n("00123"))])),
        ("phones", l([s("1"), s("2")])),
        ("keys", ss(["k1", "k2"])),
    ]
}

async fn a_put_item_comes_back(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", full()).send().await, t.get(db, "1").send().await]
}

async fn a_put_replaces_the_whole_item(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    let put = t.put(db, "1", [("title", s("other")), ("memo", s("new"))]);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn a_put_of_a_key_alone_comes_back(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", []).send().await, t.get(db, "1").send().await]
}

async fn a_put_of_encrypted_attributes_alone_comes_back(db: &Client, t: &Ctx) -> Outcome {
    let put = t.put(db, "1", [("email", s("e")), ("memo", s(""))]);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn an_item_that_is_not_there_does_not_come_back(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.get(db, "1").send().await]
}

async fn a_put_gives_the_item_that_it_replaced(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    outcome![t.put(db, "1", [("title", s("other"))]).return_values(ReturnValue::AllOld).send().await]
}

async fn a_put_gives_nothing_when_there_was_nothing(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", full()).return_values(ReturnValue::AllOld).send().await]
}

async fn a_put_that_asks_for_new_values_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.put(db, "1", full()).return_values(ReturnValue::AllNew).send().await,
        t.put(db, "1", full()).return_values(ReturnValue::UpdatedOld).send().await,
        t.get(db, "1").send().await,
    ]
}

async fn a_put_on_condition_that_nothing_is_there_happens_once(db: &Client, t: &Ctx) -> Outcome {
    let put = |email| t.put(db, "1", [("email", s(email))]).condition_expression("attribute_not_exists(pk)");
    outcome![put("first").send().await, put("second").send().await, t.get(db, "1").send().await]
}

async fn a_failed_put_shows_the_item_in_the_way(db: &Client, t: &Ctx) -> Outcome {
    t.seed(db, "1", full()).await;
    let put = t
        .put(db, "1", [("email", s("other"))])
        .condition_expression("attribute_not_exists(email)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn a_failed_put_shows_nothing_when_there_is_nothing(db: &Client, t: &Ctx) -> Outcome {
    let put = t
        .put(db, "1", full())
        .condition_expression("attribute_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn a_put_may_be_read_consistently(db: &Client, t: &Ctx) -> Outcome {
    outcome![t.put(db, "1", full()).send().await, t.get(db, "1").consistent_read(true).send().await]
}

async fn attribute_names_with_dashes_and_reserved_words_are_names_like_others(db: &Client, t: &Ctx) -> Outcome {
    let attributes = [
        ("with-dash", s("plain")),
        ("e-mail", s("encrypted")),
        ("name", s("reserved, encrypted")),
        ("status", s("reserved, plain")),
        ("size", n(1)),
    ];
    outcome![t.put(db, "1", attributes).send().await, t.get(db, "1").send().await]
}

async fn a_hundred_kilobytes_come_back(db: &Client, t: &Ctx) -> Outcome {
    let put = t.put(db, "1", [("secret", s("é".repeat(50_000))), ("title", s("t"))]);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn an_item_over_400_kilobytes_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    let put = t.put(db, "1", [("secret", s("x".repeat(420_000)))]);
    outcome![put.send().await, t.get(db, "1").send().await]
}

async fn a_table_with_the_tenant_as_its_key(db: &Client, t: &Ctx) -> Outcome {
    let key = || [("pk", s(TENANT)), ("sk", t.own("1"))];
    let all = item(key().into_iter().chain([("title", s("t")), ("email", s("e"))]));
    outcome![
        db.put_item().table_name(t.table(CRM)).set_item(Some(all)).send().await,
        db.get_item().table_name(t.table(CRM)).set_key(Some(item(key()))).send().await,
    ]
}

async fn a_table_without_a_sort_key(db: &Client, t: &Ctx) -> Outcome {
    let all = item([("pk", t.pk()), ("title", s("t")), ("email", s("e"))]);
    outcome![
        db.put_item().table_name(t.table(FLAT)).set_item(Some(all)).send().await,
        db.get_item().table_name(t.table(FLAT)).key("pk", t.pk()).send().await,
        db.get_item().table_name(t.table(FLAT)).key("pk", t.pk_of("other")).send().await,
    ]
}

async fn a_table_with_a_number_for_its_sort_key(db: &Client, t: &Ctx) -> Outcome {
    let put = |number: &str| {
        let all = item([("pk", t.pk()), ("sk", n(number)), ("email", s(format!("of {number}")))]);
        db.put_item().table_name(t.table(NUMBERED)).set_item(Some(all))
    };
    let get = |number: &str| db.get_item().table_name(t.table(NUMBERED)).key("pk", t.pk()).key("sk", n(number));
    outcome![
        put("10").send().await,
        put("-2.50").send().await,
        get("10").send().await,
        get("-2.50").send().await,
        get("3").send().await,
    ]
}

async fn a_table_with_bytes_for_its_sort_key(db: &Client, t: &Ctx) -> Outcome {
    let bytes = || b([0, 255, 7]);
    let all = item([("pk", t.pk()), ("sk", bytes()), ("email", s("e"))]);
    outcome![
        db.put_item().table_name(t.table(BINARY)).set_item(Some(all)).send().await,
        db.get_item().table_name(t.table(BINARY)).key("pk", t.pk()).key("sk", bytes()).send().await,
    ]
}

async fn a_get_by_another_rendering_of_a_number_finds_the_item(db: &Client, t: &Ctx) -> Outcome {
    let put = |number: &str, email: &str| {
        let all = item([("pk", t.pk()), ("sk", n(number)), ("email", s(email))]);
        db.put_item().table_name(t.table(NUMBERED)).set_item(Some(all)).return_values(ReturnValue::AllOld)
    };
    let get = |number: &str| db.get_item().table_name(t.table(NUMBERED)).key("pk", t.pk()).key("sk", n(number));
    outcome![
        put("1.0", "a").send().await,
        get("1").send().await,
        get("10e-1").send().await,
        put("1.00", "b").send().await,
        get("+1").send().await,
    ]
}

async fn two_items_of_one_partition_are_two(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        t.put(db, "1", [("email", s("one"))]).send().await,
        t.put(db, "2", [("email", s("two"))]).send().await,
        t.get(db, "1").send().await,
        t.get(db, "2").send().await,
    ]
}

async fn a_customized_put_and_get(db: &Client, t: &Ctx) -> Outcome {
    let retries = || aws_sdk_dynamodb::config::retry::RetryConfig::standard().with_max_attempts(2);
    let config = || aws_sdk_dynamodb::config::Config::builder().retry_config(retries());
    let put = t.put(db, "1", full()).customize().config_override(config());
    let get = t.get(db, "1").customize().mutate_request(|request| {
        request.headers_mut().insert("x-conformance", "yes");
    });
    outcome![put.send().await, get.send().await]
}

async fn a_put_may_ask_for_capacity_and_metrics(db: &Client, t: &Ctx) -> Outcome {
    use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, ReturnItemCollectionMetrics};
    let put = t
        .put(db, "1", full())
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes)
        .return_item_collection_metrics(ReturnItemCollectionMetrics::Size);
    let get = t.get(db, "1").return_consumed_capacity(ReturnConsumedCapacity::Total);
    outcome![put.send().await, get.send().await]
}

async fn many_requests_of_one_client_at_once(db: &Client, t: &Ctx) -> Outcome {
    let put_and_get = |i: usize| async move {
        let sk = format!("{i:02}");
        t.put(db, &sk, [("email", s(&sk)), ("title", s(&sk))]).send().await?;
        Ok::<_, aws_sdk_dynamodb::Error>(t.get(db, &sk).send().await?.item)
    };
    let found = futures_util::future::join_all((0..30).map(put_and_get)).await;
    let found: Result<Vec<_>, _> = found.into_iter().collect();
    found.unwrap().into_iter().map(|item| shown(item.unwrap())).collect()
}
