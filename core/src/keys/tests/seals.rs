//! No data key seals more than its nonces allow: the bounds are small here.

use std::sync::Arc;

use super::scene::{Kms, LIMITS, Scene, TERMS, id};
use crate::crypto::{DataKeyId, OsRandom, RandomError};
use crate::envelope::{KeyRecordPlacement, Nonces, Sealer, Seals, VerifiedDataKey};
use crate::format::{Identity, PrimaryKeyPart, StoredKey};
use crate::keys::{InMemoryKeyTable, KeyTable, Terms};

/// 10 items of 4 attributes for a process alone, 5 for each process of a fleet.
const FEW: Terms = Terms { seals: Seals { own: 40, shared: 20 }, ..TERMS };

/// Seals four attributes of an item, which name their key themselves or by the item's header.
fn write(key: &VerifiedDataKey, update: bool) -> DataKeyId {
    let identity = Identity::new(&id("acme"), "crm", ("tenant_id", PrimaryKeyPart::S("acme")), None).unwrap();
    let own = update.then(|| StoredKey::Record(key.stored_record()));
    let mut sealer = Sealer::new(own, key, &identity, Nonces::Random(&OsRandom), 4).unwrap();
    for name in ["email", "notes", "phone", "street"] {
        let encode = |out: &mut Vec<u8>| {
            out.push(0x01);
            Ok::<_, RandomError>(())
        };
        sealer.seal(name, 1, encode).unwrap();
    }
    key.record().key_id
}

/// The number of distinct keys.
fn distinct(mut keys: Vec<DataKeyId>) -> usize {
    keys.sort();
    keys.dedup();
    keys.len()
}

#[tokio::test(start_paused = true)]
async fn a_data_key_seals_so_much_and_then_another_takes_its_place() {
    let scene = Scene::with(FEW, LIMITS, Arc::default());
    let mut keys = Vec::new();
    for at in 0..35 {
        keys.push(write(&scene.seal("acme").await.unwrap(), at % 2 == 0));
    }
    assert!(keys.chunks(10).all(|keys| distinct(keys.to_vec()) == 1), "ten items each");
    assert_eq!((distinct(keys.clone()), scene.counts().0), (4, 4));
    // Items sealed before open with cached keys.
    assert_eq!(scene.counts().1, 0);
    // A repetition needs the key of the first request, used up or not.
    let key = scene.keys.for_tenant(&id("acme")).sealing_key(Some("token"), KeyRecordPlacement::Item).await.unwrap();
    for _ in 0..5 {
        write(&key, false);
    }
    assert_ne!(scene.seal("acme").await.unwrap().record().key_id, key.record().key_id);
    let again = scene.keys.for_tenant(&id("acme")).sealing_key(Some("token"), KeyRecordPlacement::Item).await.unwrap();
    assert_eq!(again.record().key_id, key.record().key_id);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_goes_on_with_another_key_when_a_process_has_used_up_its_share() {
    let (kms, table) = (Arc::<Kms>::default(), Arc::new(InMemoryKeyTable::default()) as Arc<dyn KeyTable>);
    let processes: Vec<_> = (0..8).map(|_| Scene::of_fleet_with(FEW, &kms, &table)).collect();
    let mut keys = Vec::new();
    for round in 0..20 {
        for scene in &processes {
            let key = match round % 2 {
                0 => scene.seal("acme").await.unwrap(),
                _ => scene.seal_compactly("acme").await.unwrap(),
            };
            assert!(key.is_at(KeyRecordPlacement::KeyTable), "it is the fleet's");
            keys.push(write(&key, false));
        }
    }
    // Each of 8 processes wrote 20 items, 5 under each key: they moved on together.
    assert_eq!((distinct(keys.clone()), processes[0].counts().0), (4, 4));
    for key in &keys {
        assert_eq!(keys.iter().filter(|other| *other == key).count(), 8 * 5);
    }
    // A later process finds the latest key.
    let late = Scene::of_fleet_with(FEW, &kms, &table).seal("acme").await.unwrap();
    assert_eq!(Some(&late.record().key_id), keys.last());
}
