//! A fleet that shares its keys, on a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::scene::{Kms, MINUTE, Scene, TERMS};
use crate::envelope::KeyRecordPlacement;
use crate::keys::outcome::KeyError;
use crate::keys::{InMemoryKeyTable, KeyServiceErrorKind as Kind, KeyTable, KeyTableError, KeyTableErrorKind, Swap};

/// A table that can be unavailable.
#[derive(Debug, Default)]
struct Table {
    entries: InMemoryKeyTable,
    down: AtomicBool,
}

impl Table {
    fn up(&self) -> Result<&InMemoryKeyTable, KeyTableError> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(KeyTableError::new("keys", KeyTableErrorKind::Unavailable)),
            false => Ok(&self.entries),
        }
    }
}

#[async_trait]
impl KeyTable for Table {
    fn name(&self) -> &str {
        "keys"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.up()?.get(partition, entry).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.up()?.compare_and_swap(partition, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        self.up()?.check().await
    }
}

struct Fleet {
    kms: Arc<Kms>,
    table: Arc<Table>,
}

impl Fleet {
    fn new() -> Self {
        Self { kms: Arc::default(), table: Arc::default() }
    }

    fn process(&self) -> Scene {
        Scene::of_fleet(&self.kms, &(Arc::clone(&self.table) as Arc<dyn KeyTable>))
    }

    fn down(&self, down: bool) {
        self.table.down.store(down, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_processes_and_a_thousand_tenants_make_one_key_each_a_period() {
    let fleet = Fleet::new();
    let processes: Vec<Scene> = (0..50).map(|_| fleet.process()).collect();
    let tenants: Vec<String> = (0..1_000).map(|at| format!("t{at}")).collect();
    for scene in &processes {
        join_all(tenants.iter().map(|tenant| async { scene.seal(tenant).await.unwrap() })).await;
    }
    assert_eq!((processes[0].counts().0, processes[0].counts().1), (1_000, 49_000));
}

#[tokio::test(start_paused = true)]
async fn a_key_ends_with_its_period_however_late_it_was_taken_over() {
    let fleet = Fleet::new();
    let (early, late) = (fleet.process(), fleet.process());
    let first = early.seal("acme").await.unwrap();
    // The scene's clock begins at 1,800,000,000, which is 28,800 seconds into a day.
    tokio::time::sleep(Duration::from_secs(86_400 - 28_800) - MINUTE).await;
    assert_eq!(late.seal("acme").await.unwrap().record().key_id, first.record().key_id);
    tokio::time::sleep(MINUTE).await;
    let next = late.seal("acme").await.unwrap();
    assert_ne!(next.record().key_id, first.record().key_id);
    assert_eq!(early.seal("acme").await.unwrap().record().key_id, next.record().key_id);
    assert_eq!(early.counts().0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_notices_the_end_of_the_period_by_the_wall_clock() {
    let fleet = Fleet::new();
    let scene = fleet.process();
    let first = scene.seal("acme").await.unwrap();
    scene.sleep_deeply(TERMS.rotation);
    assert!(scene.warm("acme").is_none());
    assert_ne!(scene.seal("acme").await.unwrap().record().key_id, first.record().key_id);
}

#[tokio::test(start_paused = true)]
async fn while_the_table_fails_a_process_keeps_its_key_then_joins_the_fleet() {
    let fleet = Fleet::new();
    let others = fleet.process().seal("acme").await.unwrap();
    fleet.down(true);
    let scene = fleet.process();
    let own = scene.seal("acme").await.unwrap();
    assert!(!own.is_at(KeyRecordPlacement::KeyTable));
    assert_eq!(own.record().period(), None);
    let error = scene.seal_compactly("acme").await.unwrap_err();
    assert!(matches!(&error, KeyError::Table(error) if error.is_retryable()), "{error}");
    // Its lease is renewed repeatedly; no other key is made.
    for _ in 0..60 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.seal("acme").await.unwrap().record().key_id, own.record().key_id);
    }
    assert_eq!(scene.counts().0, 2);
    fleet.down(false);
    // A compact item uses the fleet's key at once; others follow with the next renewal.
    assert_eq!(scene.seal_compactly("acme").await.unwrap().record().key_id, others.record().key_id);
    assert_eq!(scene.seal("acme").await.unwrap().record().key_id, others.record().key_id);
    assert_eq!(scene.counts().0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_fleet_serves_on_while_the_table_fails() {
    let fleet = Fleet::new();
    let scene = fleet.process();
    let first = scene.seal_compactly("acme").await.unwrap();
    fleet.down(true);
    for _ in 0..60 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.seal_compactly("acme").await.unwrap().record().key_id, first.record().key_id);
    }
    assert_eq!(scene.counts().0, 1);
}

#[tokio::test(start_paused = true)]
async fn the_fleet_moves_to_the_new_kek_when_the_alias_was_repointed() {
    let fleet = Fleet::new();
    let processes: Vec<Scene> = (0..5).map(|_| fleet.process()).collect();
    for scene in &processes {
        scene.seal_compactly("acme").await.unwrap();
    }
    processes[0].script(|kms| {
        kms.alias = 1;
        kms.own_aliases.insert(0);
    });
    tokio::time::sleep(MINUTE * 16).await;
    let keys = join_all(processes.iter().map(|scene| async { scene.seal_compactly("acme").await.unwrap() })).await;
    for key in &keys {
        assert_eq!(key.record().kek, super::scene::kek(1));
        assert_eq!(key.record().key_id, keys[0].record().key_id);
    }
    let (made, asked, _) = processes[0].counts();
    assert!(made <= 1 + processes.len() && asked < 60, "{:?}", (made, asked));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_kms_and_a_revocation_are_what_they_are_without_a_table() {
    let fleet = Fleet::new();
    let scene = fleet.process();
    scene.seal_compactly("acme").await.unwrap();
    scene.script(|kms| kms.fails = Some(Kind::Unavailable));
    for _ in 0..29 {
        tokio::time::sleep(MINUTE).await;
        scene.seal_compactly("acme").await.unwrap();
    }
    tokio::time::sleep(MINUTE).await;
    let error = scene.seal_compactly("acme").await.unwrap_err();
    assert!(matches!(&error, KeyError::Service(error) if error.is_retryable()), "{error}");

    scene.script(|kms| kms.fails = Some(Kind::Revoked));
    tokio::time::sleep(MINUTE).await;
    for scene in [scene, fleet.process()] {
        let error = scene.seal_compactly("acme").await.unwrap_err();
        assert!(matches!(&error, KeyError::Service(error) if error.is_revoked()), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_agree_once_and_who_goes_away_leaves_nothing_stuck() {
    let fleet = Fleet::new();
    let scene = Arc::new(fleet.process());
    let first = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.seal_compactly("acme").await }
    });
    tokio::time::sleep(Duration::from_millis(7)).await;
    let others = (0..1_000).map(|at| {
        let scene = Arc::clone(&scene);
        async move {
            match at % 2 {
                0 => scene.seal_compactly("acme").await.unwrap(),
                _ => scene.seal("acme").await.unwrap(),
            }
        }
    });
    first.abort();
    let keys = join_all(others).await;
    assert!(keys.iter().all(|key| key.record().key_id == keys[0].record().key_id));
    assert!(scene.counts().0 <= 2, "{:?}", scene.counts());
}
