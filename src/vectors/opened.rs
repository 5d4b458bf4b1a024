//! What opens: sealed by the library's own path, with fixed nonces.

use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::crypto::{RandomError, RandomSource};
use tenantseal_core::envelope::VerifiedDataKey;
use tenantseal_core::format::HEADER;
use tenantseal_core::tenant::TenantId;

use super::bytes::{self, UUID};
use super::hex::hex;
use super::scene::{
    CREATED, Expected, MULTI_REGION, NONCE, STANDARD, Scene, Sealing, Unwrapping, Vector, b, entry, n, s, scene, with,
};
use crate::item::{Item, seal, seal_values, sealable_identity};
use tenantseal_core::envelope::Nonces;

mod values;

#[derive(Debug)]
pub(super) struct FixedNonce;

impl RandomSource for FixedNonce {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.chunks_mut(NONCE.len()).for_each(|nonce| nonce.copy_from_slice(&NONCE));
        Ok(())
    }
}

/// As PutItem stores it: keys, header and attribute.
pub(super) fn put(scene: &Scene, key: &Item, name: &str, value: &AttributeValue, nonces: Nonces<'_>) -> Item {
    let mut item = key.clone();
    item.insert(name.to_owned(), value.clone());
    let schema = scene.table_schema();
    let identity = sealable_identity(&schema, &scene.tenant, &item).unwrap();
    seal(&schema, &scene.unwrapped(0, CREATED), &identity, nonces, item).unwrap()
}

/// As PutItem stores the example with its nonce.
pub(super) fn stored(scene: &Scene) -> Item {
    put(scene, &scene.key(), "a", &s("hello"), Nonces::Random(&FixedNonce))
}

/// As UpdateItem stores it: one attribute with its record.
pub(super) fn updated(scene: &Scene, key: &VerifiedDataKey, name: &str, value: &AttributeValue) -> AttributeValue {
    let identity = scene.identity(&scene.key());
    seal_values(&scene.table_schema(), key, &identity, Nonces::Random(&FixedNonce), &[(name, value)]).unwrap().remove(0)
}

pub(super) fn sealing(name: &str, form: u8, value: &AttributeValue) -> Option<Sealing> {
    Some(Sealing { attribute: name.to_owned(), form, nonce: NONCE, token: None, value: value.clone() })
}

/// Sealed by PutItem in this scene with this key, and read back.
fn round(name: &str, rule: &'static str, scene: Scene, key: Item, attribute: &str, value: AttributeValue) -> Vector {
    let stored = put(&scene, &key, attribute, &value, Nonces::Random(&FixedNonce));
    let mut item = key;
    item.insert(attribute.to_owned(), value.clone());
    let sealing = sealing(attribute, 0x11, &value);
    Vector { name: format!("open_{name}"), rule, scene, stored, expected: Expected::Opened { item, sealing } }
}

pub(super) fn simple(name: &str, rule: &'static str, value: AttributeValue) -> Vector {
    round(name, rule, scene(), scene().key(), "a", value)
}

pub(super) fn in_scene(name: &str, rule: &'static str, scene: Scene) -> Vector {
    let key = scene.key();
    round(name, rule, scene, key, "a", s("hello"))
}

pub(super) fn opening(
    name: &str,
    rule: &'static str,
    scene: Scene,
    stored: Item,
    item: Item,
    sealing: Option<Sealing>,
) -> Vector {
    Vector { name: format!("open_{name}"), rule, scene, stored, expected: Expected::Opened { item, sealing } }
}

pub(super) fn vectors() -> Vec<Vector> {
    [values::values(), values::numbers(), identities(), records(), forms(), compact()].into_iter().flatten().collect()
}

fn identities() -> Vec<Vector> {
    const RULE: &str = "3: identity of an item";
    let key = scene().key();
    let keyed =
        |name: &str, sort: AttributeValue| round(name, RULE, scene(), with(key.clone(), "n", sort), "a", s("hello"));
    let mut otherwise = keyed("key_number_sealed_as_150.00", n("150.00"));
    otherwise.stored.insert("n".to_owned(), n("150"));
    let Expected::Opened { item, .. } = &mut otherwise.expected else { unreachable!("it opens") };
    item.insert("n".to_owned(), n("150"));
    let mut longest = scene();
    longest.tenant = TenantId::parse(&"T-_9".repeat(12)).unwrap();
    vec![
        in_scene("example", "11: example", scene()),
        keyed("key_string", s("c-17 é")),
        keyed("key_negative_number", n("-0.05")),
        keyed("key_zero", n("0")),
        keyed("key_binary", b([0, 1, 0xff])),
        otherwise,
        in_scene("key_without_sort_key", RULE, Scene { sort_key: None, ..scene() }),
        in_scene("key_by_template", RULE, Scene { template: "TENANT#{tenant}".to_owned(), ..scene() }),
        round(
            "key_by_prefix_template",
            RULE,
            Scene { template: "TENANT#{tenant}#".to_owned(), ..scene() },
            with(key.clone(), "tenant_id", s("TENANT#acme#orders")),
            "a",
            s("hello"),
        ),
        in_scene("table_of_another_name", RULE, Scene { table: "crm.prod-2_x".to_owned(), ..scene() }),
        in_scene("tenant_of_48_characters", RULE, longest),
        round(
            "attribute_with_a_dot",
            "6: the path of a name",
            scene().encrypting(&["a.b[0]"]),
            key.clone(),
            "a.b[0]",
            s("hello"),
        ),
        round(
            "attribute_beyond_ascii",
            "6: the path of a name",
            scene().encrypting(&["Straße"]),
            key,
            "Straße",
            s("hello"),
        ),
    ]
}

fn records() -> Vec<Vector> {
    const CONTEXT: &str = "5.1: context";
    const KEK: &str = "5.2: KEK";
    let long = ("n".repeat(255), "v".repeat(1024));
    let eight: Vec<_> = ["a", "b", "c", "d", "e", "f", "zz"].map(|name| (name, "x")).into();
    let mut former = scene().with_pairs(&[("env", "old")]);
    let stored_formerly = stored(&former);
    former.contexts = vec![vec![("env".to_owned(), "new".to_owned())], former.contexts.remove(0)];
    let item = with(scene().key(), "a", s("hello"));
    let multi_region = scene().with_kek(MULTI_REGION);
    let by_multi_region = stored(&multi_region);
    let wrapped = |wrapped: Vec<u8>| {
        let mut scene = scene();
        scene.kms.0[0].wrapped = wrapped;
        scene
    };
    let created = |name: &str, created: u32| {
        let key = scene().unwrapped(0, created);
        let stored = with(stored(&scene()), HEADER, b(key.stored_record()));
        opening(name, "5: created", scene(), stored, item.clone(), None)
    };
    // The same data key wrapped again, by another KEK: `check` does not cover that.
    let mut rewrapped = scene();
    let stored_before = stored(&rewrapped);
    let Unwrapping { wrapped: again, kek, .. } = &mut rewrapped.kms.0[0];
    (*again, *kek) = (vec![1, 2, 3], STANDARD.replace("us-east-1", "eu-west-1"));
    let rewrapped_header = b(rewrapped.unwrapped(0, CREATED).stored_record());
    // The alias was re-pointed: the former key has an alias of its own.
    let key_id = STANDARD.rsplit('/').next().unwrap();
    let mut former_key = scene();
    former_key.kms.0[0].alias_of = Some(key_id);
    let mut former_multi_region = scene().with_kek(&MULTI_REGION.replace("us-east-1", "eu-west-1"));
    former_multi_region.kms.0[0].alias_of = MULTI_REGION.rsplit('/').next();
    let by_update = with(scene().key(), "a", updated(&scene(), &scene().unwrapped(0, CREATED), "a", &s("hello")));
    const FORMER: &str = "8.3: once more by the alias of the record's key";
    vec![
        opening("kek_former_by_its_own_alias", FORMER, former_key.clone(), stored(&scene()), item.clone(), None),
        opening("kek_former_form_12", FORMER, former_key, by_update, item.clone(), None),
        opening("kek_former_multi_region", FORMER, former_multi_region, by_multi_region.clone(), item.clone(), None),
        in_scene("context_static_pairs", CONTEXT, scene().with_pairs(&[("env", "prod"), ("zone", "b")])),
        in_scene("context_static_pairs_beyond_ascii", CONTEXT, scene().with_pairs(&[("größe", "é")])),
        in_scene("context_eight_pairs", CONTEXT, scene().with_pairs(&eight)),
        in_scene("context_longest_pair", CONTEXT, scene().with_pairs(&[(&long.0, &long.1)])),
        opening("context_former_pairs", "8.2: listed former pairs", former, stored_formerly, item.clone(), None),
        in_scene(
            "kek_account_with_leading_zeros",
            KEK,
            scene().with_kek(&STANDARD.replace("111122223333", "000000000001")),
        ),
        in_scene("kek_account_largest", KEK, scene().with_kek(&STANDARD.replace("111122223333", "999999999999"))),
        in_scene("kek_multi_region", KEK, multi_region),
        opening(
            "kek_multi_region_answered_in_another_region",
            "8.3: partition, account and key id must be equal",
            scene().with_kek(&MULTI_REGION.replace("us-east-1", "eu-west-1")),
            by_multi_region,
            item.clone(),
            None,
        ),
        in_scene("kek_of_another_partition", KEK, scene().with_kek(&STANDARD.replace("aws:", "aws-us-gov:"))),
        in_scene(
            "kek_upper_case",
            KEK,
            scene().with_kek(&STANDARD.to_uppercase().replace("ARN:AWS:KMS", "arn:aws:kms").replace(":KEY/", ":key/")),
        ),
        in_scene("kek_of_another_shape", KEK, scene().with_kek("arn:aws:kms:us-east-1:111122223333:key/mrk-1234")),
        in_scene("kek_region_of_32", KEK, scene().with_kek(&STANDARD.replace("us-east-1", &"r".repeat(32)))),
        in_scene("kek_region_of_33", KEK, scene().with_kek(&STANDARD.replace("us-east-1", &"r".repeat(33)))),
        in_scene(
            "kek_arn_of_512",
            KEK,
            scene().with_kek(&STANDARD.replace("us-east-1", &"r".repeat(512 - STANDARD.len() + 9))),
        ),
        in_scene("wrapped_key_of_1", "5: wrapped key", wrapped(vec![0])),
        in_scene("wrapped_key_of_184", "5: wrapped key", wrapped((0..184).collect())),
        in_scene("wrapped_key_of_1024", "5: wrapped key", wrapped(vec![0xee; 1024])),
        created("created_at_0", 0),
        created("created_at_the_end", u32::MAX),
        opening(
            "wrapped_again_by_another_kek",
            "7: KEK and wrapped key are not covered by check",
            rewrapped,
            with(stored_before, HEADER, rewrapped_header),
            item,
            None,
        ),
    ]
}

fn compact() -> Vec<Vector> {
    const TABLE: &str = "13.1: records of the key table";
    let compact = scene().compact();
    let (own, value) = (compact.unwrapped(0, CREATED), s("hello"));
    let item = with(scene().key(), "a", value.clone());
    let by_update = with(compact.key(), "a", updated(&compact, &own, "a", &value));
    let mut two = compact.clone().with_second_key();
    let other = two.unwrapped(1, CREATED + 1);
    two.key_table.iter_mut().for_each(|entries| {
        let record = other.stored_record().to_vec();
        entries.push((entry(&record), record));
    });
    let both = put(&two, &two.key(), "a", &value, Nonces::Random(&FixedNonce));
    let both = with(both, "b", updated(&two, &other, "b", &n("7")));
    let mut with_record = scene().compact();
    with_record.key_table = None;
    let with_record = with(stored(&with_record), "b", updated(&two, &other, "b", &n("7")));
    let of_both = with(item.clone(), "b", n("7"));
    vec![
        in_scene("compact", "5.3: reference", compact.clone()),
        opening("form_13", TABLE, compact.clone(), by_update, item.clone(), sealing("a", 0x13, &value)),
        opening("compact_of_two_data_keys", TABLE, two.clone(), both, of_both.clone(), sealing("b", 0x13, &n("7"))),
        opening(
            "form_13_beside_a_header_with_its_record",
            TABLE,
            two,
            with_record,
            of_both,
            sealing("b", 0x13, &n("7")),
        ),
    ]
}

fn forms() -> Vec<Vector> {
    const FORMS: &str = "6: sealed attribute";
    let scene = scene();
    let own = scene.unwrapped(0, CREATED);
    let value = s("hello");
    let by_update = with(scene.key(), "a", updated(&scene, &own, "a", &value));
    let item = with(scene.key(), "a", value.clone());
    let sealing_12 = || sealing("a", 0x12, &value);

    let two = scene.clone().with_second_key();
    let beside = updated(&two, &two.unwrapped(1, CREATED + 1), "b", &n("7"));
    let both = with(put(&two, &two.key(), "a", &value, Nonces::Random(&FixedNonce)), "b", beside);

    let token = "123e4567-e89b-12d3-a456-426614174000";
    let synthetic = put(&scene, &scene.key(), "a", &value, Nonces::FromToken(token));
    let nonce = *synthetic["a"].as_b().unwrap().as_ref()[1..].first_chunk().unwrap();
    let synthetic_sealing =
        Sealing { attribute: "a".to_owned(), form: 0x11, nonce, token: Some(token), value: value.clone() };

    // KMS unwraps both to the same data key; each passes step 4 by itself.
    let again = scene.unwrapped(0, CREATED + 1);
    let twice = scene.clone().encrypting(&["a", "b"]);
    let by_two_records = with(stored(&scene), "b", updated(&twice, &again, "b", &n("7")));

    let header_alone = with(with(scene.key(), HEADER, b(own.stored_record())), "plain", s("x"));
    let raw = bytes::record(&scene).bytes(&scene);
    assert_eq!(hex(&raw), hex(own.stored_record()), "the parts are those of the library");
    assert_eq!(UUID.len(), 16);
    vec![
        opening("form_12", FORMS, scene.clone(), by_update.clone(), item.clone(), sealing_12()),
        opening(
            "form_12_beside_a_header_that_is_none",
            "6: with form 12 the header is not looked at",
            scene.clone(),
            with(by_update, HEADER, b(*b"junk")),
            item.clone(),
            sealing_12(),
        ),
        opening(
            "forms_11_and_12_of_two_data_keys",
            FORMS,
            two,
            both,
            with(item.clone(), "b", n("7")),
            sealing("a", 0x11, &value),
        ),
        opening(
            "two_records_of_one_data_key",
            "8: it names the same KEK and passes step 4 again",
            twice,
            by_two_records,
            with(item.clone(), "b", n("7")),
            sealing("b", 0x12, &n("7")),
        ),
        opening(
            "synthetic_nonce",
            "10: synthetic nonces",
            scene.clone(),
            synthetic,
            item.clone(),
            Some(synthetic_sealing),
        ),
        opening(
            "attributes_that_no_schema_names",
            "2.7: they are returned as they are stored",
            scene.clone(),
            with(stored(&scene), "other", AttributeValue::Ss(vec!["x".to_owned()])),
            with(item.clone(), "other", AttributeValue::Ss(vec!["x".to_owned()])),
            None,
        ),
        opening(
            "reserved_names_are_removed",
            "2.4: a reader removes them",
            scene.clone(),
            with(with(stored(&scene), "_seal_mac", b([1])), "_sealed", s("x")),
            item,
            None,
        ),
        opening(
            "nothing_encrypted",
            "2.6: an encrypted attribute that is absent is not an error",
            scene.clone(),
            header_alone,
            with(scene.key(), "plain", s("x")),
            None,
        ),
        opening(
            "nothing_encrypted_beside_a_header_that_is_none",
            "8.1: an item that has none of them needs no data key",
            scene.clone(),
            with(scene.key(), HEADER, s("junk")),
            scene.key(),
            None,
        ),
    ]
}
