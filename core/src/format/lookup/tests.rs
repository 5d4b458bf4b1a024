//! The example of docs/FORMAT.md, section 15, to the byte; and what is no lookup record.

use super::*;
use crate::context::StaticPairs;
use crate::crypto::{
    DataKey, Identity, LookupKey, LookupKeyId, LookupWrapKey, MacKey, PseudorandomKey, WrappedDataKey,
};
use crate::format::{FormatError, KekId, KeyRecord, put_lp};
use crate::tenant::TenantId;

const KEY_RECORD: &str = "01a34f390b33903c1ec7bb93470438395a6553f1000207707572706f736500066c6f6f6b75700674656e616e74000461636d65bf89f1d56fbbc983b9590b218293cf51010975732d656173742d3119df6690e51234abcd12ab34cd56ef1234567890ab0004aabbccdd";
const REST: &str = "a0a1a2a3a4a5a6a7a8a9aaabe037d4947f34113e01e7eae77197472bb35a9c84b697f83544351d21184bbc9a75f2575a28be6b19084c5062de3f402b2cec1c36e466e52e16516f7562b43ce8d75da7e5b912f8c158612ced55ae37d2";

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn lookup_key() -> LookupKey {
    LookupKey::copy_from(&std::array::from_fn(|at| 0x40 + u8::try_from(at).unwrap()))
}

fn context() -> EncryptionContext {
    EncryptionContext::new(&acme(), &StaticPairs::default())
}

fn definition(kind: LookupKind, bits: u8, parts: &[(&str, &str)]) -> LookupDefinition {
    LookupDefinition::new(kind, bits, parts.iter().copied()).unwrap()
}

fn email() -> LookupDefinition {
    definition(LookupKind::Equality, 128, &[("email", "email")])
}

fn mac_key(definition: &LookupDefinition, name: &str) -> MacKey {
    definition.mac_key(&lookup_key().extract(), &acme(), "crm", name)
}

fn identity(contact: &str) -> Identity {
    Identity::new(&acme(), "crm", ("tenant_id", "acme".into()), Some(("contact_id", contact.into()))).unwrap()
}

fn contents() -> LookupContents {
    let mut known = KnownLookups::default();
    known.insert("crm", "email", &email());
    LookupContents { key: lookup_key(), known }
}

/// The key record of the example, and the key that wraps lookup key `number` of a tenant.
fn wrap_key(tenant: &str, number: u16) -> (Vec<u8>, LookupWrapKey) {
    let key = PseudorandomKey::extract(&DataKey::take((0..32).collect()).unwrap());
    let kek = KekId::parse("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
    let wrapped = WrappedDataKey::new([0xaa, 0xbb, 0xcc, 0xdd]).unwrap();
    let record = KeyRecord::new(&key, 1_700_000_000, &context().for_lookups().unwrap(), kek, wrapped).encode();
    let mut lp_tenant = Vec::new();
    put_lp(&mut lp_tenant, tenant.as_bytes());
    (record, key.lookup_wrap_key(&lp_tenant, number))
}

fn stored() -> Vec<u8> {
    let (record, key) = wrap_key("acme", 1);
    LookupRecord::seal(&record, &key, std::array::from_fn(|at| 0xa0 + u8::try_from(at).unwrap()), &contents())
}

#[test]
fn the_example_of_the_section_on_lookups_is_made_to_the_byte() {
    assert_eq!(lookup_entry(&context(), 1), "lookup#509b1586d9dfa8f99030997eccc0d8e5#1");
    let stored = stored();
    assert_eq!(hex::encode(&stored), format!("030069{KEY_RECORD}{REST}"));
    let record = LookupRecord::decode(&stored).unwrap();
    let opened = record.open(&wrap_key("acme", 1).1).unwrap();
    assert_eq!(opened.key.expose(), lookup_key().expose());
    assert_eq!(opened.known, contents().known);
    assert_eq!(opened.known.get("crm", "email"), Some(email().digest()));

    let LookupKeyId(id) = lookup_key().extract().id();
    assert_eq!(hex::encode(&id), "0ab5ca136e1bf6c1768f2d79823d24ca");
    assert_eq!(hex::encode(email().encode()), "010180010100000005656d61696c00000005656d61696c");
    let key = mac_key(&email(), "email");
    assert_eq!(key.mark(), "_E");
    assert_eq!(key.token(&["acme"], &[b"\x01ada@example.org"]), "acme._Eh-hgbpmXDW9XJUBA3Uf-Pg");
    assert_eq!(key.filler(&["acme"], &identity("c-17")), "acme._Etw7UyzErpAElS9QNhAK9GQ");
    let prefix = mac_key(&definition(LookupKind::Prefix(3), 10, &[("name", "text")]), "name_3");
    assert_eq!(prefix.token(&["TENANT#acme#"], &[b"\x01lov"]), "TENANT#acme#.53To");
    assert_eq!(prefix.filler(&["TENANT#acme#"], &identity("c-17")), "TENANT#acme#.53B4");
    let parts = &[("last_name", "text"), ("born", "exact")];
    let person = mac_key(&definition(LookupKind::Equality, 128, parts), "person");
    let token = person.token(&["acme"], &[b"\x01lovelace", b"\x011815-12-10"]);
    assert_eq!(token, "acme.rWlvYtFgHpuMghhpyhL5O8cA");
    let tags = mac_key(&definition(LookupKind::Each, 16, &[("tags", "exact")]), "tags");
    let mut tokens = [b"\x01vip" as &[u8], b"\x01press"].map(|tag| tags.token(&["acme"], &[tag]));
    tokens.sort();
    assert_eq!(tokens, ["acme.qe-Pg", "acme.qe5B8"]);
}

#[test]
fn a_token_is_one_allocation_of_its_length() {
    let key = mac_key(&email(), "email");
    for token in [key.token(&["acme"], &[b"\x01ada@example.org"]), key.filler(&["TENANT#acme#"], &identity("c-17"))] {
        assert_eq!(token.capacity(), token.len());
    }
}

#[test]
fn parts_are_told_apart_and_so_are_tokens_and_fillers() {
    let key = mac_key(&definition(LookupKind::Equality, 128, &[("a", "exact"), ("b", "exact")]), "ab");
    assert_ne!(key.token(&["acme"], &[b"ab", b"c"]), key.token(&["acme"], &[b"a", b"bc"]));
    assert_ne!(key.filler(&["acme"], &identity("c-17")), key.filler(&["acme"], &identity("c-18")));
}

#[test]
fn a_token_shows_its_mark_and_length_and_another_lookup_has_another() {
    let (long, short) =
        (mac_key(&email(), "email"), mac_key(&definition(LookupKind::Equality, 12, &[("email", "email")]), "email"));
    let token = long.token(&["acme"], &[b"\x01ada@example.org"]);
    assert!(long.has_mark("acme", &token));
    assert!(!short.has_mark("acme", &token) && !long.has_mark("acm", &token));
    assert!(!long.has_mark("acme", &token[..token.len() - 1]));
    assert!(!mac_key(&email(), "email_2").has_mark("acme", &token));
}

#[test]
fn nothing_is_common_to_two_tenants_tables_names_definitions_or_keys() {
    let mut keys = std::collections::BTreeSet::new();
    let parts: [&[(&str, &str)]; 3] = [&[("email", "email")], &[("email", "exact")], &[("mail", "email")]];
    for tenant in ["acme", "globex"] {
        for table in ["crm", "crm2"] {
            for name in ["email", "mail"] {
                for (parts, bits) in parts.into_iter().flat_map(|parts| [(parts, 128), (parts, 40)]) {
                    for secret in [0x40, 0x41] {
                        let prk = LookupKey::copy_from(&[secret; 32]).extract();
                        let tenant = TenantId::parse(tenant).unwrap();
                        let key = definition(LookupKind::Equality, bits, parts).mac_key(&prk, &tenant, table, name);
                        // The first 36 bits.
                        keys.insert(key.token(&[""], &[b"\x01ada"])[3..9].to_owned());
                    }
                }
            }
        }
    }
    assert_eq!(keys.len(), 2 * 2 * 2 * 6 * 2);
}

#[test]
fn no_prefix_of_a_lookup_record_is_one_and_no_other_version() {
    let stored = stored();
    for end in 0..stored.len() {
        let cut = LookupRecord::decode(&stored[..end]);
        assert!(
            cut.is_err_and(|fault| fault == LookupFault::Truncated) || opens(&stored[..end]) == Some(false),
            "{end}"
        );
    }
    let with = |version: u8| LookupRecord::decode(&[&[version], &stored[1..]].concat()).map(|_| ());
    assert_eq!(with(4), Err(LookupFault::UnknownVersion(4)));
    assert_eq!(with(15), Err(LookupFault::UnknownVersion(15)));
    for version in [0, 1, 2, 16, 0xff] {
        assert_eq!(with(version), Err(LookupFault::NotALookupRecord));
    }
    assert_eq!(opens(&[&stored[..], &[0]].concat()), Some(false));
    let bare = [&stored[..2], &[0], &stored[3..]].concat();
    assert_eq!(LookupRecord::decode(&bare), Err(LookupFault::KeyRecord(FormatError::Truncated)));
}

/// Whether what decodes opens under the right key.
fn opens(stored: &[u8]) -> Option<bool> {
    LookupRecord::decode(stored).ok().map(|record| record.open(&wrap_key("acme", 1).1).is_ok())
}

#[test]
fn no_flipped_bit_behind_the_key_record_opens_and_no_other_tenant_or_number() {
    let stored = stored();
    assert_eq!(opens(&stored), Some(true));
    let record = LookupRecord::decode(&stored).unwrap();
    for (tenant, number) in [("acme", 2), ("acme", 257), ("acmf", 1), ("acm", 1)] {
        assert!(record.open(&wrap_key(tenant, number).1).is_err(), "{tenant} {number}");
    }
    for at in 3 + record.stored_key_record().len()..stored.len() {
        let mut forged = stored.clone();
        forged[at] ^= 1;
        assert_eq!(opens(&forged), Some(false), "{at}");
    }
}

#[test]
fn known_lookups_have_one_encoding() {
    let mut known = KnownLookups::default();
    for (table, name) in [("crm", "phone"), ("b", "email"), ("crm", "email"), ("crm2", "a")] {
        known.insert(table, name, &email());
    }
    let mut encoded = Vec::new();
    known.encode(&mut encoded);
    assert_eq!(encoded.len(), known.encoded_len());
    assert_eq!(KnownLookups::decode(&encoded), Ok(known));
    let (first, rest) = encoded.split_at(4 + 1 + 4 + 5 + 16);
    assert_eq!(KnownLookups::decode(&[rest, first].concat()), Err(FormatError::NotCanonical), "another order");
    assert_eq!(KnownLookups::decode(&[first, first].concat()), Err(FormatError::NotCanonical), "twice");
    let mut no_text = first.to_vec();
    no_text[4] = 0xff;
    assert_eq!(KnownLookups::decode(&no_text), Err(FormatError::NotCanonical));
    assert_eq!(KnownLookups::decode(&encoded[..encoded.len() - 1]), Err(FormatError::Truncated));
}
