//! In-memory KMS, STS and key table. They answer at once, and count calls.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use sha2::{Digest, Sha256};
use tenantseal::TenantId;
use tenantseal::keys::{
    DataKey, EncryptionContext, GeneratedDataKey, InMemoryKeyTable, KekId, KeyService, KeyServiceError,
    KeyServiceErrorKind, KeyTable, KeyTableError, Swap, UnwrappedDataKey, WrappedDataKey,
};
use tokio::time::Instant;

/// The length of a data key that KMS has wrapped.
const WRAPPED_LEN: usize = 184;
/// The duration of a session, and how long before its end it is replaced: at least this long, at most twice
/// (docs/OPERATIONS.md, "Clocks").
const SESSION: Duration = Duration::from_secs(3_600);
const MARGIN: Duration = Duration::from_secs(300);

tokio::task_local! {
    /// Calls that a request has waited for.
    pub(crate) static WAITED: AtomicU64;
}

/// Counts the calls of all processes of the fleet.
#[derive(Debug)]
pub(crate) struct Aws {
    begun: Instant,
    counts: Mutex<Counts>,
    made: AtomicU64,
    table: InMemoryKeyTable,
}

/// The number of calls by kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) generate: u64,
    pub(crate) decrypt: u64,
    pub(crate) assume_role: u64,
    pub(crate) table_reads: u64,
    pub(crate) table_writes: u64,
    /// KMS calls in each hour.
    pub(crate) hourly: Vec<u64>,
}

impl Aws {
    pub(crate) fn new() -> Arc<Self> {
        let (counts, made, table) = (Mutex::default(), AtomicU64::default(), InMemoryKeyTable::new());
        Arc::new(Self { begun: Instant::now(), counts, made, table })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        // Background calls of the library belong to no request.
        let _ = WAITED.try_with(|waited| waited.fetch_add(1, Ordering::Relaxed));
    }

    fn count_kms(&self, count: impl FnOnce(&mut Counts)) {
        let hour = usize::try_from(self.begun.elapsed().as_secs() / 3_600).unwrap_or(usize::MAX);
        self.count(|counts| {
            count(counts);
            if counts.hourly.len() <= hour {
                counts.hourly.resize(hour + 1, 0);
            }
            counts.hourly[hour] += 1;
        });
    }
}

/// The key service of one process, with its STS sessions.
#[derive(Debug)]
pub(crate) struct Kms {
    aws: Arc<Aws>,
    /// When each tenant's session ends.
    sessions: Mutex<HashMap<TenantId, Instant>>,
    jitter: Mutex<Rng>,
}

impl Kms {
    pub(crate) fn new(aws: &Arc<Aws>, seed: u64) -> Self {
        Self { aws: Arc::clone(aws), sessions: Mutex::default(), jitter: Mutex::new(Rng::with_seed(seed)) }
    }

    /// Each call needs the tenant's session.
    fn assume_role(&self, tenant: &TenantId) {
        let now = Instant::now();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.get(tenant).is_some_and(|until| now < *until) {
            return;
        }
        let jitter = MARGIN.mul_f64(self.jitter.lock().unwrap_or_else(PoisonError::into_inner).f64());
        sessions.insert(tenant.clone(), now + SESSION - MARGIN - jitter);
        self.aws.count(|counts| counts.assume_role += 1);
    }
}

#[async_trait]
impl KeyService for Kms {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        self.assume_role(tenant);
        self.aws.count_kms(|counts| counts.generate += 1);
        let mut wrapped = vec![0; WRAPPED_LEN];
        wrapped[..8].copy_from_slice(&self.aws.made.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let kek = kek(tenant, "GenerateDataKey")?;
        let data_key = data_key(tenant, context, &wrapped);
        let unexpected = |_| KeyServiceError::new(tenant, "GenerateDataKey", KeyServiceErrorKind::Unexpected);
        Ok(GeneratedDataKey::new(data_key, WrappedDataKey::new(wrapped).map_err(unexpected)?, kek))
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        _: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.assume_role(tenant);
        self.aws.count_kms(|counts| counts.decrypt += 1);
        let kek = kek(tenant, "Decrypt")?;
        Ok(UnwrappedDataKey::new(data_key(tenant, context, wrapped.as_bytes()), kek))
    }
}

/// The key of a tenant.
fn kek(tenant: &TenantId, operation: &'static str) -> Result<KekId, KeyServiceError> {
    let digits = tenant.as_str().trim_start_matches('t');
    let arn = format!("arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-{digits:0>12}");
    KekId::parse(&arn).map_err(|_| KeyServiceError::new(tenant, operation, KeyServiceErrorKind::Unexpected))
}

/// The data key of a wrapped key. It differs for another tenant or context, and then nothing opens.
fn data_key(tenant: &TenantId, context: &EncryptionContext, wrapped: &[u8]) -> DataKey {
    let mut hash = Sha256::new();
    hash.update(wrapped);
    hash.update(format!("{tenant} {:?}", context.pairs().collect::<Vec<_>>()));
    let Ok(key) = DataKey::try_from_fn(|key| {
        key.copy_from_slice(&hash.finalize());
        Ok::<_, Infallible>(())
    });
    key
}

/// The key table of the fleet.
#[async_trait]
impl KeyTable for Aws {
    fn name(&self) -> &str {
        self.table.name()
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.count(|counts| counts.table_reads += 1);
        self.table.get(partition, entry).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        self.count(|counts| counts.table_writes += 1);
        self.table.compare_and_swap(partition, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        self.table.check().await
    }
}
