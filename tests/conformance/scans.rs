//! Scan, each in a table of its own. Its items are all the tenant's: what a tenant's scan leaves out is tested with the tenant
//! boundaries.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::Select;
use serde_json::json;

use super::case::{Case, case};
use super::ctx::{Ctx, Item, item, n, numbered, s};
use super::outcome::{Outcome, Shown, outcome, shown, unordered};

pub fn cases() -> Vec<Case> {
    let cases = vec![
        case!(a_scan_of_everything),
        case!(a_scan_of_an_empty_table),
        case!(a_scan_with_a_filter),
        case!(a_scan_with_a_filter_on_whether_an_encrypted_attribute_exists),
        case!(a_scan_with_a_filter_in_parentheses),
        case!(a_scan_with_a_filter_of_300_operators),
        case!(a_scan_with_a_filter_of_4_kilobytes).refused("Expression TooLongRewritten"),
        case!(a_scan_with_a_projection),
        case!(a_scan_with_a_projection_and_a_filter_by_names),
        case!(a_scan_with_a_filter_on_ciphertext_is_refused).refused("Expression EncryptedCondition email"),
        case!(a_scan_in_pages_by_hand),
        case!(a_scan_in_pages_by_the_paginator),
        case!(a_scan_of_items_by_the_paginator),
        case!(a_scan_in_pages_with_a_filter),
        case!(a_scan_in_segments),
        case!(a_scan_in_segments_of_pages),
        case!(a_segment_without_a_total_is_an_error).validation(),
        case!(a_segment_beyond_the_total_is_an_error).validation(),
        case!(a_scan_that_counts),
        case!(a_scan_of_a_limit_of_nothing_is_an_error).validation(),
        case!(a_scan_of_an_index_of_all_attributes),
        case!(a_scan_of_an_index_of_keys_alone),
        case!(a_scan_of_an_index_in_pages),
        case!(a_scan_of_an_index_whose_sort_key_is_the_tenants),
        case!(a_scan_that_starts_without_the_sort_key_is_an_error).validation(),
        case!(a_scan_that_starts_at_an_encrypted_attribute_is_an_error).invalid("PrimaryKey Superfluous email"),
        case!(a_scan_of_an_index_without_the_header).refused("Open IndexLacksHeader email"),
        case!(a_consistent_scan),
        case!(a_scan_with_an_unused_value_is_an_error).invalid("UnusedValue"),
        case!(a_scan_by_a_legacy_filter_is_refused).refused("Legacy"),
        case!(a_scan_sees_what_updates_wrote),
    ];
    cases.into_iter().map(Case::alone).collect()
}

const COUNT: usize = 12;

/// Twelve items in four partitions.
async fn seed(db: &Client, t: &Ctx) {
    for i in 0..COUNT {
        let key = item([("pk", t.pk_of(&format!("-{}", i % 4))), ("sk", s(format!("{i:02}")))]);
        let mut all: Item = key.into_iter().chain(item(numbered(i))).collect();
        if i % 3 == 0 {
            all.extend(item([
                ("memo", s("memo")),
                ("city", s("Brno")),
                ("owner", s("ada")),
                ("due", s(i.to_string())),
            ]));
        }
        if i % 2 == 0 {
            all.extend(item([("status", s("open"))]));
        }
        db.put_item().table_name(&t.notes).set_item(Some(all)).send().await.unwrap();
    }
}

fn scan(db: &Client, t: &Ctx) -> ScanFluentBuilder {
    db.scan().table_name(&t.notes)
}

/// All pages together: what is on which page is a matter of the server's order. Their lengths are not.
async fn pages(scan: ScanFluentBuilder) -> Outcome {
    let (mut items, mut scanned, mut start) = (Vec::new(), Vec::new(), None);
    loop {
        match scan.clone().set_exclusive_start_key(start).send().await {
            Ok(page) => {
                items.extend(page.items.into_iter().flatten());
                scanned.push(page.scanned_count);
                start = page.last_evaluated_key;
            }
            Err(error) => return vec![shown(Err::<Vec<Item>, _>(error))],
        }
        if start.is_none() {
            return vec![json!({ "items": unordered(items.shown()), "scanned": scanned })];
        }
    }
}

async fn a_scan_of_everything(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![scan(db, t).send().await]
}

async fn a_scan_of_an_empty_table(db: &Client, t: &Ctx) -> Outcome {
    outcome![scan(db, t).send().await]
}

async fn a_scan_with_a_filter(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let scan = scan(db, t).filter_expression("begins_with(title, :t) OR (#grade > :grade AND attribute_exists(city))");
    let scan = scan.expression_attribute_names("#grade", "grade").expression_attribute_values(":grade", n(95));
    outcome![scan.expression_attribute_values(":t", s("title 1")).send().await]
}

async fn a_scan_with_a_filter_on_whether_an_encrypted_attribute_exists(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        scan(db, t).filter_expression("attribute_exists(memo)").send().await,
        scan(db, t).filter_expression("attribute_not_exists(memo)").send().await,
    ]
}

async fn a_scan_with_a_projection(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        scan(db, t).projection_expression("email").send().await,
        scan(db, t).projection_expression("title").send().await,
        scan(db, t).projection_expression("sk, memo").send().await,
    ]
}

async fn a_scan_with_a_projection_and_a_filter_by_names(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let scan = scan(db, t)
        .filter_expression("#status = :open")
        .projection_expression("#memo, #status")
        .expression_attribute_names("#status", "status")
        .expression_attribute_names("#memo", "memo")
        .expression_attribute_values(":open", s("open"));
    outcome![scan.send().await]
}

async fn a_scan_with_a_filter_on_ciphertext_is_refused(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let scan = scan(db, t).filter_expression("email = :e").expression_attribute_values(":e", s("1@example.org"));
    outcome![scan.send().await]
}

async fn a_scan_in_pages_by_hand(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    pages(scan(db, t).limit(5)).await
}

async fn a_scan_in_pages_by_the_paginator(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let pages = scan(db, t).into_paginator().page_size(5).send().collect::<Result<Vec<_>, _>>().await;
    let pages = pages.map(|pages| {
        let counts: Vec<_> = pages.iter().map(|page| page.count).collect();
        let items: Vec<_> = pages.into_iter().flat_map(|page| page.items.into_iter().flatten()).collect();
        json!({ "items": unordered(items.shown()), "counts": counts })
    });
    outcome![pages]
}

async fn a_scan_of_items_by_the_paginator(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let items = scan(db, t).into_paginator().page_size(4).items().send().collect::<Result<Vec<_>, _>>().await;
    outcome![items.map(|items| unordered(items.shown()))]
}

async fn a_scan_in_pages_with_a_filter(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let scan = scan(db, t).filter_expression("attribute_exists(memo)").projection_expression("memo, title");
    pages(scan.limit(3)).await
}

/// Which item is in which segment is the server's business.
async fn a_scan_in_segments(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let mut items = Vec::new();
    for segment in 0..3 {
        match scan(db, t).segment(segment).total_segments(3).send().await {
            Ok(page) => items.extend(page.items.into_iter().flatten()),
            Err(error) => return vec![shown(Err::<Vec<Item>, _>(error))],
        }
    }
    outcome![unordered(items.shown())]
}

async fn a_scan_in_segments_of_pages(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let mut items = Vec::new();
    for segment in 0..2 {
        let scan = scan(db, t).segment(segment).total_segments(2).projection_expression("email");
        match scan.into_paginator().page_size(2).items().send().collect::<Result<Vec<_>, _>>().await {
            Ok(found) => items.extend(found),
            Err(error) => return vec![shown(Err::<Vec<Item>, _>(error))],
        }
    }
    outcome![unordered(items.shown())]
}

async fn a_segment_without_a_total_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![scan(db, t).segment(0).send().await, scan(db, t).total_segments(2).send().await]
}

async fn a_segment_beyond_the_total_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![scan(db, t).segment(2).total_segments(2).send().await]
}

async fn a_scan_that_counts(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        scan(db, t).select(Select::Count).send().await,
        scan(db, t).select(Select::Count).filter_expression("attribute_exists(memo)").send().await,
    ]
}

async fn a_scan_of_a_limit_of_nothing_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![scan(db, t).limit(0).send().await]
}

async fn a_scan_of_an_index_of_all_attributes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![scan(db, t).index_name("by_city").send().await]
}

async fn a_scan_of_an_index_of_keys_alone(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![scan(db, t).index_name("by_status").send().await]
}

async fn a_scan_of_an_index_without_the_header(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![
        scan(db, t).index_name("by_owner_unsealed").send().await,
        scan(db, t).index_name("by_owner_unsealed").projection_expression("title").send().await,
        scan(db, t).index_name("by_owner").send().await,
    ]
}

async fn a_consistent_scan(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![scan(db, t).consistent_read(true).send().await]
}

async fn a_scan_with_an_unused_value_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    outcome![
        scan(db, t).expression_attribute_values(":unused", s("x")).send().await,
        scan(db, t)
            .filter_expression("title = :t")
            .expression_attribute_values(":t", s("x"))
            .expression_attribute_values(":unused", s("x"))
            .send()
            .await,
    ]
}

async fn a_scan_by_a_legacy_filter_is_refused(db: &Client, t: &Ctx) -> Outcome {
    use aws_sdk_dynamodb::types::{ComparisonOperator, Condition};
    seed(db, t).await;
    let condition = Condition::builder()
        .comparison_operator(ComparisonOperator::Eq)
        .attribute_value_list(s("title 01"))
        .build()
        .unwrap();
    outcome![
        scan(db, t).scan_filter("title", condition).send().await,
        scan(db, t).attributes_to_get("title").send().await,
    ]
}

async fn a_scan_sees_what_updates_wrote(db: &Client, t: &Ctx) -> Outcome {
    t.seed_many(db, 3).await;
    let update = |sk: &str| t.update(db, sk, "SET email = :v").expression_attribute_values(":v", s("updated"));
    outcome![update("01").send().await, update("new").send().await, scan(db, t).send().await]
}

async fn a_scan_of_an_index_in_pages(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    pages(scan(db, t).index_name("by_status").limit(2)).await
}

async fn a_scan_that_starts_without_the_sort_key_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    outcome![scan(db, t).exclusive_start_key("pk", t.pk()).send().await]
}

async fn a_scan_that_starts_at_an_encrypted_attribute_is_an_error(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let start = t.item("00", [("email", s("0@example.org"))]);
    outcome![scan(db, t).set_exclusive_start_key(Some(start)).send().await]
}

async fn a_scan_with_a_filter_in_parentheses(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let scan = |filter| scan(db, t).filter_expression(filter).expression_attribute_values(":t", s("title 03"));
    outcome![
        scan("(title = :t)").send().await,
        scan("(title = :t) OR (attribute_exists(memo))").send().await,
        scan("NOT (title = :t)").send().await,
    ]
}

/// Both the operators and the functions count, and 300 are allowed.
async fn a_scan_with_a_filter_of_300_operators(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let filter = vec!["#t=:t"; 150].join(" OR ");
    let scan = scan(db, t).filter_expression(filter).expression_attribute_names("#t", "title");
    outcome![scan.expression_attribute_values(":t", s("title 03")).send().await]
}

/// As long as an expression may be, with nothing in it that could be left out.
async fn a_scan_with_a_filter_of_4_kilobytes(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let name = format!("#{}", "t".repeat(34));
    let filter = vec![format!("{name}=:t"); 95].join(" OR ");
    let last = format!("#{}", "t".repeat(102));
    let filter = format!("{filter} OR {last}=:t");
    assert_eq!(filter.len(), 4096);
    let scan = scan(db, t)
        .filter_expression(filter)
        .expression_attribute_names(name, "title")
        .expression_attribute_names(last, "title");
    outcome![scan.expression_attribute_values(":t", s("title 03")).send().await]
}

async fn a_scan_of_an_index_whose_sort_key_is_the_tenants(db: &Client, t: &Ctx) -> Outcome {
    seed(db, t).await;
    let scan = || scan(db, t).index_name("by_sk");
    outcome![
        scan().send().await,
        scan().filter_expression("title = :t").expression_attribute_values(":t", s("title 03")).send().await,
    ]
}
