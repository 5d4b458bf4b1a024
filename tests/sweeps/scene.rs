//! A table of contacts, a ledger that can be watched and stopped, and sweeps of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tenantseal::keys::{InMemoryKeyTable, KeyTable, KeyTableError, Swap};
use tenantseal::{Item, TenantSeal};

use crate::common::{World, contact, id, item};

/// The ledger, which counts its calls, and from a certain one on never answers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) entries: Arc<InMemoryKeyTable>,
    calls: AtomicUsize,
    stops_at: Option<usize>,
    /// Whether the call at which it stops is carried out.
    is_done: bool,
}

impl Ledger {
    /// The same entries, seen by someone whose call number `at` never answers.
    pub(super) fn that_stops_at(&self, at: usize, is_done: bool) -> Self {
        Self { entries: Arc::clone(&self.entries), calls: AtomicUsize::new(0), stops_at: Some(at), is_done }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Stores an entry, whatever is there.
    pub(super) async fn plant(&self, partition: &str, entry: &str, record: &[u8]) {
        let now = self.entries.get(partition, entry).await.unwrap();
        self.entries.compare_and_swap(partition, entry, now.as_deref(), record).await.unwrap();
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let at = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.stops_at.is_some_and(|stops| at >= stops) {
            if self.is_done && self.stops_at == Some(at) {
                call.await;
            }
            std::future::pending::<()>().await;
            unreachable!("it never answers");
        }
        call.await
    }
}

#[async_trait]
impl KeyTable for Ledger {
    fn name(&self) -> &str {
        "ledger"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.call(self.entries.get(partition, entry)).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        self.call(self.entries.compare_and_swap(partition, entry, expected, record)).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

/// How long segments stay in the hands of workers that say nothing.
pub(super) const LEASE: Duration = Duration::from_millis(300);

pub(super) async fn world(contacts: usize) -> (World, TenantSeal) {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    fill(&seal, contacts).await;
    (world, seal)
}

/// Stores so many contacts, of two tenants in turn.
pub(super) async fn fill(seal: &TenantSeal, contacts: usize) {
    for number in 0..contacts {
        let tenant = ["acme", "globex"][number % 2];
        let contact = item(&contact(tenant, &format!("c-{number:03}")));
        seal.tenant(&id(tenant)).dynamodb().put_item().table_name("crm").set_item(Some(contact)).send().await.unwrap();
    }
}

/// All stored items.
pub(super) async fn all(world: &World) -> Vec<Item> {
    let scan = world.plain.scan().table_name("crm").consistent_read(true).send().await.unwrap();
    let mut items = scan.items.unwrap();
    items.sort_by_key(|item| format!("{:?}", item.get("contact_id")));
    items
}
