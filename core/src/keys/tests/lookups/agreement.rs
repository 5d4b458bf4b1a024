//! One lookup key for the fleet, whoever makes it, and whatever happens to its entry.

use futures_util::future::join_all;

use super::*;

#[tokio::test(start_paused = true)]
async fn fifty_processes_agree_on_one_lookup_key_a_tenant() {
    let fleet = Fleet::default();
    let processes: Vec<Scene> = (0..50).map(|_| fleet.process()).collect();
    for tenant in ["acme", "globex"] {
        let tokens = join_all(processes.iter().map(|scene| async { scene.token(tenant).await.unwrap() })).await;
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    }
    assert_ne!(processes[0].token("acme").await.unwrap()[5..], processes[0].token("globex").await.unwrap()[7..]);
    assert_eq!(fleet.table.lookups().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cold_process_reads_once_and_unwraps_once_and_a_warm_one_asks_nobody() {
    let fleet = Fleet::default();
    fleet.process().token("acme").await.unwrap();
    let scene = fleet.declaring(["email", "phone", "iban"].map(|name| lookup(name, 1, 128)).into());
    let before = (scene.calls(), fleet.table.calls());
    scene.token("acme").await.unwrap();
    let after = (scene.calls(), fleet.table.calls());
    // 2 lookups were new under the key: one write for both, and one more reading, of the next number.
    assert_eq!((after.0 - before.0, after.1.0 - before.1.0, after.1.1 - before.1.1), (1, 2, 1));
    for name in ["email", "phone", "iban"] {
        scene.token_under("acme", name, 1).await.unwrap();
    }
    assert_eq!((scene.calls(), fleet.table.calls()), after);
    // Nothing is new for a process that is started again.
    let again = fleet.declaring(["email", "phone", "iban"].map(|name| lookup(name, 1, 128)).into());
    let calls = again.calls();
    again.token("acme").await.unwrap();
    assert_eq!((again.calls() - calls, fleet.table.calls()), (1, (after.1.0 + 1, after.1.1)));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_fetch_and_who_goes_away_leaves_nothing_stuck() {
    let fleet = Fleet::default();
    let scene = Arc::new(fleet.process());
    let first = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.token("acme").await }
    });
    tokio::time::sleep(Duration::from_millis(7)).await;
    let others = (0..1_000).map(|_| async { scene.token("acme").await.unwrap() });
    first.abort();
    let tokens = join_all(others).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    // It makes the key, so it reads the next number too.
    assert_eq!((scene.calls(), fleet.table.calls()), (1, (2, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_calls_hang_delays_no_other_tenants_lookup_key() {
    let fleet = Fleet::default();
    fleet.kms.script.lock().unwrap().hangs.insert(id("slow"));
    let scene = Arc::new(fleet.process());
    let slow = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.lookup_keys("slow").await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = tokio::time::Instant::now();
    scene.token("acme").await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn no_lookup_key_is_made_in_a_table_that_cannot_be_restored() {
    let fleet = Fleet::default();
    fleet.table.unrecoverable.store(true, Ordering::SeqCst);
    assert_eq!(fleet.process().token("acme").await, Err(Kind::NoRecovery));
    assert!(fleet.table.lookups().is_empty());
    // One that is there is used: nothing can be lost by that.
    fleet.table.unrecoverable.store(false, Ordering::SeqCst);
    let token = fleet.process().token("acme").await;
    fleet.table.unrecoverable.store(true, Ordering::SeqCst);
    assert_eq!(fleet.process().token("acme").await, token);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_makes_no_lookup_keys_uses_those_of_others() {
    let fleet = Fleet::default();
    let scene = fleet.with(vec![lookup("email", 1, 128)], &[&[]], false);
    assert_eq!(scene.token("acme").await, Err(missing(1)));
    assert!(fleet.table.lookups().is_empty());
    let token = fleet.process().token("acme").await;
    assert_eq!(scene.token("acme").await, token);
    // It does not store a lost one again, either.
    fleet.table.put("acme", &entry("acme", 1), None);
    use_for(&scene, TERMS.rotation).await;
    settle().await;
    assert_eq!(scene.token("acme").await, Err(missing(1)));
}

#[tokio::test(start_paused = true)]
async fn an_entry_under_former_static_pairs_serves_and_two_are_an_error() {
    let fleet = Fleet::default();
    let (email, prod): (_, &[(&str, &str)]) = (vec![lookup("email", 1, 128)], &[("env", "prod")]);
    let token = fleet.process().token("acme").await;
    let both = fleet.with(email.clone(), &[prod, &[], &[]], true);
    assert_eq!(both.token("acme").await, token);
    assert_eq!(fleet.table.lookups().len(), 1);
    // A process that does not list the former pairs makes a second one.
    let unaware = fleet.with(email.clone(), &[prod], true);
    assert_ne!(unaware.token("acme").await, token);
    let two = Err(Kind::TwoLookupKeys { tenant: id("acme"), number: 1 });
    assert_eq!(fleet.with(email, &[prod, &[]], true).token("acme").await, two);
    // One that is running notices with its next reading.
    use_for(&both, TERMS.rotation).await;
    settle().await;
    assert_eq!(both.token("acme").await, two);
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_other_static_pairs_notice_that_both_make_a_lookup_key() {
    let fleet = Fleet::default();
    let (email, prod): (_, &[(&str, &str)]) = (vec![lookup("email", 1, 128)], &[("env", "prod")]);
    let (new, old) = (fleet.with(email.clone(), &[prod, &[]], true), fleet.with(email, &[&[]], true));
    let (new, _) = tokio::join!(new.token("acme"), old.token("acme"));
    assert_eq!(new, Err(Kind::TwoLookupKeys { tenant: id("acme"), number: 1 }));
}

#[tokio::test(start_paused = true)]
async fn an_exchanged_lookup_key_is_noticed_within_a_rotation_period_and_after_evictions() {
    let fleet = Fleet::default();
    let (scene, other) = (fleet.process(), Fleet { kms: Arc::clone(&fleet.kms), table: Arc::default() });
    let token = scene.token("acme").await.unwrap();
    let others = other.process().token("acme").await.unwrap();
    let (original, exchanged) = (fleet.table.record("acme", 1), other.table.record("acme", 1));
    fleet.table.put("acme", &entry("acme", 1), exchanged);
    let before = fleet.table.calls();
    use_for(&scene, TERMS.rotation - MINUTE).await;
    assert_eq!(fleet.table.calls(), before, "it is read once per rotation period");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(scene.token("acme").await.as_ref(), Ok(&token), "the request that notices does not wait");
    settle().await;
    assert!(!scene.is_warm("acme"));
    assert_eq!(scene.token("acme").await, Err(changed(1)));
    scene.keys.revoke(&id("acme")).await;
    assert_eq!(scene.token("acme").await, Err(changed(1)), "an eviction forgets the key, and not which one it was");
    // A new process cannot know.
    assert_eq!(fleet.process().token("acme").await, Ok(others));
    fleet.table.put("acme", &entry("acme", 1), original);
    assert_eq!(scene.token("acme").await, Ok(token), "restored");
}

#[tokio::test(start_paused = true)]
async fn a_lost_entry_is_stored_again_by_a_process_that_has_the_key() {
    let fleet = Fleet::default();
    let scene = fleet.process();
    let token = scene.token("acme").await;
    let original = fleet.table.record("acme", 1);
    fleet.table.put("acme", &entry("acme", 1), None);
    use_for(&scene, TERMS.rotation).await;
    settle().await;
    assert_eq!(fleet.table.record("acme", 1), original);
    assert_eq!(fleet.process().token("acme").await, token);
    // Evicted, it has the key no more, and makes no other.
    fleet.table.put("acme", &entry("acme", 1), None);
    scene.keys.revoke(&id("acme")).await;
    assert_eq!(scene.token("acme").await, Err(missing(1)));
    assert!(fleet.table.lookups().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_entry_of_former_pairs_is_stored_where_it_was() {
    let fleet = Fleet::default();
    let (email, prod): (_, &[(&str, &str)]) = (vec![lookup("email", 1, 128)], &[("env", "prod")]);
    let token = fleet.process().token("acme").await;
    let scene = fleet.with(email, &[prod, &[]], true);
    assert_eq!(scene.token("acme").await, token);
    let entries = fleet.table.lookups();
    fleet.table.put("acme", &entry("acme", 1), None);
    use_for(&scene, TERMS.rotation).await;
    settle().await;
    assert_eq!(fleet.table.lookups(), entries);
    assert_eq!(scene.token("acme").await, token);
}
