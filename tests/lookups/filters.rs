//! Filters of queries and scans.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};

use super::scene::{TABLE, contact, null, put, set, tenant, world};
use crate::common::{World, s, sealing_error};

fn scan<const N: usize>(db: &Client, filter: &str, values: [(&str, AttributeValue); N]) -> ScanFluentBuilder {
    let request = db.scan().table_name(TABLE).filter_expression(filter);
    values.into_iter().fold(request, |request, (name, value)| request.expression_attribute_values(name, value))
}

async fn found<const N: usize>(db: &Client, filter: &str, values: [(&str, AttributeValue); N]) -> Vec<String> {
    let output = scan(db, filter, values).send().await.unwrap();
    assert_eq!(usize::try_from(output.count()).unwrap(), output.items().len());
    let mut ids: Vec<_> = output.items().iter().map(|item| item["contact_id"].as_s().unwrap().clone()).collect();
    ids.sort();
    ids
}

async fn people() -> (World, Client) {
    let world = world(&["acme"]).await;
    let db = tenant(&world, "acme").dynamodb();
    for (id, email, name, tags, status) in [
        ("c-1", s("ada@x.org"), "Lovelace", &["vip", "press"][..], "open"),
        ("c-2", s("eve@x.org"), "Lovely", &["vip"], "open"),
        ("c-3", s("ADA@X.ORG"), "Hopper", &["navy"], "closed"),
        ("c-4", null(), "Li", &["press"], "closed"),
    ] {
        let item = [("email", email), ("last_name", s(name)), ("tags", set(tags)), ("status", s(status))];
        put(&db, contact("acme", id, item)).await;
    }
    (world, db)
}

#[tokio::test]
async fn a_filter_finds_by_every_kind_of_lookup() {
    let (_world, db) = people().await;
    let v = |text| [(":v", s(text))];
    assert_eq!(found(&db, "email = :v", v("ada@x.org")).await, ["c-1", "c-3"]);
    assert_eq!(found(&db, ":v = email", v("ada@x.org")).await, ["c-1", "c-3"]);
    assert_eq!(found(&db, "last_name = :v", v("LOVELACE")).await, ["c-1"]);
    assert_eq!(found(&db, "begins_with(last_name, :v)", v("love")).await, ["c-1", "c-2"]);
    assert_eq!(found(&db, "begins_with(last_name, :v)", v("lov")).await, ["c-1", "c-2"]);
    assert_eq!(found(&db, "begins_with(last_name, :v)", v("lovelac")).await, ["c-1"]);
    assert_eq!(found(&db, "contains(tags, :v)", v("press")).await, ["c-1", "c-4"]);
    assert_eq!(found(&db, "contains(tags, :v)", v("pres")).await, [""; 0]);
    let two = [(":a", s("ada@x.org")), (":b", s("eve@x.org"))];
    assert_eq!(found(&db, "email IN (:a, :b)", two).await, ["c-1", "c-2", "c-3"]);
    let several = [(":a", s("ada@x.org")), (":t", s("vip")), (":s", s("closed"))];
    let filter = "email = :a AND contains(tags, :t) AND (attribute_not_exists(logins) OR status = :s)";
    let request = scan(&db, &filter.replace("status", "#s"), several).expression_attribute_names("#s", "status");
    assert_eq!(request.send().await.unwrap().count(), 1);
}

#[tokio::test]
async fn a_filter_is_applied_beside_the_key_and_to_the_base_table() {
    let (_world, db) = people().await;
    let request =
        db.query().table_name(TABLE).key_condition_expression("tenant_id = :t AND begins_with(contact_id, :c)");
    let request = request.filter_expression("email = :e").projection_expression("#i");
    let request = request.expression_attribute_names("#i", "contact_id");
    let request = request.expression_attribute_values(":t", s("acme")).expression_attribute_values(":c", s("c-"));
    let output = request.expression_attribute_values(":e", s("ada@x.org")).send().await.unwrap();
    assert_eq!((output.count(), output.scanned_count()), (2, 4));
    assert!(output.items().iter().all(|item| item.len() == 1), "{:?}", output.items());
    // In another lookup's index.
    let request = db.query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :v");
    let request = request.filter_expression("begins_with(last_name, :n)").expression_attribute_values(":n", s("ho"));
    let output = request.expression_attribute_values(":v", s("ada@x.org")).send().await.unwrap();
    assert_eq!(output.items()[0]["contact_id"], s("c-3"));
}

#[tokio::test]
async fn a_filter_whose_answer_could_not_be_corrected_is_refused() {
    let (_world, db) = people().await;
    for (filter, says) in [
        ("email = :v OR attribute_exists(email)", "`=` on the encrypted attribute `email` must be joined"),
        ("NOT email = :v", "must be joined to the rest of the filter by `AND`"),
        ("NOT (attribute_exists(email) AND contains(tags, :v))", "`contains` on the encrypted attribute `tags` must"),
        ("email <> :v", "`<>` on the encrypted attribute `email` must be joined"),
        ("email < :v", "`<` is not answered by any lookup of the encrypted attribute `email`"),
        ("email BETWEEN :v AND :v", "`BETWEEN` is not answered"),
        ("size(email) = :v", "is not answered"),
        ("email = phone AND email = :v", "is not answered"),
        ("contains(email, :v)", "`contains` is not answered"),
        ("notes = :v", "cannot be evaluated on the encrypted attribute `notes`"),
        ("born = :v", "`=` is not answered by any lookup of the encrypted attribute `born`"),
        ("email = :v AND logins = :v", "`:v` is compared with an encrypted attribute and used for a plain one"),
    ] {
        let error = sealing_error(scan(&db, filter, [(":v", s("a@x.org"))]).send().await).to_string();
        assert!(error.contains(says), "{filter}: {error}");
    }
    let error = sealing_error(scan(&db, "begins_with(last_name, :v)", [(":v", s("l"))]).send().await).to_string();
    assert!(error.contains("lookup `last_name_2` of attribute `last_name` has nothing to look up"), "{error}");
    let count = scan(&db, "last_name = :v", [(":v", s("li"))]).select(Select::Count);
    assert!(sealing_error(count.send().await).to_string().contains("lookup `last_name`"));
    let exact = scan(&db, "email = :v", [(":v", s("ada@x.org"))]).select(Select::Count);
    assert_eq!(exact.send().await.unwrap().count(), 2);
}

#[tokio::test]
async fn a_filter_on_the_key_of_the_index_is_explained() {
    let (_world, db) = people().await;
    let request = db.query().table_name(TABLE).index_name("by-email").key_condition_expression("email = :v");
    let request = request.filter_expression("email = :w").expression_attribute_values(":v", s("ada@x.org"));
    let error = sealing_error(request.expression_attribute_values(":w", s("ada@x.org")).send().await);
    assert!(matches!(&error, tenantseal::Error::LookupInIndex { lookup } if lookup == "email"), "{error}");
}

#[tokio::test]
async fn an_in_keeps_its_limit_of_a_hundred() {
    let (_world, db) = people().await;
    let values: Vec<_> = (0..100).map(|at| (format!(":v{at}"), s(&format!("{at}@x.org")))).collect();
    let names: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
    let request = db.scan().table_name(TABLE).filter_expression(format!("email IN ({}, :last)", names[1..].join(", ")));
    let request = values[1..]
        .iter()
        .fold(request, |request, (name, value)| request.expression_attribute_values(name, value.clone()));
    let output = request.expression_attribute_values(":last", s("eve@x.org")).send().await.unwrap();
    assert_eq!(output.items()[0]["contact_id"], s("c-2"));
}
