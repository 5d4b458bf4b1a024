//! Workers that are killed, answers that are lost, and two workers at once.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tenantseal::TenantId;
use tenantseal::keys::{
    CurrentKek, EncryptionContext, InMemoryKeyTable, KekId, KeyServiceError, KeyTable, KeyTableError, KmsRewrapService,
    RewrapService, RewrappedDataKey, Rewrapper, Swap, WrappedDataKey,
};
use tokio::sync::Notify;

use super::scene::{Scene, reader};

/// Counts down the calls until the process is killed: before the last one is made, or before its answer is seen.
#[derive(Debug)]
struct Life {
    left: AtomicUsize,
    answers: bool,
    killed: Notify,
}

impl Life {
    async fn live<T>(&self, call: impl Future<Output = T>) -> T {
        let last = self.left.fetch_sub(1, Ordering::Relaxed) == 1;
        if last && !self.answers {
            self.killed.notify_one();
            pending::<()>().await;
        }
        let answer = call.await;
        if last {
            self.killed.notify_one();
            pending::<()>().await;
        }
        answer
    }
}

#[derive(Debug)]
struct Mortal<T>(T, Arc<Life>);

#[async_trait]
impl RewrapService for Mortal<KmsRewrapService> {
    async fn current_kek(&self, tenant: &TenantId) -> Result<CurrentKek, KeyServiceError> {
        self.1.live(self.0.current_kek(tenant)).await
    }

    async fn rewrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<RewrappedDataKey, KeyServiceError> {
        self.1.live(self.0.rewrap_data_key(tenant, context, kek, wrapped)).await
    }
}

#[async_trait]
impl KeyTable for Mortal<Arc<InMemoryKeyTable>> {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.1.live(self.0.get(partition, entry)).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        self.1.live(self.0.compare_and_swap(partition, entry, expected, record)).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        self.0.check().await
    }
}

impl Scene {
    fn mortal(&self, life: &Arc<Life>) -> Arc<Rewrapper> {
        let service = KmsRewrapService::assume_role(&self.world.app, self.world.tenancy.clone()).unwrap();
        let ledger = Mortal(Arc::clone(&self.ledger), Arc::clone(life));
        Arc::new(Rewrapper::new(Arc::new(Mortal(service, Arc::clone(life))), Arc::new(ledger)))
    }
}

#[tokio::test]
async fn a_worker_killed_at_any_call_costs_one_more_reencrypt_at_most() {
    for answers in [false, true] {
        for last in 1.. {
            let scene = Scene::start().await;
            let stored = scene.fill(2).await;
            let former = scene.rekey("acme").await;
            scene.world.stack.calls().reset();
            let life = Arc::new(Life { left: AtomicUsize::new(last), answers, killed: Notify::new() });
            let (seal, mortal) = (scene.seal(), scene.mortal(&life));
            let was_killed = tokio::select! {
                report = seal.sweep("crm").rewrap(&mortal).run() => { report.unwrap(); false }
                () = life.killed.notified() => true,
            };
            let report = scene.rewrap(&scene.rewrapper()).await;
            assert!(report.is_clean(), "{report}");
            let wrapped = scene.world.stack.calls().count("ReEncrypt");
            assert!((2..=3).contains(&wrapped), "{wrapped} calls, killed at {last}");
            scene.world.admin.disable_key().key_id(&former).send().await.unwrap();
            reader(&scene.world).all_open(&stored).await;
            if !was_killed {
                assert!(last > 5, "{last}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_lost_answer_of_kms_is_asked_for_once_more() {
    let scene = Scene::start().await;
    let stored = scene.fill(1).await;
    scene.rekey("acme").await;
    scene.world.stack.calls().reset();
    scene.world.stack.faults().on("ReEncrypt").times(1).lose_answer();
    let report = scene.rewrap(&scene.rewrapper()).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), 2);
    reader(&scene.world).all_open(&stored).await;
}

#[tokio::test]
async fn workers_at_once_agree_on_one_record_for_each_data_key() {
    let scene = Scene::start().await;
    let stored = scene.fill(3).await;
    scene.rekey("acme").await;
    scene.world.stack.calls().reset();
    let seal = || {
        let (seal, rewrapper) = (scene.seal(), scene.rewrapper());
        async move { seal.sweep("crm").rewrap(&rewrapper).run().await.unwrap() }
    };
    let reports = tokio::join!(seal(), seal());
    assert!(reports.0.is_clean() && reports.1.is_clean(), "{} {}", reports.0, reports.1);
    let wrapped = scene.world.stack.calls().count("ReEncrypt");
    assert!((3..=6).contains(&wrapped), "{wrapped}: at most one for each data key and worker");
    let mut headers = std::collections::BTreeSet::new();
    for (contact_id, _) in &stored {
        headers.insert(scene.world.stored("acme", contact_id).await["_seal"].as_b().unwrap().clone().into_inner());
    }
    assert_eq!(headers.len(), 3, "one record for each data key");
    // A third process wraps nothing.
    let before = scene.world.stack.calls().count("ReEncrypt");
    assert!(scene.rewrap(&scene.rewrapper()).await.changed_nothing());
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), before);
    reader(&scene.world).all_open(&stored).await;
}
