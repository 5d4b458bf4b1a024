//! Values and numbers that open.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::scene::{Expected, Vector, b, n, s};
use super::simple;
use crate::item::encode_value;

/// Sealed as one text of a number, opened as another.
fn number(name: &str, given: &str, opened: &str) -> Vector {
    let mut vector = simple(&format!("number_{name}"), "4.2: a number is encoded by value", n(given));
    let Expected::Opened { item, .. } = &mut vector.expected else { unreachable!("it opens") };
    item.insert("a".to_owned(), n(opened));
    vector
}

pub(super) fn values() -> Vec<Vector> {
    const RULE: &str = "4.1: encoding of values";
    let map = |entries: &[(&str, AttributeValue)]| {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        AttributeValue::M(entries.collect::<HashMap<_, _>>())
    };
    let nested =
        |inner: AttributeValue, times: usize| (0..times).fold(inner, |inner, _| AttributeValue::L(vec![inner]));
    let strings = |members: &[&str]| AttributeValue::Ss(members.iter().map(|&member| member.into()).collect());
    let binaries =
        |members: &[&[u8]]| AttributeValue::Bs(members.iter().map(|&member| member.to_vec().into()).collect());
    // The members of sets in the order in which a reader finds them.
    let numbers = AttributeValue::Ns(["0", "-1", "-0.05", "0.5", "1", "10"].map(str::to_owned).into());
    vec![
        simple("string", RULE, s("hello")),
        simple("string_empty", RULE, s("")),
        simple("string_not_normalised", "1: text is not normalised", s("e\u{301} é \u{1f512} \u{0}")),
        simple("binary", RULE, b([0x00, 0xff, 0x11])),
        simple("binary_empty", RULE, b([])),
        simple("bool_true", RULE, AttributeValue::Bool(true)),
        simple("bool_false", RULE, AttributeValue::Bool(false)),
        simple("null", RULE, AttributeValue::Null(true)),
        simple("map", RULE, map(&[("b", n("1")), ("a", s("x")), ("aa", AttributeValue::Null(true))])),
        simple("map_empty", RULE, map(&[])),
        simple("map_of_reserved_names", "2.4: names inside maps are not concerned", map(&[("_seal", s("x"))])),
        simple("map_nested", RULE, map(&[("l", AttributeValue::L(vec![map(&[("m", map(&[]))]), b([1])]))])),
        simple("list", RULE, AttributeValue::L(vec![s("b"), s("a"), n("7"), AttributeValue::Bool(false)])),
        simple("list_empty", RULE, AttributeValue::L(vec![])),
        simple("nested_31_deep", RULE, nested(AttributeValue::L(vec![]), 30)),
        simple("nested_31_deep_around_a_set", RULE, nested(strings(&["a"]), 31)),
        simple("string_set", RULE, strings(&["", "a", "aa", "b"])),
        simple("number_set", RULE, ordered(numbers)),
        simple("binary_set", RULE, binaries(&[&[], &[0], &[0, 0], &[1]])),
    ]
}

/// A set of numbers, ascending by encoding.
fn ordered(set: AttributeValue) -> AttributeValue {
    let AttributeValue::Ns(mut members) = set else { unreachable!("a set of numbers") };
    members.sort_by_key(|member| {
        let mut encoded = Vec::new();
        encode_value(&n(member), &mut encoded).unwrap();
        encoded
    });
    AttributeValue::Ns(members)
}

pub(super) fn numbers() -> Vec<Vector> {
    let digits = "12345678901234567890123456789012345678";
    vec![
        number("zero", "0", "0"),
        number("zero_negative", "-0", "0"),
        number("zero_written_long", "0.000", "0"),
        number("zero_written_with_an_exponent", "0e5", "0"),
        number("written_with_a_fraction", "1.0", "1"),
        number("written_with_an_exponent", "10E-1", "1"),
        number("written_with_zeros_and_a_sign", "+00150.00", "150"),
        number("negative_fraction", "-0.05", "-0.05"),
        number("digits_38", digits, digits),
        number("digits_38_behind_the_point", &format!("-0.{digits}"), &format!("-0.{digits}")),
        number("digits_38_and_trailing_zeros", &format!("{digits}00000"), &format!("{digits}00000")),
        number("exponent_125", "9.9e125", &format!("99{}", "0".repeat(124))),
        number("exponent_minus_130", "1e-130", &format!("0.{}1", "0".repeat(129))),
    ]
}
