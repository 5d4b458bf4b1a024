//! The key table is hostile: what a process did not make itself opens for its tenant, context and number, or is refused.

use super::*;
use crate::keys::OpeningKeyError;

/// A fleet whose tenants have lookup keys of the numbers 1 and 2.
async fn fleet() -> Fleet {
    let fleet = Fleet::default();
    for tenant in ["acme", "globex"] {
        fleet.process().token(tenant).await.unwrap();
        fleet.declaring(vec![lookup("phone", 2, 128)]).token_under(tenant, "phone", 2).await.unwrap();
    }
    fleet
}

#[tokio::test(start_paused = true)]
async fn what_does_not_open_is_forged_and_never_replaced_by_a_new_key() {
    let fleet = fleet().await;
    let good = fleet.table.record("acme", 1).unwrap();
    let flipped = |at: usize| {
        let mut record = good.clone();
        record[at] ^= 1;
        record
    };
    let key_record = usize::from(u16::from_be_bytes([good[1], good[2]]));
    let cases = [
        ("nothing", Vec::new()),
        ("another version", flipped(0)),
        ("a data key's record", good[3..3 + key_record].to_vec()),
        ("cut", good[..good.len() - 1].to_vec()),
        ("longer", [&good[..], &[0]].concat()),
        ("another key id", flipped(3 + 1)),
        ("another time", flipped(3 + 17)),
        ("another wrapped key", flipped(3 + key_record - 1)),
        ("another nonce", flipped(3 + key_record)),
        ("another lookup key", flipped(3 + key_record + 12)),
        ("another tag", flipped(good.len() - 1)),
        ("number 2", fleet.table.record("acme", 2).unwrap()),
        ("another tenant's", fleet.table.record("globex", 1).unwrap()),
    ];
    for (what, record) in cases {
        fleet.table.put("acme", &entry("acme", 1), Some(record.clone()));
        assert_eq!(fleet.process().token("acme").await, Err(forged(1)), "{what}");
        assert_eq!(fleet.table.record("acme", 1), Some(record), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_key_under_a_context_without_purpose_is_forged() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let alone = Scene::configured(Arc::clone(&fleet.kms), |_| {});
    // Sealed by a process in possession of a data key, of the fleet's or its own: rightly but for the context. That of
    // its own is the right one without `purpose`.
    for sealing in [scene.seal("acme").await.unwrap(), alone.seal("acme").await.unwrap()] {
        let contents = crate::format::LookupContents {
            key: crate::crypto::LookupKey::generate(&crate::crypto::OsRandom).unwrap(),
            known: crate::format::KnownLookups::default(),
        };
        let record = sealing.wrap_lookup_key(&id("acme"), 1, [0; 12], &contents);
        fleet.table.put("acme", &entry("acme", 1), Some(record));
        let before = scene.calls();
        assert_eq!(scene.token("acme").await, Err(forged(1)));
        assert_eq!(scene.calls(), before, "contexts are compared before the first call");
    }
}

#[tokio::test(start_paused = true)]
async fn a_forged_entry_costs_one_call_of_kms_a_second() {
    let fleet = fleet().await;
    let mut record = fleet.table.record("acme", 1).unwrap();
    let key_record = usize::from(u16::from_be_bytes([record[1], record[2]]));
    record[3 + key_record - 1] ^= 1;
    fleet.table.put("acme", &entry("acme", 1), Some(record));
    let scene = fleet.process();
    let before = scene.calls();
    for _ in 0..100 {
        assert_eq!(scene.token("acme").await, Err(forged(1)));
    }
    assert!(scene.calls() - before <= 2, "{}", scene.calls() - before);
}

#[tokio::test(start_paused = true)]
async fn an_item_under_a_lookup_keys_record_does_not_open_and_cached_neither() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    scene.token("acme").await.unwrap();
    let record = fleet.table.record("acme", 1).unwrap();
    let key_record = LookupRecord::decode(&record).unwrap().stored_key_record().to_vec();
    // Its data key is in the cache; that is no reason.
    let error = scene.open("acme", &key_record).await.unwrap_err();
    assert!(matches!(error, OpeningKeyError::Open { fault: crate::OpenFault::ForeignContext, .. }), "{error}");
    let error = scene.open("acme", &record).await.unwrap_err();
    let fault = crate::OpenFault::Format(crate::FormatError::NotARecord);
    assert!(
        matches!(error, OpeningKeyError::Open { fault: other, .. } if other == fault && fault.is_integrity()),
        "{error}"
    );
    // Nor does it seal.
    let sealing = scene.keys.for_tenant(&id("acme")).sealing_key(None, KeyRecordPlacement::Item).await.unwrap();
    assert_ne!(sealing.stored_record(), key_record);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_forged_while_the_key_is_in_use_is_reported() {
    let fleet = fleet().await;
    let scene = fleet.process();
    scene.token("acme").await.unwrap();
    fleet.table.put("acme", &entry("acme", 1), fleet.table.record("globex", 1));
    use_for(&scene, TERMS.rotation).await;
    settle().await;
    assert_eq!(scene.token("acme").await, Err(forged(1)));
}
