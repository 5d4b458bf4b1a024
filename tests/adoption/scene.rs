//! A table of plaintext items, a ledger, and processes that adopt the table.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal::adoption::AdoptionStage;
use tenantseal::keys::{InMemoryKeyTable, KeyTable, KeyTableError, KeyTableErrorKind, Swap};
use tenantseal::{Item, Tenant, TenantSeal, TenantSealBuilder};

use crate::common::{World, contact, id, item, key};

/// All attributes that the contacts encrypt.
pub(super) const ADOPTED: [&str; 3] = ["email", "notes", "api_keys"];
pub(super) const FENCE: Duration = Duration::from_secs(15 * 60);
/// Longer than an answer of the ledger holds.
pub(super) const LEASE: Duration = Duration::from_secs(61);

/// A ledger that counts, and that can be out of reach.
#[derive(Default)]
pub(super) struct Ledger {
    inner: InMemoryKeyTable,
    pub(super) gets: AtomicUsize,
    pub(super) is_down: AtomicBool,
}

#[async_trait]
impl KeyTable for Ledger {
    fn name(&self) -> &str {
        "tenantseal-ledger"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Err(KeyTableError::new("tenantseal-ledger", KeyTableErrorKind::Unavailable));
        }
        self.inner.get(partition, entry).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        self.inner.compare_and_swap(partition, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger(..)")
    }
}

impl Ledger {
    /// The stored leave.
    pub(super) async fn leave(&self, tenant: &str) -> Option<Vec<u8>> {
        self.inner.get(tenant, "leave#crm").await.unwrap()
    }

    /// Puts anything in a leave's place, as someone who can write the ledger would.
    pub(super) async fn plant(&self, tenant: &str, leave: &[u8]) {
        let before = self.leave(tenant).await;
        let planted = self.inner.compare_and_swap(tenant, "leave#crm", before.as_deref(), leave).await.unwrap();
        assert_eq!(planted, Swap::Stored);
    }
}

/// The world, and the ledger of all processes.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) ledger: Arc<Ledger>,
}

impl Scene {
    /// `acme` and `globex`, without leaves.
    pub(super) async fn start() -> Self {
        Self { world: World::start(&["acme", "globex"]).await, ledger: Arc::default() }
    }

    /// The same with a leave of `acme`, at this stage since longer than a lease.
    pub(super) async fn at(stage: AdoptionStage) -> Self {
        let scene = Self::start().await;
        scene.flip(stage).await;
        scene
    }

    /// Moves `acme` to a stage, and waits until every process knows it.
    pub(super) async fn flip(&self, stage: AdoptionStage) {
        let seal = self.adopting();
        let (crm, acme) = (seal.adoption("crm").unwrap(), id("acme"));
        match stage {
            AdoptionStage::None => {}
            AdoptionStage::Plain => drop(crm.open(&acme).await.unwrap()),
            AdoptionStage::Sealing => {
                crm.open(&acme).await.unwrap();
                crm.seal(&acme).await.unwrap();
            }
            AdoptionStage::Closed => {
                let status = crm.status(&acme).await.unwrap();
                let status = if status.stage() == AdoptionStage::Sealing {
                    status
                } else {
                    crm.open(&acme).await.unwrap();
                    crm.seal(&acme).await.unwrap()
                };
                crm.record_pass(&acme, &status, status.fence().unwrap(), 0).await.unwrap();
                crm.close(&acme).await.unwrap();
            }
        }
        self.world.stack.clock().advance(LEASE);
    }

    pub(super) fn builder(&self) -> TenantSealBuilder {
        self.world.builder().ledger(Arc::clone(&self.ledger)).adopt("crm", ADOPTED)
    }

    /// A new process with the ledger that adopts all attributes.
    pub(super) fn adopting(&self) -> TenantSeal {
        self.builder().build(&self.world.app).unwrap()
    }

    pub(super) fn acme(&self) -> Tenant {
        self.adopting().tenant(&id("acme"))
    }

    pub(super) fn gets(&self) -> usize {
        self.ledger.gets.load(Ordering::Relaxed)
    }
}

/// A contact of `acme` as an application without this library stores it.
pub(super) fn plaintext(contact_id: &str) -> Item {
    item(&contact("acme", contact_id))
}

/// The same, to be found by its primary key.
pub(super) fn at(contact_id: &str) -> HashMap<String, AttributeValue> {
    key("acme", contact_id)
}
