//! The policy for DynamoDB's leading keys means the tenant's own keys, whatever stands around the id in them.

use serde_json::{Value, json};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::schema::TenantTemplate;

use crate::common::{ROLE, id};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:222222222222:table/crm";

/// The policy's only statement for the tenant `12`.
fn statement(template: &str, indexes: &[&str]) -> Value {
    let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
    let policy = tenancy.leading_keys_policy(&id("12"), TABLE, indexes, &TenantTemplate::parse(template).unwrap());
    let mut policy: Value = serde_json::from_str(&policy.to_string()).unwrap();
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
    policy["Statement"][0].take()
}

/// The pattern that the leading keys of `12` must match.
fn pattern(template: &str) -> String {
    let keys = &statement(template, &[])["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    keys.as_array().unwrap()[0].as_str().unwrap().to_owned()
}

/// IAM user guide, "IAM policy elements: Variables and tags": `${*}`, `${?}` and `${$}` stand for the characters themselves.
#[test]
fn what_stands_around_the_tenant_is_no_pattern() {
    for (template, expected) in [
        ("{tenant}", "12"),
        ("TENANT#{tenant}#", "TENANT#12#*"),
        // As a pattern it would match the keys of `123`, whose id goes on where `?` stands.
        ("{tenant}?", "12${?}*"),
        ("{tenant}*#", "12${*}#*"),
        ("*{tenant}", "${*}12"),
        ("${tenant}#", "${$}12#*"),
    ] {
        assert_eq!(pattern(template), expected, "{template}");
    }
}

/// An index that all tenants share is led by a company, and another tenant's items may have this tenant's id there.
#[test]
fn only_the_table_and_the_indexes_that_are_named_can_be_queried() {
    let resources = |indexes: &[&str]| statement("{tenant}", indexes)["Resource"].clone();
    assert_eq!(resources(&[]), json!([TABLE]));
    let named = [TABLE.to_owned(), format!("{TABLE}/index/by-tenant"), format!("{TABLE}/index/${{*}}")];
    assert_eq!(resources(&["by-tenant", "*"]), json!(named));
}

/// IAM user guide, "Multivalued context keys": `ForAllValues` is true where the request has no such key.
#[test]
fn a_request_without_a_leading_key_is_not_allowed() {
    assert_eq!(statement("{tenant}", &[])["Condition"]["Null"], json!({ "dynamodb:LeadingKeys": "false" }));
}
