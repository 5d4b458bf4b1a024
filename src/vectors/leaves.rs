//! Leaves (docs/FORMAT.md, section 16): what counts as plaintext, and under what.

use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tenantseal_core::envelope::NeededKey;
use tenantseal_core::format::{Leave, LeaveStage, StoredForm, StoredKey};
use tenantseal_core::keys::{OpeningMode, Retries, Settings};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SystemTimeSource;

use super::bytes::{self, context, lp};
use super::hex::hex;
use super::json::{configured, known, sorted, value};
use super::scene::{CREATED, NONCE, Scene, scene};

/// The parts of a leave, so that each can be wrong while the rest is right.
#[derive(Clone)]
struct Parts {
    version: u8,
    stage: u8,
    flags: u8,
    serial: u32,
    issued: u32,
    expires: u32,
    names: Vec<&'static [u8]>,
    key_record: bytes::Record,
    tenant: &'static str,
    table: &'static str,
}

/// One file.
struct LeaveVector {
    name: &'static str,
    rule: &'static str,
    scene: Scene,
    adopts: Vec<&'static str>,
    time: u32,
    seen: u32,
    leave: Vec<u8>,
    expected: Expected,
}

enum Expected {
    /// The stage, and the names that may be plaintext.
    Grants(u8, Vec<&'static str>),
    Nothing,
    Refused(&'static str),
}

const DAYS_30: u32 = 30 * 86_400;

fn parts() -> Parts {
    let names = vec![&b"email"[..], b"phone"];
    let (version, stage, flags, serial) = (1, 2, 0, 5);
    let (key_record, expires) = (bytes::record(&scene()), CREATED + DAYS_30);
    let (tenant, table, issued) = ("acme", "crm", CREATED);
    Parts { version, stage, flags, serial, issued, expires, names, key_record, tenant, table }
}

impl Parts {
    /// The bytes, made without the library.
    fn bytes(&self, scene: &Scene) -> Vec<u8> {
        let Self { version, stage, flags, serial, issued, expires, names, key_record, tenant, table } = self;
        let mut body = vec![*version, *stage, *flags];
        for number in [serial, issued, expires] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        body.extend_from_slice(&u16::try_from(names.len()).unwrap().to_be_bytes());
        names.iter().for_each(|name| body.extend(lp(name)));
        body.extend(lp(&key_record.bytes(scene)));
        let tag = &Hmac::<Sha256>::new_from_slice(&leave_key(scene, tenant, table)).unwrap();
        let tag = tag.clone().chain_update(&body).finalize().into_bytes();
        body.extend_from_slice(&tag[..16]);
        body
    }
}

fn leave_key(scene: &Scene, tenant: &str, table: &str) -> [u8; 32] {
    let prk = Hkdf::<Sha256>::new(Some(b"tenantseal v1"), &scene.kms.0[0].data_key);
    let mut key = [0; 32];
    let info = [b"tenantseal v1 leave\0", &lp(tenant.as_bytes())[..], &lp(table.as_bytes())].concat();
    prk.expand(&info, &mut key).unwrap();
    key
}

impl LeaveVector {
    fn to_json(&self) -> Value {
        let Self { name: _, rule, scene, adopts, time, seen, leave, expected } = self;
        let kms: Vec<_> = scene.kms.0.iter().map(|one| known(one, &scene.tenant)).collect();
        let mut vector = json!({
            "rule": rule, "tenant": scene.tenant.as_str(), "contexts": configured(scene), "kms": kms, "table": "crm",
            "adopts": adopts, "time": time, "seen": seen, "leave": hex(leave),
        });
        match expected {
            Expected::Grants(stage, names) => vector["grants"] = json!({ "stage": stage, "names": names }),
            Expected::Nothing => vector["grants"] = Value::Null,
            Expected::Refused(fault) => vector["refused"] = json!({ "fault": fault }),
        }
        sorted(vector)
    }

    /// What the library makes of it: stage and names, or a fault.
    async fn read(&self) -> Result<Option<(u8, Vec<String>)>, &'static str> {
        let leave = Leave::decode(&self.leave).map_err(|_| "malformed")?;
        let (current, former) = self.scene.contexts.split_first().unwrap();
        let settings = Settings { pairs: current.clone(), former: former.to_vec(), ..Settings::default() };
        let service = Arc::new(self.scene.kms.clone());
        let keys = settings.build(service, "us-east-1", Arc::new(SystemTimeSource), Retries::default()).unwrap();
        let stored = StoredKey::Record(leave.stored_key_record().into());
        let needed = vec![NeededKey { attribute: "leave".to_owned(), stored }];
        let keys = keys.for_tenant(&self.scene.tenant);
        let (ring, _) = keys.opening_keys(needed, OpeningMode::AllOrNothing).await;
        let key = ring.get(StoredKey::Record(leave.stored_key_record())).ok_or("key record")?;
        let terms = key.verify_leave(&self.scene.tenant, "crm", leave).map_err(|_| "not authentic")?;
        if terms.serial < self.seen {
            return Err("rolled back");
        }
        let names = terms.names.iter().filter(|name| self.adopts.contains(&name.as_str())).cloned().collect();
        let stage = if terms.stage == LeaveStage::Plain { 1 } else { 2 };
        Ok(terms.is_in_force(self.time).then_some((stage, names)))
    }
}

fn leaves() -> Vec<LeaveVector> {
    let at = |name, rule, parts: &Parts, expected| LeaveVector {
        name,
        rule,
        scene: scene(),
        adopts: vec!["email", "phone"],
        time: CREATED + 60,
        seen: 0,
        leave: parts.bytes(&scene()),
        expected,
    };
    let grants = |name, rule, change: fn(&mut Parts), stage, names: &[&'static str]| {
        let mut parts = parts();
        change(&mut parts);
        at(name, rule, &parts, Expected::Grants(stage, names.to_vec()))
    };
    let refuse = |name, rule, fault, change: fn(&mut Parts)| {
        let mut parts = parts();
        change(&mut parts);
        at(name, rule, &parts, Expected::Refused(fault))
    };
    let cut = |name, end: usize| {
        let whole = at(name, "16.2: bytes that end too early", &parts(), Expected::Refused("malformed"));
        LeaveVector { leave: whole.leave[..whole.leave.len() - end].to_vec(), ..whole }
    };
    let flip = |name, fault, at_byte: usize| {
        let whole = at(name, "16.3: each part", &parts(), Expected::Refused(fault));
        let mut leave = whole.leave.clone();
        leave[at_byte] ^= 1;
        LeaveVector { leave, ..whole }
    };
    let timed = |name, time, expected| LeaveVector { time, ..at(name, "16.3: its time", &parts(), expected) };
    let both = || Expected::Grants(2, vec!["email", "phone"]);
    let both_names: &[&'static str] = &["email", "phone"];
    let record = 3 + 12 + 2 + 9 + 9 + 4;
    let prod = scene().with_pairs(&[("env", "prod")]);
    let mut of_prod = parts();
    of_prod.key_record.context = context(&[(b"env", b"prod"), (b"tenant", b"acme")]);
    let mut former = prod.clone();
    former.contexts.insert(0, vec![]);
    let mut globex = scene();
    globex.tenant = TenantId::parse("globex").unwrap();
    let mut longer = at("leave_refuse_longer", "16.2: the end", &parts(), Expected::Refused("malformed"));
    longer.leave.push(0);
    vec![
        at("leave_open_example", "16.4", &parts(), both()),
        grants("leave_open_written_as_plaintext", "16.2: the stage", |parts| parts.stage = 1, 1, both_names),
        grants("leave_open_no_names", "16.2: names", |parts| parts.names.clear(), 2, &[]),
        grants("leave_open_a_name_that_the_code_does_not_adopt", "16", |parts| parts.names[1] = b"iban", 2, &["email"]),
        LeaveVector {
            adopts: vec!["phone"],
            ..at("leave_open_a_name_that_the_leave_lacks", "16", &parts(), Expected::Grants(2, vec!["phone"]))
        },
        grants("leave_open_90_days", "16.2: its period", |parts| parts.expires = CREATED + 3 * DAYS_30, 2, both_names),
        LeaveVector {
            scene: former,
            leave: of_prod.bytes(&prod),
            ..at("leave_open_former_pairs", "8.2", &parts(), both())
        },
        LeaveVector { seen: 5, ..at("leave_open_the_serial_that_was_seen", "16.3: the serial", &parts(), both()) },
        timed("leave_open_at_its_last_second", CREATED + DAYS_30 - 1, both()),
        timed("leave_open_by_a_clock_5_minutes_late", CREATED - 300, both()),
        timed("leave_over_expired", CREATED + DAYS_30, Expected::Nothing),
        timed("leave_over_too_far_ahead", CREATED - 301, Expected::Nothing),
        at("leave_over_closed", "16.2: the stage", &Parts { stage: 0, ..parts() }, Expected::Nothing),
        refuse("leave_refuse_version_00", "16.2: another version", "malformed", |parts| parts.version = 0),
        refuse("leave_refuse_version_02", "16.2: another version", "malformed", |parts| parts.version = 2),
        refuse("leave_refuse_stage_03", "16.2: the stage", "malformed", |parts| parts.stage = 3),
        refuse("leave_refuse_flag_01", "16.2: flags", "malformed", |parts| parts.flags = 1),
        refuse("leave_refuse_flag_80", "16.2: flags", "malformed", |parts| parts.flags = 0x80),
        refuse("leave_refuse_names_descending", "16.2: names", "malformed", |parts| parts.names.swap(0, 1)),
        refuse("leave_refuse_a_name_twice", "16.2: names", "malformed", |parts| parts.names[1] = b"email"),
        refuse("leave_refuse_a_name_of_other_bytes", "16.2: names", "malformed", |parts| parts.names[1] = b"\xff"),
        refuse("leave_refuse_expired_before_issued", "16.2: its period", "malformed", |parts| {
            parts.expires = CREATED - 1;
        }),
        refuse("leave_refuse_longer_than_90_days", "16.2: its period", "malformed", |parts| {
            parts.expires = CREATED + 3 * DAYS_30 + 1;
        }),
        refuse("leave_refuse_another_tenants", "16.2: the leave key", "not authentic", |parts| parts.tenant = "globex"),
        refuse("leave_refuse_another_tables", "16.2: the leave key", "not authentic", |parts| parts.table = "orders"),
        LeaveVector {
            scene: globex,
            ..at("leave_refuse_another_tenants_record", "8.2", &parts(), Expected::Refused("key record"))
        },
        LeaveVector {
            seen: 6,
            ..at("leave_refuse_rolled_back", "16.3: the serial", &parts(), Expected::Refused("rolled back"))
        },
        cut("leave_refuse_cut_tag", 1),
        cut("leave_refuse_no_tag", 16),
        cut("leave_refuse_cut_in_the_record", 17),
        longer,
        flip("leave_refuse_flipped_stage", "malformed", 1),
        flip("leave_refuse_flipped_serial", "not authentic", 6),
        flip("leave_refuse_flipped_issued", "not authentic", 10),
        flip("leave_refuse_flipped_expires", "not authentic", 14),
        flip("leave_refuse_flipped_name", "not authentic", 3 + 12 + 2 + 4 + 4),
        flip("leave_refuse_flipped_kid", "key record", record + 1),
        flip("leave_refuse_flipped_wrapped_key", "key record", record + 0x58),
        flip("leave_refuse_flipped_tag", "not authentic", record + 0x59),
    ]
}

/// Name, rule, value, and what it is without and with a header.
type FormVector = (&'static str, &'static str, AttributeValue, [bool; 2]);

fn forms() -> Vec<FormVector> {
    let b = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
    let record = bytes::record(&scene()).bytes(&scene());
    let own = |record: &[u8]| {
        let length = u16::try_from(record.len()).unwrap().to_be_bytes();
        [&[0x12], &length[..], record, &NONCE, &[7; 17]].concat()
    };
    let header = |first: u8, rest: usize| [&[first], &NONCE[..], &vec![7; rest]].concat();
    let mut malformed = record.clone();
    malformed[0] = 9;
    let reference = [&[0x13], &record[1..17], &NONCE, &[7; 17]].concat();
    vec![
        ("form_text", "16.1: another type", AttributeValue::S("ada@example.org".to_owned()), [false, false]),
        ("form_11", "16.1: form 11", b(header(0x11, 17)), [false, true]),
        ("form_11_too_short", "16.1: it parses", b(header(0x11, 16)), [false, false]),
        ("form_12", "16.1: form 12", b(own(&record)), [true, true]),
        ("form_12_without_a_record", "16.1: its record decodes", b(own(&malformed)), [false, false]),
        ("form_12_too_short", "16.1: it parses", b(own(&record)[..own(&record).len() - 1].to_vec()), [false, false]),
        ("form_13", "16.1: form 13", b(reference.clone()), [true, true]),
        ("form_13_too_short", "16.1: it parses", b(reference[..reference.len() - 1].to_vec()), [false, false]),
        ("form_21", "16.1: form 21", b(header(0x21, 17)), [false, true]),
        ("form_21_too_short", "16.1: form 21", b(header(0x21, 16)), [false, false]),
        ("form_22", "16.1: no form", b(header(0x22, 17)), [false, false]),
        ("form_10", "16.1: no form", b(header(0x10, 17)), [false, false]),
        ("form_empty", "16.1: no form", b(Vec::new()), [false, false]),
    ]
}

/// All files.
pub(super) fn vectors() -> Vec<(String, Value)> {
    let leaves = leaves().into_iter().map(|vector| (vector.name.to_owned(), vector.to_json()));
    let forms = forms().into_iter().flat_map(|(name, rule, given, sealed)| {
        [("", false), ("_with_a_header", true)].map(|(suffix, header)| {
            let is_sealed = sealed[usize::from(header)];
            let vector = json!({ "rule": rule, "value": value(&given), "header": header, "sealed": is_sealed });
            (format!("{name}{suffix}"), sorted(vector))
        })
    });
    leaves.chain(forms).collect()
}

#[tokio::test]
async fn every_leave_grants_or_is_refused_as_its_vector_says() {
    for vector in leaves() {
        let read = vector.read().await;
        match (&vector.expected, read) {
            (Expected::Grants(stage, names), Ok(Some(granted))) => {
                assert_eq!((*stage, names.iter().map(|name| (*name).to_owned()).collect()), granted, "{}", vector.name);
            }
            (Expected::Nothing, Ok(None)) => {}
            (Expected::Refused(fault), Err(found)) => assert_eq!(*fault, found, "{}", vector.name),
            (_, read) => panic!("{}: {read:?}", vector.name),
        }
    }
}

#[test]
fn every_stored_form_is_what_its_vector_says() {
    for (name, _, given, sealed) in forms() {
        let bytes = given.as_b().ok().map(AsRef::as_ref);
        let found = [false, true].map(|has_header| StoredForm::of(bytes, has_header).is_sealed());
        assert_eq!(found, sealed, "{name}");
    }
}

#[test]
fn the_example_of_the_section_on_leaves() {
    let key = "563e350ef69d6a82324977b04b62cd3d6c8fa50fd437f17be66e7c6b82c2aaec";
    assert_eq!(hex(&leave_key(&scene(), "acme", "crm")), key);
    let leave = hex(&parts().bytes(&scene()));
    assert!(leave.starts_with("010200000000056553f100657b7e00000200000005656d61696c0000000570686f6e6500000059"));
    assert!(leave.ends_with("d9e55637229018fef069dd77c0807e50"), "{leave}");
}
