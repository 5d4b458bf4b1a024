//! What is refused for its key record; each record is right but for one thing, its check made anew where that is not the thing.

use tenantseal_core::crypto::DataKeyId;
use tenantseal_core::format::{HEADER, StoredKey};

use super::bytes::{self, Record, UUID, context};
use super::opened::{stored, updated};
use super::refused::refused;
use super::scene::{CREATED, MULTI_REGION, STANDARD, Scene, Vector, b, entry, n, s, scene, with};

/// Readers may name the record's attribute or the one that relies on it.
const NAMED: [&str; 2] = ["_seal", "a"];

pub(super) fn vectors() -> Vec<Vector> {
    [lengths(), contexts(), keks(), keys(), compact()].into_iter().flatten().collect()
}

fn headed(name: &str, rule: &'static str, fault: &'static str, scene: Scene, header: Vec<u8>) -> Vector {
    let item = with(stored(&scene), HEADER, b(header));
    refused(&format!("record_{name}"), rule, fault, &NAMED, scene, item)
}

/// The record of the example with one part changed.
fn changed(name: &str, rule: &'static str, fault: &'static str, change: impl FnOnce(&mut Record)) -> Vector {
    let scene = scene();
    let mut record = bytes::record(&scene);
    change(&mut record);
    let header = record.bytes(&scene);
    headed(name, rule, fault, scene, header)
}

fn lengths() -> Vec<Vector> {
    const EARLY: &str = "5: bytes that end too early";
    let scene = scene();
    let whole = bytes::record(&scene).bytes(&scene);
    let whole_reference = [&[0x02], &whole[1..17]].concat();
    let context_at = 1 + 16 + 4;
    let check_at = context_at + 14;
    let kek_at = check_at + 16;
    let wrapped_at = whole.len() - 4;
    let mut vectors: Vec<_> = [
        ("the_version", 0),
        ("the_key_id", 9),
        ("created", 19),
        ("the_number_of_pairs", context_at),
        ("the_length_of_a_name", context_at + 1),
        ("a_name", context_at + 4),
        ("the_length_of_a_value", context_at + 9),
        ("a_value", context_at + 12),
        ("the_check", check_at + 8),
        ("the_kind_of_kek", kek_at),
        ("the_length_of_the_region", kek_at + 1),
        ("the_region", kek_at + 5),
        ("the_account", kek_at + 13),
        ("the_uuid", kek_at + 20),
        ("the_length_of_the_wrapped_key", wrapped_at - 1),
        ("the_wrapped_key", whole.len() - 1),
    ]
    .into_iter()
    .map(|(part, end)| {
        headed(&format!("truncated_at_{part}"), EARLY, "truncated", scene.clone(), whole[..end].to_vec())
    })
    .collect();
    vectors.extend([
        headed("trailing_byte", "5: bytes after the end", "trailing bytes", scene.clone(), [&whole[..], &[0]].concat()),
        changed("version_00", "5: another version", "unknown version", |record| record.version = 0),
        changed("version_03", "5: another version", "unknown version", |record| record.version = 3),
        changed("reference_too_long", "5.3: anything but 17 bytes", "trailing bytes", |record| record.version = 2),
        headed(
            "reference_too_short",
            "5.3: anything but 17 bytes",
            "truncated",
            scene.clone(),
            whole_reference[..16].to_vec(),
        ),
        changed("wrapped_key_empty", "5: wrapped key", "length of wrapped key", |record| record.wrapped.clear()),
        changed("wrapped_key_of_1025", "5: wrapped key", "length of wrapped key", |record| {
            record.wrapped = vec![1; 1025]
        }),
    ]);
    vectors
}

/// What a key table answers to a header and to an attribute that refer to it.
fn compact() -> Vec<Vector> {
    const RECORDS: &str = "13.1: records of the key table";
    let compact = scene().compact();
    let by_put = stored(&compact);
    let attribute = updated(&compact, &compact.unwrapped(0, CREATED), "a", &s("hello"));
    let by_update = with(compact.key(), "a", attribute);
    let entries = compact.key_table.clone().unwrap();
    let mut other = bytes::record(&compact);
    other.kid = vec![7; 16];
    let other = vec![(entries[0].0.clone(), other.bytes(&compact))];
    let nothing = vec![(entries[0].0.clone(), Vec::new())];
    // The record under a kid that is not its own would open them, had nobody looked.
    let kid = DataKeyId([7; 16]);
    let misnamed =
        Scene { key_table: Some(vec![(entry(&[&[1], &kid.0[..]].concat()), entries[0].1.clone())]), ..compact.clone() };
    let identity = compact.identity(&compact.key());
    let misnaming = bytes::sealed(&compact, &identity, Some(StoredKey::Reference(kid)), "a", b"\x01hello");
    let misnamed_by_put = with(by_put.clone(), HEADER, b([&[0x02], &kid.0[..]].concat()));
    let misnamed_by_update = with(compact.key(), "a", b(misnaming));
    let elsewhere = vec![(format!("current#{}", &entries[0].0), entries[0].1.clone())];
    [
        ("no_key_table", "no key table", None),
        ("no_record", "unknown key", Some(Vec::new())),
        ("a_record_in_another_entry", "unknown key", Some(elsewhere)),
        ("the_record_of_another_key", "forged record", Some(other)),
        ("an_empty_record", "truncated", Some(nothing)),
    ]
    .into_iter()
    .flat_map(|(name, fault, key_table)| {
        let scene = Scene { key_table, ..compact.clone() };
        // What UpdateItem has made has no header that an error could name.
        [("reference", &by_put, &NAMED[..]), ("form_13", &by_update, &["a"])].map(|(from, item, named)| {
            refused(&format!("{from}_to_{name}"), RECORDS, fault, named, scene.clone(), item.clone())
        })
    })
    .chain([
        refused("reference_by_another_kid", RECORDS, "forged record", &NAMED, misnamed.clone(), misnamed_by_put),
        refused("form_13_by_another_kid", RECORDS, "forged record", &["a"], misnamed, misnamed_by_update),
    ])
    .collect()
}

fn contexts() -> Vec<Vector> {
    const RULE: &str = "5.1: context";
    const CONFIGURED: &str = "8.2: each record's context must equal a configured one";
    let tenant: (&[u8], &[u8]) = (b"tenant", b"acme");
    let malformed = |name: &str, pairs: &[(&[u8], &[u8])]| {
        changed(&format!("context_{name}"), RULE, "malformed context", |record| record.context = context(pairs))
    };
    let foreign = |name: &str, pairs: &[(&[u8], &[u8])]| {
        changed(&format!("context_{name}"), CONFIGURED, "foreign context", |record| record.context = context(pairs))
    };
    let nine: Vec<(&[u8], &[u8])> =
        [&b"a"[..], b"b", b"c", b"d", b"e", b"f", b"g", b"h"].map(|name| (name, &b"x"[..])).into();
    let nine = [nine, vec![tenant]].concat();
    // KMS unwraps it, and its data key has sealed the item.
    let of_a_lookup_key = scene().for_lookups();
    let under_it = stored(&of_a_lookup_key);
    let mut configured = scene().with_pairs(&[("env", "test")]);
    let unlike = stored(&configured);
    configured.contexts = vec![vec![("env".to_owned(), "prod".to_owned())]];
    vec![
        malformed("of_no_pairs", &[]),
        malformed("of_nine_pairs", &nine),
        malformed("descending", &[(b"zone", b"b"), tenant]),
        malformed("name_twice", &[tenant, tenant]),
        malformed("name_empty", &[(b"", b"x"), tenant]),
        malformed("name_not_utf8", &[tenant, (b"\xff", b"x")]),
        malformed("value_empty", &[(b"env", b""), tenant]),
        malformed("value_of_1025", &[(b"env", &[b'x'; 1025]), tenant]),
        malformed("value_not_utf8", &[(b"env", b"\xff"), tenant]),
        foreign("of_another_tenant", &[(b"tenant", b"globex")]),
        foreign("without_tenant", &[(b"env", b"prod")]),
        foreign("with_a_pair_more", &[(b"env", b"prod"), tenant]),
        foreign("with_a_name_twice_but_for_its_case", &[(b"Tenant", b"acme"), tenant]),
        foreign("with_a_reserved_name", &[(b"purpose", b"lookup"), tenant]),
        foreign("with_a_name_of_aws", &[(b"aws:x", b"y"), tenant]),
        refused("record_of_a_lookup_key", CONFIGURED, "foreign context", &NAMED, of_a_lookup_key, under_it),
        refused("record_context_of_other_static_pairs", CONFIGURED, "foreign context", &NAMED, configured, unlike),
    ]
}

fn keks() -> Vec<Vector> {
    const RULE: &str = "5.2: KEK";
    let malformed =
        |name: &str, kek: Vec<u8>| changed(&format!("kek_{name}"), RULE, "malformed KEK", |record| record.kek = kek);
    let whole = |arn: &str| [&[0x00], &u16::try_from(arn.len()).unwrap().to_be_bytes()[..], arn.as_bytes()].concat();
    let compact = |kind: u8, region: &[u8], account: u64| {
        [&[kind, u8::try_from(region.len()).unwrap()], region, &account.to_be_bytes()[3..], &UUID].concat()
    };
    let account = 111_122_223_333;
    let long = STANDARD.replace("us-east-1", &"r".repeat(513 - STANDARD.len() + 9));
    vec![
        malformed("kind_03", compact(0x03, b"us-east-1", account)),
        malformed("standard_at_length", whole(STANDARD)),
        malformed("multi_region_at_length", whole(MULTI_REGION)),
        malformed("arn_of_513", whole(&long)),
        malformed("arn_of_an_alias", whole("arn:aws:kms:us-east-1:111122223333:alias/customer-acme")),
        malformed("arn_of_another_service", whole("arn:aws:s3:us-east-1:111122223333:key/x")),
        malformed("arn_without_a_region", whole("arn:aws:kms::111122223333:key/x")),
        malformed("arn_without_a_key_id", whole("arn:aws:kms:us-east-1:111122223333:key/")),
        malformed("arn_with_a_star", whole("arn:aws:kms:us-east-1:111122223333:key/x*")),
        malformed("arn_of_a_short_account", whole("arn:aws:kms:us-east-1:1111:key/x")),
        malformed("arn_empty", whole("")),
        malformed("arn_not_utf8", vec![0x00, 0, 1, 0xff]),
        malformed("region_empty", compact(0x01, b"", account)),
        malformed("region_of_33", compact(0x01, &[b'r'; 33], account)),
        malformed("region_of_33_multi_region", compact(0x02, &[b'r'; 33], account)),
        malformed("region_with_a_colon", compact(0x01, b"us:east", account)),
        malformed("region_not_utf8", compact(0x01, b"\xff", account)),
        malformed("account_of_13_digits", compact(0x01, b"us-east-1", 1_000_000_000_000)),
    ]
}

fn keys() -> Vec<Vector> {
    const KMS: &str = "8.3: the KeyId in the answer must be the record's KEK";
    const CHECK: &str = "8.4: compare kid and check with the record's";
    let answered = |name: &str, stored_as: &str, answered_as: &str| {
        let item = stored(&scene().with_kek(stored_as));
        refused(&format!("record_{name}"), KMS, "forged record", &NAMED, scene().with_kek(answered_as), item)
    };
    let of_length = |length: u8| {
        let mut scene = scene();
        scene.kms.0[0].data_key = (0..length).collect();
        let name = format!("record_data_key_of_{length}_bytes");
        refused(
            &name,
            "8.3: a data key that is not 32 bytes",
            "wrapped key refused",
            &NAMED,
            scene,
            stored(&super::scene::scene()),
        )
    };
    const FORMER: &str = "8.3: once more by the alias of the record's key";
    let mut elsewhere = scene();
    elsewhere.kms.0[0].alias_of = Some("1234abce-12ab-34cd-56ef-1234567890ab");
    let mut answered_by_another = scene().with_kek(&STANDARD.replace("1234abcd", "1234abce"));
    answered_by_another.kms.0[0].alias_of = STANDARD.rsplit('/').next();
    let mut unknown = scene();
    unknown.kms.0[0].wrapped = vec![1];
    let forged_check = bytes::record(&scene()).bytes(&scene())[35..51].iter().map(|byte| byte ^ 1).collect();
    let mut created = bytes::record(&scene());
    created.check = Some(scene().prk().check(1, CREATED, &created.context).0.to_vec());
    created.created += 1;
    let created = created.bytes(&scene());
    // The right record in the header, and one beside it that names its data key and is forged.
    let two = scene().encrypting(&["a", "b"]);
    let beside = updated(&two, &two.unwrapped(0, CREATED), "b", &n("7")).as_b().unwrap().clone().into_inner();
    let length = u16::try_from(created.len()).unwrap().to_be_bytes();
    let beside = [&[0x12], &length[..], &created, &beside[3 + created.len()..]].concat();
    let beside = with(stored(&two), "b", b(beside));
    vec![
        of_length(16),
        of_length(31),
        of_length(33),
        refused("record_kek_former_without_an_alias", FORMER, "other KEK", &NAMED, elsewhere, stored(&scene())),
        refused(
            "record_kek_former_whose_alias_is_another_keys",
            FORMER,
            "forged record",
            &NAMED,
            answered_by_another,
            stored(&scene()),
        ),
        refused(
            "record_forged_beside_a_right_one",
            "8: a data key that is kept serves another record when that passes step 4 again",
            "forged record",
            &["b"],
            two,
            beside,
        ),
        refused(
            "record_wrapped_key_that_kms_refuses",
            "8.3: Decrypt",
            "wrapped key refused",
            &NAMED,
            unknown,
            stored(&scene()),
        ),
        answered("kek_of_another_region", STANDARD, &STANDARD.replace("us-east-1", "eu-west-1")),
        answered("kek_of_another_key", STANDARD, &STANDARD.replace("1234abcd", "1234abce")),
        answered(
            "kek_multi_region_of_another_account",
            MULTI_REGION,
            &MULTI_REGION.replace("111122223333", "111122223334"),
        ),
        answered("kek_multi_region_of_another_key", MULTI_REGION, &MULTI_REGION.replace("mrk-1234", "mrk-1235")),
        answered("kek_multi_region_of_another_partition", MULTI_REGION, &MULTI_REGION.replace(":aws:", ":aws-cn:")),
        changed("kid_of_another_data_key", CHECK, "forged record", |record| record.kid[15] ^= 1),
        changed("check_changed", CHECK, "forged record", |record| record.check = Some(forged_check)),
        headed("created_changed", CHECK, "forged record", scene(), created),
    ]
}
