//! The properties without libFuzzer.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

/// A property by the name of its target.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 3] = [("token", super::token), ("claims", super::claims), ("key_set", super::key_set)];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_property_has_a_fuzz_target_and_a_corpus_for_which_it_holds() {
    for (name, property) in TARGETS {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets").join(format!("{name}.rs"));
        let source = fs::read_to_string(target).unwrap();
        assert!(source.contains(&format!("tenantseal_tower::fuzzing::{name}(data)")), "{source}");
        let inputs = corpus(name);
        assert!(!inputs.is_empty());
        inputs.iter().for_each(|input| property(input));
    }
}

#[test]
fn the_signed_token_is_accepted() {
    let signed = corpus("token").into_iter().find(|token| token.starts_with(super::SIGNED.as_bytes())).unwrap();
    let value = http::HeaderValue::from_bytes(&[b"Bearer ", &signed[..]].concat()).unwrap();
    let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    assert_eq!(super::verify(&headers), Ok(()));
}

/// An input of the corpus with some bytes replaced, cut out or put in.
fn mutations(target: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..9_usize, prop::collection::vec(any::<u8>(), 0..9));
    (any::<prop::sample::Index>(), prop::collection::vec(edit, 1..5)).prop_map(move |(input, edits)| {
        let inputs = corpus(target);
        let mut bytes = input.get(&inputs).clone();
        for (at, length, with) in edits {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..(at + length).min(bytes.len()), with);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_bytes_are_a_token_and_none_panic(
        bytes in any::<Vec<u8>>(),
        token in mutations("token"),
        claims in mutations("claims"),
        keys in mutations("key_set"),
    ) {
        TARGETS.iter().for_each(|(_, property)| property(&bytes));
        super::token(&token);
        super::claims(&claims);
        super::key_set(&keys);
    }
}
