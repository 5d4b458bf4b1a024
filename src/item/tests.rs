//! Items sealed, attacked and opened, without any I/O.

use std::sync::Arc;
use tenantseal_core::envelope::Nonces;

use aws_sdk_dynamodb::primitives::Blob;
use proptest::prelude::*;
use tenantseal_core::context::{EncryptionContext, StaticPairs};
use tenantseal_core::crypto::{DataKey, OsRandom, WrappedDataKey};
use tenantseal_core::envelope::{KeyRecordPlacement, OpenFault};
use tenantseal_core::format::{HEADER, KekId, StoredKey};

use super::*;

fn seal(
    schema: &TableSchema,
    tenant: &TenantId,
    key: &VerifiedDataKey,
    nonces: Nonces<'_>,
    item: Item,
) -> Result<Item, SealError> {
    let identity = sealable_identity(schema, tenant, &item)?;
    super::seal(schema, key, &identity, nonces, item)
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn schema(table: &str) -> TableSchema {
    TableSchema::builder(table)
        .partition_key("tenant_id", "{tenant}")
        .sort_key("contact_id")
        .plain("company")
        .encrypt("email")
        .encrypt("notes")
        .encrypt("api_keys")
        .build()
        .unwrap()
}

fn key(tenant_id: &str, byte: u8) -> Arc<VerifiedDataKey> {
    let context = EncryptionContext::new(&tenant(tenant_id), &StaticPairs::default());
    let kek = KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
    let data_key = DataKey::take(vec![byte; 32]).unwrap();
    Arc::new(VerifiedDataKey::from_generated(
        &data_key,
        1_700_000_000,
        &context,
        kek,
        WrappedDataKey::new(vec![byte; 184]).unwrap(),
    ))
}

fn ring(keys: &[&Arc<VerifiedDataKey>]) -> KeyRing {
    KeyRing::new(keys.iter().map(|key| (StoredKey::Record(key.stored_record().into()), Arc::clone(key))).collect())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn contact(id: &str) -> Item {
    [
        ("tenant_id", s("acme")),
        ("contact_id", s(id)),
        ("company", s("Example Ltd")),
        ("email", s("ada@example.org")),
        ("notes", s("met at the fair")),
        ("api_keys", AttributeValue::M([("mail".to_owned(), s("k-123"))].into())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn sealed(id: &str) -> Item {
    seal(&schema("crm"), &tenant("acme"), &key("acme", 1), Nonces::Random(&OsRandom), contact(id)).unwrap()
}

/// Opens as the owner would.
fn opened(item: Item) -> Result<Item, OpenError> {
    let schema = schema("crm");
    let identity = identity(&schema, &tenant("acme"), &item)?;
    open(&schema, &identity, &ring(&[&key("acme", 1)]), item)
}

fn edit(item: &mut Item, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut stored = item[name].as_b().unwrap().clone().into_inner();
    edit(&mut stored);
    item.insert(name.to_owned(), AttributeValue::B(Blob::new(stored)));
}

fn fault(result: Result<Item, OpenError>) -> (String, OpenFault) {
    match result {
        Err(OpenError::Attribute { attribute, fault }) => (attribute, fault),
        other => panic!("expected a faulty attribute, got {other:?}"),
    }
}

#[test]
fn an_item_comes_back_and_its_sensitive_values_were_not_stored() {
    let item = sealed("c-1");
    for name in ["email", "notes", "api_keys"] {
        assert_eq!(item[name].as_b().unwrap().as_ref()[0], 0x11);
    }
    assert_eq!(item["company"], s("Example Ltd"));
    let bytes = format!("{item:?}");
    assert!(!bytes.contains("ada@example.org"));
    assert_eq!(opened(item).unwrap(), contact("c-1"));
}

#[test]
fn the_overhead_is_what_the_specification_says() {
    let item = sealed("c-1");
    let header = HEADER.len() + item[HEADER].as_b().unwrap().as_ref().len();
    let email = item["email"].as_b().unwrap().as_ref().len() - "ada@example.org".len();
    assert_eq!(email, 29 + 1, "29 bytes and the value's type");
    // docs/FORMAT.md states this figure for three encrypted strings.
    assert_eq!(header + 3 * email, 364);
}

#[test]
fn an_item_without_sensitive_attributes_needs_no_key_to_open() {
    let mut item = sealed("c-1");
    item.retain(|name, _| !["email", "notes", "api_keys"].contains(&name.as_str()));
    let mut needed = 0;
    needed_keys(&schema("crm"), &item, Accepts::SealedOnly, |_, _| needed += 1).unwrap();
    assert_eq!(needed, 0);
    assert_eq!(opened(item).unwrap().len(), 3);
}

#[test]
fn no_two_seals_of_one_item_are_alike() {
    assert_ne!(sealed("c-1")["email"], sealed("c-1")["email"]);
}

#[test]
fn undeclared_reserved_and_foreign_items_are_not_sealed() {
    let seal = |name: &str, value: AttributeValue| {
        let mut item = contact("c-1");
        item.insert(name.to_owned(), value);
        seal(&schema("crm"), &tenant("acme"), &key("acme", 1), Nonces::Random(&OsRandom), item).unwrap_err()
    };
    assert_eq!(seal("emial", s("x")), SealError::Undeclared("emial".into()));
    assert_eq!(seal("_seal", s("x")), SealError::Reserved("_seal".into()));
    assert_eq!(seal("_seal_mac", s("x")), SealError::Reserved("_seal_mac".into()));
    assert_eq!(
        seal("tenant_id", s("globex")),
        SealError::PrimaryKey(PrimaryKeyError::ForeignTenant { attribute: "tenant_id".into() })
    );
    assert!(matches!(seal("contact_id", s("")), SealError::PrimaryKey(PrimaryKeyError::Invalid { .. })));
    assert!(matches!(
        seal("contact_id", AttributeValue::Bool(true)),
        SealError::PrimaryKey(PrimaryKeyError::Invalid { .. })
    ));
    assert!(matches!(seal("email", AttributeValue::Ss(vec![])), SealError::Value { .. }));
}

#[test]
fn plaintext_where_ciphertext_belongs_is_refused() {
    for planted in [s("mallory@example.org"), AttributeValue::Null(true), AttributeValue::Bool(false)] {
        let mut item = sealed("c-1");
        item.insert("email".to_owned(), planted);
        assert!(matches!(
            needed_keys(&schema("crm"), &item, Accepts::SealedOnly, |_, _| {}),
            Err(OpenError::Attribute { .. })
        ));
        assert_eq!(fault(opened(item)), ("email".into(), OpenFault::NotSealed));
    }
    let mut item = sealed("c-1");
    item.insert("email".to_owned(), AttributeValue::B(Blob::new("mallory@example.org")));
    assert_eq!(fault(opened(item)), ("email".into(), OpenFault::NotSealed));
}

#[test]
fn ciphertext_opens_nowhere_else() {
    let swapped_attributes = {
        let mut item = sealed("c-1");
        let email = item["email"].clone();
        item.insert("notes".to_owned(), email);
        item
    };
    assert_eq!(fault(opened(swapped_attributes)), ("notes".into(), OpenFault::NotAuthentic));

    let swapped_items = {
        let mut item = sealed("c-1");
        item.insert("email".to_owned(), sealed("c-2")["email"].clone());
        item
    };
    assert_eq!(fault(opened(swapped_items)), ("email".into(), OpenFault::NotAuthentic));

    let moved_whole = {
        let mut item = sealed("c-2");
        item.insert("contact_id".to_owned(), s("c-1"));
        item
    };
    assert_eq!(fault(opened(moved_whole)).1, OpenFault::NotAuthentic);

    let other_table =
        seal(&schema("leads"), &tenant("acme"), &key("acme", 1), Nonces::Random(&OsRandom), contact("c-1")).unwrap();
    assert_eq!(fault(opened(other_table)).1, OpenFault::NotAuthentic);
}

#[test]
fn ciphertext_of_one_tenant_opens_for_no_other_even_under_one_data_key() {
    let schema = schema("crm");
    let mut moved = sealed("c-1");
    moved.insert("tenant_id".to_owned(), s("globex"));
    let identity = identity(&schema, &tenant("globex"), &moved).unwrap();
    let result = open(&schema, &identity, &ring(&[&key("acme", 1)]), moved);
    assert_eq!(fault(result).1, OpenFault::NotAuthentic);
}

#[test]
fn an_item_of_another_tenant_has_no_identity_here() {
    let result = identity(&schema("crm"), &tenant("globex"), &sealed("c-1"));
    assert_eq!(result, Err(PrimaryKeyError::ForeignTenant { attribute: "tenant_id".into() }));
}

#[test]
fn a_missing_header_is_named() {
    let mut item = sealed("c-1");
    item.remove(HEADER);
    assert_eq!(fault(opened(item.clone())).1, OpenFault::NoHeader);
    assert!(matches!(
        needed_keys(&schema("crm"), &item, Accepts::SealedOnly, |_, _| {}),
        Err(OpenError::Attribute { fault: OpenFault::NoHeader, .. })
    ));
}

#[test]
fn a_record_that_nobody_fetched_opens_nothing() {
    let mut item = sealed("c-1");
    item.insert(HEADER.to_owned(), AttributeValue::B(Blob::new(key("acme", 2).stored_record())));
    assert_eq!(fault(opened(item)).1, OpenFault::ForgedRecord);
}

#[test]
fn a_key_of_another_generation_does_not_open() {
    let schema = schema("crm");
    let mut item = sealed("c-1");
    let other = key("acme", 2);
    item.insert(HEADER.to_owned(), AttributeValue::B(Blob::new(other.stored_record())));
    let identity = identity(&schema, &tenant("acme"), &item).unwrap();
    assert_eq!(fault(open(&schema, &identity, &ring(&[&other]), item)).1, OpenFault::NotAuthentic);
}

#[test]
fn the_form_is_authenticated() {
    let mut item = sealed("c-1");
    let record = key("acme", 1).stored_record().to_vec();
    edit(&mut item, "email", |stored| {
        let length = u16::try_from(record.len()).unwrap().to_be_bytes();
        *stored = [&[0x12][..], &length, &record, &stored[1..]].concat();
    });
    assert_eq!(fault(opened(item)), ("email".into(), OpenFault::NotAuthentic));
}

proptest! {
    #[test]
    fn no_altered_byte_goes_unnoticed(at: prop::sample::Index, flip in 1u8..) {
        let mut item = sealed("c-1");
        edit(&mut item, "email", |stored| {
            let at = at.index(stored.len());
            stored[at] ^= flip;
        });
        prop_assert_eq!(fault(opened(item)).0, "email");
    }

    #[test]
    fn nothing_truncated_or_extended_opens(cut in 0usize..46, tail in prop::collection::vec(any::<u8>(), 1..20)) {
        let mut item = sealed("c-1");
        edit(&mut item, "email", |stored| stored.truncate(cut.min(stored.len() - 1)));
        prop_assert_eq!(fault(opened(item)).0, "email");
        let mut item = sealed("c-1");
        edit(&mut item, "email", |stored| stored.extend(&tail));
        prop_assert_eq!(fault(opened(item)), ("email".to_owned(), OpenFault::NotAuthentic));
    }

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(
        email in prop::collection::vec(any::<u8>(), 0..400),
        form in prop::option::of(0x10u8..0x14),
        header in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut item = sealed("c-1");
        let mut email = email;
        if let (Some(form), Some(first)) = (form, email.first_mut()) { *first = form }
        item.insert("email".to_owned(), AttributeValue::B(Blob::new(email)));
        item.insert(HEADER.to_owned(), AttributeValue::B(Blob::new(header)));
        let mut records = Vec::new();
        let _ = needed_keys(&schema("crm"), &item, Accepts::SealedOnly, |_, key| match key {
            StoredKey::Record(record) => records.push(record),
            StoredKey::Reference(_) => {}
        });
        prop_assert!(records.iter().all(|record| tenantseal_core::format::KeyRecord::decode(record).is_err()));
        prop_assert!(opened(item).is_err());
    }
}

#[test]
fn the_same_token_seals_to_the_same_bytes_and_another_to_others() {
    let schema = schema("crm");
    let seal = |token: &str, notes: &str| {
        let mut item = contact("c-1");
        item.insert("notes".to_owned(), s(notes));
        seal(&schema, &tenant("acme"), &key("acme", 1), Nonces::FromToken(token), item).unwrap()
    };
    assert_eq!(seal("t-1", "x"), seal("t-1", "x"));
    assert_ne!(seal("t-1", "x")["notes"], seal("t-2", "x")["notes"]);
    let nonce = |item: &Item| item["notes"].as_b().unwrap().as_ref()[1..13].to_vec();
    assert_ne!(nonce(&seal("t-1", "x")), nonce(&seal("t-1", "y")));
    assert_ne!(
        seal("t-1", "x")["email"].as_b().unwrap().as_ref()[1..13],
        seal("t-1", "x")["notes"].as_b().unwrap().as_ref()[1..13]
    );
    assert_eq!(opened(seal("t-1", "x")).unwrap()["notes"], s("x"));
}

#[test]
fn a_value_that_carries_its_key_opens_beside_values_of_another_key() {
    let schema = schema("crm");
    let (header, update) = (key("acme", 1), key("acme", 2));
    let mut item = sealed("c-1");
    let identity = identity(&schema, &tenant("acme"), &item).unwrap();
    let new = s("new@example.org");
    let values = seal_values(&schema, &update, &identity, Nonces::Random(&OsRandom), &[("email", &new)]).unwrap();
    item.insert("email".to_owned(), values[0].clone());
    let mut needed = Vec::new();
    needed_keys(&schema, &item, Accepts::SealedOnly, |_, key| needed.push(key.to_owned())).unwrap();
    assert_eq!(needed.len(), 2);
    let mut expected = contact("c-1");
    expected.insert("email".to_owned(), new);
    assert_eq!(open(&schema, &identity, &ring(&[&header, &update]), item).unwrap(), expected);
}

/// Counts up, like the nonce of the example.
#[derive(Debug)]
struct From0xa0;

impl tenantseal_core::crypto::RandomSource for From0xa0 {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), tenantseal_core::crypto::RandomError> {
        bytes.iter_mut().zip(0xa0..).for_each(|(byte, value)| *byte = value);
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_example_of_the_specification() {
    let schema =
        TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").sort_key("n").encrypt("a").build().unwrap();
    let context = EncryptionContext::new(&tenant("acme"), &StaticPairs::default());
    let kek = KekId::parse("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
    let data_key = DataKey::take((0..32).collect()).unwrap();
    let wrapped = WrappedDataKey::new(vec![0xaa, 0xbb, 0xcc, 0xdd]).unwrap();
    let key = VerifiedDataKey::from_generated(&data_key, 1_700_000_000, &context, kek, wrapped);
    let item: Item = [("tenant_id", s("acme")), ("n", AttributeValue::N("150".into())), ("a", s("hello"))]
        .map(|(name, value)| (name.to_owned(), value))
        .into();

    let record = "01a34f390b33903c1ec7bb93470438395a6553f100010674656e616e74000461636d65748809a3bed2a85651d44c9275d6ce80\
                  010975732d656173742d3119df6690e51234abcd12ab34cd56ef1234567890ab0004aabbccdd";
    let identity = identity(&schema, &tenant("acme"), &item).unwrap();
    let nonces = Nonces::Random(&From0xa0);
    let sealed = seal(&schema, &tenant("acme"), &key, nonces, item.clone()).unwrap();
    assert_eq!(hex(sealed[HEADER].as_b().unwrap().as_ref()), record);
    assert_eq!(
        hex(sealed["a"].as_b().unwrap().as_ref()),
        "11a0a1a2a3a4a5a6a7a8a9aaab0d27fdce2bc61f017046defc88d75b2adb6eb93c02f4"
    );
    let updated = seal_values(&schema, &key, &identity, nonces, &[("a", &s("hello"))]).unwrap();
    assert_eq!(
        hex(updated[0].as_b().unwrap().as_ref()),
        format!("120059{record}a0a1a2a3a4a5a6a7a8a9aaab0d27fdce2bc6a7ce05b0dd43d7546a37c1bd7376fd86")
    );

    let mut compact = schema;
    compact.set_record_place(KeyRecordPlacement::KeyTable);
    assert_eq!(seal_values(&compact, &key, &identity, nonces, &[("a", &s("hello"))]), Err(SealError::NotInKeyTable));
    assert_eq!(
        seal(&compact, &tenant("acme"), &key, nonces, item.clone()).unwrap_err(),
        SealError::NotInKeyTable,
        "nothing refers to a record that is nowhere"
    );
    key.mark_in_key_table();
    let mut referring = seal(&compact, &tenant("acme"), &key, nonces, item).unwrap();
    let header = referring.insert(HEADER.to_owned(), sealed[HEADER].clone()).unwrap();
    assert_eq!(hex(header.as_b().unwrap().as_ref()), "02a34f390b33903c1ec7bb93470438395a");
    assert_eq!(referring, sealed, "but for the header");
    let updated = seal_values(&compact, &key, &identity, nonces, &[("a", &s("hello"))]).unwrap();
    assert_eq!(
        hex(updated[0].as_b().unwrap().as_ref()),
        "13a34f390b33903c1ec7bb93470438395aa0a1a2a3a4a5a6a7a8a9aaab0d27fdce2bc6718b291d23d6e22a853cc80c354f5757"
    );
}

#[test]
fn what_this_release_seals_is_never_taken_for_plaintext() {
    use tenantseal_core::format::StoredForm;

    let (mut item, identity) = (sealed("c-1"), identity(&schema("crm"), &tenant("acme"), &contact("c-1")).unwrap());
    for name in ["email", "notes", "api_keys"] {
        assert_eq!(stored_form(&item, name), Some(StoredForm::HeaderKey), "{name}");
    }
    assert_eq!(stored_form(&item, "company"), Some(StoredForm::Plain));
    assert_eq!(stored_form(&item, "absent"), None);
    let email = s("ada@example.org");
    let values = [("email", &email)];
    let updated = seal_values(&schema("crm"), &key("acme", 2), &identity, Nonces::Random(&OsRandom), &values).unwrap();
    item.insert("email".to_owned(), updated[0].clone());
    item.remove(HEADER);
    assert_eq!(stored_form(&item, "email"), Some(StoredForm::OwnRecord));
    assert_eq!(stored_form(&item, "notes"), Some(StoredForm::Plain), "without the header that opens it");
}
