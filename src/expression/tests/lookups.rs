//! Expressions that ask lookups.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::with_scope;
use crate::expression::generate::clause;
use crate::expression::lexer::{Token, tokens};
use crate::expression::{
    Assigned, Condition, ExpressionError, KeyAnswer, KeyCondition, KeyQuestion, LookupSchema, Lookups, Place, Question,
    Scope, TokenAction, Update,
};

/// A lookup of each kind on every encrypted attribute.
struct Everything;

impl LookupSchema for Everything {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn answer(&self, attribute: &str, _: Question, _: &[String], _: Place) -> Result<String, ExpressionError> {
        Ok(format!("_seal_by_{attribute}"))
    }

    fn answer_keys(&self, questions: &[KeyQuestion<'_>]) -> Result<Vec<KeyAnswer>, ExpressionError> {
        let stored = questions.iter().map(|question| question.attribute).collect::<Vec<_>>().join("_");
        Ok(vec![KeyAnswer { stored: format!("_seal_by_{stored}"), tests: (0..questions.len()).collect() }])
    }

    fn write(&self, assigned: &[Assigned<'_>], removed: &[&str]) -> Result<Vec<TokenAction>, ExpressionError> {
        let stored = |attribute: &str| format!("_seal_by_{attribute}");
        let set = assigned.iter().map(|assigned| {
            let (stored, given) = (stored(assigned.attribute), vec![assigned.given.to_owned()]);
            match assigned.if_not_exists {
                true => TokenAction::SetIfNotExists { stored, given },
                false => TokenAction::Set { stored, given },
            }
        });
        Ok(set.chain(removed.iter().map(|attribute| TokenAction::Remove { stored: stored(attribute) })).collect())
    }
}

fn looked_up<T>(taken: &[&str], then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let taken = |placeholder: &str| taken.contains(&placeholder);
    with_scope(|scope| then(&scope.with_lookups(Lookups { schema: &Everything, taken: &taken })))
}

#[test]
fn a_test_on_an_encrypted_attribute_becomes_one_on_its_token() {
    for (given, sent) in [
        ("email = :e", "#seal0 = :seal1"),
        (":e = #e AND company = :s", ":seal1 = #seal0 AND company = :s"),
        ("email IN (:e, :f) AND phone = :g", "#seal0 IN (:seal1, :seal2) AND #seal1 = :seal3"),
        ("begins_with(email, :e) AND begins_with(company, :s)", "#seal0 = :seal1 AND begins_with(company, :s)"),
        ("contains(email, :e)", "contains(#seal0, :seal1)"),
        ("attribute_exists(email) AND email = :e", "attribute_exists(email) AND #seal0 = :seal1"),
    ] {
        let mut condition = Condition::parse(given).unwrap();
        // `:seal0` is the caller's.
        looked_up(&[":seal0"], |scope| condition.look_up(scope, Place::Filter)).unwrap();
        assert_eq!(condition.to_string(), sent);
        assert_eq!(Condition::parse(sent).unwrap().placeholders(), condition.placeholders(), "{given}");
    }
}

#[test]
fn what_could_not_be_corrected_after_opening_is_no_filter() {
    for filter in ["email <> :e", "NOT email = :e", "company = :s OR email = :e", "NOT (company = :s AND email = :e)"] {
        let mut condition = Condition::parse(filter).unwrap();
        let refused = looked_up(&[], |scope| condition.look_up(scope, Place::Filter));
        assert!(matches!(refused, Err(ExpressionError::LookupFilter { .. })), "{filter}: {refused:?}");
        let mut condition = Condition::parse(filter).unwrap();
        looked_up(&[], |scope| condition.look_up(scope, Place::Write)).unwrap();
    }
}

#[test]
fn a_key_condition_on_encrypted_attributes_tests_one_token() {
    let mut condition = KeyCondition::parse("tenant_id = :t AND begins_with(email, :e) AND phone = :p").unwrap();
    let asked = looked_up(&[], |scope| condition.look_up(scope)).unwrap();
    assert_eq!(condition.to_string(), "tenant_id = :t AND #seal0 = :seal0");
    assert_eq!(asked.names.into_iter().collect::<Vec<_>>(), [("#seal0".into(), "_seal_by_email_phone".into())]);
    assert_eq!(asked.tests[0].given, [":e", ":p"]);
    assert_eq!(looked_up(&[], |scope| condition.tests(scope).map(|tests| tests.len())), Ok(1));
}

#[test]
fn an_update_repeats_its_actions_on_the_tokens() {
    let update = "SET email = :v, phone = if_not_exists(phone, :v), company = :c REMOVE api_keys, profile";
    let update = Update::parse(update).unwrap();
    let plan = looked_up(&[], |scope| update.plan(scope, &[":v".to_owned()].into(), &|_| false)).unwrap();
    let sent = "SET email = :seal0, phone = if_not_exists(phone, :seal1), company = :c, #seal0 = :seal2, \
                #seal1 = if_not_exists(#seal1, :seal3) REMOVE api_keys, profile, #seal2";
    // A plain attribute has no lookup, which the stub does not know.
    let sent = sent.to_owned() + ", #seal3";
    assert_eq!(plan.expression, Some(sent));
    assert_eq!(
        plan.tokens.iter().map(|token| (&*token.given[0], &*token.sent)).collect::<Vec<_>>(),
        [(":v", ":seal2"), (":v", ":seal3")]
    );
}

const ATTRIBUTES: [&str; 3] = ["company", "email", "#e"];

proptest! {
    /// Checks the tokens alone, so that a fault of the syntax tree cannot hide itself.
    #[test]
    fn a_rewritten_condition_reads_again_and_compares_no_ciphertext(
        clause in clause(&ATTRIBUTES), write in any::<bool>()
    ) {
        let Ok(mut condition) = Condition::parse(&clause.to_string()) else { return Ok(()) };
        let place = if write { Place::Write } else { Place::Filter };
        let Ok(asked) = looked_up(&[], |scope| condition.look_up(scope, place)) else { return Ok(()) };
        let text = condition.to_string();
        let again = Condition::parse(&text).unwrap();
        prop_assert_eq!(again.placeholders(), condition.placeholders());
        prop_assert_eq!(&again, &condition);
        let tokens: Vec<_> = tokens(&text).unwrap().into_iter().map(|(_, token)| token).collect();
        for (place, token) in tokens.iter().enumerate() {
            if matches!(token, Token::Word("email") | Token::Name("#e")) {
                let exists = matches!(tokens[place - 2], Token::Word("attribute_exists" | "attribute_not_exists"));
                prop_assert!(exists, "{text}");
            }
        }
        for sent in asked.tests.iter().flat_map(|test| &test.sent) {
            prop_assert_eq!(tokens.iter().filter(|token| **token == Token::Value(sent)).count(), 1, "{}", text);
        }
    }
}
