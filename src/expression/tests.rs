//! What each kind of expression accepts, refuses and becomes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Condition, ExpressionError, KeyCondition, KeyTest, Projection, ProjectionRequest, Protection, Scope, SealedValue,
    Update, UpdatePlan, condition::Comparator,
};

fn protection(attribute: &str) -> Option<Protection> {
    match attribute {
        "tenant_id" | "contact_id" | "company" | "visits" | "tags" | "profile" | "status" => Some(Protection::Plain),
        "email" | "phone" | "api_keys" => Some(Protection::Encrypted),
        _ => None,
    }
}

fn with_scope<T>(then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let names = [
        ("#e", "email"),
        ("#s", "status"),
        ("#k", "api_keys"),
        ("#x", "x.y"),
        ("#sealed", "_seal"),
        ("#t", "typo"),
    ];
    let names = HashMap::from(names.map(|(name, to)| (name.to_owned(), to.to_owned())));
    then(&Scope::new(Some(&names), &protection))
}

fn check(condition: &str) -> Result<(), ExpressionError> {
    with_scope(|scope| Condition::parse(condition)?.check(scope))
}

fn plan(update: &str) -> Result<UpdatePlan, ExpressionError> {
    with_scope(|scope| Update::parse(update)?.plan(scope, &BTreeSet::new(), &|_| false))
}

fn request(projection: &str, needed: &[&str]) -> Result<Option<ProjectionRequest>, ExpressionError> {
    with_scope(|scope| {
        Ok(Projection::parse(projection)?
            .resolve(scope)?
            .request(needed, &|_| false))
    })
}

fn sealed(attribute: &str, given: &str, sent: &str) -> SealedValue {
    SealedValue {
        attribute: attribute.into(),
        given: given.into(),
        sent: sent.into(),
    }
}

#[test]
fn not_binds_closer_than_and_and_and_closer_than_or() {
    for (written, rendered) in [
        ("NOT a1=:v and b1<>:v OR c1>:v", "NOT a1 = :v AND b1 <> :v OR c1 > :v"),
        (
            "NOT (a1 = :v AND (b1 = :v OR c1 = :v))",
            "NOT (a1 = :v AND (b1 = :v OR c1 = :v))",
        ),
        (
            "((a1 = :v) AND (b1 = :v)) OR (c1 = :v)",
            "a1 = :v AND b1 = :v OR c1 = :v",
        ),
        (
            "a1 between :v and :w and size ( b1 ) in (:v,:w)",
            "a1 BETWEEN :v AND :w AND size(b1) IN (:v, :w)",
        ),
    ] {
        assert_eq!(
            Condition::parse(written).map(|condition| condition.to_string()),
            Ok(rendered.into())
        );
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
    assert_eq!(
        inside,
        Err(ExpressionError::InsideEncrypted {
            path: "api_keys.stripe".into()
        })
    );
}

#[test]
fn an_attribute_that_no_schema_names_is_refused_everywhere() {
    let undeclared = || ExpressionError::Undeclared {
        attribute: "emial".into(),
    };
    assert_eq!(check("attribute_exists(emial)"), Err(undeclared()));
    assert_eq!(plan("SET emial = :e"), Err(undeclared()));
    assert_eq!(plan("SET company = emial"), Err(undeclared()));
    assert_eq!(plan("REMOVE emial.x"), Err(undeclared()));
    assert_eq!(request("company, emial", &[]), Err(undeclared()));
    let key = with_scope(|scope| KeyCondition::parse("emial = :e")?.tests(scope).map(drop));
    assert_eq!(key, Err(undeclared()));
    assert_eq!(
        check("#u = :v"),
        Err(ExpressionError::UndefinedName {
            placeholder: "#u".into()
        })
    );
}

#[test]
fn our_own_attributes_are_refused_however_they_are_named() {
    let reserved = ExpressionError::ReservedAttribute {
        attribute: "_seal".into(),
    };
    assert_eq!(check("attribute_exists(#sealed)"), Err(reserved.clone()));
    assert_eq!(plan("REMOVE #sealed"), Err(reserved.clone()));
    assert_eq!(request("#sealed", &[]), Err(reserved));
    assert!(check("attribute_exists(_seal)").is_err());
}

#[test]
fn a_function_in_other_letters_or_places_is_refused() {
    assert_eq!(
        check("Size(email) > :n"),
        Err(ExpressionError::FunctionCase { function: "size" })
    );
    assert_eq!(
        check("ATTRIBUTE_EXISTS(email)"),
        Err(ExpressionError::FunctionCase {
            function: "attribute_exists"
        })
    );
    assert_eq!(
        plan("SET email = If_Not_Exists(email, :e)"),
        Err(ExpressionError::FunctionCase {
            function: "if_not_exists"
        })
    );
    assert_eq!(
        check("if_not_exists(email, :e)"),
        Err(ExpressionError::UnknownFunction {
            name: "if_not_exists".into()
        })
    );
    assert_eq!(
        plan("SET visits = size(company)"),
        Err(ExpressionError::UnknownFunction { name: "size".into() })
    );
}

#[test]
fn what_is_not_in_the_guide_is_not_read() {
    for condition in [
        "",
        " ",
        "company",
        "company =",
        "= :c",
        "(company = :c",
        "company = :c)",
        "company = :c AND",
        "company == :c",
        "company = :c company = :c",
        "attribute_exists(:c)",
        "attribute_exists(company,)",
        "attribute_exists()",
        "size(company)",
        "company IN ()",
        "company IN :c",
        "company BETWEEN :a, :b",
        "(company) = :c",
        "company. = :c",
        "company[0 = :c",
        "NOT",
        "attribute_type(company, company)",
        "company = attribute_exists(company)",
    ] {
        assert!(Condition::parse(condition).is_err(), "{condition}");
    }
    assert_eq!(check("((company = :c))"), Err(ExpressionError::RedundantParentheses));
    assert_eq!(
        check("status = :s"),
        Err(ExpressionError::ReservedWord { name: "status".into() })
    );
    assert_eq!(
        check("profile.Name = :s"),
        Err(ExpressionError::ReservedWord { name: "Name".into() })
    );
    assert_eq!(
        check("_id = :s"),
        Err(ExpressionError::NeedsPlaceholder { name: "_id".into() })
    );
    for update in [
        "",
        "company = :c",
        "SET",
        "SET company",
        "SET company = :c,",
        "SET company = :c + :d + :e",
        "SET company = ((:c))",
        "ADD visits",
        "ADD visits visits",
        "REMOVE",
        "SET company = :c; REMOVE email",
        "REMOVE company :c",
    ] {
        assert!(Update::parse(update).is_err(), "{update}");
    }
    assert_eq!(
        plan("SET company = :c SET email = :e"),
        Err(ExpressionError::RepeatedClause { clause: "SET" })
    );
}

#[test]
fn a_refusal_repeats_nothing_that_may_be_a_value() {
    let refusal = Condition::parse("email = 'hunter2'").map(drop).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the expression is not understood at byte 8: expected a name, a placeholder or an operator"
    );
}

#[test]
fn the_limits_of_the_guide_hold() {
    let ands = |count| vec!["a1=:v"; count].join(" AND ");
    assert!(Condition::parse(&ands(150)).is_ok());
    assert_eq!(
        Condition::parse(&ands(151)).map(drop),
        Err(ExpressionError::TooManyOperators)
    );
    let candidates = |count| format!("a1 IN ({})", vec![":v"; count].join(","));
    assert!(Condition::parse(&candidates(100)).is_ok());
    assert_eq!(
        Condition::parse(&candidates(101)).map(drop),
        Err(ExpressionError::TooManyOperands)
    );
}

/// A quarter of the stack that a thread of the runtime has.
#[test]
fn no_nesting_exhausts_a_small_stack() {
    let nestings = || {
        let groups = |depth: usize| format!("{}a1 = :v{}", "(a1 = :v AND ".repeat(depth), ")".repeat(depth));
        let functions =
            |depth: usize| format!("SET a1 = {}:v{}", "if_not_exists(a1, ".repeat(depth), ")".repeat(depth));
        let readable = Condition::parse(&groups(100)).expect("a hundred levels are read");
        assert!(with_scope(|scope| readable.check(scope)).is_err());
        assert!(Condition::parse(&readable.to_string()).is_ok());
        assert!(Update::parse(&functions(100)).is_ok());
        let too_deep = Err(ExpressionError::TooDeep { max: 100 });
        assert_eq!(Condition::parse(&groups(101)).map(drop), too_deep);
        assert_eq!(Condition::parse(&"(".repeat(4096)).map(drop), too_deep);
        assert_eq!(Condition::parse(&"NOT ".repeat(1024)).map(drop), too_deep);
        assert_eq!(Update::parse(&functions(101)).map(drop), too_deep);
        assert_eq!(
            Update::parse(&format!("SET a1 = {}", "(".repeat(4000))).map(drop),
            too_deep
        );
    };
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(nestings)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_key_condition_tells_what_each_key_is_tested_for() {
    let condition = KeyCondition::parse("(#s BETWEEN :a AND :b) AND tenant_id = :t").unwrap();
    let expected = vec![
        ("status".to_owned(), KeyTest::Between(":a".into(), ":b".into())),
        ("tenant_id".to_owned(), KeyTest::Equals(":t".into())),
    ];
    let tests = with_scope(|scope| condition.tests(scope)).unwrap();
    assert_eq!(
        tests
            .into_iter()
            .map(|(attribute, test)| (attribute, test.clone()))
            .collect::<Vec<_>>(),
        expected
    );

    let condition = KeyCondition::parse("(tenant_id = :t AND contact_id <= :c)").unwrap();
    let sort = with_scope(|scope| condition.tests(scope).map(|tests| tests[1].1.clone()));
    assert_eq!(sort, Ok(KeyTest::Compares(Comparator::LessOrEqual, ":c".into())));
    assert_eq!(condition.placeholders().values, [":c", ":t"].map(str::to_owned).into());
}

#[test]
fn a_key_condition_has_one_form() {
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
        assert_eq!(
            KeyCondition::parse(condition),
            Err(ExpressionError::NotAKeyCondition),
            "{condition}"
        );
    }
    let tests = |condition: &str| with_scope(|scope| KeyCondition::parse(condition)?.tests(scope).map(drop));
    let repeated = ExpressionError::RepeatedKey {
        attribute: "tenant_id".into(),
    };
    assert_eq!(tests("tenant_id = :t AND tenant_id > :u"), Err(repeated));
    assert_eq!(
        tests("email = :e"),
        Err(ExpressionError::EncryptedKey {
            attribute: "email".into()
        })
    );
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
    assert_eq!(
        request(projection, &["tenant_id", "company", "_seal"]),
        Ok(Some(expected))
    );
    let selection = with_scope(|scope| Projection::parse(projection)?.resolve(scope)).unwrap();
    assert!(selection.is_encrypted());

    let mut item = HashMap::from([
        ("tenant_id".to_owned(), AttributeValue::S("acme".into())),
        ("company".to_owned(), AttributeValue::S("Acme".into())),
        (
            "api_keys".to_owned(),
            AttributeValue::M(HashMap::from([("other".into(), AttributeValue::Bool(true))])),
        ),
    ]);
    selection.prune(&mut item);
    assert_eq!(
        item,
        HashMap::from([("company".to_owned(), AttributeValue::S("Acme".into()))])
    );
}

#[test]
fn fresh_placeholders_avoid_those_of_the_request() {
    let taken = |name: &str| ["#seal0", "#seal2"].contains(&name);
    let selection = with_scope(|scope| Projection::parse("company")?.resolve(scope)).unwrap();
    let request = selection.request(&["tenant_id", "contact_id"], &taken).unwrap();
    assert_eq!(request.expression, "company, #seal1, #seal3");
}

#[test]
fn overlapping_paths_are_refused() {
    for projection in [
        "company, company",
        "profile, profile.city",
        "profile.a1[0], profile.a1",
        "api_keys, #k.stripe",
        "profile.x, profile[0]",
    ] {
        assert!(
            matches!(request(projection, &[]), Err(ExpressionError::OverlappingPaths { .. })),
            "{projection}"
        );
    }
    let twice = ExpressionError::OverlappingPaths {
        one: "email".into(),
        other: "email".into(),
    };
    assert_eq!(plan("SET email = :e REMOVE #e"), Err(twice));
}

#[test]
fn an_update_whose_placeholders_are_its_own_is_sent_as_it_is() {
    let update = "SET email = :e, api_keys = if_not_exists(#k, :k), company = :c ADD visits :n, tags :t REMOVE phone";
    let plan = plan(update).unwrap();
    assert_eq!(plan.expression, None);
    assert_eq!(
        plan.sealed,
        [sealed("email", ":e", ":e"), sealed("api_keys", ":k", ":k")]
    );
    let touched: Vec<_> = plan.touched.iter().map(|path| path.attribute()).collect();
    assert_eq!(touched, ["email", "api_keys", "company", "phone", "visits", "tags"]);
}

#[test]
fn a_shared_placeholder_is_split() {
    let between_encrypted = plan("SET email = :v, phone = :v").unwrap();
    assert_eq!(
        between_encrypted.expression.as_deref(),
        Some("SET email = :v, phone = :seal0")
    );
    assert_eq!(
        between_encrypted.sealed,
        [sealed("email", ":v", ":v"), sealed("phone", ":v", ":seal0")]
    );

    let with_plain = plan("set email=:v,company=if_not_exists(company,:v)").unwrap();
    assert_eq!(
        with_plain.expression.as_deref(),
        Some("SET email = :seal0, company = if_not_exists(company, :v)")
    );
    assert_eq!(with_plain.sealed, [sealed("email", ":v", ":seal0")]);

    let elsewhere = BTreeSet::from([":v".to_owned()]);
    let update = Update::parse("SET email = :v REMOVE phone").unwrap();
    let with_condition = with_scope(|scope| update.plan(scope, &elsewhere, &|_| false)).unwrap();
    assert_eq!(
        with_condition.expression.as_deref(),
        Some("SET email = :seal0 REMOVE phone")
    );
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
        (
            "SET email = if_not_exists(email, phone)",
            "a copy from another attribute",
        ),
        ("SET company = if_not_exists(email, :e)", "a copy to another attribute"),
        (
            "SET company = if_not_exists(company, api_keys.stripe)",
            "a copy to another attribute",
        ),
        ("SET visits = visits + email", "a copy to another attribute"),
        ("SET email = email + :n", "+"),
        ("SET email = :n - :m", "-"),
        ("SET email = (:e)", "a value in parentheses"),
        ("SET email = list_append(email, :l)", "list_append"),
        (
            "SET email = if_not_exists(email, if_not_exists(email, :e))",
            "if_not_exists inside a function",
        ),
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
        assert!(
            matches!(plan(update), Err(ExpressionError::InsideEncrypted { .. })),
            "{update}"
        );
    }
}
