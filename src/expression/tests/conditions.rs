//! Conditions, filters and key conditions.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::{check, with_scope};
use crate::expression::condition::Comparator;
use crate::expression::{Condition, ExpressionError, KeyCondition, KeyTest};

#[test]
fn not_binds_closer_than_and_and_and_closer_than_or() {
    for (written, rendered) in [
        ("NOT a1=:v and b1<>:v OR c1>:v", "NOT a1 = :v AND b1 <> :v OR c1 > :v"),
        ("NOT (a1 = :v AND (b1 = :v OR c1 = :v))", "NOT (a1 = :v AND (b1 = :v OR c1 = :v))"),
        ("((a1 = :v) AND (b1 = :v)) OR (c1 = :v)", "a1 = :v AND b1 = :v OR c1 = :v"),
        ("a1 between :v and :w and size ( b1 ) in (:v,:w)", "a1 BETWEEN :v AND :w AND size(b1) IN (:v, :w)"),
    ] {
        assert_eq!(Condition::parse(written).map(|condition| condition.to_string()), Ok(rendered.into()));
    }
}

#[test]
fn an_encrypted_attribute_may_be_tested_for_existence() {
    for condition in [
        "attribute_exists(email)",
        "attribute_not_exists(#e) OR company = :c",
        "NOT (attribute_exists(email) AND profile.city = :c AND #s = :s)",
        "contains(tags, :t) AND size(profile.notes[0]) > :n AND attribute_type(visits, :n)",
    ] {
        assert_eq!(check(condition), Ok(()), "{condition}");
    }
}

#[test]
fn nothing_else_may_be_asked_of_an_encrypted_attribute() {
    for (condition, operation) in [
        ("email = :e", "="),
        (":e <> #e", "<>"),
        ("company < email", "<"),
        ("email BETWEEN :a AND :b", "BETWEEN"),
        ("company BETWEEN :a AND email", "BETWEEN"),
        ("email IN (:a)", "IN"),
        ("company IN (:a, email)", "IN"),
        ("begins_with(email, :e)", "begins_with"),
        ("contains(tags, email)", "contains"),
        ("size(email) > :n", "size"),
        ("company = size(email)", "size"),
        ("attribute_type(email, :t)", "attribute_type"),
        ("api_keys.stripe = :k", "="),
        ("NOT (company = :c OR email > :e)", ">"),
    ] {
        match check(condition) {
            Err(ExpressionError::EncryptedCondition { operation: refused, .. }) => assert_eq!(refused, operation),
            other => panic!("{condition}: {other:?}"),
        }
    }
    let inside = check("attribute_exists(api_keys.stripe)");
    assert_eq!(inside, Err(ExpressionError::InsideEncrypted { path: "api_keys.stripe".into() }));
}

#[test]
fn a_key_condition_tells_what_each_key_is_tested_for() {
    let condition = KeyCondition::parse("(#s BETWEEN :a AND :b) AND tenant_id = :t").unwrap();
    let expected = vec![
        ("status".to_owned(), KeyTest::Between(":a".into(), ":b".into())),
        ("tenant_id".to_owned(), KeyTest::Equals(":t".into())),
    ];
    let tests = with_scope(|scope| condition.tests(scope)).unwrap();
    assert_eq!(tests.into_iter().map(|(attribute, test)| (attribute, test.clone())).collect::<Vec<_>>(), expected);

    let condition = KeyCondition::parse("(tenant_id = :t AND contact_id <= :c)").unwrap();
    let sort = with_scope(|scope| condition.tests(scope).map(|tests| tests[1].1.clone()));
    assert_eq!(sort, Ok(KeyTest::Compares(Comparator::LessOrEqual, ":c".into())));
    assert_eq!(condition.placeholders().values, [":c", ":t"].map(str::to_owned).into());
}

#[test]
fn a_key_condition_has_one_form() {
    let tests = |condition: &str| with_scope(|scope| KeyCondition::parse(condition)?.tests(scope).map(drop));
    for condition in [
        ":t = tenant_id",
        "tenant_id > :t",
        "tenant_id = :t OR contact_id = :c",
        "NOT tenant_id = :t",
        "tenant_id.x = :t",
        "tenant_id = :t AND contact_id <> :c",
        "tenant_id = contact_id",
        "tenant_id = :t AND contains(contact_id, :c)",
        "tenant_id = :t AND contact_id IN (:c)",
        "tenant_id = :t AND size(contact_id) > :c",
        "attribute_exists(tenant_id)",
    ] {
        assert_eq!(tests(condition), Err(ExpressionError::NotAKeyCondition), "{condition}");
    }
    let repeated = ExpressionError::RepeatedKey { attribute: "tenant_id".into() };
    assert_eq!(tests("tenant_id = :t AND tenant_id > :u"), Err(repeated));
    assert_eq!(tests("email = :e"), Err(ExpressionError::EncryptedKey { attribute: "email".into() }));
}
