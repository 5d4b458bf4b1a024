//! Re-pointed aliases; and what hostile key records can and cannot cause.

use std::time::Duration;

use super::scene::{MINUTE, Scene, id, kek, kind, record};
use crate::envelope::{NeededKey, OpenFault};
use crate::format::KeyRecord;
use crate::keys::{KeyServiceErrorKind as Kind, OpeningKeyError};

#[tokio::test(start_paused = true)]
async fn after_a_re_pointing_old_items_open_and_new_ones_use_the_new_key() {
    let scene = Scene::new();
    let old = scene.seal("acme").await.unwrap();
    let former: Vec<_> = {
        let mut former = Vec::new();
        for _ in 0..5 {
            former.push(record(&scene.another().seal("acme").await.unwrap()));
        }
        former
    };
    scene.script(|kms| {
        kms.alias = 1;
        kms.own_aliases = [0, 1].into();
    });
    // The refresher notices it, at the latest when the lease ends.
    tokio::time::sleep(MINUTE * 15).await;
    let new = scene.seal("acme").await.unwrap();
    assert!(new.record().kek == kek(1), "{new:?}");
    let (_, asked, _) = scene.counts();
    // Once learned, it costs no failing call.
    for stored in &former {
        scene.open("acme", stored).await.unwrap();
    }
    scene.open("acme", &record(&old)).await.unwrap();
    assert_eq!(scene.counts().1, asked);

    // A process that only reads learns it with one failing call.
    let reader = scene.another();
    let before = scene.counts();
    for stored in &former {
        reader.open("acme", stored).await.unwrap();
    }
    assert_eq!(scene.counts(), (before.0, before.1 + 1, before.2 + 5));
    // It goes on reading, new items too.
    reader.open("acme", &record(&new)).await.unwrap();
    tokio::time::sleep(MINUTE * 20).await;
    reader.open("acme", &former[0]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_missing_alias_is_named() {
    let scene = Scene::new();
    let old = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| kms.alias = 1);
    let reader = scene.another();
    let error = reader.open("acme", &old).await.unwrap_err();
    assert_eq!(kind(&error), Kind::MissingAlias);
    let OpeningKeyError::Service(error) = error else { panic!("{error}") };
    let missing = error.missing_alias().unwrap();
    assert_eq!(missing.alias.as_str(), format!("alias/customer-acme/{}", kek(0).key_id()));
    assert_eq!(missing.key, kek(0));
    assert!(error.to_string().contains(missing.alias.as_str()) && !error.is_revoked(), "{error}");
    scene.script(|kms| kms.own_aliases = [0].into());
    tokio::time::sleep(MINUTE).await;
    reader.open("acme", &old).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disabled_former_key_takes_its_own_items_and_not_the_tenant() {
    let scene = Scene::new();
    let old = record(&scene.seal("acme").await.unwrap());
    scene.script(|kms| (kms.alias, kms.own_aliases) = (1, [0, 1].into()));
    let scene = scene.another();
    let new = scene.seal("acme").await.unwrap();
    scene.script(|kms| kms.own_aliases = [1].into());
    assert_eq!(kind(&scene.open("acme", &old).await.unwrap_err()), Kind::MissingAlias);
    assert!(scene.warm("acme").is_some());
    scene.open("acme", &record(&new)).await.unwrap();
}

/// Key records that an attacker with access to the table alone could store.
fn forged(stored: &[u8], number: u32) -> Box<[u8]> {
    let mut forged = stored.to_vec();
    let end = forged.len() - 4;
    forged[end..].copy_from_slice(&number.to_be_bytes());
    forged.into()
}

#[tokio::test(start_paused = true)]
async fn hostile_records_neither_evict_nor_open_the_circuit_and_are_bounded() {
    let scene = Scene::new();
    let mut scene_record = KeyRecord::decode(&record(&scene.seal("acme").await.unwrap())).unwrap();
    let own = scene.seal("acme").await.unwrap();
    scene_record.kek = kek(7);
    scene_record.key_id = crate::crypto::DataKeyId([7; 16]);
    let hostile = scene_record.encode();
    let before = scene.counts();
    let mut refused = 0;
    for number in 0..1_000 {
        match scene.open("acme", &forged(&hostile, number)).await {
            Err(OpeningKeyError::Service(error)) if error.kind() == Kind::TooManyRefused => {
                assert!(error.is_retryable());
                refused += 1;
            }
            Err(_) => {}
            Ok(()) => panic!("a forged record opened"),
        }
        assert!(scene.warm("acme").is_some());
    }
    assert!(refused >= 890, "{refused}");
    let (_, asked, former) = scene.counts();
    assert!(asked + former - before.1 - before.2 <= 2 * 110, "{:?}", scene.counts());
    // Known keys are not affected, and after a while nothing is.
    scene.open("acme", &record(&own)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    scene.open("acme", &record(&scene.another().seal("acme").await.unwrap())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_a_stored_record_brought_about_does_not_revoke() {
    for refused in [Kind::Revoked, Kind::Denied, Kind::NotFound] {
        for reads_only in [false, true] {
            let scene = Scene::new();
            let own = record(&scene.another().seal("acme").await.unwrap());
            if reads_only {
                scene.open("acme", &own).await.unwrap();
            } else {
                scene.seal("acme").await.unwrap();
            }
            let other = scene.another().seal("acme").await.unwrap();
            scene.script(|kms| kms.refuses = Some((other.record().wrapped.clone(), refused)));
            let error = scene.open("acme", &record(&other)).await.unwrap_err();
            assert!(!matches!(&error, OpeningKeyError::Service(error) if error.is_revoked()), "{refused}: {error}");
            let needed = NeededKey { attribute: "email".to_owned(), stored: crate::format::StoredKey::Record(own) };
            let (sealing, opening) =
                (scene.warm("acme"), scene.keys.for_tenant(&id("acme")).warm_opening_keys(vec![needed]));
            assert!(if reads_only { opening.is_ok() } else { sealing.is_some() }, "{refused}: evicted");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_from_before_a_resumption_is_neither_believed_nor_remembered() {
    const SECOND: Duration = Duration::from_secs(1);
    let scene = Scene::new();
    scene.seal("acme").await.unwrap();
    let [slow, quick] = [scene.another().seal("acme").await.unwrap(), scene.another().seal("acme").await.unwrap()];
    let wrapped = slow.record().wrapped.clone();
    scene.script(|kms| (kms.latency, kms.refuses) = (SECOND * 3, Some((wrapped, Kind::Revoked))));
    let confirmed = async {
        tokio::time::sleep(SECOND).await;
        scene.script(|kms| (kms.latency, kms.refuses) = (Duration::ZERO, None));
        scene.open("acme", &record(&quick)).await
    };
    let slow = record(&slow);
    let (refused, confirmed) = tokio::join!(scene.open("acme", &slow), confirmed);
    confirmed.unwrap();
    refused.unwrap();
    scene.open("acme", &slow).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_forged_record_of_the_current_kek_is_rejected_and_remembered() {
    let scene = Scene::new();
    let mut forged = KeyRecord::decode(&record(&scene.another().seal("acme").await.unwrap())).unwrap();
    forged.created += 1;
    let forged = forged.encode();
    scene.seal("acme").await.unwrap();
    for _ in 0..3 {
        match scene.open("acme", &forged).await {
            Err(OpeningKeyError::Open { fault: OpenFault::ForgedRecord, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(scene.counts().1, 1);
}

#[tokio::test(start_paused = true)]
async fn pages_of_forged_records_cost_no_more_calls_than_single_records() {
    let scene = Scene::new();
    let mut hostile = KeyRecord::decode(&record(&scene.seal("acme").await.unwrap())).unwrap();
    hostile.kek = kek(7);
    hostile.key_id = crate::crypto::DataKeyId([7; 16]);
    let hostile = hostile.encode();
    scene.script(|kms| kms.latency = Duration::from_millis(5));
    let before = scene.counts();
    for page in 0..100 {
        let records: Vec<_> = (0..8).map(|at| forged(&hostile, page * 8 + at)).collect();
        scene.open_all("acme", &records).await.unwrap_err();
        // The same when the caller gives up.
        let other = forged(&hostile, 1_000_000 + page);
        let given_up = tokio::time::timeout(Duration::from_millis(1), scene.open("acme", &other)).await;
        assert!(given_up.is_err() || page > 10);
    }
    let after = scene.counts();
    // A burst of 100, and 10 per second.
    assert!(after.1 + after.2 - before.1 - before.2 <= 2 * (100 + 20), "{before:?} {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_tenants_own_records_are_not_taken_for_forged() {
    let scene = Scene::new();
    scene.seal("acme").await.unwrap();
    let mut records = Vec::new();
    for _ in 0..150 {
        records.push(record(&scene.another().seal("acme").await.unwrap()));
    }
    scene.script(|kms| kms.configured_fails = Some(Kind::Denied));
    tokio::time::sleep(MINUTE * 20).await;
    assert!(scene.seal("acme").await.unwrap_err().is_revoked());
    for stored in &records {
        assert_eq!(kind(&scene.open("acme", stored).await.unwrap_err()), Kind::Denied);
    }
    scene.script(|kms| kms.configured_fails = None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for stored in &records {
        scene.open("acme", stored).await.unwrap();
    }
}
