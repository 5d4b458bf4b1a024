//! Data keys that are shared: the pair `period` in the KMS context (section 13.2), in headers, in attributes and in the key table.

use tenantseal_core::context::Period;
use tenantseal_core::format::HEADER;

use super::bytes::{self, context};
use super::opened::{in_scene, opening, sealing, stored, updated};
use super::refused::refused;
use super::scene::{CREATED, STANDARD, Scene, Unwrapping, Vector, b, entry, n, s, scene, with};

const RULE: &str = "13.2: period";
/// A day.
const DAY: &str = "1763683200+86400";

pub(super) fn vectors() -> Vec<Vector> {
    [opened(), spellings(), bound()].into_iter().flatten().collect()
}

fn opened() -> Vec<Vector> {
    let shared = scene().in_period(DAY);
    let compact = shared.clone().compact();
    let value = s("hello");
    let item = with(scene().key(), "a", value.clone());
    let by_update = |scene: &Scene| with(scene.key(), "a", updated(scene, &scene.unwrapped(0, CREATED), "a", &value));
    let mut former = scene().with_pairs(&[("env", "old")]).in_period(DAY);
    let stored_formerly = stored(&former);
    former.contexts = vec![vec![("env".to_owned(), "new".to_owned())], former.contexts.remove(0)];
    let six: Vec<_> = ["a", "b", "c", "d", "e", "zz"].map(|name| (name, "x")).into();
    // Put on one day, updated on the next.
    let mut two = compact.clone().encrypting(&["a", "b"]);
    two.kms.0.push(Unwrapping {
        wrapped: vec![0x0a],
        context: vec![],
        period: Period::parse("1763769600+86400"),
        data_key: (32..64).collect(),
        kek: STANDARD.to_owned(),
        for_lookups: false,
        alias_of: None,
    });
    let next_day = two.unwrapped(1, CREATED + 86_400);
    two.key_table.iter_mut().for_each(|entries| {
        let record = next_day.stored_record().to_vec();
        entries.push((entry(&record), record));
    });
    let on_two_days = with(stored(&two), "b", updated(&two, &next_day, "b", &n("7")));
    vec![
        in_scene("period", RULE, shared.clone()),
        in_scene("period_compact", RULE, compact.clone()),
        opening("period_form_12", RULE, shared.clone(), by_update(&shared), item.clone(), sealing("a", 0x12, &value)),
        opening("period_form_13", RULE, compact.clone(), by_update(&compact), item.clone(), sealing("a", 0x13, &value)),
        opening(
            "period_and_the_next",
            RULE,
            two,
            on_two_days,
            with(item.clone(), "b", n("7")),
            sealing("b", 0x13, &n("7")),
        ),
        in_scene(
            "period_beside_static_pairs",
            RULE,
            scene().with_pairs(&[("env", "prod"), ("zone", "b")]).in_period(DAY),
        ),
        in_scene("period_beside_seven_pairs", RULE, scene().with_pairs(&six).in_period(DAY)),
        opening("period_beside_former_pairs", RULE, former, stored_formerly, item, None),
        in_scene("period_from_0", RULE, scene().in_period("0+1")),
        in_scene("period_of_two_days", RULE, scene().in_period("1763596800+172800")),
        in_scene("period_from_the_last_second", RULE, scene().in_period("4294967295+1")),
    ]
}

/// The record of the example with this pair in its context, and its check made anew.
fn with_pair(name: &str, pair: (&[u8], &[u8])) -> Vector {
    let scene = scene();
    let mut pairs = [pair, (b"tenant", b"acme")];
    pairs.sort_unstable();
    let mut record = bytes::record(&scene);
    record.context = context(&pairs);
    let item = with(stored(&scene), HEADER, b(record.bytes(&scene)));
    refused(&format!("period_{name}"), RULE, "foreign context", &["_seal", "a"], scene, item)
}

/// What is not a period.
fn spellings() -> Vec<Vector> {
    let spelt = |name: &str, period: &str| with_pair(name, (b"period", period.as_bytes()));
    vec![
        spelt("that_does_not_begin_at_a_multiple", "1763683201+86400"),
        spelt("of_no_length", "1763683200+0"),
        spelt("of_more_than_two_days", "172801+172801"),
        spelt("from_beyond_32_bits", "4294967296+1"),
        spelt("with_a_leading_zero", "01763683200+86400"),
        spelt("with_a_leading_zero_of_its_length", "1763683200+086400"),
        spelt("with_zero_written_twice", "00+1"),
        spelt("with_a_sign", "+1763683200+86400"),
        spelt("with_a_sign_of_its_length", "1763683200++86400"),
        spelt("without_length", "1763683200+"),
        spelt("without_start", "+86400"),
        spelt("without_plus", "1763683200"),
        spelt("with_a_space", "1763683200 +86400"),
        spelt("with_a_line_feed", "1763683200+86400\n"),
        spelt("with_a_digit_beyond_ascii", "\u{661}+1"),
        with_pair("by_another_name", (b"Period", DAY.as_bytes())),
    ]
}

/// Right spellings of other contexts than the data key's.
fn bound() -> Vec<Vector> {
    const NAMED: [&str; 2] = ["_seal", "a"];
    let header = |scene: &Scene, pairs: &[(&[u8], &[u8])]| {
        let mut record = bytes::record(scene);
        record.context = context(pairs);
        with(stored(scene), HEADER, b(record.bytes(scene)))
    };
    let tenant: (&[u8], &[u8]) = (b"tenant", b"acme");
    let shared = scene().in_period(DAY);
    let mut other_period = shared.clone();
    let item = stored(&shared);
    other_period.kms.0[0].period = Period::parse("1763769600+86400");
    // KMS would unwrap with both; the check is of one.
    let mut either = shared.clone();
    either.kms.0.extend(other_period.kms.0.iter().cloned());
    let mut record = bytes::record(&either);
    let made = context(&[(b"period", DAY.as_bytes()), tenant]);
    record.check = Some(either.prk().check(1, CREATED, &made).0.to_vec());
    record.context = context(&[(b"period", b"1763769600+86400"), tenant]);
    let moved = with(stored(&either), HEADER, b(record.bytes(&either)));
    vec![
        refused("period_of_another_key", RULE, "wrapped key refused", &NAMED, other_period, item.clone()),
        refused("period_changed", RULE, "forged record", &NAMED, either, moved),
        refused("period_left_out", RULE, "wrapped key refused", &NAMED, shared.clone(), header(&shared, &[tenant])),
        refused(
            "period_added",
            RULE,
            "wrapped key refused",
            &NAMED,
            scene(),
            header(&scene(), &[(b"period", DAY.as_bytes()), tenant]),
        ),
        refused(
            "period_of_another_tenant",
            RULE,
            "foreign context",
            &NAMED,
            shared.clone(),
            header(&shared, &[(b"period", DAY.as_bytes()), (b"tenant", b"globex")]),
        ),
        refused(
            "period_beside_other_static_pairs",
            RULE,
            "foreign context",
            &NAMED,
            shared.clone(),
            header(&shared, &[(b"env", b"prod"), (b"period", DAY.as_bytes()), tenant]),
        ),
    ]
}
