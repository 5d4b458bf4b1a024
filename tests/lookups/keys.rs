//! Key conditions on the indexes of lookups.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use tenantseal::Item;
use tenantseal::error::Error;

use super::scene::{TABLE, contact, null, put, tenant, world};
use crate::common::{World, s, sealing_error};

/// A query of an index.
fn query<const N: usize>(
    db: &Client,
    index: &str,
    condition: &str,
    values: [(&str, AttributeValue); N],
) -> QueryFluentBuilder {
    let request = db.query().table_name(TABLE).index_name(index).key_condition_expression(condition);
    values.into_iter().fold(request, |request, (name, value)| request.expression_attribute_values(name, value))
}

/// The contacts in an answer, in the order of their ids.
fn ids(output: QueryOutput) -> Vec<String> {
    assert_eq!(usize::try_from(output.count()).unwrap(), output.items().len());
    let mut ids: Vec<_> = output.items().iter().map(|item| item["contact_id"].as_s().unwrap().clone()).collect();
    ids.sort();
    ids
}

async fn found<const N: usize>(
    db: &Client,
    index: &str,
    condition: &str,
    values: [(&str, AttributeValue); N],
) -> Vec<String> {
    ids(query(db, index, condition, values).send().await.unwrap())
}

async fn refused(request: QueryFluentBuilder) -> String {
    sealing_error(request.send().await).to_string()
}

/// Three contacts of `acme`, and one of `globex` with the same values as the first.
async fn people() -> (World, Client) {
    let world = world(&["acme", "globex"]).await;
    let db = tenant(&world, "acme").dynamodb();
    let named = |email: &str, phone: &str, name: &str, born: &str, status: &str| {
        let (email, phone, name, born, status) = (s(email), s(phone), s(name), s(born), s(status));
        [("email", email), ("phone", phone), ("last_name", name), ("born", born), ("status", status)]
    };
    put(&db, contact("acme", "c-1", named("ada@x.org", "+49 30 1", "Lovelace", "1815", "open"))).await;
    put(&db, contact("acme", "c-2", named("Ada@X.org ", "0", "Lovely", "1900", "closed"))).await;
    put(&db, contact("acme", "c-3", named("eve@x.org", "+1 555", "Lo", "1815", "open"))).await;
    put(&db, contact("acme", "c-4", [("email", null()), ("phone", s("none")), ("last_name", null())])).await;
    let other = tenant(&world, "globex").dynamodb();
    put(&other, contact("globex", "c-1", named("ada@x.org", "+49 30 1", "Lovelace", "1815", "open"))).await;
    (world, db)
}

#[tokio::test]
async fn an_index_is_queried_by_the_encrypted_attribute() {
    let (world, db) = people().await;
    for (email, expected) in [("ADA@x.org", &["c-1", "c-2"][..]), ("eve@x.org", &["c-3"]), ("bob@x.org", &[])] {
        assert_eq!(found(&db, "by-email", "email = :e", [(":e", s(email))]).await, expected, "{email}");
    }
    let other = tenant(&world, "globex").dynamodb();
    let output = query(&other, "by-email", "email = :e", [(":e", s("ada@x.org"))]).send().await.unwrap();
    assert_eq!(output.items()[0]["tenant_id"], s("globex"));
    assert_eq!(ids(output), ["c-1"]);
}

#[tokio::test]
async fn what_stands_behind_the_token_is_tested_as_ever() {
    let (_world, db) = people().await;
    let request =
        query(&db, "by-email-and-status", "#e = :e AND begins_with(#s, :s)", [(":e", s("ada@x.org")), (":s", s("op"))]);
    let request = request.expression_attribute_names("#e", "email").expression_attribute_names("#s", "status");
    let request = request.filter_expression("attribute_exists(#e) AND logins <> :n");
    let request = request.expression_attribute_values(":n", s("7")).projection_expression("contact_id, #s");
    let output = request.send().await.unwrap();
    let (id, status) = (("contact_id".to_owned(), s("c-1")), ("status".to_owned(), s("open")));
    assert_eq!(output.items(), [Item::from([id, status])]);
    // The tenant's key before the token.
    let both = [(":t", s("acme")), (":p", s("49301"))];
    assert_eq!(found(&db, "by-phone", "tenant_id = :t AND phone = :p", both).await, ["c-1"]);
    let foreign = query(&db, "by-phone", "tenant_id = :t AND phone = :p", [(":t", s("globex")), (":p", s("49301"))]);
    assert!(refused(foreign).await.contains("`tenant_id`"));
}

#[tokio::test]
async fn beginnings_and_compounds_have_indexes_of_their_own() {
    let (_world, db) = people().await;
    for (index, beginning, expected) in [
        ("by-name-2", "LO", &["c-1", "c-2", "c-3"][..]),
        ("by-name-2", "love", &["c-1", "c-2"]),
        ("by-name-4", "love", &["c-1", "c-2"]),
        ("by-name-4", "lovelace", &["c-1"]),
        ("by-name-4", "lovelaces", &[]),
    ] {
        let asked = [(":b", s(beginning))];
        assert_eq!(found(&db, index, "begins_with(last_name, :b)", asked).await, expected, "{index} {beginning}");
    }
    for (name, born, expected) in
        [("LOVELACE", "1815", &["c-1"][..]), ("lovelace", "1900", &[]), ("lo", "1815", &["c-3"])]
    {
        let parts = [(":b", s(born)), (":l", s(name))];
        assert_eq!(found(&db, "by-person", "born = :b AND last_name = :l", parts).await, expected, "{name}");
    }
}

#[tokio::test]
async fn pages_go_on_behind_what_was_dropped() {
    let world = world(&["acme"]).await;
    let db = tenant(&world, "acme").dynamodb();
    // With 4 bits, beginnings share tokens.
    let letters: Vec<char> = ('a'..='z').collect();
    for (at, letter) in letters.iter().enumerate() {
        let name = format!("{letter}{}rest", letters[(at * 7) % 26]);
        put(&db, contact("acme", &format!("c-{at:02}"), [("last_name", s(&name))])).await;
    }
    let (mut read, mut short) = (0, 0);
    for (at, letter) in letters.iter().enumerate() {
        let asked = format!("{letter}{}", letters[(at * 7) % 26]);
        let (mut start, mut all) = (None, Vec::new());
        loop {
            let request = query(&db, "by-name-2", "begins_with(last_name, :b)", [(":b", s(&asked))]).limit(1);
            let output = request.set_exclusive_start_key(start).send().await.unwrap();
            read += output.scanned_count();
            short += i32::from(output.count() < output.scanned_count());
            start = output.last_evaluated_key.clone();
            all.extend(ids(output));
            match &start {
                Some(start) => assert!(start.contains_key("_seal_by_last_name_2"), "{start:?}"),
                None => break,
            }
        }
        assert_eq!(all, [format!("c-{at:02}")], "{asked}");
    }
    assert!(read > 26 && short > 0, "no two beginnings share a token: {read}, {short}");
}

#[tokio::test]
async fn a_count_is_of_what_was_compared_or_of_exact_tokens() {
    let (_world, db) = people().await;
    let exact = query(&db, "by-email", "email = :e", [(":e", s("ada@x.org"))]).select(Select::Count);
    assert_eq!(exact.send().await.unwrap().count(), 2);
    let cut = query(&db, "by-name-2", "begins_with(last_name, :b)", [(":b", s("love"))]).select(Select::Count);
    assert!(refused(cut).await.contains("lookup `last_name_2`"));
}

#[tokio::test]
async fn a_key_condition_that_no_lookup_answers_is_refused_by_name() {
    let (_world, db) = people().await;
    for (index, condition, value, says) in [
        ("by-email", "email > :v", s("a"), "`>` is not answered by any lookup"),
        ("by-email", "begins_with(email, :v)", s("a"), "`begins_with` is not answered by any lookup"),
        ("by-email", "email = :v", s("  "), "lookup `email` of attribute `email` has nothing to look up"),
        ("by-email", "email = :v", null(), "has nothing to look up"),
        ("by-email", "email = :v", AttributeValue::N("1".to_owned()), "does not take a value of this type"),
        ("by-email", "notes = :v", s("a"), "declare a lookup on `notes`"),
        (
            "by-name-4",
            "begins_with(last_name, :v)",
            s("lov"),
            "lookup `last_name_4` of attribute `last_name` has nothing",
        ),
        ("by-other", "begins_with(last_name, :v)", s("love"), "lookups `last_name_2`, `last_name_4` all answer"),
        ("by-person", "last_name = :v", s("love"), "each part of lookup `person` with `=`: add `born`"),
        (
            "by-name-2",
            "last_name = :v AND born = :v",
            s("love"),
            "`=` is not answered by any lookup of the encrypted attribute `born`",
        ),
    ] {
        let error = refused(query(&db, index, condition, [(":v", value)])).await;
        assert!(error.contains(says), "{index}: {condition}: {error}");
    }
    let table = db.query().table_name(TABLE).key_condition_expression("email = :v");
    let error = refused(table.expression_attribute_values(":v", s("a"))).await;
    assert!(error.contains("`email` cannot be a key"), "{error}");
    let begins = query(&db, "by-phone", "begins_with(tenant_id, :v)", [(":v", s("a"))]);
    assert!(refused(begins).await.contains("a key condition must be"));
    // The only lookup that answers is asked, whatever index is named; DynamoDB says that it has no such key.
    let other = query(&db, "by-person", "email = :e", [(":e", s("a@x.org"))]).send().await.unwrap_err();
    assert!(tenantseal::Error::find_in(&other).is_none(), "{other:?}");
}

#[tokio::test]
async fn an_index_must_project_what_is_compared() {
    let (_world, db) = people().await;
    let request = query(&db, "by-email-alone", "email = :e", [(":e", s("ada@x.org"))]);
    let error = refused(request.projection_expression("contact_id")).await;
    assert!(error.contains("index `by-email-alone` does not project `email`"), "{error}");
    let error = sealing_error(query(&db, "by-email-alone", "email = :e", [(":e", s("ada@x.org"))]).send().await);
    assert!(!error.is_integrity() && matches!(error, Error::Open(_)), "{error}");
}

#[tokio::test]
async fn a_start_key_names_the_token_of_its_own_index_alone() {
    let (_world, db) = people().await;
    let first = query(&db, "by-email", "email = :e", [(":e", s("ada@x.org"))]).limit(1).send().await.unwrap();
    let start = first.last_evaluated_key.clone().unwrap();
    assert!(start.contains_key("_seal_by_email") && !start.contains_key("email"), "{start:?}");
    let second = query(&db, "by-email", "email = :e", [(":e", s("ada@x.org"))]);
    let second = second.set_exclusive_start_key(Some(start.clone())).send().await.unwrap();
    assert_eq!([ids(first), ids(second)].concat().len(), 2);
    for request in [
        query(&db, "by-person", "last_name = :l AND born = :b", [(":l", s("a")), (":b", s("b"))]),
        query(&db, "by-phone", "tenant_id = :t AND phone = :p", [(":t", s("acme")), (":p", s("1"))]),
    ] {
        let error = refused(request.set_exclusive_start_key(Some(start.clone()))).await;
        assert!(error.contains("`_seal_by_email`"), "{error}");
    }
    let scan = db.scan().table_name(TABLE).set_exclusive_start_key(Some(start.clone()));
    assert!(sealing_error(scan.send().await).to_string().contains("`_seal_by_email`"));
    let scan = db.scan().table_name(TABLE).index_name("by-email").set_exclusive_start_key(Some(start));
    scan.send().await.unwrap();
}
