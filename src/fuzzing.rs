//! What must hold for any bytes whatever: one function per fuzz target, which panics when it does not.
//!
//! `fuzz/` runs them under libFuzzer, `cargo test --lib fuzzing` on the stable toolchain. Not an interface.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::context::{EncryptionContext, StaticPairs};
use tenantseal_core::crypto::{DataKey, RandomError, RandomSource, WrappedDataKey};
use tenantseal_core::envelope::{KeyRing, VerifiedDataKey};
use tenantseal_core::format::{HEADER, KekId, KeyRecord, Number, Sealed, StoredKey, put_prefix};
use tenantseal_core::tenant::TenantId;

use crate::expression::{Condition, KeyCondition, Projection, Scope, Update};
use crate::item::{Accepts, Item, distinct_keys, open, seal, seal_values, sealable_identity, stored_identity};
use crate::item::{decode_value, encode_value, encoded_len, encodings};
use crate::schema::{Protection, TableSchema};
use tenantseal_core::envelope::Nonces;

mod blobs;
mod changes;
mod leave;
mod lock;
mod lookup_record;
mod lookups;
#[cfg(test)]
mod replay;

pub use blobs::blob;
pub use changes::changes;
pub use leave::leave;
pub use lock::lock;
pub use lookup_record::lookup_record;
pub use lookups::{Lookups, TenantLookups};

/// A property by the name of its target, as `fuzz/fuzz_targets` has it.
#[cfg(test)]
type Target = (&'static str, fn(&[u8]));

#[cfg(test)]
const TARGETS: [Target; 14] = [
    ("record", record),
    ("lookup_record", lookup_record),
    ("leave", leave),
    ("value", value),
    ("number", number),
    ("ciphertext", ciphertext),
    ("item", item),
    ("condition", condition),
    ("key_condition", key_condition),
    ("update", update),
    ("projection", projection),
    ("blob", blob),
    ("changes", changes),
    ("lock", lock),
];

/// A key record has one encoding, and no beginning of it is another.
pub fn record(data: &[u8]) {
    let Ok(record) = KeyRecord::decode(data) else { return };
    assert_eq!(record.encode(), data);
    assert_eq!(KeyRecord::claimed_key_id(data), Some(record.key_id));
    assert!((0..data.len()).all(|end| KeyRecord::decode(&data[..end]).is_err()));
}

/// A value has one encoding, a list, map or set another, dense one. Neither has fewer bytes than values, and what is
/// written is not longer than estimated.
pub fn value(data: &[u8]) {
    for data in [data.to_vec(), [&[0x10], data].concat()] {
        let Ok(value) = decode_value(data.clone(), 0) else { continue };
        assert!(encodings(&value).expect("what decodes can be encoded").contains(&data));
        assert!(count(&value) <= data.len());
        let mut chosen = Vec::new();
        encode_value(&value, &mut chosen).expect("what decodes can be encoded");
        assert!(chosen.len() <= data.len() || chosen.len() <= 1024);
        assert!(chosen.len() <= encoded_len(&value));
        let again = decode_value(chosen, 0).expect("what was encoded decodes");
        assert_eq!(encodings(&again), encodings(&value));
    }
}

/// How many values and names a value consists of.
fn count(value: &AttributeValue) -> usize {
    1 + match value {
        AttributeValue::M(map) => map.values().map(|value| 1 + count(value)).sum(),
        AttributeValue::L(list) => list.iter().map(count).sum(),
        AttributeValue::Ss(set) | AttributeValue::Ns(set) => set.len(),
        AttributeValue::Bs(set) => set.len(),
        _ => 0,
    }
}

/// A number has one encoding, by value, and what is rendered reads as the same number. A text is read, or refused, not rounded.
pub fn number(data: &[u8]) {
    let stored = Number::decode(data).ok();
    let written = std::str::from_utf8(data).ok().and_then(|text| Number::parse(text).ok());
    for (number, is_stored) in [(stored, true), (written, false)] {
        let Some(number) = number else { continue };
        let mut encoded = Vec::new();
        number.encode(&mut encoded);
        assert!(!is_stored || encoded == data);
        assert_eq!(Number::decode(&encoded).as_ref(), Ok(&number));
        assert_eq!(Number::parse(&number.render()).as_ref(), Ok(&number));
    }
}

/// A sealed attribute is the sum of its parts.
pub fn ciphertext(data: &[u8]) {
    let Ok(Sealed { form, key, nonce, start, tag }) = Sealed::parse(data) else { return };
    let mut again = Vec::new();
    put_prefix(key, &nonce, &mut again);
    assert_eq!(again[0], form as u8);
    assert_eq!(again.len(), start);
    again.extend_from_slice(&data[start..data.len() - tag.len()]);
    again.extend_from_slice(&tag);
    assert_eq!(again, data);
}

/// Whoever lacks the key makes no item that opens as another than was sealed.
///
/// The input is a sequence of edits of the stored bytes of a sealed item: which attribute, where, and the bytes to put there, to
/// insert there or how many to take out.
pub fn item(data: &[u8]) {
    let Scene { schema, tenant, stored, original, .. } = &*SCENE;
    let mut damaged = stored.clone();
    let mut rest = data;
    while let [choice, high, low, length, after @ ..] = rest {
        let name = [HEADER, "email", "notes"][usize::from(choice >> 2) % 3];
        let (edit, after) = after.split_at(usize::from(*length).min(after.len()));
        let Some(AttributeValue::B(bytes)) = damaged.get_mut(name) else { return };
        let mut changed = bytes.clone().into_inner();
        let at = usize::from(u16::from_be_bytes([*high, *low])).min(changed.len());
        match choice & 3 {
            0 => changed.iter_mut().skip(at).zip(edit).for_each(|(byte, edit)| *byte = *edit),
            1 => drop(changed.splice(at..at, edit.iter().copied())),
            2 => drop(changed.drain(at..(at + usize::from(*length)).min(changed.len()))),
            _ => changed = edit.to_vec(),
        }
        *bytes = Blob::new(changed);
        rest = after;
    }
    let identity = stored_identity(schema, tenant, &damaged).expect("its key was not touched");
    let Some(keys) = served(&damaged) else { return };
    if let Ok(opened) = open(schema, &identity, &keys, damaged) {
        assert_eq!(&opened, original);
    }
}

/// The scene's key, as the cache serves it to an item: a record of other bytes is served when it passes the check. `None`
/// when it cannot be told which keys the item needs.
fn served(item: &Item) -> Option<KeyRing> {
    let Scene { schema, key, .. } = &*SCENE;
    let (needed, failed) = distinct_keys(std::iter::once(Ok((schema, item, Accepts::SealedOnly))));
    let served = needed.into_iter().filter_map(|needed| {
        let serves = match &needed.stored {
            StoredKey::Record(stored) => {
                key.match_record(&KeyRecord::decode(stored).ok()?, stored)
                    == tenantseal_core::envelope::RecordMatch::Same
            }
            StoredKey::Reference(key_id) => *key_id == key.record().key_id,
        };
        serves.then(|| (needed.stored, Arc::clone(key)))
    });
    failed.is_empty().then(|| KeyRing::new(served.collect()))
}

/// A condition prints as it reads, and its print is judged as it is.
pub fn condition(data: &[u8]) {
    let Some((text, names)) = expression(data) else { return };
    let Ok(condition) = Condition::parse(text) else { return };
    let printed = condition.to_string();
    // Parentheses that precedence makes superfluous are not printed, so the print is never longer than the limit by them.
    let Ok(again) = Condition::parse(&printed) else {
        assert!(printed.len() > text.len(), "{text:?} prints as {printed:?}, which does not read");
        return;
    };
    assert_eq!(again, condition, "{text:?} prints as {printed:?}");
    let scope = Scope::new(Some(names), &protection);
    assert_eq!(condition.check(&scope).is_ok(), again.check(&scope).is_ok());
}

/// A key condition is a condition, and none that asks for an encrypted attribute passes.
pub fn key_condition(data: &[u8]) {
    let Some((text, names)) = expression(data) else { return };
    let Ok(key_condition) = KeyCondition::parse(text) else { return };
    let condition = Condition::parse(text).expect("a key condition is a condition");
    assert_eq!(KeyCondition::parse(&condition.to_string()), Ok(key_condition.clone()));
    assert_eq!(condition.placeholders(), key_condition.placeholders());
    let scope = Scope::new(Some(names), &protection);
    if let Ok(tests) = key_condition.tests(&scope) {
        assert!(tests.iter().all(|(attribute, _)| protection(attribute).is_some_and(Protection::is_plain)));
        assert_eq!(condition.check(&scope), Ok(()));
    }
}

/// An update prints as it reads; planned, each sealed value has a placeholder of its own; a plan's expression needs no other.
pub fn update(data: &[u8]) {
    let Some((text, names)) = expression(data) else { return };
    let Ok(update) = Update::parse(text) else { return };
    let printed = update.to_string();
    let Ok(again) = Update::parse(&printed) else {
        assert!(printed.len() > text.len(), "{text:?} prints as {printed:?}, which does not read");
        return;
    };
    assert_eq!(again, update, "{text:?} prints as {printed:?}");
    let scope = Scope::new(Some(names), &protection);
    let elsewhere = BTreeSet::from([":elsewhere".to_owned()]);
    let plan = update.plan(&scope, &elsewhere, &|_| false);
    assert_eq!(
        again.plan(&scope, &elsewhere, &|_| false).map(|plan| plan.sealed),
        plan.clone().map(|plan| plan.sealed)
    );
    let Ok(plan) = plan else { return };
    let sent: BTreeSet<_> = plan.sealed.iter().map(|sealed| &sealed.sent).collect();
    assert_eq!(sent.len(), plan.sealed.len(), "{text:?} sends two sealed values under one placeholder");
    assert!(sent.iter().all(|sent| !elsewhere.contains(*sent)));
    if let Some(rewritten) = plan.expression {
        let Ok(rewritten) = Update::parse(&rewritten) else {
            assert!(rewritten.len() > text.len(), "{text:?} is rewritten as {rewritten:?}, which does not read");
            return;
        };
        let plan = rewritten.plan(&scope, &elsewhere, &|_| false).expect("a plan's expression can be planned");
        assert_eq!(plan.expression, None);
    }
}

/// What a projection asks for in place of the caller's reads as a projection, and asks for whole encrypted attributes.
pub fn projection(data: &[u8]) {
    let Some((text, names)) = expression(data) else { return };
    let Ok(projection) = Projection::parse(text) else { return };
    let scope = Scope::new(Some(names), &protection);
    let Ok(selection) = projection.resolve(&scope) else { return };
    let Some(request) = selection.request(&[HEADER], &|name| names.contains_key(name)) else { return };
    let mut names = names.clone();
    names.extend(request.added_names);
    // The header's own placeholder is the one name that no schema has.
    let with_header = |name: &str| if name == "header" { Some(Protection::PLAIN) } else { protection(name) };
    names.values_mut().filter(|name| *name == HEADER).for_each(|name| "header".clone_into(name));
    let Ok(asked) = Projection::parse(&request.expression) else {
        assert!(request.expression.len() > text.len());
        return;
    };
    let selection = asked.resolve(&Scope::new(Some(&names), &with_header)).expect("what is asked for instead resolves");
    assert!(selection.request(&[], &|_| false).is_none(), "{:?} asks for a part of a ciphertext", request.expression);
}

/// The text of an expression, and the names that every request has.
fn expression(data: &[u8]) -> Option<(&str, &'static HashMap<String, String>)> {
    static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
        [("#s", "secret"), ("#n", "name"), ("#x", "_seal")].map(|(key, name)| (key.to_owned(), name.to_owned())).into()
    });
    Some((std::str::from_utf8(data).ok()?, &NAMES))
}

fn protection(attribute: &str) -> Option<Protection> {
    match attribute {
        "secret" | "email" | "s" => Some(Protection::ENCRYPTED),
        "plain" | "name" | "a" | "b" | "pk" | "sk" => Some(Protection::PLAIN),
        _ => None,
    }
}

/// An item with an attribute of each form, and its key.
struct Scene {
    schema: TableSchema,
    tenant: TenantId,
    key: Arc<VerifiedDataKey>,
    stored: Item,
    original: Item,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let builder = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}");
    let schema = builder.encrypt("email").encrypt("notes").build().expect("a good schema");
    let tenant = TenantId::parse("acme").expect("a good id");
    let context = EncryptionContext::new(&tenant, &StaticPairs::default());
    let kek = KekId::parse("arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab");
    let wrapped = WrappedDataKey::new(*b"wrapped").expect("7 bytes");
    let data_key = DataKey::take(vec![7; 32]).expect("32 bytes");
    let key = VerifiedDataKey::from_generated(&data_key, 1_700_000_000, &context, kek.expect("a good ARN"), wrapped);
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let original: Item = [
        ("tenant_id", s("acme")),
        ("email", s("ada@example.org")),
        ("notes", AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let nonces = Nonces::Random(&Fixed);
    let identity = sealable_identity(&schema, &tenant, &original).expect("a good item");
    let mut stored = seal(&schema, &key, &identity, nonces, original.clone()).expect("a good item");
    let notes = seal_values(&schema, &key, &identity, nonces, &[("notes", &original["notes"])]).expect("a good value");
    stored.extend(notes.into_iter().map(|value| ("notes".to_owned(), value)));
    Scene { schema, tenant, key: Arc::new(key), stored, original }
});

/// The same item in every run.
#[derive(Debug)]
struct Fixed;

impl RandomSource for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (0..).zip(bytes).for_each(|(at, byte): (u8, _)| *byte = at);
        Ok(())
    }
}
