//! A scripted KMS, and a cache above it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::context::{EncryptionContext, StaticPairs};
use crate::crypto::WrappedDataKey;
use crate::envelope::{KeyRecordPlacement, NeededKey, Seals, VerifiedDataKey};
use crate::format::{KekId, StoredKey};
use crate::keys::outcome::KeyError;
use crate::keys::{
    DataKeys, DataKeysConfig, DeclaredLookups, GeneratedDataKey, InMemoryKeyService, KeyService, KeyServiceError,
    KeyServiceErrorKind as Kind, KeyTable, Limits, OpeningKeyError, OpeningMode, Retries, SharedKeys, Terms,
    UnwrappedDataKey,
};
use crate::tenant::{AliasTemplate, TenantId};
use crate::time::TimeSource;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const TERMS: Terms = Terms {
    rotation: Duration::from_secs(24 * 60 * 60),
    revalidation: Duration::from_secs(15 * 60),
    grace: Duration::from_secs(15 * 60),
    seals: Seals::MOST,
};
pub(super) const LIMITS: Limits =
    Limits { data_keys: 100_000, data_keys_per_tenant: 1_000, calls: 256, calls_per_tenant: 8 };

pub(super) fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

/// The wall clock: as fast as Tokio's clock, and set forward by hand.
#[derive(Debug, Clone)]
pub(super) struct Wall {
    start: Instant,
    ahead: Arc<Mutex<Duration>>,
}

impl TimeSource for Wall {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.start.elapsed() + *self.ahead.lock().unwrap()
    }
}

impl Wall {
    /// The second since the process started.
    fn of(now: Instant) -> u64 {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(|| now.into_std());
        now.into_std().saturating_duration_since(start).as_secs()
    }
}

/// A KMS in memory whose answers a test scripts.
#[derive(Debug, Default)]
pub(super) struct Kms {
    keys: InMemoryKeyService,
    pub made: AtomicUsize,
    pub asked: AtomicUsize,
    pub asked_former: AtomicUsize,
    pub forgotten: AtomicUsize,
    /// Calls by tenant.
    pub by_tenant: Mutex<BTreeMap<TenantId, usize>>,
    /// The calls of the current second.
    second: Mutex<(u64, usize)>,
    pub script: Mutex<Script>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Script {
    pub latency: Duration,
    /// Every call fails with this.
    pub fails: Option<Kind>,
    /// Calls by the tenant's alias fail with this.
    pub configured_fails: Option<Kind>,
    /// By the tenant's alias, this wrapped key fails with this.
    pub refuses: Option<(WrappedDataKey, Kind)>,
    /// The tenants whose calls never end.
    pub hangs: BTreeSet<TenantId>,
    pub panics: bool,
    /// It makes no data keys, as when a quota is reached.
    pub makes_nothing: bool,
    pub forgetting_panics: bool,
    /// The next calls by the tenant's alias fail with these, the last one first.
    pub refusing: Vec<Kind>,
    /// The tenants whose calls fail, and with what.
    pub refuses_tenants: BTreeMap<TenantId, Kind>,
    /// Above this many calls per second, calls are throttled.
    pub per_second: Option<usize>,
    /// This many calls fail, then none.
    pub failing: usize,
    /// The KEK that the tenant's alias points to, initially 0.
    pub alias: u8,
    /// The KEKs that have an alias of their own.
    pub own_aliases: BTreeSet<u8>,
}

pub(super) fn kek(number: u8) -> KekId {
    let arn = format!("arn:aws:kms:us-east-1:111111111111:key/{number:08x}-0000-0000-0000-000000000000");
    KekId::parse(&arn).unwrap()
}

impl Kms {
    async fn passes(&self, tenant: &TenantId, operation: &'static str, own: bool) -> Result<Script, KeyServiceError> {
        let script = self.script.lock().unwrap().clone();
        *self.by_tenant.lock().unwrap().entry(tenant.clone()).or_default() += 1;
        assert!(!script.panics, "a hook of the user's panics");
        if !script.latency.is_zero() {
            tokio::time::sleep(script.latency).await;
        }
        if script.hangs.contains(tenant) {
            std::future::pending::<()>().await;
        }
        if script.failing > 0 {
            self.script.lock().unwrap().failing -= 1;
            return Err(KeyServiceError::new(tenant, operation, Kind::Unavailable));
        }
        if let Some(quota) = script.per_second {
            let mut second = self.second.lock().unwrap();
            let now = Wall::of(Instant::now());
            *second = (now, if second.0 == now { second.1 + 1 } else { 1 });
            if second.1 > quota {
                return Err(KeyServiceError::new(tenant, operation, Kind::Unavailable));
            }
        }
        let refusing = if own { self.script.lock().unwrap().refusing.pop() } else { None };
        let refusing = refusing.or(script.refuses_tenants.get(tenant).copied());
        match refusing.or(script.fails).or(script.configured_fails.filter(|_| own)) {
            Some(kind) => Err(KeyServiceError::new(tenant, operation, kind)),
            None => Ok(script),
        }
    }

    /// The handle of a wrapped key follows the number of its KEK.
    async fn unwrapped(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        by: u8,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        let [number, handle @ ..] = wrapped.as_bytes() else { panic!("a wrapped key") };
        if *number != by {
            return Err(KeyServiceError::new(tenant, "Decrypt", Kind::IncorrectKey));
        }
        let wrapped = WrappedDataKey::new(handle.to_vec()).unwrap();
        let answer = self.keys.unwrap_data_key(tenant, context, &kek(by), &wrapped).await?;
        Ok(UnwrappedDataKey { kek: kek(by), ..answer })
    }
}

#[async_trait]
impl KeyService for Kms {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        self.made.fetch_add(1, Ordering::SeqCst);
        let Script { alias, makes_nothing, .. } = self.passes(tenant, "GenerateDataKey", true).await?;
        if makes_nothing {
            return Err(KeyServiceError::new(tenant, "GenerateDataKey", Kind::LimitExceeded));
        }
        let made = self.keys.generate_data_key(tenant, context).await?;
        let wrapped = WrappedDataKey::new([&[alias], made.wrapped.as_bytes()].concat()).unwrap();
        Ok(GeneratedDataKey { kek: kek(alias), wrapped, ..made })
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        _: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let Script { alias, refuses, .. } = self.passes(tenant, "Decrypt", true).await?;
        if let Some((_, kind)) = refuses.filter(|(refused, _)| refused == wrapped) {
            return Err(KeyServiceError::new(tenant, "Decrypt", kind));
        }
        self.unwrapped(tenant, context, alias, wrapped).await
    }

    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        named: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.asked_former.fetch_add(1, Ordering::SeqCst);
        let Script { own_aliases, .. } = self.passes(tenant, "Decrypt", false).await?;
        match own_aliases.into_iter().find(|number| kek(*number) == *named) {
            Some(number) => self.unwrapped(tenant, context, number, wrapped).await,
            None => {
                let alias = AliasTemplate::default().alias(tenant).for_key(named.key_id());
                let error = KeyServiceError::new(tenant, "Decrypt", Kind::NotFound);
                Err(error.with_missing_alias(alias, named))
            }
        }
    }

    async fn forget(&self, _: &TenantId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let panics = self.script.lock().unwrap().forgetting_panics;
        assert!(!panics, "a hook of the user's panics");
    }
}

/// A KMS and a cache.
pub(super) struct Scene {
    pub kms: Arc<Kms>,
    wall: Wall,
    pub keys: DataKeys,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(TERMS, LIMITS, Arc::default())
    }

    pub(super) fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = LIMITS;
        change(&mut limits);
        Self::with(TERMS, limits, Arc::default())
    }

    /// Another process with the same KMS.
    pub(super) fn another(&self) -> Self {
        Self::with(TERMS, LIMITS, Arc::clone(&self.kms))
    }

    pub(super) fn with(terms: Terms, limits: Limits, kms: Arc<Kms>) -> Self {
        Self::with_retries(Retries::default(), terms, limits, kms, None)
    }

    /// A process of the fleet that shares its keys by this table.
    pub(super) fn of_fleet(kms: &Arc<Kms>, table: &Arc<dyn KeyTable>) -> Self {
        Self::of_fleet_with(TERMS, kms, table)
    }

    pub(super) fn of_fleet_with(terms: Terms, kms: &Arc<Kms>, table: &Arc<dyn KeyTable>) -> Self {
        let shared = SharedKeys::new(Arc::clone(table), "us-east-1");
        let retries = Retries::default();
        Self::with_retries(retries, terms, LIMITS, Arc::clone(kms), Some(shared))
    }

    /// Retries that take almost no time.
    pub(super) fn with_quick_retries() -> Self {
        let seconds = Duration::from_secs;
        let quick = Retries::new(3, Duration::from_millis(1), seconds(20), seconds(15), seconds(5));
        Self::with_retries(quick, TERMS, LIMITS, Arc::default(), None)
    }

    fn with_retries(retries: Retries, terms: Terms, limits: Limits, kms: Arc<Kms>, shared: Option<SharedKeys>) -> Self {
        Self::configured(kms, |config| {
            config.shared = shared;
            (config.retries, config.terms, config.limits) = (retries, terms, limits);
        })
    }

    /// A process with this KMS, configured otherwise.
    pub(super) fn configured(kms: Arc<Kms>, change: impl FnOnce(&mut DataKeysConfig)) -> Self {
        let wall = Wall { start: Instant::now(), ahead: Arc::default() };
        let mut config = DataKeysConfig {
            service: Arc::clone(&kms) as _,
            time: Arc::new(wall.clone()),
            shared: None,
            contexts: vec![StaticPairs::default()],
            lookups: DeclaredLookups::default(),
            makes_lookup_keys: true,
            terms: TERMS,
            onboarding: MINUTE * 5,
            limits: LIMITS,
            retries: Retries::default(),
        };
        change(&mut config);
        Self { kms, wall, keys: DataKeys::new(config) }
    }

    pub(super) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.kms.script.lock().unwrap());
    }

    /// Sets the wall clock forward: the machine slept.
    pub(super) fn sleep_deeply(&self, by: Duration) {
        *self.wall.ahead.lock().unwrap() += by;
    }

    pub(super) async fn seal(&self, tenant: &str) -> Result<Arc<VerifiedDataKey>, KeyServiceError> {
        let sealing = self.keys.for_tenant(&id(tenant)).sealing_key(None, KeyRecordPlacement::Item).await;
        sealing.map_err(|error| match error {
            KeyError::Service(error) => error,
            KeyError::Table(error) => panic!("{error}"),
        })
    }

    /// The data key that seals items of compact tables.
    pub(super) async fn seal_compactly(&self, tenant: &str) -> Result<Arc<VerifiedDataKey>, KeyError> {
        self.keys.for_tenant(&id(tenant)).sealing_key(None, KeyRecordPlacement::KeyTable).await
    }

    /// The sealing key, if it is cached.
    pub(super) fn warm(&self, tenant: &str) -> Option<Arc<VerifiedDataKey>> {
        self.keys.for_tenant(&id(tenant)).warm_sealing_key(KeyRecordPlacement::Item)
    }

    pub(super) async fn open(&self, tenant: &str, record: &[u8]) -> Result<(), OpeningKeyError> {
        self.open_all(tenant, &[record.into()]).await
    }

    /// Opens a page of items that need these key records.
    pub(super) async fn open_all(&self, tenant: &str, records: &[Box<[u8]>]) -> Result<(), OpeningKeyError> {
        let needed = |record: Box<[u8]>| NeededKey { attribute: "email".to_owned(), stored: StoredKey::Record(record) };
        let needed = records.iter().cloned().map(needed).collect();
        let (_, lacking) = self.keys.for_tenant(&id(tenant)).opening_keys(needed, OpeningMode::AllOrNothing).await;
        lacking.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// How often KMS was asked to make a data key, to unwrap one, and to unwrap one of a former KEK.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let Kms { made, asked, asked_former, .. } = &*self.kms;
        (made.load(Ordering::SeqCst), asked.load(Ordering::SeqCst), asked_former.load(Ordering::SeqCst))
    }
}

/// The stored key record of a data key.
pub(super) fn record(key: &VerifiedDataKey) -> Box<[u8]> {
    key.stored_record().into()
}

pub(super) fn kind(error: &OpeningKeyError) -> Kind {
    match error {
        OpeningKeyError::Service(error) => error.kind(),
        other => panic!("{other}"),
    }
}
