//! Tenant templates: how a tenant's id appears in a partition key.

const PLACEHOLDER: &str = "{tenant}";

/// Checks that a template tells tenants apart, by the rule of `tenantseal_core::tenant_template::check`. A test
/// compares the two. The macro does not depend on that crate, which would then be built twice.
///
/// With text after the placeholder, a partition key must begin with the rendered template. If that text could continue
/// an id, tenant `12` would own the items of tenant `123`. Without such text, the partition key must equal the rendered
/// template.
pub(super) fn check(template: &str) -> Result<(), String> {
    let Some((before, after)) = template.split_once(PLACEHOLDER) else {
        return Err(format!("the tenant template must contain `{PLACEHOLDER}`"));
    };
    if after.contains(PLACEHOLDER) {
        return Err(format!("the tenant template must contain `{PLACEHOLDER}` only once"));
    }
    if before.contains(['{', '}']) || after.contains(['{', '}']) {
        return Err(format!("the tenant template knows no other placeholder than `{PLACEHOLDER}`"));
    }
    match after.chars().next() {
        Some(next) if next.is_ascii_alphanumeric() || next == '_' || next == '-' => Err(format!(
            "`{next}` can be a part of a tenant's id, so it cannot end one: with this template one tenant would own \
             the items of others. Put another character, such as `#`, behind `{PLACEHOLDER}`"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_that_of_core() {
        let parts = ["", "{tenant}", "#", "0", "a", "Z", "_", "-", ".", "é", "{", "}", "{tennant}", "{Tenant}", "T#"];
        for one in parts {
            for two in parts {
                for three in parts {
                    let template = format!("{one}{two}{three}");
                    let rule = tenantseal_core::tenant_template::check(&template);
                    assert_eq!(check(&template).is_ok(), rule.is_ok(), "{template}: {rule:?}");
                }
            }
        }
    }
}
