//! With which data key a writer of the fleet seals: the pointer that it reads in the key table, what it may name, and what is written
//! where it names nothing (section 13.3).

use sha2::{Digest, Sha256};

use super::bytes::{self, context};
use super::hex::hex;
use super::scene::{CREATED, MULTI_REGION, STANDARD, Scene, Unwrapping, entry, scene};
use tenantseal_core::tenant::TenantId;

mod run;

/// One file: a writer, its clock, and what lies in the key table.
pub(super) struct Vector {
    pub(super) name: String,
    scene: Scene,
    /// For whom KMS has wrapped.
    wrapped_for: TenantId,
    region: &'static str,
    /// The writer's clock, in seconds since 1970.
    time: u32,
    rotation: u32,
    /// The period that the clock is in.
    period: &'static str,
    /// What the pointer holds.
    pointer: Option<Vec<u8>>,
    expected: Expected,
}

enum Expected {
    /// The writer seals with the data key that KMS knows at place 0.
    Sealed,
    /// KMS makes the data key at this place, and its record replaces what the pointer holds.
    Made(usize),
    Refused,
}

/// A day, and its first second.
const DAY: &str = "1763683200+86400";
const MORNING: u32 = 1_763_683_200;
const NOON: u32 = MORNING + 43_200;
const FORMER_DAY: &str = "1763596800+86400";
const NEXT_DAY: &str = "1763769600+86400";
const OTHER_KEK: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ac";

impl Vector {
    /// The pointer's entry, made as the page says and not as the library does.
    fn entry(&self) -> String {
        let Self { scene, region, period, .. } = self;
        let mut pairs = vec![("tenant", scene.tenant.as_str())];
        pairs.extend(scene.contexts[0].iter().map(|(name, value)| (&**name, &**value)));
        pairs.sort_unstable();
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        format!("current#{region}#{}#{period}", hex(&Sha256::digest(context(&pairs))[..16]))
    }
}

/// A writer at noon, and a pointer to the data key that KMS knows at place 0.
fn at_noon(name: &str, scene: Scene, expected: Expected) -> Vector {
    Vector {
        name: name.to_owned(),
        wrapped_for: scene.tenant.clone(),
        region: "us-east-1",
        time: NOON,
        rotation: 86_400,
        period: DAY,
        pointer: Some(stored(&scene)),
        expected,
        scene,
    }
}

/// The record of the data key that KMS knows at place 0.
fn stored(scene: &Scene) -> Vec<u8> {
    scene.unwrapped(0, CREATED).stored_record().to_vec()
}

fn shared() -> Scene {
    scene().in_period(DAY)
}

fn globex() -> TenantId {
    TenantId::parse("globex").unwrap()
}

fn sealed(name: &str, scene: Scene) -> Vector {
    at_noon(&format!("seal_{name}"), scene, Expected::Sealed)
}

fn refused(name: &str, scene: Scene) -> Vector {
    at_noon(&format!("refuse_{name}"), scene, Expected::Refused)
}

/// Refused because of what the pointer holds.
fn holding(name: &str, pointer: Vec<u8>) -> Vector {
    Vector { pointer: Some(pointer), ..refused(name, shared()) }
}

pub(super) fn vectors() -> Vec<Vector> {
    [accepted(), made(), of_other_contexts(), of_other_forms(), forged()].into_iter().flatten().collect()
}

fn accepted() -> Vec<Vector> {
    let at = |name: &str, time| Vector { time, ..sealed(name, shared()) };
    let in_period =
        |name: &str, period, rotation| Vector { rotation, period, ..sealed(name, scene().in_period(period)) };
    let mut beside_former = scene().with_pairs(&[("env", "new")]).in_period(DAY);
    beside_former.contexts.push(vec![("env".to_owned(), "old".to_owned())]);
    // The record names one Region, and the writer is in another, whose replica answers.
    let replica = shared().with_kek(&MULTI_REGION.replace("us-east-1", "eu-west-1"));
    let pointer = Some(stored(&shared().with_kek(MULTI_REGION)));
    vec![
        at("at_noon", NOON),
        at("in_the_first_second_of_its_period", MORNING),
        at("in_the_last_second_of_its_period", MORNING + 86_399),
        in_period("in_a_period_of_an_hour", "1763726400+3600", 3_600),
        in_period("in_a_period_of_two_days", "1763596800+172800", 172_800),
        in_period("in_a_period_that_divides_no_day", "1763720000+7000", 7_000),
        sealed("of_a_longer_tenant", Scene { tenant: TenantId::parse("acme-2").unwrap(), ..shared() }),
        sealed("with_static_pairs", scene().with_pairs(&[("env", "prod"), ("zone", "\u{e9}")]).in_period(DAY)),
        sealed("beside_former_pairs", beside_former),
        Vector { region: "eu-west-1", pointer, ..sealed("in_another_region", replica) },
    ]
}

/// The scene with a second data key of its tenant and period, under this KEK.
fn with_another(mut scene: Scene, kek: &str) -> Scene {
    let Unwrapping { context, period, .. } = scene.kms.0[0].clone();
    scene.kms.0.push(Unwrapping {
        wrapped: vec![0x0a],
        context,
        period,
        data_key: (32..64).collect(),
        kek: kek.to_owned(),
        for_lookups: false,
        alias_of: None,
    });
    scene
}

fn made() -> Vec<Vector> {
    let making = |name: &str, scene| at_noon(&format!("make_{name}"), scene, Expected::Made(1));
    let nothing = |name: &str, scene| Vector { pointer: None, ..making(name, with_another(scene, STANDARD)) };
    let on = |name: &str, time, period| Vector { time, period, ..nothing(name, scene().in_period(period)) };
    // The alias points to another key by now. The one that stays on the former key opens items, and seals none.
    let mut moved = with_another(shared(), OTHER_KEK);
    moved.kms.0[0].alias_of = Some("1234abcd-12ab-34cd-56ef-1234567890ab");
    vec![
        nothing("where_nothing_is", shared()),
        nothing("with_static_pairs", scene().with_pairs(&[("env", "prod")]).in_period(DAY)),
        on("in_the_first_second_of_the_next_period", MORNING + 86_400, NEXT_DAY),
        on("in_the_last_second_of_the_former_period", MORNING - 1, FORMER_DAY),
        making("in_place_of_a_key_of_a_former_kek", moved),
    ]
}

/// Right records, of which some open items: none seals.
fn of_other_contexts() -> Vec<Vector> {
    // KMS would unwrap each of them.
    let of = |name: &str, theirs: Scene| Vector {
        pointer: Some(stored(&theirs)),
        wrapped_for: theirs.tenant.clone(),
        ..refused(name, Scene { kms: theirs.kms, ..shared() })
    };
    let formerly = scene().with_pairs(&[("env", "old")]).in_period(DAY);
    let mut of_former_pairs = of("of_former_pairs", formerly.clone());
    of_former_pairs.scene.contexts.extend(formerly.contexts);
    vec![
        of("of_another_tenant", Scene { tenant: globex(), ..shared() }),
        of("of_other_static_pairs", scene().with_pairs(&[("env", "prod")]).in_period(DAY)),
        of_former_pairs,
        of("of_the_former_period", scene().in_period(FORMER_DAY)),
        of("of_the_next_period", scene().in_period(NEXT_DAY)),
        of("of_a_shorter_period_of_the_same_start", scene().in_period("1763683200+43200")),
        of("of_a_longer_period_around_it", scene().in_period("1763596800+172800")),
        of("of_no_period", scene()),
    ]
}

fn of_other_forms() -> Vec<Vector> {
    let record = stored(&shared());
    let version = |version: u8| [&[version], &record[1..]].concat();
    let sealed_by_put = super::opened::stored(&shared())["a"].as_b().unwrap().as_ref().to_vec();
    vec![
        holding("of_no_bytes", Vec::new()),
        holding("of_a_truncated_record", record[..record.len() - 1].to_vec()),
        holding("of_a_record_and_a_byte", [&record[..], &[0]].concat()),
        holding("of_a_reference", [&[0x02], &record[1..17]].concat()),
        holding("of_version_03", version(3)),
        holding("of_version_00", version(0)),
        holding("of_a_sealed_attribute", sealed_by_put),
        holding("of_the_name_of_an_entry", entry(&record).into_bytes()),
    ]
}

/// What decodes, has the right context, and is not the tenant's key all the same.
fn forged() -> Vec<Vector> {
    let changed = |name: &str, change: fn(&mut bytes::Record)| {
        let mut record = bytes::record(&shared());
        record.context = context(&[(b"period", DAY.as_bytes()), (b"tenant", b"acme")]);
        change(&mut record);
        holding(name, record.bytes(&shared()))
    };
    let answered_by = |name: &str, record: &str, kek: &str| Vector {
        pointer: Some(stored(&shared().with_kek(record))),
        ..refused(name, shared().with_kek(kek))
    };
    let mut short = refused("of_a_data_key_of_31_bytes", shared());
    short.scene.kms.0[0].data_key.pop();
    vec![
        changed("with_another_check", |record| record.check = Some(vec![0; 16])),
        changed("with_another_kid", |record| record.kid = vec![0; 16]),
        changed("with_a_wrapped_key_that_kms_refuses", |record| record.wrapped.push(0)),
        short,
        answered_by("of_another_kek", STANDARD, OTHER_KEK),
        answered_by("of_another_region", STANDARD, &STANDARD.replace("us-east-1", "eu-west-1")),
        answered_by("of_another_account", MULTI_REGION, &MULTI_REGION.replace("111122223333", "111122223334")),
    ]
}
