//! Bytes sealed and opened through the public face alone: no store, no cloud.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "vault/blobs.rs"]
mod blobs;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tenantseal_core::audit::{AuditSink, DataKeyUse};
use tenantseal_core::keys::{InMemoryKeyService, InMemoryKeyTable, InvalidSettings};
use tenantseal_core::{Error, OpenFault, PrimaryKeyPart, TenantId, Vault};

fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

fn vault() -> Vault {
    Vault::builder(InMemoryKeyService::new()).build().unwrap()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn fault(result: Result<Vec<u8>, Error>) -> OpenFault {
    match result {
        Err(Error::Open { name, fault }) if name == "iban" => fault,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn what_is_sealed_opens_in_its_place_and_hides_its_content(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        now(async {
            let item = vault().tenant(&id("acme")).item("invoices", ("n", "1"), Some(("line", PrimaryKeyPart::N("2")))).unwrap();
            let sealed = item.seal("iban", &bytes).await.unwrap();
            assert!(bytes.len() < 8 || !sealed.windows(bytes.len()).any(|window| window == bytes));
            assert_eq!(item.open("iban", sealed).await.unwrap(), bytes);
        });
    }

    #[test]
    fn whatever_is_changed_in_sealed_bytes_opens_nothing_else(at: prop::sample::Index, bit in 0..8_u8, cut: prop::sample::Index) {
        now(async {
            let item = vault().tenant(&id("acme")).item("invoices", ("n", "1"), None).unwrap();
            let sealed = item.seal("iban", b"DE02").await.unwrap();
            let mut changed = sealed.clone();
            let at = at.index(sealed.len());
            changed[at] ^= 1 << bit;
            match item.open("iban", changed).await {
                // A cached data key is found by its id: nobody looks at the wrapped key in the record.
                Ok(opened) => assert!(at < sealed.len() - 33 && opened == b"DE02", "{at}"),
                Err(error) => assert!(matches!(error, Error::Open { .. }), "{error}"),
            }
            assert!(item.open("iban", sealed[..cut.index(sealed.len())].to_vec()).await.is_err());
        });
    }
}

#[tokio::test]
async fn another_tenant_item_or_name_opens_nothing() {
    let vault = vault();
    let acme = vault.tenant(&id("acme"));
    let sealed = acme.item("invoices", ("n", "1"), None).unwrap().seal("iban", b"DE02").await.unwrap();
    let open = async |tenant: &str, table: &str, key: (&str, PrimaryKeyPart<'_>), name: &str| {
        vault.tenant(&id(tenant)).item(table, key, None).unwrap().open(name, sealed.clone()).await
    };
    assert_eq!(open("acme", "invoices", ("n", PrimaryKeyPart::S("1")), "iban").await.unwrap(), b"DE02");
    assert_eq!(
        fault(open("globex", "invoices", ("n", PrimaryKeyPart::S("1")), "iban").await),
        OpenFault::ForeignContext
    );
    for (table, key) in [
        ("orders", ("n", PrimaryKeyPart::S("1"))),
        ("invoices", ("m", PrimaryKeyPart::S("1"))),
        ("invoices", ("n", PrimaryKeyPart::S("2"))),
        ("invoices", ("n", PrimaryKeyPart::N("1"))),
        ("invoices", ("n", PrimaryKeyPart::B(b"1"))),
    ] {
        assert_eq!(fault(open("acme", table, key, "iban").await), OpenFault::NotAuthentic, "{table} {key:?}");
    }
    let other = open("acme", "invoices", ("n", PrimaryKeyPart::S("1")), "name").await;
    assert!(matches!(other, Err(Error::Open { fault: OpenFault::NotAuthentic, .. })), "{other:?}");
}

#[tokio::test]
async fn what_is_sealed_already_is_refused_whosever_it_is() {
    let vault = vault();
    let sealed = vault.tenant(&id("globex")).item("t", ("n", "1"), None).unwrap().seal("iban", b"x").await.unwrap();
    let again = vault.tenant(&id("acme")).item("t", ("n", "1"), None).unwrap().seal("iban", &sealed).await;
    assert!(matches!(again, Err(Error::AlreadySealed { name }) if name == "iban"));
}

#[tokio::test]
async fn plaintext_and_values_without_a_key_of_their_own_are_named() {
    let item = vault().tenant(&id("acme")).item("t", ("n", "1"), None).unwrap();
    assert_eq!(fault(item.open("iban", b"DE02 1203".to_vec()).await), OpenFault::NotSealed);
    let mut of_header = vec![0x11];
    of_header.extend_from_slice(&[7; 40]);
    assert_eq!(fault(item.open("iban", of_header).await), OpenFault::NoHeader);
}

#[tokio::test]
async fn of_many_values_all_open_or_none() {
    let item = vault().tenant(&id("acme")).item("t", ("n", "1"), None).unwrap();
    let [one, mut two] = <[_; 2]>::try_from(item.seal_all(&[("a", b"1"), ("b", b"2")]).await.unwrap()).unwrap();
    let opened = item.open_all(vec![("b", two.clone()), ("a", one.clone())]).await.unwrap();
    assert_eq!(opened, [b"2", b"1"]);
    *two.last_mut().unwrap() ^= 1;
    let failed = item.open_all(vec![("a", one), ("b", two)]).await;
    assert!(matches!(failed, Err(Error::Open { name, fault: OpenFault::NotAuthentic }) if name == "b"));
}

#[tokio::test]
async fn an_item_without_a_usable_key_is_refused() {
    let acme = vault().tenant(&id("acme"));
    for key in [PrimaryKeyPart::S(""), PrimaryKeyPart::B(b""), PrimaryKeyPart::N("one")] {
        assert!(matches!(acme.item("t", ("n", key), None), Err(Error::PrimaryKey(_))), "{key:?}");
    }
}

#[derive(Default)]
struct Trail(Mutex<Vec<String>>, AtomicUsize);

impl AuditSink for Trail {
    fn record(&self, key_use: &DataKeyUse<'_>) {
        assert!(self.1.load(Ordering::SeqCst) == 0, "the trail is full");
        let DataKeyUse { tenant, purpose, table, items, .. } = key_use;
        self.0.lock().unwrap().push(format!("{tenant} {purpose} {table} {items}"));
    }
}

#[tokio::test]
async fn each_use_of_a_data_key_is_told_and_nothing_is_opened_untold() {
    let trail = Arc::new(Trail::default());
    let vault = Vault::builder(InMemoryKeyService::new()).audit(Arc::clone(&trail)).build().unwrap();
    let item = vault.tenant(&id("acme")).item("t", ("n", "1"), None).unwrap();
    let sealed = item.seal("iban", b"x").await.unwrap();
    item.open("iban", sealed.clone()).await.unwrap();
    assert_eq!(*trail.0.lock().unwrap(), ["acme seal t 1", "acme open t 1"]);
    trail.1.store(1, Ordering::SeqCst);
    assert!(matches!(item.open("iban", sealed).await, Err(Error::Audit(_))));
    assert!(matches!(item.seal("iban", b"x").await, Err(Error::Audit(_))));
}

#[tokio::test]
async fn processes_that_share_a_key_table_open_each_others_values() {
    let (service, table) = (Arc::new(InMemoryKeyService::new()), Arc::new(InMemoryKeyTable::default()));
    let process =
        || Vault::builder(Arc::clone(&service)).key_table(Arc::clone(&table), "eu-central-1").build().unwrap();
    let (one, other) = (process(), process());
    let place = |vault: &Vault| vault.tenant(&id("acme")).item("t", ("n", "1"), None).unwrap();
    let sealed = place(&one).seal("iban", b"x").await.unwrap();
    assert_eq!(place(&other).open("iban", sealed).await.unwrap(), b"x");
}

#[test]
fn settings_out_of_range_are_named() {
    use std::time::Duration;
    let builder = || Vault::builder(InMemoryKeyService::new());
    let refused = |builder: tenantseal_core::VaultBuilder| builder.build().unwrap_err();
    assert_eq!(refused(builder().data_key_rotation(Duration::ZERO)), InvalidSettings::Rotation);
    assert_eq!(refused(builder().outage_grace(Duration::from_secs(86_400))), InvalidSettings::Revalidation);
    assert_eq!(refused(builder().data_keys_per_tenant(0)), InvalidSettings::Limits);
    assert!(matches!(refused(builder().context("tenant", "x")), InvalidSettings::Context(_)));
}
