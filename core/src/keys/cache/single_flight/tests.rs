//! Detached work goes on within bounds, and its result does not linger.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Counts work in flight.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

const SECOND: Duration = Duration::from_secs(1);

async fn given_up<V: Clone>(waiter: Waiter<V>) {
    assert!(tokio::time::timeout(SECOND / 10, waiter).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn no_more_is_left_to_itself_than_is_allowed_and_for_no_longer() {
    let (all, count) = (DetachedLimit::new(5), Arc::new(AtomicUsize::new(0)));
    let [one, other] = [SingleFlight::new(all.share(3)), SingleFlight::new(all.share(3))];
    for at in 0..10 {
        for shares in [&one, &other] {
            let busy = Busy::new(&count);
            given_up(shares.run(at, |_| async move {
                let _busy = busy;
                std::future::pending::<()>().await;
            }))
            .await;
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), 5, "of ten pieces of work for each of two");
    tokio::time::sleep(MAX_DETACHED_TIME).await;
    assert_eq!(count.load(Ordering::SeqCst), 0);
    // There is room again.
    let busy = Busy::new(&count);
    given_up(one.run(0, |_| async move {
        let _busy = busy;
        tokio::time::sleep(SECOND).await;
    }))
    .await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    tokio::time::sleep(SECOND).await;
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_dropped_with_its_last_waiter_and_at_once_without_one() {
    let shares = SingleFlight::new(DetachedLimit::new(5));
    let secret = Arc::new(());
    let gone = Arc::downgrade(&secret);
    let work = |secret: Arc<()>| async move {
        tokio::time::sleep(SECOND).await;
        secret
    };
    // Given up, joined again, and then done.
    given_up(shares.run("key", |_| work(secret))).await;
    let joined = shares.run("key", |_| async { unreachable!("it goes on") });
    let brought = joined.await;
    assert!(gone.upgrade().is_some());
    drop(brought);
    assert!(gone.upgrade().is_none(), "a task or a list still has it");

    let secret = Arc::new(());
    let gone = Arc::downgrade(&secret);
    given_up(shares.run("key", |_| work(secret))).await;
    tokio::time::sleep(SECOND * 2).await;
    assert!(gone.upgrade().is_none(), "nobody waits for it");
    // The next caller starts anew.
    shares.run("key", |_| async { Arc::new(()) }).await;
}

#[test]
fn without_a_runtime_work_ends_with_the_last_who_waits() {
    let (shares, count) = (SingleFlight::new(DetachedLimit::new(5)), Arc::new(AtomicUsize::new(0)));
    let busy = Busy::new(&count);
    let mut waiter = shares.run((), |_| async move {
        let _busy = busy;
        std::future::pending::<()>().await;
    });
    assert!((&mut waiter).now_or_never().is_none());
    drop(waiter);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}
