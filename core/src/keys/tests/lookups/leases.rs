//! In memory a lookup key is a data key like others: leases, revocation, outages, re-pointed aliases, limits.

use super::*;
use crate::audit::{AuditSink, DataKeySource, DataKeyUse, Purpose};
use crate::keys::KeyServiceErrorKind;
use crate::time::SystemTimeSource;
use crate::trail::Audit;

async fn error(scene: &Scene) -> crate::keys::KeyServiceError {
    match scene.lookup_keys("acme").await.map(|_| ()) {
        Err(KeyError::Service(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn lookup_keys_and_data_keys_share_a_lease() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let _handle = scene.keys.for_tenant(&id("acme"));
    scene.seal("acme").await.unwrap();
    scene.token("acme").await.unwrap();
    let before = scene.calls();
    for _ in 0..60 {
        tokio::time::sleep(MINUTE).await;
        scene.seal("acme").await.unwrap();
        scene.token("acme").await.unwrap();
    }
    // About every 12 min.
    assert!((3..=6).contains(&(scene.calls() - before)), "{}", scene.calls() - before);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_key_alone_keeps_its_lease() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let token = scene.token("acme").await;
    let reads = fleet.table.calls();
    for _ in 0..60 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.token("acme").await, token);
    }
    assert_eq!(fleet.table.calls(), reads);
    assert!((3..=6).contains(&scene.counts().1), "{:?}", scene.counts());
    // Unused, it leaves memory with its lease.
    let held = scene.lookup_keys("acme").await.unwrap().downgrade();
    assert!(held[0].upgrade().is_some());
    // The first period ends with a renewal: it was used.
    tokio::time::sleep((TERMS.revalidation + TERMS.grace) * 2).await;
    assert!(held[0].upgrade().is_none());
    assert!(!scene.is_warm("acme"));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_tenants_lookup_key_is_dropped_and_comes_back_with_the_tenant() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let token = scene.token("acme").await;
    scene.script(|kms| kms.fails = Some(KeyServiceErrorKind::Revoked));
    tokio::time::sleep(TERMS.revalidation).await;
    assert!(!scene.is_warm("acme"));
    assert!(error(&scene).await.is_revoked());
    assert!(match fleet.process().lookup_keys("acme").await {
        Err(KeyError::Service(error)) => error.is_revoked(),
        _ => false,
    });
    scene.script(|kms| kms.fails = None);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(scene.token("acme").await, token);
}

#[tokio::test(start_paused = true)]
async fn revoking_by_hand_drops_the_lookup_key_from_all_handles() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let token = scene.token("acme").await;
    let handle = scene.keys.for_tenant(&id("acme"));
    let held = scene.lookup_keys("acme").await.unwrap().downgrade();
    scene.keys.revoke(&id("acme")).await;
    assert!(handle.warm_lookup_keys(&[1]).is_none());
    assert!(held[0].upgrade().is_none(), "it is in nobody's memory");
    assert_eq!(scene.token("acme").await, token);
}

/// Its record is being written, with a new name, when the tenant is revoked.
#[tokio::test(start_paused = true)]
async fn a_lookup_key_that_was_under_way_during_a_revocation_is_not_used() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let scene = Arc::new(fleet.declaring(vec![lookup("email", 1, 128), lookup("phone", 1, 128)]));
    let under_way = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.lookup_keys("acme").await.map(|_| ()) }
    });
    // Reading 2 entries takes 10 ms, writing one 5.
    tokio::time::sleep(Duration::from_millis(12)).await;
    assert_eq!((fleet.table.calls(), scene.counts().1), ((4, 1), 1), "unwrapped, and not written yet");
    scene.script(|kms| kms.fails = Some(KeyServiceErrorKind::Revoked));
    scene.keys.revoke(&id("acme")).await;
    match under_way.await.unwrap() {
        Err(KeyError::Service(error)) => assert!(error.is_revoked(), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(!scene.is_warm("acme"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_tenants_lookup_keys_cost_no_reading_and_no_call() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let scene = fleet.process();
    scene.script(|kms| kms.fails = Some(KeyServiceErrorKind::Revoked));
    // The refusal of a sealing key is the tenant's.
    scene.seal("acme").await.unwrap_err();
    let before = (scene.calls(), fleet.table.calls());
    for _ in 0..100 {
        assert!(error(&scene).await.is_revoked());
    }
    assert_eq!((scene.calls(), fleet.table.calls()), before);
}

/// Nothing but its entry says so: that may be the entry's fault.
#[tokio::test(start_paused = true)]
async fn a_lookup_key_that_kms_refuses_costs_one_call_a_second() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let scene = fleet.process();
    scene.script(|kms| kms.fails = Some(KeyServiceErrorKind::Revoked));
    let before = scene.calls();
    for _ in 0..100 {
        assert!(error(&scene).await.is_revoked());
    }
    assert!(scene.calls() - before <= 2, "{}", scene.calls() - before);
}

#[tokio::test(start_paused = true)]
async fn lookup_keys_of_many_numbers_take_turns_in_the_tenants_places() {
    let fleet = Fleet::default();
    let numbers: Vec<u16> = (1..=8).collect();
    let lookups = || numbers.iter().map(|number| lookup(&format!("name-{number}"), *number, 128)).collect();
    let first = fleet.declaring(lookups());
    for number in &numbers {
        first.token_under("acme", &format!("name-{number}"), *number).await.unwrap();
    }
    let scene = Scene::configured(Arc::clone(&fleet.kms), |config| {
        config.shared = Some(SharedKeys::new(Arc::clone(&fleet.table) as _, "us-east-1"));
        config.lookups = DeclaredLookups::new(lookups()).unwrap();
        config.limits = LIMITS;
        config.limits.calls_per_tenant = 2;
    });
    scene.script(|kms| kms.latency = Duration::from_millis(100));
    let started = tokio::time::Instant::now();
    scene.keys.for_tenant(&id("acme")).lookup_keys(&numbers).await.unwrap();
    // Each number but the first opens the one before too: 15 calls, 2 at a time.
    assert!(started.elapsed() >= Duration::from_millis(750), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_a_lookup_key_serves_for_the_grace_and_no_longer() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let token = scene.token("acme").await;
    scene.script(|kms| kms.fails = Some(KeyServiceErrorKind::Unavailable));
    for _ in 0..29 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.token("acme").await, token);
    }
    tokio::time::sleep(MINUTE).await;
    assert!(error(&scene).await.is_outage());
}

#[tokio::test(start_paused = true)]
async fn a_cached_lookup_key_serves_on_while_the_table_fails() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let token = scene.token("acme").await;
    fleet.table.down.store(true, Ordering::SeqCst);
    for _ in 0..=(TERMS.rotation.as_secs() / 600) {
        tokio::time::sleep(MINUTE * 10).await;
        let started = tokio::time::Instant::now();
        assert_eq!(scene.token("acme").await, token);
        assert!(started.elapsed() < Duration::from_millis(1), "nobody waits for the table");
    }
    let before = fleet.table.calls().0;
    for _ in 0..30 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.token("acme").await, token);
    }
    let reads = fleet.table.calls().0 - before;
    assert!((25..=31).contains(&reads), "{reads} reads in 30 minutes");
}

#[tokio::test(start_paused = true)]
async fn after_the_alias_was_repointed_the_same_lookup_key_is_wrapped_again() {
    let fleet = Fleet::default();
    let token = fleet.process().token("acme").await;
    assert_eq!(fleet.kek("acme", 1), kek(0));
    fleet.repoint();
    let scene = fleet.process();
    assert_eq!(scene.token("acme").await, token);
    assert_eq!(fleet.kek("acme", 1), kek(1));
    // The former key is deleted.
    scene.script(|kms| kms.own_aliases.clear());
    for scene in [scene, fleet.process()] {
        tokio::time::sleep(MINUTE * 31).await;
        assert_eq!(scene.token("acme").await, token);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_process_wraps_it_again_within_minutes_after_it_sees_the_new_key() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let _handle = scene.keys.for_tenant(&id("acme"));
    let token = scene.token("acme").await;
    fleet.repoint();
    for _ in 0..20 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.token("acme").await, token);
    }
    assert_eq!(fleet.kek("acme", 1), kek(1));
    let calls = fleet.table.calls();
    for _ in 0..60 {
        tokio::time::sleep(MINUTE).await;
        assert_eq!(scene.token("acme").await, token);
    }
    assert_eq!(fleet.table.calls(), calls, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn the_number_before_is_wrapped_again_too() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let second = || fleet.declaring(vec![lookup("phone", 2, 128)]);
    let token = second().token_under("acme", "phone", 2).await;
    fleet.repoint();
    assert_eq!(second().token_under("acme", "phone", 2).await, token);
    assert_eq!((fleet.kek("acme", 1), fleet.kek("acme", 2)), (kek(1), kek(1)));
    fleet.kms.script.lock().unwrap().own_aliases.clear();
    assert_eq!(second().token_under("acme", "phone", 2).await, token);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_key_that_cannot_be_wrapped_again_serves_on() {
    let fleet = Fleet::default();
    let token = fleet.process().token("acme").await;
    fleet.repoint();
    // KMS unwraps, and makes nothing new.
    fleet.kms.script.lock().unwrap().makes_nothing = true;
    assert_eq!(fleet.process().token("acme").await, token);
    assert_eq!(fleet.kek("acme", 1), kek(0));
}

#[tokio::test(start_paused = true)]
async fn lookup_keys_count_as_data_keys_and_are_evicted_with_them() {
    let fleet = Fleet::default();
    let scene = Scene::configured(Arc::clone(&fleet.kms), |config| {
        config.shared = Some(SharedKeys::new(Arc::clone(&fleet.table) as _, "us-east-1"));
        config.lookups = DeclaredLookups::new(vec![lookup("email", 1, 128)]).unwrap();
        config.limits = LIMITS;
        config.limits.data_keys = 10;
        config.limits.data_keys_per_tenant = 10;
    });
    let tenants: Vec<String> = (0..100).map(|at| format!("t{at}")).collect();
    for tenant in &tenants {
        scene.token(tenant).await.unwrap();
    }
    settle().await;
    let warm = tenants.iter().filter(|tenant| scene.is_warm(tenant)).count();
    assert!((1..=10).contains(&warm), "{warm}");
}

/// The uses that an audit sink was told of.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<(Purpose, DataKeySource, String, usize)>>);

impl AuditSink for Told {
    fn record(&self, key: &DataKeyUse<'_>) {
        assert_eq!((key.tenant.as_str(), key.operation, *key.kek == kek(0)), ("acme", "PutItem", true));
        self.0.lock().unwrap().push((key.purpose, key.source, key.table.to_owned(), key.items));
    }
}

#[tokio::test(start_paused = true)]
async fn the_audit_tells_who_made_a_lookup_key_and_each_use_of_it() {
    use DataKeySource::{Cache, KeyTable, Kms};
    let fleet = Fleet::default();
    for (scene, first) in [(fleet.process(), Kms), (fleet.process(), KeyTable)] {
        let told = Arc::new(Told::default());
        let audit = Audit::new(Some(Arc::clone(&told) as _), Arc::new(SystemTimeSource));
        for _ in 0..2 {
            let keys = scene.lookup_keys("acme").await.unwrap();
            audit.record_lookups(&id("acme"), "PutItem", keys.data_keys(), &[("crm", 3)]).unwrap();
        }
        let expected = [first, Cache].map(|source| (Purpose::Lookup, source, "crm".to_owned(), 3));
        assert_eq!(*told.0.lock().unwrap(), expected);
    }
}
