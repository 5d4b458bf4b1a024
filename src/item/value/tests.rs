//! Values encode and decode canonically.

use super::*;
use proptest::prelude::*;

fn stored(value: &AttributeValue) -> Result<Vec<u8>, InvalidValue> {
    let mut out = Vec::new();
    encode_value(value, &mut out).map(|()| out)
}

fn number() -> impl Strategy<Value = String> {
    (any::<i64>(), -100i32..100)
        .prop_map(|(digits, exponent)| Number::parse(&format!("{digits}e{exponent}")).unwrap().render())
}

/// Values as DynamoDB returns them: numbers normalized, sets in the order of their encoding.
fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<Vec<u8>>().prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
        prop::collection::btree_set(any::<String>(), 1..4)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        prop::collection::btree_set(any::<Vec<u8>>(), 1..4)
            .prop_map(|set| AttributeValue::Bs(set.into_iter().map(Blob::new).collect())),
        prop::collection::btree_set(number(), 1..4).prop_map(|set| {
            let mut members: Vec<String> = set.into_iter().collect();
            members.sort_by_key(|text| {
                let mut stored = Vec::new();
                Number::parse(text).unwrap().encode(&mut stored);
                stored
            });
            AttributeValue::Ns(members)
        }),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::hash_map("\\PC{1,4}", inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

/// Whether two values are the same, whatever the order of their sets.
fn same(one: &AttributeValue, other: &AttributeValue) -> bool {
    encodings(one) == encodings(other)
}

proptest! {
    #[test]
    fn every_value_comes_back_from_each_encoding(value in value(), offset in 0usize..20) {
        let mut buffer = vec![0xaa; offset];
        encode_value(&value, &mut buffer).unwrap();
        prop_assert!(buffer.len() <= offset + encoded_len(&value));
        prop_assert_eq!(decode_value(buffer, offset).unwrap(), value.clone());
        for bytes in encodings(&value).unwrap() {
            prop_assert!(same(&decode_value(bytes, 0).unwrap(), &value));
        }
    }

    #[test]
    fn any_bytes_decode_to_themselves_or_not_at_all(mut bytes: Vec<u8>, dense: bool) {
        if dense {
            bytes.splice(..0, [DENSE, 0xc5, 1]);
        }
        if let Ok(value) = decode_value(bytes.clone(), 0) {
            prop_assert!(encodings(&value).unwrap().contains(&bytes));
        }
    }

    #[test]
    fn a_value_changed_in_one_byte_decodes_to_another_value_or_not_at_all(value in value(), at: prop::sample::Index, flip in 1u8..) {
        for mut bytes in encodings(&value).unwrap() {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = decode_value(bytes.clone(), 0) {
                prop_assert!(!same(&other, &value));
                prop_assert!(encodings(&other).unwrap().contains(&bytes));
            }
        }
    }

    #[test]
    fn no_prefix_of_a_container_or_number_is_passed_off_as_the_whole(value in value()) {
        for bytes in encodings(&value).unwrap() {
            for end in 0..bytes.len() {
                if let Ok(other) = decode_value(bytes[..end].to_vec(), 0) {
                    prop_assert!(!same(&other, &value));
                }
            }
        }
    }
}

fn list(count: u32, element: impl Fn(u32) -> AttributeValue) -> AttributeValue {
    AttributeValue::L((0..count).map(element).collect())
}

#[test]
fn what_has_many_members_is_written_densely_and_what_has_few_is_not() {
    let null = |_| AttributeValue::Null(true);
    for (count, first, length) in [(204, L, 1021), (205, DENSE, 1 + 1 + 2 + 205)] {
        let bytes = stored(&list(count, null)).unwrap();
        assert_eq!((bytes[0], bytes.len()), (first, length), "{count}");
        assert_eq!(decode_value(bytes, 0), Ok(list(count, null)));
    }
    // Long members gain nothing: a list of one has a length and a type around its member either way.
    let long = list(1, |_| AttributeValue::B(Blob::new(vec![7; 100_000])));
    assert_eq!(stored(&long).unwrap()[0], L);
    // A writer that knew only the plain encoding may have written what would be written densely today.
    let [plain, dense] = &encodings(&list(205, null)).unwrap()[..] else { unreachable!("a list has two") };
    assert_eq!(decode_value(plain.clone(), 0), decode_value(dense.clone(), 0));
}

#[test]
fn dense_encodings_are_as_long_as_the_design_says() {
    let digits = |at: u32| format!("{}{at:08}", "9".repeat(30));
    let bytes = list(45_000, |at| AttributeValue::N((at % 256).to_string()));
    let numbers = AttributeValue::Ns((1..20_479).map(|at| digits(at * 10 + 1)).collect());
    let flags = list(100_000, |at| AttributeValue::Bool(at % 2 == 0));
    for (value, lengths) in [(bytes, [470_368, 78_741]), (numbers, [921_511, 368_609]), (flags, [600_001, 100_005])] {
        let found: Vec<_> = encodings(&value).unwrap().iter().map(Vec::len).collect();
        assert_eq!(found, lengths);
        assert_eq!(stored(&value).unwrap().len(), lengths[1]);
    }
}

fn nested(containers: usize, map: bool) -> AttributeValue {
    (0..containers).fold(AttributeValue::Bool(true), |inner, _| {
        if map { AttributeValue::M([("x".to_owned(), inner)].into()) } else { AttributeValue::L(vec![inner]) }
    })
}

#[test]
fn nesting_is_bounded_both_ways() {
    for map in [false, true] {
        assert!(decode_value(stored(&nested(31, map)).unwrap(), 0).is_ok());
        assert_eq!(stored(&nested(32, map)), Err(InvalidValue::TooDeep));
        let mut deeper = vec![L];
        put_lp(&mut deeper, &stored(&nested(31, map)).unwrap());
        assert_eq!(decode_value(deeper, 0), Err(FormatError::TooDeep));
        let mut deeper = encodings(&nested(31, map)).unwrap().remove(1);
        deeper.splice(1..1, [0xc5, 1]);
        assert_eq!(decode_value(deeper, 0), Err(FormatError::TooDeep));
    }
}

#[test]
fn what_dynamodb_would_refuse_is_not_encoded() {
    let repeated = AttributeValue::Ns(vec!["1".into(), "1.0".into()]);
    for (value, fault) in [
        (AttributeValue::Ss(vec![]), InvalidValue::EmptySet),
        (AttributeValue::Bs(vec![Blob::new("a"), Blob::new("a")]), InvalidValue::RepeatedMember),
        (repeated, InvalidValue::RepeatedMember),
        (AttributeValue::N("one".into()), InvalidValue::Number(InvalidNumber::Syntax)),
        (AttributeValue::Null(false), InvalidValue::NullFalse),
        (AttributeValue::M([(String::new(), AttributeValue::Bool(true))].into()), InvalidValue::EmptyName),
    ] {
        assert_eq!(stored(&value), Err(fault));
    }
}
