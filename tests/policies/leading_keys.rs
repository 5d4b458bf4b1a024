//! The policy for DynamoDB's leading keys means the tenant's own keys, whatever stands around the id in them.

use serde_json::Value;
use tenantseal::AliasTemplate;
use tenantseal::keys::{RoleArn, Tenancy};
use tenantseal::schema::TenantTemplate;

use crate::common::{ROLE, id};

/// The pattern that the leading keys of `12` must match.
fn pattern(template: &str) -> String {
    let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
    let table = "arn:aws:dynamodb:us-east-1:222222222222:table/crm";
    let policy = tenancy.leading_keys_policy(&id("12"), table, &TenantTemplate::parse(template).unwrap());
    let policy: Value = serde_json::from_str(&policy.to_string()).unwrap();
    let keys = &policy["Statement"][0]["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
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
