//! Lookup keys: how a fleet agrees on them in the key table, and when they may be used. On a paused clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::scene::{Kms, LIMITS, MINUTE, Scene, TERMS, id, kek};
use crate::context::{EncryptionContext, StaticPairs};
use crate::envelope::KeyRecordPlacement;
use crate::format::{LookupDefinition, LookupKind, LookupRecord, lookup_entry};
use crate::keys::declared_lookups::{DeclaredLookup, DeclaredLookups};
use crate::keys::outcome::KeyError;
use crate::keys::{KeyTable, KeyTableError, KeyTableErrorKind as Kind, LookupKeys, SharedKeys, Swap};

mod agreement;
mod forged;
mod leases;
mod model;
mod names;

/// A key table that counts, and fails as a test says.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    pub(super) reads: AtomicUsize,
    writes: AtomicUsize,
    down: AtomicBool,
    unrecoverable: AtomicBool,
}

#[async_trait]
impl KeyTable for Table {
    fn name(&self) -> &str {
        "keys"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        Ok(self.entries.lock().unwrap().get(&(partition.to_owned(), entry.to_owned())).cloned())
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.up()?;
        let mut entries = self.entries.lock().unwrap();
        let key = (partition.to_owned(), entry.to_owned());
        let found = entries.get(&key).cloned();
        if found.as_deref() != expected {
            return Ok(Swap::Found(found));
        }
        entries.insert(key, record.to_vec());
        Ok(Swap::Stored)
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        match self.unrecoverable.load(Ordering::SeqCst) {
            true => Err(KeyTableError::new("keys", Kind::NoRecovery)),
            false => self.up(),
        }
    }
}

impl Table {
    fn up(&self) -> Result<(), KeyTableError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(KeyTableError::new("keys", Kind::Unavailable)),
            false => Ok(()),
        }
    }

    /// The entries of lookup keys, by tenant and name.
    fn lookups(&self) -> BTreeMap<(String, String), Vec<u8>> {
        let entries = self.entries.lock().unwrap();
        entries
            .iter()
            .filter(|((_, name), _)| name.starts_with("lookup#"))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }

    fn put(&self, tenant: &str, name: &str, record: Option<Vec<u8>>) {
        let (mut entries, key) = (self.entries.lock().unwrap(), (tenant.to_owned(), name.to_owned()));
        match record {
            Some(record) => drop(entries.insert(key, record)),
            None => drop(entries.remove(&key)),
        }
    }

    /// The record of the tenant's lookup key of this number, without static pairs.
    fn record(&self, tenant: &str, number: u16) -> Option<Vec<u8>> {
        self.entries.lock().unwrap().get(&(tenant.to_owned(), entry(tenant, number))).cloned()
    }

    /// How often it was read and written.
    fn calls(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.writes.load(Ordering::SeqCst))
    }
}

/// The entry of a lookup key, without static pairs.
fn entry(tenant: &str, number: u16) -> String {
    lookup_entry(&EncryptionContext::new(&id(tenant), &StaticPairs::default()), number)
}

/// A lookup of the table `crm`.
fn lookup(name: &str, number: u16, bits: u8) -> DeclaredLookup {
    let definition = LookupDefinition::new(LookupKind::Equality, bits, [(name, "exact")]).unwrap();
    DeclaredLookup { table: "crm".to_owned(), name: name.to_owned(), number, definition }
}

/// Processes with one KMS and one key table.
#[derive(Default)]
pub(super) struct Fleet {
    pub(super) kms: Arc<Kms>,
    pub(super) table: Arc<Table>,
}

impl Fleet {
    /// A process that declares the lookup `email`.
    pub(super) fn process(&self) -> Scene {
        self.declaring(vec![lookup("email", 1, 128)])
    }

    fn declaring(&self, lookups: Vec<DeclaredLookup>) -> Scene {
        self.with(lookups, &[&[]], true)
    }

    fn with(&self, lookups: Vec<DeclaredLookup>, contexts: &[&[(&str, &str)]], makes: bool) -> Scene {
        Scene::configured(Arc::clone(&self.kms), |config| {
            config.shared = Some(SharedKeys::new(Arc::clone(&self.table) as _, "us-east-1"));
            config.lookups = DeclaredLookups::new(lookups).unwrap();
            config.makes_lookup_keys = makes;
            config.contexts = contexts.iter().map(|pairs| StaticPairs::new(pairs.iter().copied()).unwrap()).collect();
        })
    }

    /// Points the tenants' alias to another KEK; the former one answers by an alias of its own.
    fn repoint(&self) {
        let mut script = self.kms.script.lock().unwrap();
        let former = script.alias;
        script.own_aliases.insert(former);
        script.alias += 1;
    }

    /// The KEK that wraps the lookup key.
    fn kek(&self, tenant: &str, number: u16) -> crate::format::KekId {
        let record = self.table.record(tenant, number).unwrap();
        LookupRecord::decode(&record).unwrap().key_record().kek.clone()
    }
}

impl Scene {
    pub(super) async fn lookup_keys(&self, tenant: &str) -> Result<LookupKeys, KeyError> {
        self.keys.for_tenant(&id(tenant)).lookup_keys(&[1]).await
    }

    /// The token of a value under the lookup `name`, with lookup key `number`.
    async fn token_under(&self, tenant: &str, name: &str, number: u16) -> Result<String, Kind> {
        let keys = self.keys.for_tenant(&id(tenant)).lookup_keys(&[number]).await.map_err(|error| match error {
            KeyError::Table(error) => error.kind().clone(),
            KeyError::Service(error) => panic!("{error}"),
        })?;
        Ok(keys.mac_key("crm", name).unwrap().token(&[tenant], &[b"\x01ada"]))
    }

    pub(super) async fn token(&self, tenant: &str) -> Result<String, Kind> {
        self.token_under(tenant, "email", 1).await
    }

    fn is_warm(&self, tenant: &str) -> bool {
        self.keys.for_tenant(&id(tenant)).warm_lookup_keys(&[1]).is_some()
    }

    /// How often KMS was asked, for anything.
    fn calls(&self) -> usize {
        let (made, asked, former) = self.counts();
        made + asked + former
    }
}

fn changed(number: u16) -> Kind {
    Kind::LookupKeyChanged { tenant: id("acme"), number }
}

fn forged(number: u16) -> Kind {
    Kind::ForgedLookupKey { tenant: id("acme"), number }
}

fn missing(number: u16) -> Kind {
    Kind::NoLookupKey { tenant: id("acme"), number }
}

/// Lets time pass while a process uses its lookup key, so that it stays in memory.
async fn use_for(scene: &Scene, time: Duration) {
    let started = tokio::time::Instant::now();
    while started.elapsed() < time {
        tokio::time::sleep((MINUTE * 10).min(time - started.elapsed())).await;
        scene.token("acme").await.unwrap();
    }
}

/// Lets work in the background end.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}
