//! What each kind of expression accepts, what it refuses, and what it becomes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, HashMap};

use super::{
    Condition, ExpressionError, KeyCondition, Placeholders, Projection, ProjectionRequest, Protection, Scope, Update,
    UpdatePlan,
};

mod conditions;
mod lookups;
mod projections;
mod updates;

fn protection(attribute: &str) -> Option<Protection> {
    match attribute {
        "tenant_id" | "contact_id" | "company" | "visits" | "tags" | "profile" | "status" => Some(Protection::PLAIN),
        "email" | "phone" | "api_keys" => Some(Protection::ENCRYPTED),
        _ => None,
    }
}

fn with_scope<T>(then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let names =
        [("#e", "email"), ("#s", "status"), ("#k", "api_keys"), ("#x", "x.y"), ("#sealed", "_seal"), ("#t", "typo")];
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
    with_scope(|scope| Ok(Projection::parse(projection)?.resolve(scope)?.request(needed, &|_| false)))
}

#[test]
fn an_expression_tells_which_placeholders_it_uses() {
    let expected = |names: &[&str], values: &[&str]| Placeholders {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let condition = Condition::parse("#s = :s OR attribute_exists(#e.#x[0])").unwrap();
    assert_eq!(*condition.placeholders(), expected(&["#e", "#s", "#x"], &[":s"]));
    let update = Update::parse("SET #s = if_not_exists(#s, :s) ADD visits :n").unwrap();
    assert_eq!(*update.placeholders(), expected(&["#s"], &[":n", ":s"]));
}

#[test]
fn an_attribute_that_no_schema_names_is_refused_everywhere() {
    let undeclared = || ExpressionError::Undeclared { attribute: "emial".into() };
    assert_eq!(check("attribute_exists(emial)"), Err(undeclared()));
    assert_eq!(plan("SET emial = :e"), Err(undeclared()));
    assert_eq!(plan("SET company = emial"), Err(undeclared()));
    assert_eq!(plan("REMOVE emial.x"), Err(undeclared()));
    assert_eq!(request("company, emial", &[]), Err(undeclared()));
    let key = with_scope(|scope| KeyCondition::parse("emial = :e")?.tests(scope).map(drop));
    assert_eq!(key, Err(undeclared()));
    assert_eq!(check("#u = :v"), Err(ExpressionError::UndefinedName { placeholder: "#u".into() }));
}

#[test]
fn our_own_attributes_are_refused_however_they_are_named() {
    let reserved = ExpressionError::ReservedAttribute { attribute: "_seal".into() };
    assert_eq!(check("attribute_exists(#sealed)"), Err(reserved.clone()));
    assert_eq!(plan("REMOVE #sealed"), Err(reserved.clone()));
    assert_eq!(request("#sealed", &[]), Err(reserved));
    assert!(check("attribute_exists(_seal)").is_err());
}

#[test]
fn a_function_in_other_letters_or_places_is_refused() {
    assert_eq!(check("Size(email) > :n"), Err(ExpressionError::FunctionCase { function: "size" }));
    assert_eq!(check("ATTRIBUTE_EXISTS(email)"), Err(ExpressionError::FunctionCase { function: "attribute_exists" }));
    assert_eq!(
        plan("SET email = If_Not_Exists(email, :e)"),
        Err(ExpressionError::FunctionCase { function: "if_not_exists" })
    );
    assert_eq!(
        check("if_not_exists(email, :e)"),
        Err(ExpressionError::UnknownFunction { name: "if_not_exists".into() })
    );
    assert_eq!(plan("SET visits = size(company)"), Err(ExpressionError::UnknownFunction { name: "size".into() }));
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
    assert_eq!(check("status = :s"), Err(ExpressionError::ReservedWord { name: "status".into() }));
    assert_eq!(check("profile.Name = :s"), Err(ExpressionError::ReservedWord { name: "Name".into() }));
    assert_eq!(check("_id = :s"), Err(ExpressionError::NeedsPlaceholder { name: "_id".into() }));
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
    assert_eq!(plan("SET company = :c SET email = :e"), Err(ExpressionError::RepeatedClause { clause: "SET" }));
}

#[test]
fn a_refusal_repeats_nothing_that_may_be_a_value() {
    let refusal = Condition::parse("email = 'hunter2'").map(drop).unwrap_err();
    assert_eq!(refusal.to_string(), "syntax error at byte 8: expected a name, a placeholder or an operator");
}

#[test]
fn the_limits_of_the_guide_hold() {
    let ands = |count| vec!["a1=:v"; count].join(" AND ");
    assert!(Condition::parse(&ands(150)).is_ok());
    assert_eq!(Condition::parse(&ands(151)).map(drop), Err(ExpressionError::TooManyOperators));
    let candidates = |count| format!("a1 IN ({})", vec![":v"; count].join(","));
    assert!(Condition::parse(&candidates(100)).is_ok());
    assert_eq!(Condition::parse(&candidates(101)).map(drop), Err(ExpressionError::TooManyOperands));
}

/// A quarter of the stack of a thread of the runtime.
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
        assert_eq!(Update::parse(&format!("SET a1 = {}", "(".repeat(4000))).map(drop), too_deep);
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(nestings).unwrap().join().unwrap();
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
        assert!(matches!(request(projection, &[]), Err(ExpressionError::OverlappingPaths { .. })), "{projection}");
    }
    let twice = ExpressionError::OverlappingPaths { one: "email".into(), other: "email".into() };
    assert_eq!(plan("SET email = :e REMOVE #e"), Err(twice));
}
