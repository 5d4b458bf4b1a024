//! Projections.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{request, with_scope};
use crate::expression::{Projection, ProjectionRequest, Selection};

fn select(projection: &str) -> Selection {
    with_scope(|scope| Projection::parse(projection)?.resolve(scope)).unwrap()
}

#[test]
fn a_projection_that_already_has_what_is_needed_is_sent_as_it_is() {
    assert_eq!(request("tenant_id, email, profile.city", &["tenant_id"]), Ok(None));
}

#[test]
fn a_projection_gets_what_opening_needs_and_encrypted_attributes_whole() {
    let expected = ProjectionRequest {
        expression: "#k, profile.#x, company, #seal0, #seal1".into(),
        added_names: BTreeMap::from([("#seal0".into(), "_seal".into()), ("#seal1".into(), "tenant_id".into())]),
        dropped_names: BTreeSet::from(["#e".into()]),
    };
    let projection = "#k.#e, profile.#x, api_keys.stripe[0], company";
    assert_eq!(request(projection, &["tenant_id", "company", "_seal"]), Ok(Some(expected)));
    let selection = select(projection);
    assert!(selection.is_encrypted());

    let mut item = HashMap::from([
        ("tenant_id".to_owned(), AttributeValue::S("acme".into())),
        ("company".to_owned(), AttributeValue::S("Acme".into())),
        ("api_keys".to_owned(), AttributeValue::M(HashMap::from([("other".into(), AttributeValue::Bool(true))]))),
    ]);
    selection.prune(&mut item);
    assert_eq!(item, HashMap::from([("company".to_owned(), AttributeValue::S("Acme".into()))]));
}

#[test]
fn fresh_placeholders_avoid_those_of_the_request() {
    let taken = |name: &str| ["#seal0", "#seal2"].contains(&name);
    let selection = select("company");
    let request = selection.request(&["tenant_id", "contact_id"], &taken).unwrap();
    assert_eq!(request.expression, "company, #seal1, #seal3");
}
