//! What a token costs when the keys are there.

use futures_util::FutureExt;

use crate::scene::{TestKey, World, headers};

#[tokio::test]
async fn on_the_warm_path_nothing_is_fetched_and_nobody_waits() {
    for key in [TestKey::rsa_a(), TestKey::p256_a()] {
        let world = World::start_with(key, |issuer| issuer).await;
        let headers = headers(&world.token());
        world.clock.advance(std::time::Duration::from_secs(4 * 60));
        for _ in 0..100 {
            let verified = world.tenants.verify(&headers).now_or_never().expect("it does not wait");
            assert!(verified.is_ok());
        }
        assert_eq!(world.issuer.fetches(), 1);
    }
}

#[tokio::test]
async fn a_check_allocates_at_most_32_kib() {
    for key in [TestKey::rsa_a(), TestKey::p256_a()] {
        let world = World::start_with(key, |issuer| issuer).await;
        let headers = headers(&world.token());
        let check = || world.tenants.verify(&headers).now_or_never().unwrap().unwrap();
        let tenant = check();
        let mut other = None;
        let allocated = allocation_counter::measure(|| other = Some(check()));
        assert_eq!(other.unwrap().id(), tenant.id());
        assert!(allocated.count_total > 0 && allocated.bytes_total <= 32 * 1024, "{allocated:?}");
    }
}
