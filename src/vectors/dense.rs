//! Lists, maps and sets in the dense encoding (section 4.3).

use aws_sdk_dynamodb::types::AttributeValue;

use super::opened::simple;
use super::refused::encoded;
use super::scene::{Expected, Vector, b, n, s};

const RULE: &str = "4.3: dense encoding";
const BEYOND: &str = "4.3: longer than 1,024 bytes";

pub(super) fn vectors() -> Vec<Vector> {
    opened().into_iter().chain(refused()).collect()
}

fn list(values: Vec<AttributeValue>) -> AttributeValue {
    AttributeValue::L(values)
}

/// As many of them as it takes for the dense encoding to be chosen.
fn many(values: &[AttributeValue]) -> AttributeValue {
    list(values.iter().cloned().cycle().take(300).collect())
}

fn opened() -> Vec<Vector> {
    let numbers = [
        "0",
        "1",
        "63",
        "64",
        "255",
        "256",
        "-1",
        "-256",
        "1000",
        "10000",
        "100000",
        "123400",
        "0.5",
        "-0.05",
        "12.34",
        "18446744073709551615",
        "18446744073709551616",
        "-18446744073709551615",
    ];
    let digits = "12345678901234567890123456789012345678";
    let mut extremes = numbers.map(n).to_vec();
    extremes.extend([n(digits), n(&format!("-0.{digits}")), n(&format!("0.{}1", "0".repeat(129)))]);
    extremes.push(n(&format!("99{}", "0".repeat(124))));
    let entry = |at: usize| {
        let entries = [("id", n(&at.to_string())), ("on", AttributeValue::Bool(true)), ("empty", s(""))];
        AttributeValue::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
    };
    let named = |at: usize| (format!("{at:04}"), list(vec![AttributeValue::M([].into()), s("é")]));
    let texts: Vec<_> = (0..200).map(|at| format!("member-{at:03}")).chain([String::new()]).collect();
    let mut texts = texts;
    texts.sort();
    let binaries = (0..=255_u8).map(|at| vec![at; 1 + usize::from(at) / 4].into()).collect();
    let set: Vec<_> = (0..300).map(|at| (at * 7).to_string()).collect();
    vec![
        simple("dense_numbers", RULE, many(&extremes)),
        simple(
            "dense_bools_and_nulls",
            RULE,
            many(&[AttributeValue::Bool(true), AttributeValue::Bool(false), AttributeValue::Null(true)]),
        ),
        simple(
            "dense_strings",
            RULE,
            many(&[s(""), s("a"), s(&"é".repeat(31)), s(&"x".repeat(64)), s(&"y".repeat(200))]),
        ),
        simple("dense_binaries", RULE, binaries_of_all_lengths()),
        simple("dense_maps", RULE, list((0..100).map(entry).collect())),
        simple("dense_map", RULE, AttributeValue::M((0..150).map(named).collect())),
        simple("dense_string_set", RULE, AttributeValue::Ss(texts)),
        simple("dense_number_set", RULE, AttributeValue::Ns(set)),
        simple("dense_binary_set", RULE, AttributeValue::Bs(binaries)),
        simple("dense_nested_31_deep", RULE, (0..30).fold(many(&[n("7")]), |inner, _| list(vec![inner]))),
        // 1,021 and 1,026 bytes in the plain encoding.
        simple("dense_not_yet", BEYOND, list(vec![AttributeValue::Null(true); 204])),
        simple("dense_from_here", BEYOND, list(vec![AttributeValue::Null(true); 205])),
        // 1,024 and 1,025 bytes.
        simple("dense_not_of_1024_bytes", BEYOND, list(vec![s(&"x".repeat(500)), s(&"y".repeat(513))])),
        simple("dense_of_1025_bytes", BEYOND, list(vec![s(&"x".repeat(500)), s(&"y".repeat(514))])),
        // 1,025 bytes in either encoding.
        simple("dense_not_where_it_is_as_long", BEYOND, list(vec![s(&"x".repeat(1_019))])),
        plain_where_dense(),
    ]
}

fn binaries_of_all_lengths() -> AttributeValue {
    let AttributeValue::L(mut short) = many(&[b([]), b([0x11]), b([7; 63]), b([8; 64])]) else {
        unreachable!("a list")
    };
    short.push(b(vec![9; 16_384]));
    list(short)
}

/// A reader takes either encoding, whatever the length.
fn plain_where_dense() -> Vector {
    let mut vector = encoded("", RULE, "", &[&[0x07][..], &[0, 0, 0, 1, 0x05].repeat(300)].concat());
    vector.name = "open_dense_list_in_the_plain_encoding".to_owned();
    let mut item = vector.scene.key();
    item.insert("a".to_owned(), list(vec![AttributeValue::Null(true); 300]));
    vector.expected = Expected::Opened { item, sealing: None };
    vector
}

fn refused() -> Vec<Vector> {
    let dense = |name: &str, fault: &'static str, parts: &[&[u8]]| {
        let mut vector = encoded(name, RULE, fault, &[&[0x10][..], &parts.concat()].concat());
        vector.name = format!("refuse_dense_{name}");
        vector
    };
    let one = |number: &[u8]| [&[0xc5, 1][..], number].concat();
    vec![
        dense("empty", "truncated", &[]),
        dense("string", "not canonical", &[&[0x41, b'a']]),
        dense("number", "not canonical", &[&[0x01]]),
        dense("null", "not canonical", &[&[0xc0]]),
        dense("unknown_head", "unknown type", &[&one(&[0xca])]),
        dense("bytes_left_over", "trailing bytes", &[&[0xc5, 0, 0]]),
        dense("count_beyond_the_end", "truncated", &[&[0xc5, 2, 0xc0]]),
        dense("count_of_250_million", "truncated", &[&[0xc5, 0xff, 0xff, 0xff, 0x7f, 0xc0]]),
        dense("size_with_a_leading_zero", "not canonical", &[&[0xc5, 0x80, 1, 0xc0]]),
        dense("size_of_five_bytes", "not canonical", &[&[0xc5, 0x81, 0x80, 0x80, 0x80, 0, 0xc0]]),
        dense("string_with_a_size_that_fits_its_head", "not canonical", &[&one(&[0xc3, 1, b'a'])]),
        dense("binary_with_a_size_that_fits_its_head", "not canonical", &[&one(&[0xc4, 0])]),
        dense("string_beyond_the_end", "truncated", &[&one(&[0x42, b'a'])]),
        dense("string_not_utf8", "not canonical", &[&one(&[0x41, 0xff])]),
        dense("integer_that_fits_its_head", "not canonical", &[&one(&[0xd0, 63])]),
        dense("integer_with_a_leading_zero", "not canonical", &[&one(&[0xd1, 0, 64])]),
        dense("integer_of_negative_zero", "not canonical", &[&one(&[0xd8, 0])]),
        dense("integer_shorter_with_an_exponent", "not canonical", &[&one(&[0xd2, 0x01, 0x86, 0xa0])]),
        dense("integer_beyond_the_end", "truncated", &[&one(&[0xd1, 1])]),
        dense("exponent_where_an_integer_is_as_short", "not canonical", &[&one(&[0xe0, 133, 1])]),
        dense("coefficient_that_ends_in_zero", "not canonical", &[&one(&[0xe0, 129, 50])]),
        dense("coefficient_with_a_leading_zero", "not canonical", &[&one(&[0xe1, 129, 0, 5])]),
        dense("coefficient_of_39_digits", "not canonical", &[&one(&[0xef, 168]), &[0xff; 16]]),
        dense("map_unsorted", "not canonical", &[&[0xc6, 2, 1, b'b', 0xc0, 1, b'a', 0xc0]]),
        dense("map_name_twice", "not canonical", &[&[0xc6, 2, 1, b'a', 0xc0, 1, b'a', 0xc0]]),
        dense("map_name_empty", "not canonical", &[&[0xc6, 1, 0, 0xc0]]),
        dense("string_set_empty", "not canonical", &[&[0xc7, 0]]),
        dense("string_set_unsorted", "not canonical", &[&[0xc7, 2, 2, b'a', b'b', 1, b'a']]),
        dense("number_set_member_twice", "not canonical", &[&[0xc8, 2, 1, 1]]),
        dense("number_set_unsorted", "not canonical", &[&[0xc8, 2, 2, 1]]),
        dense("number_set_of_something_else", "not canonical", &[&[0xc8, 1, 0xc0]]),
        dense("binary_set_unsorted", "not canonical", &[&[0xc9, 2, 1, 1, 1, 0]]),
        dense("lists_nested_32_deep", "too deep", &[&[0xc5, 1].repeat(31), &[0xc5, 0]]),
    ]
}
