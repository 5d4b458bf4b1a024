//! What is refused for what stands in an attribute or around it; each is right but for one thing.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::format::HEADER;
use tenantseal_core::tenant::TenantId;

use super::bytes::{self, lp, sealed};
use super::opened::{stored, updated};
use super::scene::{CREATED, Expected, NONCE, Scene, Vector, b, n, s, scene, with};
use crate::item::Item;

pub(super) fn refused(
    name: &str,
    rule: &'static str,
    fault: &'static str,
    attributes: &[&'static str],
    scene: Scene,
    stored: Item,
) -> Vector {
    let expected = Expected::Refused { fault, attributes: attributes.to_vec() };
    Vector { name: format!("refuse_{name}"), rule, scene, stored, expected }
}

pub(super) fn without(mut item: Item, name: &str) -> Item {
    item.remove(name);
    item
}

pub(super) fn vectors() -> Vec<Vector> {
    [keys(), types(), forms(), moved(), values(), numbers()].into_iter().flatten().collect()
}

fn keys() -> Vec<Vector> {
    const RULE: &str = "3: every item is checked before anything else";
    let prefix = Scene { template: "T#{tenant}#".to_owned(), ..scene() };
    let foreign = |name: &str, scene: Scene, value: AttributeValue| {
        let item = with(stored(&scene), "tenant_id", value);
        refused(name, RULE, "key of another tenant", &["tenant_id"], scene, item)
    };
    let invalid = |name: &str, value: AttributeValue| {
        refused(name, RULE, "key invalid", &["n"], scene(), with(stored(&scene()), "n", value))
    };
    vec![
        refused(
            "key_partition_missing",
            RULE,
            "key missing",
            &["tenant_id"],
            scene(),
            without(stored(&scene()), "tenant_id"),
        ),
        refused("key_sort_missing", RULE, "key missing", &["n"], scene(), without(stored(&scene()), "n")),
        foreign("key_of_another_tenant", scene(), s("globex")),
        foreign("key_of_a_longer_tenant", scene(), s("acme2")),
        foreign("key_of_another_case", scene(), s("ACME")),
        foreign("key_partition_of_another_type", scene(), b(*b"acme")),
        foreign("key_without_the_templates_end", prefix.clone(), s("T#acme")),
        foreign("key_of_a_longer_tenant_by_prefix", prefix, s("T#acme2#")),
        invalid("key_sort_of_another_type", AttributeValue::Bool(true)),
        invalid("key_sort_empty", s("")),
        invalid("key_sort_empty_binary", b([])),
    ]
}

fn types() -> Vec<Vector> {
    const RULE: &str = "2.5: an encrypted attribute that is not a B is an error";
    let planted = |name: &str, value: AttributeValue| {
        refused(&format!("plaintext_{name}"), RULE, "not sealed", &["a"], scene(), with(stored(&scene()), "a", value))
    };
    let header = |name: &str, item: Item| {
        refused(name, "6: form 11 without a header is an error", "no header", &["a"], scene(), item)
    };
    vec![
        planted("string", s("hello")),
        planted("number", n("1")),
        planted("bool", AttributeValue::Bool(true)),
        planted("null", AttributeValue::Null(true)),
        planted("map", AttributeValue::M([("a".to_owned(), s("x"))].into())),
        planted("list", AttributeValue::L(vec![])),
        planted("string_set", AttributeValue::Ss(vec!["x".to_owned()])),
        planted("number_set", AttributeValue::Ns(vec!["1".to_owned()])),
        planted("binary_set", AttributeValue::Bs(vec![vec![0x11].into()])),
        header("header_missing", without(stored(&scene()), HEADER)),
        header("header_of_another_type", with(stored(&scene()), HEADER, s("x"))),
    ]
}

fn attribute() -> Vec<u8> {
    stored(&scene())["a"].as_b().unwrap().clone().into_inner()
}

fn forms() -> Vec<Vector> {
    const FORM: &str = "6: a reader refuses every first byte but 11, 12 and 13";
    const SHORT: &str = "6: bytes that are too short";
    let form_11 = attribute();
    let own = scene().unwrapped(0, CREATED);
    let form_12 = updated(&scene(), &own, "a", &s("hello")).as_b().unwrap().clone().into_inner();
    let record = own.stored_record().len();
    let compact = scene().compact();
    let shared = compact.unwrapped(0, CREATED);
    let form_13 = updated(&compact, &shared, "a", &s("hello")).as_b().unwrap().clone().into_inner();
    let put = |bytes: Vec<u8>| with(stored(&scene()), "a", b(bytes));
    let with_first = |form: u8| put([&[form], &form_11[1..]].concat());
    let mut vectors = Vec::new();
    for (name, form) in [
        ("00", 0x00),
        ("10", 0x10),
        ("14", 0x14),
        ("20_whole_item_seal", 0x20),
        ("2f_whole_item_seal", 0x2f),
        ("ff", 0xff),
    ] {
        let name = format!("form_{name}");
        vectors.push(refused(&name, FORM, "unknown form", &["a"], scene(), with_first(form)));
    }
    vectors.push(refused("plaintext_binary", FORM, "unknown form", &["a"], scene(), put(b"hello".to_vec())));
    for (name, bytes) in [
        ("form_11_empty", vec![]),
        ("form_11_within_the_nonce", form_11[..7].to_vec()),
        ("form_11_within_the_tag", form_11[..1 + 12 + 15].to_vec()),
        ("form_11_without_ciphertext", form_11[..1 + 12 + 16].to_vec()),
        ("form_12_without_length", form_12[..2].to_vec()),
        ("form_12_within_the_record", form_12[..3 + record - 1].to_vec()),
        ("form_12_within_the_nonce", form_12[..3 + record + 5].to_vec()),
        ("form_12_without_ciphertext", form_12[..3 + record + 12 + 16].to_vec()),
        ("form_12_length_beyond_the_end", [&[0x12, 0xff, 0xff], &form_12[3..]].concat()),
    ] {
        vectors.push(refused(&format!("truncated_{name}"), SHORT, "truncated", &["a"], scene(), put(bytes)));
    }
    let put_compact = |bytes: Vec<u8>| with(stored(&compact), "a", b(bytes));
    for (name, end) in
        [("within_the_kid", 9), ("within_the_nonce", 1 + 16 + 5), ("without_ciphertext", 1 + 16 + 12 + 16)]
    {
        let name = format!("truncated_form_13_{name}");
        let item = put_compact(form_13[..end].to_vec());
        vectors.push(refused(&name, SHORT, "truncated", &["a"], compact.clone(), item));
    }
    let shorter = u16::try_from(record - 1).unwrap().to_be_bytes();
    let longer = u16::try_from(record + 1).unwrap().to_be_bytes();
    vectors.extend([
        refused(
            "form_12_length_too_small",
            "5: bytes that end too early",
            "truncated",
            &["a"],
            scene(),
            put([&[0x12], &shorter[..], &form_12[3..]].concat()),
        ),
        refused(
            "form_12_length_too_large",
            "5: bytes after the end",
            "trailing bytes",
            &["a"],
            scene(),
            put([&[0x12], &longer[..], &form_12[3..]].concat()),
        ),
        refused(
            "form_12_of_11",
            "6: the AAD has the first byte",
            "not authentic",
            &["a"],
            scene(),
            put([&form_12[..3 + record], &form_11[1..]].concat()),
        ),
        refused(
            "form_11_of_12",
            "6: the AAD has the first byte",
            "not authentic",
            &["a"],
            scene(),
            put([&[0x11], &form_12[3 + record..]].concat()),
        ),
        refused(
            "form_13_of_11",
            "6: the AAD has the first byte",
            "not authentic",
            &["a"],
            compact.clone(),
            put_compact([&form_13[..1 + 16], &form_11[1..]].concat()),
        ),
        refused(
            "form_11_of_13",
            "6: the AAD has the first byte",
            "not authentic",
            &["a"],
            compact.clone(),
            put_compact([&[0x11], &form_13[1 + 16..]].concat()),
        ),
    ]);
    vectors
}

fn moved() -> Vec<Vector> {
    const IDENTITY: &str = "3: every item key is derived from the item's identity";
    const GCM: &str = "6: AES-256-GCM";
    let unauthentic = |name: &str, rule: &'static str, attributes: &[&'static str], scene: Scene, item: Item| {
        refused(name, rule, "not authentic", attributes, scene, item)
    };
    let flipped = |name: &str, at: usize| {
        let mut bytes = attribute();
        bytes[at] ^= 0x80;
        unauthentic(name, GCM, &["a"], scene(), with(stored(&scene()), "a", b(bytes)))
    };
    let end = attribute().len();
    let two = scene().encrypting(&["a", "b"]);
    let swapped = with(stored(&scene()), "b", b(attribute()));
    let binary_key = with(scene().key(), "n", b(*b"150"));
    let string_key = with(scene().key(), "n", s("150"));
    let elsewhere = |scene: &Scene| with(stored(scene), "n", n("150"));
    let prefix = Scene { template: "{tenant}#".to_owned(), ..scene() };
    let mut other_data_key = scene();
    other_data_key.kms.0[0].data_key = (1..33).collect();
    let of_other_key = with(stored(&scene()), HEADER, stored(&other_data_key)[HEADER].clone());
    // One data key for both tenants, which no key service would give them: the identity alone keeps them apart.
    let mut globex = scene();
    globex.tenant = TenantId::parse("globex").unwrap();
    let of_globex = with(stored(&scene()), "a", stored(&globex)["a"].clone());
    vec![
        flipped("nonce_changed", 1),
        flipped("ciphertext_changed", 1 + NONCE.len()),
        flipped("tag_changed", end - 1),
        unauthentic(
            "bytes_after_the_tag",
            GCM,
            &["a"],
            scene(),
            with(stored(&scene()), "a", b([attribute(), vec![0]].concat())),
        ),
        unauthentic("moved_from_another_attribute", "6: the AAD has the path", &["b"], two, swapped),
        unauthentic("moved_from_another_item", IDENTITY, &["a"], scene(), with(stored(&scene()), "n", n("151"))),
        unauthentic(
            "moved_from_another_partition",
            IDENTITY,
            &["a"],
            prefix.clone(),
            with(stored(&prefix), "tenant_id", s("acme#x")),
        ),
        unauthentic(
            "moved_to_a_string_key",
            IDENTITY,
            &["a"],
            scene(),
            with(stored(&scene()), "n", string_key["n"].clone()),
        ),
        unauthentic(
            "moved_to_a_binary_key",
            IDENTITY,
            &["a"],
            scene(),
            with(stored(&scene()), "n", binary_key["n"].clone()),
        ),
        unauthentic(
            "moved_from_another_table",
            IDENTITY,
            &["a"],
            scene(),
            elsewhere(&Scene { table: "crm2".to_owned(), ..scene() }),
        ),
        unauthentic(
            "moved_from_a_table_without_sort_key",
            IDENTITY,
            &["a"],
            scene(),
            elsewhere(&Scene { sort_key: None, ..scene() }),
        ),
        unauthentic(
            "moved_from_a_key_of_another_name",
            IDENTITY,
            &["a"],
            scene(),
            without(elsewhere(&Scene { sort_key: Some("m".to_owned()), ..scene() }), "m"),
        ),
        unauthentic("moved_from_another_tenant_under_one_data_key", IDENTITY, &["a"], scene(), of_globex),
        unauthentic("moved_under_another_data_key", "7: keys and derivations", &["a"], other_data_key, of_other_key),
    ]
}

/// A value that is sealed as it should be, and whose encoding is not what it should be.
pub(super) fn encoded(name: &str, rule: &'static str, fault: &'static str, plaintext: &[u8]) -> Vector {
    let scene = scene();
    let identity = scene.identity(&scene.key());
    let bytes = sealed(&scene, &identity, None, "a", plaintext);
    let header = bytes::record(&scene).bytes(&scene);
    let item = with(with(scene.key(), "a", b(bytes)), HEADER, b(header));
    refused(&format!("value_{name}"), rule, fault, &["a"], scene, item)
}

fn values() -> Vec<Vector> {
    const RULE: &str = "4.1: a decoder refuses";
    let value = |name: &str, fault: &'static str, parts: &[&[u8]]| encoded(name, RULE, fault, &parts.concat());
    let (one, two) = (lp(&[0x05]), lp(&[0x04, 1]));
    let (a, ab) = (lp(b"a"), lp(b"ab"));
    let nested = |kind: u8| {
        let name = if kind == 0x06 { lp(b"a") } else { vec![] };
        (0..31).fold(vec![kind], |inner, _| [vec![kind], name.clone(), lp(&inner)].concat())
    };
    vec![
        value("type_00", "unknown type", &[&[0x00]]),
        value("type_0b", "unknown type", &[&[0x0b, 1]]),
        value("string_not_utf8", "not canonical", &[b"\x01\xff"]),
        value("string_surrogate", "not canonical", &[b"\x01\xed\xa0\x80"]),
        value("string_overlong", "not canonical", &[b"\x01\xc0\x80"]),
        value("bool_empty", "truncated", &[&[0x04]]),
        value("bool_02", "not canonical", &[&[0x04, 2]]),
        value("bool_of_two_bytes", "not canonical", &[&[0x04, 0, 0]]),
        value("null_with_a_body", "trailing bytes", &[&[0x05, 0]]),
        value("map_unsorted", "not canonical", &[&[0x06], &ab, &one, &a, &two]),
        value("map_name_twice", "not canonical", &[&[0x06], &a, &one, &a, &two]),
        value("map_name_empty", "not canonical", &[&[0x06], &lp(b""), &one]),
        value("map_name_not_utf8", "not canonical", &[&[0x06], &lp(b"\xff"), &one]),
        value("map_name_without_value", "truncated", &[&[0x06], &a]),
        value("map_value_beyond_the_end", "truncated", &[&[0x06], &a, &[0, 0, 0, 2, 5]]),
        value("map_value_without_type", "truncated", &[&[0x06], &a, &lp(b"")]),
        value("map_bytes_left_over", "truncated", &[&[0x06], &a, &one, &[0, 0]]),
        value("list_element_beyond_the_end", "truncated", &[&[0x07, 0xff, 0xff, 0xff, 0xff]]),
        value("list_element_without_type", "truncated", &[&[0x07], &lp(b"")]),
        value("list_element_with_bytes_left_over", "trailing bytes", &[&[0x07], &lp(&[0x05, 0])]),
        // The dense encoding is for the top alone.
        value("list_of_a_dense_list", "unknown type", &[&[0x07], &lp(&[0x10, 0xc5, 0])]),
        value("map_of_a_dense_map", "unknown type", &[&[0x06], &a, &lp(&[0x10, 0xc6, 0])]),
        value("list_bytes_left_over", "truncated", &[&[0x07], &one, &[0]]),
        value("string_set_empty", "not canonical", &[&[0x08]]),
        value("string_set_unsorted", "not canonical", &[&[0x08], &ab, &a]),
        value("string_set_member_twice", "not canonical", &[&[0x08], &a, &a]),
        value("string_set_not_utf8", "not canonical", &[&[0x08], &lp(b"\xff")]),
        value("string_set_member_beyond_the_end", "truncated", &[&[0x08, 0, 0, 0, 1]]),
        value("number_set_empty", "not canonical", &[&[0x09]]),
        value("number_set_unsorted", "not canonical", &[&[0x09], &lp(&[2, 0, 0, b'1']), &lp(&[0])]),
        value("number_set_member_twice", "not canonical", &[&[0x09], &lp(&[0]), &lp(&[0])]),
        value("number_set_member_not_canonical", "not canonical", &[&[0x09], &lp(&[2, 0, 0, b'1', b'0'])]),
        value("binary_set_empty", "not canonical", &[&[0x0a]]),
        value("binary_set_unsorted", "not canonical", &[&[0x0a], &lp(&[1]), &lp(&[0])]),
        value("binary_set_member_twice", "not canonical", &[&[0x0a], &lp(&[]), &lp(&[])]),
        value("lists_nested_32_deep", "too deep", &[&nested(0x07)]),
        value("maps_nested_32_deep", "too deep", &[&nested(0x06)]),
    ]
}

fn numbers() -> Vec<Vector> {
    const RULE: &str = "4.2: a decoder refuses anything else";
    let number = |name: &str, fault: &'static str, encoded_number: &[u8]| {
        encoded(&format!("number_{name}"), RULE, fault, &[&[0x02], encoded_number].concat())
    };
    let digits = |count: usize| [&[2, 0, 0][..], &vec![b'1'; count]].concat();
    vec![
        number("empty", "truncated", &[]),
        number("zero_with_bytes", "not canonical", &[0, 0]),
        number("zero_with_a_sign", "not canonical", &[2, 0, 0, b'0']),
        number("sign_03", "not canonical", &[3, 0, 0, b'1']),
        number("without_exponent", "truncated", &[2, 0]),
        number("without_digits", "truncated", &[2, 0, 0]),
        number("leading_zero", "not canonical", &[2, 0, 0, b'0', b'1']),
        number("trailing_zero", "not canonical", &[2, 0, 0, b'1', b'0']),
        number("not_a_digit", "not canonical", &[2, 0, 0, b'1', b'a', b'1']),
        number("of_39_digits", "not canonical", &digits(39)),
        number("exponent_126", "not canonical", &[2, 0, 126, b'1']),
        number("exponent_minus_131", "not canonical", &[2, 0xff, 0x7d, b'1']),
    ]
}
