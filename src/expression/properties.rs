//! Properties that hold for every expression.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, HashMap};

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Condition, KeyCondition, Projection, Protection, Scope, Update,
    condition::Clause,
    generate::{actions, clause, condition, disturbed, path, soup, update},
    lexer::{Token, tokens},
    update::SetValue,
};

const ATTRIBUTES: [&str; 3] = ["plain", "secret", "#secret"];

const TARGETS: [&[&str]; 3] =
    [&["secret", "plain", "email"], &["visits", "third", "secret"], &["email", "#secret", "third"]];

const ELSEWHERE: [&[&str]; 3] = [&[], &[":a"], &[":b", ":seal1"]];

fn names() -> HashMap<String, String> {
    HashMap::from([("#secret".into(), "secret".into()), ("#name".into(), "name".into())])
}

fn protection(attribute: &str) -> Option<Protection> {
    match attribute {
        "secret" | "email" | "third" => Some(Protection::ENCRYPTED),
        "plain" | "visits" | "tags" => Some(Protection::PLAIN),
        _ => None,
    }
}

proptest! {
    #[test]
    fn a_rendered_condition_reads_as_it_was(clause in condition()) {
        prop_assert_eq!(Clause::parse(&clause.to_string()).map(|(clause, _)| clause), Ok(clause));
    }

    #[test]
    fn a_rendered_update_reads_as_it_was(actions in actions()) {
        let read = Update::parse(&actions.to_string());
        prop_assert_eq!(read.map(|update| update.to_string()), Ok(actions.to_string()));
        prop_assert_eq!(Update::parse(&actions.to_string()).map(|update| update.actions), Ok(actions));
    }

    #[test]
    fn a_rendered_path_reads_as_it_was(path in path()) {
        prop_assert_eq!(Projection::parse(&path.to_string()).map(|projection| projection.paths), Ok(vec![path]));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in prop_oneof![soup(), disturbed(update())]) {
        let _ = (Condition::parse(&text), KeyCondition::parse(&text), Projection::parse(&text), Update::parse(&text));
    }

    #[test]
    fn what_is_read_from_any_text_renders_to_itself(text in prop_oneof![soup(), disturbed(update())]) {
        if let Ok(condition) = Condition::parse(&text) {
            prop_assert_eq!(Condition::parse(&condition.to_string()), Ok(condition));
        }
        if let Ok(update) = Update::parse(&text) {
            prop_assert_eq!(Update::parse(&update.to_string()), Ok(update));
        }
    }

    /// Checks the tokens alone, so that a fault of the syntax tree cannot hide itself.
    #[test]
    fn an_accepted_condition_only_asks_whether_an_encrypted_attribute_exists(
        text in disturbed(clause(&ATTRIBUTES).prop_map(|clause| clause.to_string()))
    ) {
        let Ok(condition) = Condition::parse(&text) else { return Ok(()) };
        let names = names();
        if condition.check(&Scope::new(Some(&names), &protection)).is_err() {
            return Ok(());
        }
        let tokens: Vec<_> = tokens(&text).unwrap().into_iter().map(|(_, token)| token).collect();
        for (place, token) in tokens.iter().enumerate() {
            if matches!(token, Token::Word("secret") | Token::Name("#secret")) {
                let around = [tokens[place - 2], tokens[place - 1], tokens[place + 1]];
                let exists = matches!(around[0], Token::Word("attribute_exists" | "attribute_not_exists"));
                prop_assert!(exists && around[1..] == [Token::Symbol("("), Token::Symbol(")")], "{text}");
            }
        }
    }

    #[test]
    fn every_sealed_value_has_a_placeholder_of_its_own(
        targets in select(&TARGETS[..]),
        values in vec((select(&[":a", ":b", ":seal0"][..]), any::<bool>()), 3),
        add in select(&["", " ADD tags :a", " DELETE tags :b"][..]),
        elsewhere in select(&ELSEWHERE[..]),
    ) {
        let set: Vec<_> = targets.iter().zip(&values).map(|(target, (value, missing))| {
            if *missing { format!("{target} = if_not_exists({target}, {value})") } else { format!("{target} = {value}") }
        }).collect();
        let text = format!("SET {}{add}", set.join(", "));
        let elsewhere: BTreeSet<String> = elsewhere.iter().map(|value| (*value).to_owned()).collect();
        let update = Update::parse(&text).unwrap();
        let taken = |value: &str| [":a", ":b", ":seal0", ":seal1"].contains(&value);
        let names = names();
        let plan = update.plan(&Scope::new(Some(&names), &protection), &elsewhere, &taken).unwrap();

        let sent = Update::parse(plan.expression.as_deref().unwrap_or(&text)).unwrap();
        let rendered = sent.to_string();
        for sealed in &plan.sealed {
            let uses = tokens(&rendered).unwrap().into_iter().filter(|(_, token)| *token == Token::Value(&sealed.sent));
            prop_assert_eq!(uses.count(), 1, "{} in {}", &sealed.sent, rendered);
            prop_assert!(!elsewhere.contains(&sealed.sent));
        }
        prop_assert!(update.placeholders().values.is_subset(&(&sent.placeholders().values | &elsewhere)), "{rendered}");

        // With the placeholders put back, the result is the caller's expression.
        let mut restored = sent.actions.clone();
        for (_, value) in &mut restored.set {
            let value = if let SetValue::IfNotExists(_, value) = value { value } else { value };
            let SetValue::Value(value) = value else { panic!("only such values were generated") };
            if let Some(sealed) = plan.sealed.iter().find(|sealed| sealed.sent == *value) {
                value.clone_from(&sealed.given);
            }
        }
        prop_assert_eq!(restored, update.actions);
    }
}
