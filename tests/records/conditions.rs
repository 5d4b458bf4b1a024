//! Conditions and filters made with `attribute`.

use tenantseal::Error;
use tenantseal::error::Refusal;
use tenantseal::records::{Condition, attribute};

use crate::common::{Contact, World, contact};
use crate::records::scene::{Firm, acme, firm};

#[tokio::test]
async fn every_kind_of_condition_filters_as_it_reads() {
    let world = World::start(&["acme"]).await;
    let firms = acme(&world).records::<Firm>();
    for (id, note) in [("f-1", "alpha"), ("f-2", "beta"), ("f-3", "gamma")] {
        firms.put(&Firm { note: note.to_owned(), ..firm(id) }).await.unwrap();
    }
    firms.update("f-3").set("email", "g@example.org").remove("company").await.unwrap();
    let note = || attribute("note");
    let cases: Vec<(Condition, &[&str])> = vec![
        (note().equals("beta"), &["f-2"]),
        (note().not_equals("beta"), &["f-1", "f-3"]),
        (note().less_than("beta"), &["f-1"]),
        (note().at_most("beta"), &["f-1", "f-2"]),
        (note().greater_than("beta"), &["f-3"]),
        (note().at_least("beta"), &["f-2", "f-3"]),
        (note().between("b", "c"), &["f-2"]),
        (note().begins_with("al"), &["f-1"]),
        (note().contains("m"), &["f-3"]),
        (attribute("email").exists(), &["f-3"]),
        (attribute("email").not_exists(), &["f-1", "f-2"]),
        (note().equals("alpha").or(note().equals("beta")).and(attribute("company").exists()), &["f-1", "f-2"]),
        (note().equals("alpha").or(note().equals("gamma").and(attribute("email").exists())).not(), &["f-2"]),
    ];
    for (condition, expected) in cases {
        let shown = format!("{condition:?}");
        assert!(!shown.contains("beta"), "{shown}");
        let found: Vec<Firm> = firms.query().filter(condition.clone()).stream().try_collect().await.unwrap();
        let ids: Vec<_> = found.iter().map(|firm| firm.contact_id.as_str()).collect();
        assert_eq!(ids, expected);
        let mut scanned: Vec<Firm> = firms.scan().filter(condition).stream().try_collect().await.unwrap();
        scanned.sort_by(|one, other| one.contact_id.cmp(&other.contact_id));
        assert_eq!(scanned, found);
    }
}

#[tokio::test]
async fn an_encrypted_attribute_cannot_be_compared() {
    let world = World::start(&["acme"]).await;
    let firms = acme(&world).records::<Firm>();
    let error = firms.delete("f-1").condition(attribute("email").equals("x")).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)) && error.to_string().contains("email"), "{error}");
}

#[tokio::test]
async fn a_condition_of_many_alternatives_is_asked_and_too_many_are_refused() {
    let world = World::start(&["acme"]).await;
    let contacts = world.tenant("acme").records::<Contact>();
    contacts.put(&contact("acme", "c-1")).await.unwrap();
    let any_of = |count: usize| {
        let others = (1..count).map(|at| attribute("company").equals(format!("Company {at}")));
        others.fold(attribute("company").equals("Example Ltd"), Condition::or)
    };
    let found = contacts.query().filter(any_of(140)).stream().try_collect::<Vec<_>>().await;
    assert_eq!(found.unwrap_or_else(|error| panic!("{error}")), [contact("acme", "c-1")]);
    let refused = contacts.query().filter(any_of(50_000)).stream().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Expression { .. })), "{refused}");
}
