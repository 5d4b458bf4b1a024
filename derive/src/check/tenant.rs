//! Tenant templates: how a tenant's id shows in a partition key.

const PLACEHOLDER: &str = "{tenant}";

/// Checks that a template tells tenants apart.
///
/// With text behind the placeholder a key must begin with the rendered template. If that text could go on like an id,
/// tenant `12` would own the items of tenant `123`. With none, the key must equal it.
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
    fn templates_that_end_the_id_pass() {
        for template in
            ["{tenant}", "{tenant}#", "TENANT#{tenant}#", "t-{tenant}", "{tenant}#orders", "{tenant}é", "{tenant}."]
        {
            assert_eq!(check(template), Ok(()), "{template}");
        }
    }

    #[test]
    fn templates_that_could_continue_the_id_are_refused() {
        for template in ["{tenant}0", "{tenant}a#", "{tenant}Z", "{tenant}_", "{tenant}-x", "T{tenant}-"] {
            assert!(check(template).is_err(), "{template}");
        }
    }

    #[test]
    fn a_template_has_exactly_one_placeholder() {
        for template in
            ["", "tenant", "{tennant}#", "{tenant}#{tenant}", "{{tenant}}", "{tenant}#{id}", "{x}{tenant}", "{Tenant}"]
        {
            assert!(check(template).is_err(), "{template}");
        }
    }
}
