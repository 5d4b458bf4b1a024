//! What a caller asked for: one item by its key, and some of its attributes.

use tenantseal_core::format::HEADER;

use super::opened::{FixedNonce, opening, put, stored, updated};
use super::refused::{refused, without};
use super::scene::{CREATED, Scene, Vector, b, n, s, scene, with};
use tenantseal_core::envelope::Nonces;

const KEY: &str = "3: the identity made of the stored key values must equal the one made of the requested ones";
const WANTED: &str = "8.1: others are neither parsed nor returned";

pub(super) fn vectors() -> Vec<Vector> {
    let item = with(scene().key(), "a", s("hello"));
    let asking = |number: &str| Scene { requested: Some(with(scene().key(), "n", n(number))), ..scene() };
    let other = |name: &str, key, item| refused(name, KEY, "other item", &["tenant_id", "n"], key, item);
    let prefix = Scene { template: "{tenant}#".to_owned(), ..scene() };
    let in_prefix = |partition: &str| with(prefix.key(), "tenant_id", s(partition));
    let of_prefix = put(&prefix, &in_prefix("acme#x"), "a", &s("hello"), Nonces::Random(&FixedNonce));
    let string_key = put(&scene(), &with(scene().key(), "n", s("150")), "a", &s("hello"), Nonces::Random(&FixedNonce));
    // `b` is of a second data key, `c` is plaintext where ciphertext belongs.
    let wanting = |wanted: &[&'static str]| {
        let two = scene().with_second_key().encrypting(&["a", "b", "c"]);
        Scene { wanted: Some(wanted.to_vec()), ..two }
    };
    let two = scene().with_second_key();
    let of_other_key = updated(&two, &two.unwrapped(1, CREATED + 1), "b", &n("7"));
    let whole = with(with(with(stored(&scene()), "b", of_other_key), "c", s("plaintext")), "p", s("plain"));
    let unreadable = with(without(whole.clone(), HEADER), HEADER, b([0x03]));
    vec![
        opening("requested_item", KEY, asking("150"), stored(&scene()), item.clone(), None),
        opening("requested_by_another_spelling_of_its_number", KEY, asking("1.5e2"), stored(&scene()), item, None),
        other("requested_another_item", asking("151"), stored(&scene())),
        other("requested_by_a_key_of_another_type", asking("150"), string_key),
        other(
            "requested_another_partition",
            Scene { requested: Some(in_prefix("acme#y")), ..prefix.clone() },
            of_prefix,
        ),
        opening("wanted_alone", WANTED, wanting(&["a"]), whole.clone(), [("a".to_owned(), s("hello"))].into(), None),
        opening(
            "wanted_of_another_data_key",
            WANTED,
            wanting(&["b", "n"]),
            unreadable.clone(),
            [("b".to_owned(), n("7")), ("n".to_owned(), n("150"))].into(),
            None,
        ),
        opening("wanted_plain", WANTED, wanting(&["n"]), unreadable, [("n".to_owned(), n("150"))].into(), None),
        refused("wanted_plaintext", WANTED, "not sealed", &["c"], wanting(&["c"]), whole),
    ]
}
