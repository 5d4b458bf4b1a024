//! Record types that share a table and disagree on an attribute: the discriminator says what is opened (section 2.1).

use aws_sdk_dynamodb::types::AttributeValue;

use super::opened::{FixedNonce, opening, put, stored, updated};
use super::refused::refused;
use super::scene::{CREATED, Scene, Vector, n, s, scene, with};
use crate::item::Item;
use tenantseal_core::envelope::Nonces;

const RULE: &str = "2.1: discriminator";

/// Persons' notes are encrypted, firms' are not; `a` is encrypted of both.
fn types(attribute: &'static str, person: &'static str, firm: &'static str) -> Scene {
    Scene { discriminator: Some((attribute, vec![(person, vec!["note"]), (firm, vec![])])), ..scene() }
}

pub(super) fn vectors() -> Vec<Vector> {
    let scene = types("kind", "person", "firm");
    let sealing = super::scene::scene().encrypting(&["a", "note"]);
    let note = updated(&sealing, &sealing.unwrapped(0, CREATED), "note", &s("x"));
    let item = with(scene.key(), "a", s("hello"));
    let of_kind = |item: &Item, kind: &str| with(item.clone(), "kind", s(kind));
    let sealed = stored(&sealing);
    let person = with(of_kind(&sealed, "person"), "note", note.clone());
    let by_key = types("n", "P#", "F#");
    let key_of = |key: &str| with(scene.key(), "n", s(key));
    let keyed = |key: &str| put(&sealing, &key_of(key), "a", &s("hello"), Nonces::Random(&FixedNonce));
    let unknown = |name: &str, item: Item| {
        refused(&format!("discriminator_{name}"), RULE, "discriminator", &["note"], scene.clone(), item)
    };
    let plain = |item: Item| with(item, "note", s("x"));
    let beside = |scene: &Scene| Scene { without_value: true, ..scene.clone() };
    let keyed_note = |key: &str| {
        let nonces = Nonces::Random(&FixedNonce);
        with(keyed(key), "note", put(&sealing, &key_of(key), "note", &s("x"), nonces).remove("note").unwrap())
    };
    vec![
        opening(
            "discriminator_of_a_type_that_encrypts",
            RULE,
            scene.clone(),
            person.clone(),
            with(of_kind(&item, "person"), "note", s("x")),
            None,
        ),
        opening(
            "discriminator_of_a_type_that_does_not",
            RULE,
            scene.clone(),
            plain(of_kind(&sealed, "firm")),
            plain(of_kind(&item, "firm")),
            None,
        ),
        opening("discriminator_missing_where_types_agree", RULE, scene.clone(), sealed.clone(), item.clone(), None),
        opening(
            "discriminator_of_no_type_where_types_agree",
            RULE,
            scene.clone(),
            of_kind(&sealed, "stranger"),
            of_kind(&item, "stranger"),
            None,
        ),
        opening(
            "discriminator_is_what_the_sort_key_begins_with",
            RULE,
            by_key.clone(),
            plain(keyed("F#1")),
            plain(with(key_of("F#1"), "a", s("hello"))),
            None,
        ),
        opening(
            "discriminator_of_a_sort_key_of_a_type_without_value",
            RULE,
            beside(&by_key),
            plain(keyed("X#1")),
            plain(with(key_of("X#1"), "a", s("hello"))),
            None,
        ),
        opening(
            "discriminator_of_a_sort_key_beside_a_type_without_value",
            RULE,
            beside(&by_key),
            keyed_note("P#1"),
            plain(with(key_of("P#1"), "a", s("hello"))),
            None,
        ),
        refused(
            "discriminator_beside_binary_of_a_type_without_value",
            RULE,
            "binary",
            &["note"],
            beside(&by_key),
            keyed_note("X#1"),
        ),
        // A type without a value is told by a sort key alone: a plain discriminator may have been deleted.
        refused(
            "discriminator_missing_beside_a_type_without_value",
            RULE,
            "discriminator",
            &["note"],
            beside(&scene),
            plain(sealed.clone()),
        ),
        // So is a sort key that is no string: its items are of no type.
        refused(
            "discriminator_of_a_sort_key_that_is_no_string",
            RULE,
            "discriminator",
            &["note"],
            beside(&by_key),
            plain(sealed.clone()),
        ),
        unknown("missing", with(sealed.clone(), "note", note.clone())),
        unknown("missing_beside_plaintext", plain(sealed.clone())),
        unknown("of_no_type", with(of_kind(&sealed, "stranger"), "note", note.clone())),
        unknown("of_another_case", with(of_kind(&sealed, "Person"), "note", note.clone())),
        unknown("that_begins_with_a_value", with(of_kind(&sealed, "persons"), "note", note.clone())),
        opening(
            "discriminator_of_no_type_where_nothing_that_varies_is_wanted",
            RULE,
            Scene { wanted: Some(vec!["a"]), ..scene.clone() },
            plain(of_kind(&sealed, "stranger")),
            [("a".to_owned(), s("hello"))].into(),
            None,
        ),
        unknown("that_is_no_string", with(with(sealed.clone(), "kind", n("1")), "note", note.clone())),
        refused(
            "discriminator_of_a_sort_key_of_no_type",
            RULE,
            "discriminator",
            &["note"],
            by_key.clone(),
            plain(keyed("X#1")),
        ),
        refused(
            "discriminator_that_would_return_a_sealed_value",
            RULE,
            "binary",
            &["note"],
            scene.clone(),
            of_kind(&person, "firm"),
        ),
        refused(
            "discriminator_that_would_open_plaintext",
            RULE,
            "not sealed",
            &["note"],
            scene.clone(),
            plain(of_kind(&sealed, "person")),
        ),
        refused(
            "discriminator_beside_binary_of_a_plain_type",
            RULE,
            "binary",
            &["note"],
            scene,
            with(of_kind(&sealed, "firm"), "note", AttributeValue::B(vec![0x7f].into())),
        ),
    ]
}
