//! Lookup records: what a reader finds in the entries of the key table.

use std::error::Error as _;
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tenantseal_core::format::{LookupDefinition, LookupFault, LookupKind};
use tenantseal_core::keys::{
    DeclaredLookup, InMemoryKeyTable, KeyError, KeyTable, KeyTableErrorKind, Retries, Settings, Swap,
};
use tenantseal_core::tenant::TenantId;
use tenantseal_core::time::SystemTimeSource;

use super::lookup_key;
use crate::vectors::bytes::{self, context, lp};
use crate::vectors::hex::hex;
use crate::vectors::json::{configured, known, sorted};
use crate::vectors::scene::{NONCE, Scene, scene};

/// One file: a reader that needs a lookup key, and what lies in the tenant's entries.
pub(super) struct Vector {
    pub(super) name: &'static str,
    rule: &'static str,
    scene: Scene,
    number: u16,
    entries: Vec<(String, Vec<u8>)>,
    expected: Expected,
}

enum Expected {
    /// The lookup key of the example, under which these names of the table `crm` are known, all defined as the example's.
    Opened(Vec<&'static str>),
    Refused(&'static str),
}

/// The parts of a lookup record, so that each can be wrong while the rest is right.
struct Record {
    version: u8,
    key_record: bytes::Record,
    tenant: &'static str,
    number: u16,
    plaintext: Vec<u8>,
}

fn record(scene: &Scene) -> Record {
    let mut key_record = bytes::record(scene);
    key_record.context = context(&[(b"purpose", b"lookup"), (b"tenant", b"acme")]);
    let plaintext = [&lookup_key()[..], &known_as("crm", "email")].concat();
    Record { version: 3, key_record, tenant: "acme", number: 1, plaintext }
}

/// A known lookup, defined as the example's.
fn known_as(table: &str, name: &str) -> Vec<u8> {
    [lp(table.as_bytes()), lp(name.as_bytes()), email().digest().to_vec()].concat()
}

fn email() -> LookupDefinition {
    LookupDefinition::new(LookupKind::Equality, 128, [("email", "email")]).unwrap()
}

impl Record {
    /// The bytes, made without the library.
    fn bytes(&self, scene: &Scene) -> Vec<u8> {
        let Self { version, key_record, tenant, number, plaintext } = self;
        let key_record = key_record.bytes(scene);
        let prk = Hkdf::<Sha256>::new(Some(b"tenantseal v1"), &scene.kms.0[0].data_key);
        let mut key = [0; 32];
        let info = [b"tenantseal v1 lookup key\0", &lp(tenant.as_bytes())[..], &number.to_be_bytes()].concat();
        prk.expand(&info, &mut key).unwrap();
        let aad = [b"tenantseal v1 lookup key\0", &[*version][..]].concat();
        let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
        let sealed = cipher.encrypt(&Nonce::from(NONCE), Payload { msg: plaintext, aad: &aad }).unwrap();
        let length = u16::try_from(key_record.len()).unwrap().to_be_bytes();
        [&[*version], &length[..], &key_record, &NONCE, &sealed].concat()
    }
}

/// The entry of a tenant's lookup key under these static pairs, as the page says it and not as the library does.
fn entry(tenant: &str, pairs: &[(&str, &str)], number: u16) -> String {
    let mut pairs: Vec<(&[u8], &[u8])> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    pairs.push((b"tenant", tenant.as_bytes()));
    pairs.sort_unstable();
    format!("lookup#{}#{number}", hex(&Sha256::digest(context(&pairs))[..16]))
}

impl Vector {
    pub(super) fn to_json(&self) -> Value {
        let Self { name: _, rule, scene, number, entries, expected } = self;
        let kms = scene.kms.0.iter().map(|one| known(one, &scene.tenant));
        let mut vector = json!({
            "rule": rule,
            "tenant": scene.tenant.as_str(),
            "contexts": configured(scene),
            "kms": kms.collect::<Vec<_>>(),
            "number": number,
            "key_table": entries.iter().map(|(name, record)| (name.clone(), json!(hex(record)))).collect::<Map<_, _>>(),
        });
        match expected {
            Expected::Opened(names) => {
                let digest = hex(&email().digest());
                let known = names.iter().map(|name| json!({ "table": "crm", "name": name, "digest": digest }));
                vector["opened"] = json!({ "lookup_key": hex(&lookup_key()), "known": known.collect::<Vec<_>>() });
            }
            Expected::Refused(fault) => vector["refused"] = json!({ "fault": fault }),
        }
        sorted(vector)
    }

    /// What the library makes of it: a token of the first known name, or a fault.
    async fn read(&self) -> Result<String, &'static str> {
        let Self { scene, number, entries, expected, .. } = self;
        let table = Arc::new(InMemoryKeyTable::new());
        for (name, record) in entries {
            assert_eq!(table.compare_and_swap(scene.tenant.as_str(), name, None, record).await.unwrap(), Swap::Stored);
        }
        let names = if let Expected::Opened(names) = expected { names.clone() } else { vec!["email"] };
        let lookup = |name: &&str| DeclaredLookup {
            table: "crm".to_owned(),
            name: (*name).to_owned(),
            number: *number,
            definition: email(),
        };
        let (current, former) = scene.contexts.split_first().unwrap();
        let settings = Settings {
            pairs: current.clone(),
            former: former.to_vec(),
            key_table: Some(Arc::clone(&table) as _),
            lookups: names.iter().map(lookup).collect(),
            makes_no_lookup_keys: true,
            ..Settings::default()
        };
        let service = Arc::new(scene.kms.clone());
        let keys = settings.build(service, "us-east-1", Arc::new(SystemTimeSource), Retries::default()).unwrap();
        let read = keys.for_tenant(&scene.tenant).lookup_keys(&[*number]).await;
        for (name, record) in entries {
            assert_eq!(
                table.get(scene.tenant.as_str(), name).await.unwrap().as_ref(),
                Some(record),
                "nothing is replaced"
            );
        }
        read.map(|keys| keys.mac_key("crm", names[0]).unwrap().token(&["acme"], &[b"\x01ada@example.org"]))
            .map_err(fault)
    }
}

fn fault(error: KeyError) -> &'static str {
    let KeyError::Table(error) = error else { panic!("{error}") };
    match error.kind() {
        KeyTableErrorKind::TwoLookupKeys { .. } => return "two lookup keys",
        KeyTableErrorKind::NoLookupKey { .. } => return "no lookup key",
        KeyTableErrorKind::LookupRedefined { .. } => return "lookup redefined",
        KeyTableErrorKind::ForgedLookupKey { .. } => {}
        other => panic!("{other}"),
    }
    match error.source().unwrap().downcast_ref::<LookupFault>().unwrap() {
        LookupFault::UnknownVersion(_) | LookupFault::NotALookupRecord => "unknown version",
        LookupFault::Truncated => "truncated",
        LookupFault::KeyRecord(_) => "malformed key record",
        LookupFault::ForeignContext => "foreign context",
        LookupFault::DataKey => "data key",
        LookupFault::NotAuthentic => "not authentic",
        new => panic!("the vectors have no words for it yet: {new}"),
    }
}

#[tokio::test]
async fn every_lookup_key_opens_or_is_refused_with_its_fault() {
    for vector in vectors() {
        let read = vector.read().await;
        match (&vector.expected, &read) {
            (Expected::Opened(names), Ok(token)) if names[0] == "email" => {
                assert_eq!(token, "acme._Eh-hgbpmXDW9XJUBA3Uf-Pg", "{}", vector.name);
            }
            (Expected::Opened(_), Ok(_)) => {}
            (Expected::Refused(fault), Err(found)) => assert_eq!(found, fault, "{}", vector.name),
            _ => panic!("{}: {read:?}", vector.name),
        }
    }
}

#[test]
fn the_example_of_the_section_on_lookups_is_made_without_the_library() {
    let made = record(&scene()).bytes(&scene());
    let ciphertext = "e037d4947f34113e01e7eae77197472bb35a9c84b697f83544351d21184bbc9a75f2575a28be6b19084c5062de3f402b2cec1c36e466e52e16516f7562b43ce8d75da7e5b912f8c158612ced55ae37d2";
    assert!(hex(&made).ends_with(ciphertext));
    assert_eq!(entry("acme", &[], 1), "lookup#509b1586d9dfa8f99030997eccc0d8e5#1");
}

pub(super) fn vectors() -> Vec<Vector> {
    let mut vectors = opened();
    vectors.extend(refused_bytes());
    vectors.extend(refused_keys());
    vectors
}

fn at(
    name: &'static str,
    rule: &'static str,
    scene: Scene,
    entries: Vec<(String, Vec<u8>)>,
    expected: Expected,
) -> Vector {
    Vector { name, rule, scene, number: 1, entries, expected }
}

/// In the tenant's entry of number 1.
fn first(record: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    vec![(entry("acme", &[], 1), record)]
}

fn opened() -> Vec<Vector> {
    let known = |names: &[&str]| {
        let mut record = record(&scene());
        record.plaintext = lookup_key().to_vec();
        names.iter().for_each(|name| record.plaintext.extend(known_as("crm", name)));
        first(record.bytes(&scene().for_lookups()))
    };
    let open = |name, rule, entries, names: &[&'static str]| {
        at(name, rule, scene().for_lookups(), entries, Expected::Opened(names.to_vec()))
    };
    let mut second = record(&scene());
    second.number = 2;
    let second = vec![(entry("acme", &[], 2), second.bytes(&scene().for_lookups()))];
    let prod = scene().with_pairs(&[("env", "prod")]).for_lookups();
    let mut of_prod = record(&prod);
    of_prod.key_record.context = context(&[(b"env", b"prod"), (b"purpose", b"lookup"), (b"tenant", b"acme")]);
    let of_prod = vec![(entry("acme", &[("env", "prod")], 1), of_prod.bytes(&prod))];
    let mut former = prod.clone();
    former.contexts.insert(0, vec![]);
    let email = Expected::Opened(vec!["email"]);
    vec![
        open("lookup_open_example", "15.4: the example", known(&["email"]), &["email"]),
        open(
            "lookup_open_several_known",
            "15.4: ascending",
            known(&["email", "phone", "person"]),
            &["email", "phone", "person"],
        ),
        Vector { number: 2, ..open("lookup_open_number_2", "15.4: the number", second, &["email"]) },
        at("lookup_open_static_pairs", "15.4: the context", prod, of_prod.clone(), email),
        at("lookup_open_former_pairs", "15.5: former pairs", former, of_prod, Expected::Opened(vec!["email"])),
    ]
}

fn refuse(name: &'static str, rule: &'static str, fault: &'static str, entries: Vec<(String, Vec<u8>)>) -> Vector {
    at(name, rule, scene().for_lookups(), entries, Expected::Refused(fault))
}

/// The record of the example with one part changed.
fn changed(name: &'static str, rule: &'static str, fault: &'static str, change: impl FnOnce(&mut Record)) -> Vector {
    let mut record = record(&scene());
    change(&mut record);
    refuse(name, rule, fault, first(record.bytes(&scene().for_lookups())))
}

fn refused_bytes() -> Vec<Vector> {
    const EARLY: &str = "15.4: bytes that end too early";
    let whole = record(&scene()).bytes(&scene());
    let key_record = 0x69;
    let cut = |name, end: usize| refuse(name, EARLY, "truncated", first(whole[..end].to_vec()));
    let flip = |name, fault, at: usize| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        refuse(name, "15.4: each part", fault, first(flipped))
    };
    let version =
        |name, version| changed(name, "15.4: another version", "unknown version", |record| record.version = version);
    let nonce = 3 + key_record;
    let mut longer = whole.clone();
    longer.push(0);
    let mut shorter = whole.clone();
    shorter[2] -= 1;
    vec![
        cut("lookup_refuse_nothing", 0),
        cut("lookup_refuse_version_alone", 1),
        cut("lookup_refuse_cut_in_the_length", 2),
        cut("lookup_refuse_cut_in_the_key_record", 3 + key_record - 1),
        cut("lookup_refuse_cut_in_the_nonce", nonce + 11),
        cut("lookup_refuse_cut_in_the_lookup_key", nonce + 12 + 31 + 16),
        refuse(
            "lookup_refuse_cut_behind_the_lookup_key",
            "15.4: the tag",
            "not authentic",
            first(whole[..nonce + 12 + 32 + 16].to_vec()),
        ),
        refuse("lookup_refuse_longer", "15.4: the tag", "not authentic", first(longer)),
        refuse("lookup_refuse_key_record_shorter", "15.4 and 5", "malformed key record", first(shorter)),
        version("lookup_refuse_version_00", 0),
        version("lookup_refuse_version_01", 1),
        version("lookup_refuse_version_02", 2),
        version("lookup_refuse_version_04", 4),
        refuse(
            "lookup_refuse_key_record_alone",
            "15.4: another version",
            "unknown version",
            first(whole[3..nonce].to_vec()),
        ),
        flip("lookup_refuse_flipped_key_id", "data key", 3 + 1),
        flip("lookup_refuse_flipped_time", "data key", 3 + 17),
        flip("lookup_refuse_flipped_context", "foreign context", 3 + 21 + 1 + 1 + 7 + 2),
        flip("lookup_refuse_flipped_check", "data key", 3 + 21 + 0x1f),
        flip("lookup_refuse_flipped_kek", "data key", nonce - 7),
        flip("lookup_refuse_flipped_wrapped_key", "data key", nonce - 1),
        flip("lookup_refuse_flipped_nonce", "not authentic", nonce),
        flip("lookup_refuse_flipped_lookup_key", "not authentic", nonce + 12),
        flip("lookup_refuse_flipped_known", "not authentic", nonce + 12 + 32),
        flip("lookup_refuse_flipped_tag", "not authentic", whole.len() - 1),
    ]
}

fn refused_keys() -> Vec<Vector> {
    const KNOWN: &str = "15.4: known lookups";
    let whole = record(&scene()).bytes(&scene());
    let plain = |name, plaintext: Vec<u8>| {
        let plaintext = [&lookup_key()[..], &plaintext].concat();
        changed(name, KNOWN, "not authentic", |record| record.plaintext = plaintext)
    };
    let (email, phone) = (known_as("crm", "email"), known_as("crm", "phone"));
    let foreign = |name, pairs: &[(&[u8], &[u8])]| {
        changed(name, "15.4: the context", "foreign context", |record| record.key_record.context = context(pairs))
    };
    let tenant: (&[u8], &[u8]) = (b"tenant", b"acme");
    let purpose: (&[u8], &[u8]) = (b"purpose", b"lookup");
    let mut two = scene().for_lookups();
    two.contexts.push(vec![("env".to_owned(), "prod".to_owned())]);
    let both = [first(whole.clone()), vec![(entry("acme", &[("env", "prod")], 1), whole.clone())]].concat();
    let mut elsewhere = scene().for_lookups();
    elsewhere.kms.0[0].alias_of = Some("1234abce-12ab-34cd-56ef-1234567890ab");
    let mut globex = scene().for_lookups();
    globex.tenant = TenantId::parse("globex").unwrap();
    let of_acme = vec![(entry("globex", &[], 1), whole.clone())];
    let number_2 = vec![(entry("acme", &[], 2), whole.clone())];
    vec![
        foreign("lookup_refuse_context_without_purpose", &[tenant]),
        foreign("lookup_refuse_context_with_another_purpose", &[(b"purpose", b"lookups"), tenant]),
        foreign("lookup_refuse_context_with_a_period", &[(b"period", b"1763683200+86400"), purpose, tenant]),
        foreign("lookup_refuse_context_with_a_pair_more", &[(b"env", b"prod"), purpose, tenant]),
        foreign("lookup_refuse_context_of_another_tenant", &[purpose, (b"tenant", b"globex")]),
        at("lookup_refuse_another_tenants", "15.4: the context", globex, of_acme, Expected::Refused("foreign context")),
        changed("lookup_refuse_wrapped_for_another_tenant", "15.4: the wrap key", "not authentic", |record| {
            record.tenant = "globex"
        }),
        changed("lookup_refuse_wrapped_for_number_2", "15.4: the wrap key", "not authentic", |record| {
            record.number = 2
        }),
        Vector { number: 2, ..refuse("lookup_refuse_number_1_as_2", "15.4: the wrap key", "not authentic", number_2) },
        at("lookup_refuse_another_kek", "8.3", elsewhere, first(whole.clone()), Expected::Refused("data key")),
        at("lookup_refuse_two", "15.5: former pairs", two, both, Expected::Refused("two lookup keys")),
        refuse("lookup_refuse_none", "15.5: a process that makes none", "no lookup key", Vec::new()),
        changed("lookup_refuse_redefined", "15.5: a name keeps its definition", "lookup redefined", |record| {
            *record.plaintext.last_mut().unwrap() ^= 1;
        }),
        plain("lookup_refuse_known_descending", [&phone[..], &email].concat()),
        plain("lookup_refuse_known_twice", [&email[..], &email].concat()),
        plain("lookup_refuse_known_cut", email[..email.len() - 1].to_vec()),
        plain("lookup_refuse_known_not_utf8", [lp(b"crm"), lp(b"\xff"), vec![0; 16]].concat()),
    ]
}
