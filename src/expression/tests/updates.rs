//! Updates.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use super::{plan, with_scope};
use crate::expression::{ExpressionError, SealedValue, Update};

fn sealed(attribute: &str, given: &str, sent: &str) -> SealedValue {
    SealedValue { attribute: attribute.into(), given: given.into(), sent: sent.into() }
}

#[test]
fn an_update_whose_placeholders_are_its_own_is_sent_as_it_is() {
    let update = "SET email = :e, api_keys = if_not_exists(#k, :k), company = :c ADD visits :n, tags :t REMOVE phone";
    let plan = plan(update).unwrap();
    assert_eq!(plan.expression, None);
    assert_eq!(plan.sealed, [sealed("email", ":e", ":e"), sealed("api_keys", ":k", ":k")]);
    let touched: Vec<_> = plan.touched.iter().map(|path| path.attribute.as_str()).collect();
    assert_eq!(touched, ["email", "api_keys", "company", "phone", "visits", "tags"]);
}

#[test]
fn a_shared_placeholder_is_split() {
    let between_encrypted = plan("SET email = :v, phone = :v").unwrap();
    assert_eq!(between_encrypted.expression.as_deref(), Some("SET email = :v, phone = :seal0"));
    assert_eq!(between_encrypted.sealed, [sealed("email", ":v", ":v"), sealed("phone", ":v", ":seal0")]);

    let with_plain = plan("set email=:v,company=if_not_exists(company,:v)").unwrap();
    assert_eq!(with_plain.expression.as_deref(), Some("SET email = :seal0, company = if_not_exists(company, :v)"));
    assert_eq!(with_plain.sealed, [sealed("email", ":v", ":seal0")]);

    let elsewhere = BTreeSet::from([":v".to_owned()]);
    let update = Update::parse("SET email = :v REMOVE phone").unwrap();
    let with_condition = with_scope(|scope| update.plan(scope, &elsewhere, &|_| false)).unwrap();
    assert_eq!(with_condition.expression.as_deref(), Some("SET email = :seal0 REMOVE phone"));
}

#[test]
fn a_placeholder_that_nobody_defined_is_not_given_a_meaning() {
    let plan = plan("SET email = :v, phone = :v, company = :seal0").unwrap();
    assert_eq!(plan.sealed[1], sealed("phone", ":v", ":seal1"));
}

#[test]
fn ciphertexts_are_neither_computed_with_nor_copied() {
    for (update, operation) in [
        ("SET email = company", "a copy from another attribute"),
        ("SET email = phone", "a copy from another attribute"),
        ("SET company = email", "a copy to another attribute"),
        ("SET email = if_not_exists(phone, :e)", "a copy from another attribute"),
        ("SET email = if_not_exists(email, phone)", "a copy from another attribute"),
        ("SET company = if_not_exists(email, :e)", "a copy to another attribute"),
        ("SET company = if_not_exists(company, api_keys.stripe)", "a copy to another attribute"),
        ("SET visits = visits + email", "a copy to another attribute"),
        ("SET email = email + :n", "+"),
        ("SET email = :n - :m", "-"),
        ("SET email = (:e)", "a value in parentheses"),
        ("SET email = list_append(email, :l)", "list_append"),
        ("SET email = if_not_exists(email, if_not_exists(email, :e))", "if_not_exists inside a function"),
        ("SET tags = list_append(:l, email)", "a copy to another attribute"),
        ("ADD email :n", "ADD"),
        ("DELETE #e :n", "DELETE"),
    ] {
        match plan(update) {
            Err(ExpressionError::EncryptedUpdate { operation: refused, .. }) => {
                assert_eq!(refused, operation, "{update}")
            }
            other => panic!("{update}: {other:?}"),
        }
    }
    for update in ["SET api_keys.stripe = :k", "REMOVE #k[0]"] {
        assert!(matches!(plan(update), Err(ExpressionError::InsideEncrypted { .. })), "{update}");
    }
}
