//! From a declaration to the tokens of docs/FORMAT.md's example, and what is not a value to look up.

use aws_sdk_dynamodb::primitives::Blob;
use tenantseal_core::crypto::{LookupKey, RandomError, RandomSource};
use tenantseal_core::tenant::TenantId;

use super::*;
use crate::schema::{LookupBuilder, TableSchema};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

fn list(members: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
    AttributeValue::L(members.into_iter().collect())
}

const NULL: AttributeValue = AttributeValue::Null(true);
const TRUE: AttributeValue = AttributeValue::Bool(true);

#[track_caller]
fn checked(lookup: LookupBuilder<'_>) -> Lookup {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").lookup(lookup);
    let encrypted = ["a", "b", "email", "name", "last_name", "born", "tags", "amount"];
    let schema = encrypted.into_iter().fold(schema, |schema, attribute| schema.encrypt(attribute));
    schema.build().unwrap().lookups()[0].clone()
}

#[track_caller]
fn parts(formed: Result<Formed, SealError>) -> FormedParts {
    match formed {
        Ok(Formed::Parts(parts)) => parts,
        other => panic!("there is something to look up: {other:?}"),
    }
}

/// The lookup key of the example.
#[derive(Debug)]
struct Counting;

impl RandomSource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.iter_mut().zip(0x40..).for_each(|(byte, count)| *byte = count);
        Ok(())
    }
}

fn token(lookup: &Lookup, rendered: &str, formed: &FormedParts) -> String {
    let key = LookupKey::generate(&Counting).unwrap().extract();
    let mac_key = lookup.definition().mac_key(&key, &TenantId::parse("acme").unwrap(), "crm", lookup.name());
    mac_key.token(&[rendered], &formed.parts())
}

#[test]
fn the_tokens_of_a_declared_lookup_are_those_of_the_example() {
    let email = checked(Lookup::on("email", Form::EMAIL));
    let formed = parts(email.formed(&[&s(" Ada@Example.org")]));
    assert_eq!(token(&email, "acme", &formed), "acme._Eh-hgbpmXDW9XJUBA3Uf-Pg");
    assert_eq!(formed.parts()[..], [&b"\x01ada@example.org"[..]]);
    let tags = checked(Lookup::on("tags", Form::EXACT).each().bits(16));
    let set = AttributeValue::Ss(vec!["vip".to_owned(), "press".to_owned()]);
    let Ok(Formed::Members(members)) = tags.formed(&[&set]) else { panic!("the set has members") };
    let mut tokens: Vec<_> = members.iter().map(|member| token(&tags, "acme", member)).collect();
    tokens.sort();
    assert_eq!(tokens, ["acme.qe-Pg", "acme.qe5B8"]);
}

#[cfg(feature = "unicode")]
#[test]
fn the_tokens_of_texts_are_those_of_the_example() {
    let start = checked(Lookup::on("name", Form::TEXT).prefix(3).bits(10));
    let wide = parts(start.formed(&[&s("\u{ff2c}\u{ff4f}\u{ff56}\u{ff45}\u{ff4c}\u{ff41}\u{ff43}\u{ff45}")]));
    assert_eq!(token(&start, "TENANT#acme#", &wide), "TENANT#acme#.53To");
    let person = checked(Lookup::all_of([("last_name", Form::TEXT), ("born", Form::EXACT)]).named("person"));
    let ada = parts(person.formed(&[&s("Lovelace"), &s("1815-12-10")]));
    assert_eq!(token(&person, "acme", &ada), "acme.rWlvYtFgHpuMghhpyhL5O8cA");
    let moved = parts(person.formed(&[&s("Lovelace1"), &s("815-12-10")]));
    assert_ne!(token(&person, "acme", &moved), token(&person, "acme", &ada));
    let names = checked(Lookup::on("last_name", Form::TEXT).bits(12));
    let composed = parts(names.formed(&[&s("M\u{dc}LLER")]));
    assert_eq!(parts(names.formed(&[&s("Mu\u{308}ller")])), composed);
}

#[test]
fn values_are_compared_with_their_type_and_numbers_by_value() {
    let exact = checked(Lookup::on("amount", Form::EXACT));
    let formed = |value: &AttributeValue| parts(exact.formed(&[value]));
    assert_eq!(formed(&n("150")), formed(&n("1.50e2")));
    assert_ne!(formed(&n("150")), formed(&s("150")));
    assert_ne!(formed(&b(b"150")), formed(&s("150")));
    assert_ne!(formed(&n("150")), formed(&n("15")));
    // A form of one's own gets a number as DynamoDB writes it.
    let own = checked(Lookup::on("amount", Form::new("whole", |text| text.split('.').next().map(str::to_owned))));
    assert_eq!(parts(own.formed(&[&n("1.505e2")])).parts()[..], [&b"\x01150"[..]]);
}

#[test]
fn there_is_nothing_to_look_up_in_null_and_what_is_empty_or_short() {
    let own = Form::new("of_ten", |text| (text.len() == 10).then(|| text.to_owned()));
    for (lookup, value) in [
        (Lookup::on("a", Form::EXACT), NULL),
        (Lookup::on("a", Form::EXACT), s("")),
        (Lookup::on("a", Form::EXACT), b(b"")),
        (Lookup::on("a", Form::EMAIL), s(" \t")),
        (Lookup::on("a", Form::DIGITS), s("none")),
        (Lookup::on("a", own), s("eleven long")),
        (Lookup::on("a", own), n("5")),
        (Lookup::on("a", Form::EXACT).prefix(3).bits(8), s("äö")),
        (Lookup::on("a", Form::DIGITS).prefix(3).bits(8), s("1-2")),
        (Lookup::on("a", Form::EXACT).each().bits(8), NULL),
        (Lookup::on("a", Form::EXACT).each().bits(8), list([])),
        (Lookup::on("a", Form::DIGITS).each().bits(8), list([NULL, s("none")])),
    ] {
        assert_eq!(checked(lookup).formed(&[&value]), Ok(Formed::Nothing), "{lookup:?}");
        assert_eq!(checked(lookup).asked(&[&NULL]), Ok(None), "{lookup:?}");
    }
    let compound = checked(Lookup::all_of([("a", Form::EXACT), ("b", Form::DIGITS)]).named("x"));
    assert_eq!(compound.formed(&[&s("a"), &s("none")]), Ok(Formed::Nothing));
    assert_eq!(compound.formed(&[&NULL, &s("1")]), Ok(Formed::Nothing));
    assert_ne!(compound.formed(&[&s("a"), &s("1")]), Ok(Formed::Nothing));
}

#[test]
fn a_value_that_a_form_does_not_take_is_refused_by_name() {
    let set = || AttributeValue::Ss(vec!["a".to_owned()]);
    let own = Form::new("own", |text| Some(text.to_owned()));
    let each = |form| Lookup::on("a", form).each().bits(8);
    for (lookup, value, takes) in [
        (Lookup::on("a", Form::EXACT), TRUE, "strings, numbers and binary values"),
        (Lookup::on("a", Form::EXACT), list([s("a")]), "strings, numbers and binary values"),
        (Lookup::on("a", Form::EXACT), set(), "strings, numbers and binary values"),
        (Lookup::on("a", Form::EXACT).bits(8), TRUE, "strings, numbers and binary values"),
        (Lookup::on("a", Form::EMAIL), n("5"), "strings"),
        (Lookup::on("a", Form::DIGITS), b(b"5"), "strings"),
        (Lookup::on("a", own), b(b"5"), "strings and numbers"),
        (Lookup::on("a", own), TRUE, "strings and numbers"),
        (Lookup::on("a", Form::EXACT).prefix(1).bits(8), n("5"), "strings"),
        (Lookup::on("a", Form::EXACT).prefix(1).bits(8), b(b"5"), "strings"),
        (each(Form::EXACT), s("a"), "sets and lists of strings, numbers and binary values"),
        (each(Form::EXACT), list([TRUE]), "sets and lists of strings, numbers and binary values"),
        (each(Form::EXACT), list([set()]), "sets and lists of strings, numbers and binary values"),
        (each(Form::EMAIL), list([s("a"), n("5")]), "sets and lists of strings"),
        (each(own), list([b(b"5")]), "sets and lists of strings and numbers"),
    ] {
        let refused = checked(lookup).formed(&[&value]);
        let Err(SealError::LookupValue { attribute, takes: said, .. }) = refused else {
            panic!("{lookup:?} {refused:?}")
        };
        assert_eq!((attribute.as_str(), said), ("a", takes), "{lookup:?}");
    }
    let compound = checked(Lookup::all_of([("a", Form::EXACT), ("b", Form::EXACT)]).named("x"));
    assert_eq!(parts(compound.formed(&[&TRUE, &b(b"5")])).parts()[..], [&b"\x04\x01"[..], b"\x035"]);
    assert!(
        matches!(compound.formed(&[&s("a"), &set()]), Err(SealError::LookupValue { attribute, .. }) if attribute == "b")
    );
    let amount = checked(Lookup::on("a", Form::EXACT));
    assert!(matches!(amount.formed(&[&n("five")]), Err(SealError::Value { .. })));
}

#[test]
fn what_was_opened_is_compared_whole_and_in_its_form() {
    let answers = |lookup: &Lookup, asked: &AttributeValue, value: &AttributeValue| {
        lookup.answers(&lookup.asked(&[asked]).unwrap().expect("there is something to look up"), &[value])
    };
    let email = checked(Lookup::on("email", Form::EMAIL).bits(3));
    assert!(answers(&email, &s("ADA@x.org "), &s("ada@x.org")));
    for other in [s("ada@x.or"), s("ada@x.orgs"), s(""), n("5"), NULL] {
        assert!(!answers(&email, &s("ada@x.org"), &other), "{other:?}");
    }
    let start = checked(Lookup::on("name", Form::ALPHANUMERIC).prefix(3).bits(8));
    let asked = start.asked(&[&s("Love-L")]).unwrap().expect("it is long enough");
    assert_eq!(asked.token(), &parts(start.formed(&[&s("lov")])), "the token is that of the first 3 characters");
    for (value, is_answer) in [("Lovelace", true), ("LOVEL", true), ("Love", false), ("Lovett", false), ("lo", false)] {
        assert_eq!(start.answers(&asked, &[&s(value)]), is_answer, "{value}");
    }
    let tags = checked(Lookup::on("tags", Form::ALPHANUMERIC).each().bits(8));
    for (value, is_answer) in [(list([s("press"), s("V.I.P.")]), true), (list([s("vips")]), false), (s("vip"), false)] {
        assert_eq!(answers(&tags, &s("VIP"), &value), is_answer, "{value:?}");
    }
    let person = checked(Lookup::all_of([("a", Form::EXACT), ("b", Form::EXACT)]).named("person"));
    let asked = person.asked(&[&s("ab"), &s("c")]).unwrap().expect("there are both");
    assert!(person.answers(&asked, &[&s("ab"), &s("c")]));
    assert!(!person.answers(&asked, &[&s("a"), &s("bc")]), "parts are apart");
}

#[test]
fn what_is_looked_up_is_not_shown() {
    let email = checked(Lookup::on("email", Form::EXACT));
    let shown = format!("{:?} {:?}", email.formed(&[&s("ada")]), email.asked(&[&s("ada")]));
    assert!(!shown.contains("ada") && !shown.contains("97"), "{shown}");
}
