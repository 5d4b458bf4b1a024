//! Whatever bytes a table holds, an item comes back as it was sealed, or as a typed error that names the attribute.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use tenantseal::error::{FormatError, OpenError, OpenFault};
use tenantseal::keys::{InMemoryKeyService, KeyServiceErrorKind};
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Item, Tenant, TenantSeal};

use crate::common::{Contact, World, contact, id, item, key, s, sealing_error};

/// A sealing library without a network, so that thousands of items can be opened.
struct Offline {
    runtime: tokio::runtime::Runtime,
    keys: Arc<InMemoryKeyService>,
    tenant: Tenant,
    other_tenant: Tenant,
}

static OFFLINE: LazyLock<Offline> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = Arc::new(InMemoryKeyService::new());
    let seal = process(&keys);
    Offline { runtime, keys, tenant: seal.tenant(&id("acme")), other_tenant: seal.tenant(&id("globex")) }
});

/// One process of the application.
fn process(keys: &Arc<InMemoryKeyService>) -> TenantSeal {
    let twin = TableSchema::builder("twin").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let twin = twin.plain("company").encrypt("email").encrypt("notes").encrypt("api_keys").build().unwrap();
    let config = aws_types::SdkConfig::builder().build();
    let seal = TenantSeal::builder().key_service(Arc::clone(keys));
    seal.record::<Contact>().table(twin).build(&config).unwrap()
}

impl Offline {
    fn sealed(&self, tenant: &str, table: &str, contact_id: &str) -> Item {
        let by = if tenant == "acme" { &self.tenant } else { &self.other_tenant };
        self.runtime.block_on(by.seal(table, item(&contact(tenant, contact_id)))).unwrap()
    }

    fn open(&self, stored: Item) -> Result<Item, Error> {
        match self.runtime.block_on(self.tenant.open("crm", stored.clone())) {
            // One process puts up with so many forged records a second: it is the next one's turn.
            Err(error) if matches!(error.cause(), Error::KeyService(key) if key.kind() == KeyServiceErrorKind::TooManyRefused) => {
                self.runtime.block_on(process(&self.keys).tenant(&id("acme")).open("crm", stored))
            }
            outcome => outcome,
        }
    }

    /// The attribute and the fault that opening this item comes to.
    fn fault(&self, stored: Item) -> (String, OpenFault) {
        match self.open(stored).expect_err("it should not open").cause() {
            Error::Open(OpenError::Attribute { attribute, fault }) => (attribute.clone(), *fault),
            other => panic!("{other}"),
        }
    }
}

fn bytes(item: &Item, name: &str) -> Vec<u8> {
    item[name].as_b().unwrap().clone().into_inner()
}

fn with(mut item: Item, name: &str, value: AttributeValue) -> Item {
    item.insert(name.to_owned(), value);
    item
}

fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// What may happen to stored bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip { at: prop::sample::Index, mask: u8 },
    Cut { from: prop::sample::Index, to: prop::sample::Index },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
    Replace(Vec<u8>),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let any_bytes = || prop::collection::vec(any::<u8>(), 1..40);
        prop_oneof![
            4 => (any::<prop::sample::Index>(), 1..=255u8).prop_map(|(at, mask)| Self::Flip { at, mask }),
            2 => (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(from, to)| Self::Cut { from, to }),
            2 => (any::<prop::sample::Index>(), any_bytes()).prop_map(|(at, bytes)| Self::Insert { at, bytes }),
            1 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Self::Replace),
        ]
    }

    fn of(&self, mut stored: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Flip { at, mask } => {
                // There may be nothing left to damage.
                let at = at.index(stored.len().max(1));
                if let Some(byte) = stored.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Self::Cut { from, to } => {
                let (from, to) = (from.index(stored.len() + 1), to.index(stored.len() + 1));
                stored.drain(from.min(to)..from.max(to));
            }
            Self::Insert { at, bytes } => {
                let at = at.index(stored.len() + 1);
                stored.splice(at..at, bytes.iter().copied());
            }
            Self::Replace(bytes) => stored.clone_from(bytes),
        }
        stored
    }
}

/// What an error must be like, whatever caused it: typed, naming an attribute, without item data.
fn is_decent(error: &Error, names: &[&str]) -> Result<(), String> {
    let text = format!("{error} {error:?}");
    if !matches!(error.cause(), Error::Open(_)) && !error.is_integrity() {
        return Err(format!("not an integrity error: {text}"));
    }
    if !names.iter().any(|name| error.to_string().contains(&format!("`{name}`"))) {
        return Err(format!("names no attribute: {error}"));
    }
    if text.contains("example.org") || text.contains("notes on") || text.contains("key-of") {
        return Err(format!("contains item data: {text}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_give_the_original_item_or_an_error_with_the_attribute(
        name in prop::sample::select(vec!["email", "notes", "api_keys", "_seal"]),
        damage in prop::collection::vec(Damage::any(), 1..3),
    ) {
        let stored = OFFLINE.sealed("acme", "crm", "c-1");
        let damaged = damage.iter().fold(bytes(&stored, name), |bytes, damage| damage.of(bytes));
        match OFFLINE.open(with(stored, name, b(damaged))) {
            Ok(opened) => prop_assert_eq!(opened, item(&contact("acme", "c-1"))),
            Err(error) => is_decent(&error, &["email", "notes", "api_keys", "_seal"]).map_err(TestCaseError::fail)?,
        }
    }

    #[test]
    fn a_record_of_its_own_in_an_attribute_is_no_less_hostile(
        damage in Damage::any(),
        length in any::<u16>(),
        honest in any::<bool>(),
    ) {
        let stored = OFFLINE.sealed("acme", "crm", "c-1");
        let record = damage.of(bytes(&stored, "_seal"));
        let length = if honest { u16::try_from(record.len()).unwrap() } else { length };
        let mut carried = vec![0x12];
        carried.extend_from_slice(&length.to_be_bytes());
        carried.extend_from_slice(&record);
        carried.extend_from_slice(&bytes(&stored, "email")[1..]);
        let error = OFFLINE.open(with(stored, "email", b(carried))).unwrap_err();
        is_decent(&error, &["email"]).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn no_prefix_and_no_extension_of_a_sealed_attribute_opens() {
    let stored = OFFLINE.sealed("acme", "crm", "c-1");
    for name in ["email", "_seal"] {
        let whole = bytes(&stored, name);
        for end in 0..whole.len() {
            let error = OFFLINE.open(with(stored.clone(), name, b(&whole[..end]))).unwrap_err();
            is_decent(&error, &[name]).unwrap();
        }
        let mut longer = whole.clone();
        longer.push(0);
        is_decent(&OFFLINE.open(with(stored.clone(), name, b(longer))).unwrap_err(), &[name]).unwrap();
    }
}

#[test]
fn ciphertexts_do_not_open_in_another_attribute_item_table_or_tenant() {
    let (attribute, fault) = {
        let stored = OFFLINE.sealed("acme", "crm", "c-1");
        let notes = stored["notes"].clone();
        OFFLINE.fault(with(stored, "email", notes))
    };
    assert_eq!((&*attribute, fault), ("email", OpenFault::NotAuthentic));

    let as_c1 = |stored: Item| with(with(stored, "contact_id", s("c-1")), "tenant_id", s("acme"));
    for (tenant, table, contact_id, fault) in [
        ("acme", "crm", "c-2", OpenFault::NotAuthentic),
        ("acme", "twin", "c-1", OpenFault::NotAuthentic),
        ("globex", "crm", "c-1", OpenFault::ForeignContext),
    ] {
        let moved = as_c1(OFFLINE.sealed(tenant, table, contact_id));
        assert_eq!(OFFLINE.fault(moved.clone()).1, fault, "{tenant} {table} {contact_id}");
        // One attribute alone, beside the item's own.
        let stored = OFFLINE.sealed("acme", "crm", "c-1");
        assert_eq!(OFFLINE.fault(with(stored, "email", moved["email"].clone())).1, OpenFault::NotAuthentic);
    }
}

#[test]
fn the_form_of_a_sealed_attribute_cannot_be_changed() {
    let stored = OFFLINE.sealed("acme", "crm", "c-1");
    let record = bytes(&stored, "_seal");
    let mut carried = vec![0x12];
    carried.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
    carried.extend_from_slice(&record);
    carried.extend_from_slice(&bytes(&stored, "email")[1..]);
    assert_eq!(OFFLINE.fault(with(stored, "email", b(carried))), ("email".to_owned(), OpenFault::NotAuthentic));
}

#[test]
fn plaintext_and_other_types_where_ciphertext_belongs_are_errors() {
    let deep = (0..30).fold(s("x"), |inner, _| AttributeValue::M(HashMap::from([("m".to_owned(), inner)])));
    let text = "mallory@example.org";
    for value in [
        s(text),
        s(""),
        AttributeValue::N("1".to_owned()),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::L(vec![s(text)]),
        AttributeValue::M(HashMap::from([("a".to_owned(), s(text))])),
        AttributeValue::Ss(vec![text.to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::Bs(vec![Blob::new(text)]),
        deep.clone(),
    ] {
        let stored = OFFLINE.sealed("acme", "crm", "c-1");
        let fault = OFFLINE.fault(with(stored.clone(), "email", value.clone()));
        assert_eq!(fault, ("email".to_owned(), OpenFault::NotSealed), "{value:?}");
        let (_, fault) = OFFLINE.fault(with(stored, "_seal", value));
        assert_eq!(fault, OpenFault::NoHeader);
    }
    let stored = OFFLINE.sealed("acme", "crm", "c-1");
    let (_, fault) = OFFLINE.fault(with(stored, "email", b(text)));
    assert_eq!(fault, OpenFault::NotSealed);
    let mut bare = OFFLINE.sealed("acme", "crm", "c-1");
    bare.remove("_seal");
    assert_eq!(OFFLINE.fault(bare).1, OpenFault::NoHeader);
}

#[test]
fn unknown_versions_and_forms_and_huge_lengths_are_named() {
    let stored = OFFLINE.sealed("acme", "crm", "c-1");
    for form in (0..=u8::MAX).filter(|form| ![0x11, 0x12, 0x13].contains(form)) {
        let mut sealed = bytes(&stored, "email");
        sealed[0] = form;
        let reserved = (0x10..=0x2f).contains(&form);
        let expected = if reserved { FormatError::UnknownForm(form).into() } else { OpenFault::NotSealed };
        let error = OFFLINE.open(with(stored.clone(), "email", b(sealed))).unwrap_err();
        // A newer release may have written what is reserved; a raw binary is told what it is, and not to wait for one.
        assert_eq!(error.is_integrity(), !reserved, "{error}");
        assert_eq!(error.to_string().contains("upgrade"), reserved, "{error}");
        assert!(error.to_string().contains("altered") && error.to_string().contains("not sealed"), "{error}");
        assert!(
            matches!(error.cause(), Error::Open(OpenError::Attribute { attribute, fault }) if attribute == "email" && *fault == expected)
        );
    }
    for version in (0..=u8::MAX).filter(|version| ![1, 2].contains(version)) {
        let mut header = bytes(&stored, "_seal");
        header[0] = version;
        // `03` is a lookup record's, which is no header.
        let reserved = (0x04..=0x0f).contains(&version);
        let expected = if reserved { FormatError::UnknownVersion(version) } else { FormatError::NotARecord };
        let error = OFFLINE.open(with(stored.clone(), "_seal", b(header))).unwrap_err();
        assert_eq!(error.is_integrity(), !reserved, "{error}");
        assert_eq!(error.to_string().contains("upgrade"), reserved, "{error}");
        assert!(
            matches!(error.cause(), Error::Open(OpenError::Attribute { attribute, fault }) if attribute == "_seal" && *fault == expected.into())
        );
    }
    for start in [&[0x12, 0xff, 0xff][..], &[0x12, 0, 0], &[0x11], &[0x12], &[0x13], &[]] {
        for length in [0, 1, 27, 28, 400, 390_000] {
            let mut sealed = start.to_vec();
            sealed.resize(start.len() + length, 0xff);
            is_decent(&OFFLINE.open(with(stored.clone(), "email", b(sealed))).unwrap_err(), &["email"]).unwrap();
        }
    }
    // References, where nobody configured a key table.
    for (name, reference) in [("email", [&[0x13][..], &[7; 45]].concat()), ("_seal", [&[2][..], &[7; 16]].concat())] {
        let fault = OFFLINE.fault(with(stored.clone(), name, b(reference)));
        assert_eq!(fault, (name.to_owned(), OpenFault::NoKeyTable));
    }
    for (length, expected) in [(0, FormatError::Truncated), (15, FormatError::Truncated), (17, FormatError::Trailing)] {
        let header = [&[2][..], &vec![7; length]].concat();
        let fault = OFFLINE.fault(with(stored.clone(), "_seal", b(header)));
        assert_eq!(fault, ("_seal".to_owned(), expected.into()));
    }
}

#[test]
fn attributes_under_reserved_names_never_reach_the_caller() {
    let stored = with(OFFLINE.sealed("acme", "crm", "c-1"), "_seal_mac", b("forged"));
    let opened = OFFLINE.open(with(stored, "_sealed", s("forged"))).unwrap();
    assert_eq!(opened, item(&contact("acme", "c-1")));
}

#[tokio::test]
async fn one_bad_item_fails_its_page_and_nothing_of_it_is_returned() {
    let world = World::start(&["acme", "globex"]).await;
    let acme = world.tenant("acme");
    for at in 0..5 {
        acme.records::<Contact>().put(&contact("acme", &format!("c-{at}"))).await.unwrap();
    }
    let mut bad = world.stored("acme", "c-3").await;
    bad.insert("email".to_owned(), world.stored("acme", "c-2").await["email"].clone());
    world.plant(bad).await;
    let scan = sealing_error(acme.dynamodb().scan().table_name("crm").send().await);
    is_decent(&scan, &["email"]).unwrap();
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-3"))).send().await;
    is_decent(&sealing_error(get), &["email"]).unwrap();
    // A caller that asks for other attributes is not concerned.
    let get = acme.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-3")));
    let notes = get.projection_expression("notes").send().await.unwrap().item.unwrap();
    assert_eq!(notes, Item::from([("notes".to_owned(), s("notes on c-3"))]));
}

#[tokio::test]
async fn another_tenants_item_in_ones_own_partition_fails_before_any_kms_call() {
    let world = World::start(&["acme", "globex"]).await;
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    globex.records::<Contact>().put(&contact("globex", "c-1")).await.unwrap();
    let stolen = world.stored("globex", "c-1").await;
    world.plant(with(stolen.clone(), "tenant_id", s("acme"))).await;
    world.stack.calls().reset();
    let error = acme.records::<Contact>().get("c-1").await.unwrap_err();
    let foreign = OpenFault::ForeignContext;
    assert!(matches!(error.cause(), Error::Open(OpenError::Attribute { fault, .. }) if *fault == foreign), "{error}");
    assert_eq!(world.key_calls(), 0);

    // Their header in an item of one's own: the same.
    acme.records::<Contact>().put(&contact("acme", "c-2")).await.unwrap();
    let own = world.stored("acme", "c-2").await;
    world.plant(with(own, "_seal", stolen["_seal"].clone())).await;
    world.stack.calls().reset();
    let error = acme.records::<Contact>().get("c-2").await.unwrap_err();
    let foreign = OpenFault::ForeignContext;
    assert!(matches!(error.cause(), Error::Open(OpenError::Attribute { fault, .. }) if *fault == foreign), "{error}");
    assert_eq!(world.key_calls(), 0);
}
