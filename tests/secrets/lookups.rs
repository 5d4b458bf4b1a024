//! Lookup keys leave memory when they are evicted, and so does all that is made of them.

use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use async_trait::async_trait;
use tenantseal::keys::{
    EncryptionContext, KeyTable, KeyTableError, KeyTableErrorKind, StaticPairs, Swap, WrappedDataKey,
};
use tenantseal_core::envelope::VerifiedDataKey;
use tenantseal_core::format::{LookupDefinition, LookupKind};
use tenantseal_core::keys::{DataKeys, DeclaredLookup, Retries, Settings};
use tenantseal_core::time::SystemTimeSource;

use crate::common::id;
use crate::memory::Derived;
use crate::needles::{self, Needle};
use crate::process::{Scanned, is_scanned, stop_at};

/// Where the scanned process finds its lookup record: it must not know the lookup key by itself.
const RECORD: &str = "TENANTSEAL_LOOKUP_RECORD";

/// A key table that has one entry for whatever is asked for.
#[derive(Debug)]
struct OneEntry(Vec<u8>);

#[async_trait]
impl KeyTable for OneEntry {
    fn name(&self) -> &str {
        "one entry"
    }

    async fn get(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        Ok(Some(self.0.clone()))
    }

    async fn compare_and_swap(&self, _: &str, _: &str, _: Option<&[u8]>, _: &[u8]) -> Result<Swap, KeyTableError> {
        Err(KeyTableError::new("one entry", KeyTableErrorKind::Denied))
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

fn definition() -> LookupDefinition {
    LookupDefinition::new(LookupKind::Equality, 128, [("email", "email")]).unwrap()
}

/// The lookup key of the process that is scanned.
fn lookup_key() -> [u8; 32] {
    std::array::from_fn(|at| (u32::try_from(at).unwrap() + 77).wrapping_mul(0x9e37_79b9).to_be_bytes()[0])
}

/// The record of that lookup key, with its lookup already known.
fn record() -> Vec<u8> {
    let context = EncryptionContext::new(&id("acme"), &StaticPairs::default()).for_lookups().unwrap();
    let wrapped = WrappedDataKey::new(vec![1]).unwrap();
    let key = VerifiedDataKey::from_generated(&Derived::data_key(), 0, &context, Derived::kek(), wrapped);
    let lp = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let plaintext = [&lookup_key()[..], &lp("crm"), &lp("email"), &definition().digest()].concat();
    let cipher = Aes256Gcm::new_from_slice(&needles::wrap_key(&Derived::bytes())).unwrap();
    let aad = b"tenantseal v1 lookup key\0\x03";
    let sealed = cipher.encrypt(&Nonce::from([7; 12]), Payload { msg: &plaintext, aad }).unwrap();
    let length = u16::try_from(key.stored_record().len()).unwrap().to_be_bytes();
    [&[3], &length[..], key.stored_record(), &[7; 12], &sealed].concat()
}

/// What the scanned process does: it makes some tokens, and evicts their key.
async fn use_and_evict(keys: &DataKeys) {
    let acme = keys.for_tenant(&id("acme"));
    for at in 0..20 {
        let lookups = acme.lookup_keys(&[1]).await.unwrap();
        let token = lookups.mac_key("crm", "email").unwrap().token(&["acme"], &[format!("\x01{at}").as_bytes()]);
        assert!(token.starts_with("acme."));
    }
    stop_at("use");
    keys.revoke(&id("acme")).await;
    stop_at("eviction");
}

#[tokio::test]
async fn nothing_of_a_lookup_key_is_in_memory_after_its_eviction() {
    if is_scanned() {
        let record = std::env::var(RECORD).unwrap();
        let record = (0..record.len()).step_by(2).map(|at| u8::from_str_radix(&record[at..at + 2], 16).unwrap());
        let lookup =
            DeclaredLookup { table: "crm".to_owned(), name: "email".to_owned(), number: 1, definition: definition() };
        let settings = Settings {
            key_table: Some(Arc::new(OneEntry(record.collect()))),
            lookups: vec![lookup],
            ..Settings::default()
        };
        let keys = settings.build(Arc::new(Derived), "", Arc::new(SystemTimeSource), Retries::default()).unwrap();
        return use_and_evict(&keys).await;
    }
    let environment = vec![(RECORD, record().iter().map(|byte| format!("{byte:02x}")).collect())];
    let process = Scanned::start("lookups::nothing_of_a_lookup_key_is_in_memory_after_its_eviction", environment);
    let found = process.scan(|| {
        let mut needles = needles::of_lookup_key(&lookup_key(), definition().encode());
        needles.extend(needles::of_data_key(&Derived::bytes()));
        needles.push(Needle { name: "wrap key", bytes: needles::wrap_key(&Derived::bytes()) });
        needles
    });
    // The scan finds what is there.
    if !cfg!(feature = "aws-lc-rs") {
        for name in ["lookup PRK, inner state", "MAC key, inner state"] {
            assert!(found.iter().any(|found| found.name == name && found.in_use > 0), "{found:?}");
        }
        // The lookup key itself is needed for a moment only. AWS-LC starts each expansion from it.
        assert!(found.iter().all(|found| found.name != "lookup key" || found.in_use == 0), "{found:?}");
    }
    assert!(found.iter().all(|found| found.evicted == 0), "{found:?}");
}
